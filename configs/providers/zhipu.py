"""Zhipu GLM through the zhipuai SDK, which is imported here and nowhere else."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import httpcore
import httpx

from configs.errors import (
    ProviderError,
    ProviderInterrupted,
    ProviderTimeout,
    ProviderUnavailable,
)
from configs.providers import failures
from configs.providers.base import Delta, Endpoint, Turn, Vectors
from configs.providers.dialect import ReplyReader, request_body
from configs.providers.lines import Line, LineTransport
from configs.providers.vectors import BATCH, in_order, stacked

if TYPE_CHECKING:
    from zhipuai import ZhipuAI

CONNECT_SECONDS = 8.0
DEFAULT_DIMENSIONS = 1024
ROUND_SECONDS = 0.02

logger = logging.getLogger(__name__)
_making = threading.Lock()


def client_of(endpoint: Endpoint) -> "ZhipuAI":
    """Return the process's client for the endpoint's address and key."""
    # A client holds a pool, so there is one. And the SDK's packages import one another in circles:
    # threads that begin on them at the same time would see them half made.
    with _making:
        return _client(endpoint.base_url, endpoint.api_key)


@lru_cache(maxsize=16)
def _client(base_url: str, api_key: str) -> "ZhipuAI":
    from zhipuai import ZhipuAI  # a second of start-up that only its users pay

    # The SDK's own pool ends at 50 connections, and its retries sleep without heeding Retry-After.
    http = httpx.Client(transport=LineTransport(base_url), timeout=CONNECT_SECONDS)
    return ZhipuAI(api_key=api_key, base_url=base_url, max_retries=0, http_client=http)


class ZhipuChat:
    """Streams a reply from GLM."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def stream(self, turns: Sequence[Turn]) -> AsyncIterator[Delta]:
        """Yield the reply; see `ChatModel.stream`."""
        # Importing the SDK takes a fresh process seconds, which are not the model's.
        await asyncio.to_thread(client_of, self.endpoint)
        reader = ReplyReader(turns)
        pump = _Pump(self.endpoint, _normalised(request_body(self.endpoint, turns)))
        post = _posts.setdefault(asyncio.get_running_loop(), _Post())
        pump.start()
        with post.delivers(pump):
            try:
                async for received in pump.received():
                    for delta in reader.feed(received):
                        yield delta
                for delta in reader.close():
                    yield delta
            finally:
                pump.cut()


class _Post:
    """Tells the readers of an event loop what their pumps brought, in rounds.

    A wake-up of the loop for each token would cost more than the token itself.
    """

    def __init__(self) -> None:
        self._pumps: set[_Pump] = set()
        self._round_is_due = False

    @contextlib.contextmanager
    def delivers(self, pump: "_Pump") -> Iterator[None]:
        """Have the rounds go to `pump` while the block runs."""
        self._pumps.add(pump)
        self._next_round()
        try:
            yield
        finally:
            self._pumps.discard(pump)

    def _next_round(self) -> None:
        if not self._round_is_due:
            self._round_is_due = True
            asyncio.get_running_loop().call_later(ROUND_SECONDS, self._round)

    def _round(self) -> None:
        self._round_is_due = False
        for pump in self._pumps:
            pump.tell()
        if self._pumps:
            self._next_round()


_posts: WeakKeyDictionary[asyncio.AbstractEventLoop, _Post] = WeakKeyDictionary()


