"""Any server that speaks OpenAI's chat-completions dialect: vLLM, Ollama, DeepSeek, Qwen."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
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
from configs.providers.vectors import BATCH, in_order, stacked

CONNECT_SECONDS = 8.0
LONGEST_REFUSAL = 64 * 1024
DEFAULT_DIMENSIONS = 1024

_keepers: WeakKeyDictionary[
    asyncio.AbstractEventLoop, AsyncGenerator[aiohttp.ClientSession, None]
] = WeakKeyDictionary()
_making = threading.Lock()


async def _kept_session() -> AsyncGenerator[aiohttp.ClientSession, None]:
    """Hold one session open until the loop shuts its asynchronous generators down."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        trust_env=True,
    ) as session:
        while True:
            yield session


async def _session() -> aiohttp.ClientSession:
    """Return the session of the running loop, with its open connections."""
    loop = asyncio.get_running_loop()
    keeper = _keepers.get(loop)
    if keeper is None:
        keeper = _keepers[loop] = _kept_session()
    return await anext(keeper)


def _address(endpoint: Endpoint, path: str) -> str:
    return f"{endpoint.base_url.rstrip('/')}/{path}"


def _headers(endpoint: Endpoint) -> dict[str, str]:
    return {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}


class OpenAICompatibleChat:
    """Streams a reply."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def stream(self, turns: Sequence[Turn]) -> AsyncIterator[Delta]:
        """Yield the reply; see `ChatModel.stream`."""
        body = request_body(self.endpoint, turns) | {"stream_options": {"include_usage": True}}
        reader = ReplyReader(turns)
        response: aiohttp.ClientResponse | None = None
        started = False
        try:
            async with asyncio.timeout(self.endpoint.first_byte_timeout_seconds):
                response = await self._open(body)
                received = await response.content.readany()
            while received:
                started = True
                for delta in reader.feed(received):
                    yield delta
                async with asyncio.timeout(self.endpoint.idle_timeout_seconds):
                    received = await response.content.readany()
            for delta in reader.close():
                yield delta
        except TimeoutError:
            raise ProviderTimeout from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise (ProviderInterrupted if started else ProviderUnavailable) from None
        finally:
            if response is not None:
                response.close()

    async def _open(self, body: dict[str, Any]) -> aiohttp.ClientResponse:
        try:
            response = await self._post(body)
        except aiohttp.ServerDisconnectedError:
            # It ended a connection of the pool in the moment that the request went out on it.
            response = await self._post(body)
        try:
            await _require_stream(response)
        except BaseException:
            response.close()
            raise
        return response

    async def _post(self, body: dict[str, Any]) -> aiohttp.ClientResponse:
        session = await _session()
        return await session.post(
            _address(self.endpoint, "chat/completions"),
            json=body,
            headers=_headers(self.endpoint),
            allow_redirects=False,  # a redirect would carry the key and the prompt elsewhere
        )


async def _require_stream(response: aiohttp.ClientResponse) -> None:
    if response.status != httpx.codes.OK:
        raise failures.refused(response.status, response.headers, await _refusal(response))
    if response.content_type != "text/event-stream":
        raise failures.not_a_stream(response.content_type)


async def _refusal(response: aiohttp.ClientResponse) -> object:
    text = await response.content.read(LONGEST_REFUSAL)
    return _json(text)


def _json(text: bytes) -> object:
    try:
        return httpx.Response(200, content=text).json()
    except ValueError:
        return None


@lru_cache(maxsize=16)
def _client(base_url: str) -> httpx.Client:
    return httpx.Client(limits=httpx.Limits(max_connections=None, max_keepalive_connections=8))


class OpenAICompatibleEmbedder:
    """Makes vectors in batches; a server that has no `dimensions` parameter gets none."""

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
        body = {**self.endpoint.parameters, "model": self.endpoint.model, "input": list(texts)}
        return in_order(post(self.endpoint, "embeddings", body), len(texts), self.dimensions)


def post(endpoint: Endpoint, path: str, body: dict[str, Any]) -> object:
    """Return the JSON that the endpoint answers with, None where it is none.

    Raises:
        ProviderError: it refused, did not answer in time, or cannot be reached.
    """
    connect = min(CONNECT_SECONDS, endpoint.first_byte_timeout_seconds)
    timeout = httpx.Timeout(endpoint.first_byte_timeout_seconds, connect=connect)
    with _making:
        client = _client(endpoint.base_url)
    try:
        response = client.post(
            _address(endpoint, path), json=body, headers=_headers(endpoint), timeout=timeout
        )
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise _translated(error) from None
    answer = _json(response.content)
    if response.status_code != httpx.codes.OK:
        raise failures.refused(response.status_code, response.headers, answer)
    return answer


def _translated(error: Exception) -> ProviderError:
    return ProviderTimeout() if isinstance(error, httpx.TimeoutException) else ProviderUnavailable()