class _Pump:
    """Pulls one reply in a thread, for the SDK blocks, and hands its bytes over in batches."""

    def __init__(self, endpoint: Endpoint, body: dict[str, Any]) -> None:
        self._endpoint, self._body = endpoint, body
        self._line = Line()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._begun = False
        self._received = 0
        self._ended = False
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Begin the call."""
        threading.Thread(target=self._run, name="zhipu-stream", daemon=True).start()

    def cut(self) -> None:
        """End the call, wherever it is."""
        self._line.cut()

    async def received(self) -> AsyncIterator[bytes]:
        """Yield what arrived since the last time, until the reply ends.

        Raises:
            ProviderError: the call failed, or nothing came in time.
        """
        patience = self._endpoint.first_byte_timeout_seconds
        ended = False
        while not ended:
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                raise ProviderTimeout from None
            arrived, ended = self._take()
            if arrived:
                patience = self._endpoint.idle_timeout_seconds
                yield arrived
        if self._failure is not None:
            raise _translated(self._failure) from None

    def tell(self) -> None:
        """Let the reader take what has arrived, if anything has."""
        if self._waiting:
            self._news.set()

    def _take(self) -> tuple[bytes, bool]:
        with self._lock:
            self._news.clear()
            arrived, self._waiting = b"".join(self._waiting), []
            return arrived, self._ended

    def _run(self) -> None:
        try:
            with self._line.in_use():
                self._pull()
        except BaseException as error:  # noqa: BLE001  # the reader in the loop raises what it means
            self._failure = error
            self._report(error)
        finally:
            self._hand_over(b"", ended=True)

    def _report(self, error: BaseException) -> None:
        """Log what broke a reply off: its reader is told our name for it only."""
        if not self._line.is_cut and not isinstance(error, ProviderError):
            kinds = [type(each).__name__ for each in (error, error.__cause__) if each]
            logger.warning(
                "%s broke off after %d bytes: %s",
                self._endpoint.name,
                self._received,
                " from ".join(kinds),
            )

    def _pull(self) -> None:
        client = client_of(self._endpoint)
        from zhipuai.core import StreamResponse  # see `_client`

        response = client.post(
            "/chat/completions",
            body=self._body,
            cast_type=object,
            options={"timeout": _timeout(self._endpoint)},
            stream=True,
            stream_cls=StreamResponse[object],
        ).response
        try:
            kind = response.headers.get("Content-Type", "")
            if not kind.startswith("text/event-stream"):
                raise failures.not_a_stream(kind)
            # Not the SDK's own events: it splits text at U+2028 and tears the JSON that holds one.
            for received in response.iter_bytes():
                self._hand_over(received)
        finally:
            response.close()

    def _hand_over(self, received: bytes, *, ended: bool = False) -> None:
        with self._lock:
            self._waiting.append(received)
            self._received += len(received)
            self._ended = ended
        if not self._begun or ended:  # in between, the rounds of the post do
            self._begun = True
            try:
                self._loop.call_soon_threadsafe(self._news.set)
            except RuntimeError:
                self._line.cut()  # the loop has closed: nobody reads any more


def _normalised(body: dict[str, Any]) -> dict[str, Any]:
    """Say "no sampling" as GLM wants it said: it refuses a temperature of 0."""
    if body.get("temperature") != 0:
        return body
    return {key: value for key, value in body.items() if key != "temperature"} | {
        "do_sample": False
    }


def _timeout(endpoint: Endpoint) -> httpx.Timeout:
    # The loop keeps the time; this only frees the thread should nobody be left to do so.
    longest = max(endpoint.first_byte_timeout_seconds, endpoint.idle_timeout_seconds)
    return httpx.Timeout(longest + 5, connect=CONNECT_SECONDS)


def _translated(error: BaseException) -> ProviderError:
    """Return our error for whatever the SDK, httpx or httpcore raised."""
    from zhipuai.core import APIConnectionError, APIStatusError  # see `_client`

    if isinstance(error, ProviderError):
        return error
    if isinstance(error, APIStatusError):
        return failures.refused(error.status_code, error.response.headers, _json(error.response))
    before_reply = isinstance(error, APIConnectionError)
    cause = error.__cause__ if before_reply else error
    if isinstance(cause, httpcore.TimeoutException | httpx.TimeoutException):
        return ProviderTimeout()
    return ProviderUnavailable() if before_reply else ProviderInterrupted()


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None


class ZhipuEmbedder:
    """Makes vectors with embedding-3, in batches of at most 64."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.dimensions = int(endpoint.parameters.get("dimensions", DEFAULT_DIMENSIONS))

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return `(n, dimensions)` float32, unit norm."""
        batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        return stacked([self._embed(batch) for batch in batches], self.dimensions)

    def embed_query(self, text: str) -> Vectors:
        """Return `(dimensions,)` float32, unit norm."""
        vector: Vectors = self._embed([text])[0]
        return vector

    def _embed(self, texts: Sequence[str]) -> Vectors:
        client = client_of(self.endpoint)
        from zhipuai.core import ZhipuAIError  # see `_client`

        try:
            answer = client.embeddings.create(
                model=self.endpoint.model,
                input=list(texts),
                dimensions=self.dimensions,
                disable_strict_validation=True,
                timeout=_timeout(self.endpoint),
            )
        except (ZhipuAIError, httpx.HTTPError, httpcore.NetworkError, ValueError) as error:
            raise _translated(error) from None
        return in_order(answer, len(texts), self.dimensions)
