"""Chooses the endpoint that answers: order, one short retry, fallback and circuit breaker."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast

from configs.errors import (
    NoEndpoint,
    ProviderBusy,
    ProviderError,
    ProviderInterrupted,
    ProviderRejected,
    ProviderUnavailable,
)
from configs.providers.base import ChatModel, Delta, Embedder, Endpoint, Turn
from configs.providers.circuit import Circuits
from configs.providers.extractive import ExtractiveChat
from configs.providers.fake import FakeChat, FakeEmbedder
from configs.providers.local import LocalEmbedder
from configs.providers.openai_compatible import OpenAICompatibleChat, OpenAICompatibleEmbedder
from configs.providers.rerank import reranker
from configs.providers.zhipu import ZhipuChat, ZhipuEmbedder, client_of

logger = logging.getLogger(__name__)

SHORT_WAIT_SECONDS = 5
MOST_EMBEDDERS = 16

CHAT: Mapping[str, Callable[[Endpoint], ChatModel]] = {
    "zhipu": ZhipuChat,
    "openai_compatible": OpenAICompatibleChat,
    "local": ExtractiveChat,
    "fake": FakeChat,
}
EMBEDDERS: Mapping[str, Callable[[Endpoint], Embedder]] = {
    "zhipu": ZhipuEmbedder,
    "openai_compatible": OpenAICompatibleEmbedder,
    "local": LocalEmbedder,
    "fake": FakeEmbedder,
}
_circuits = Circuits()


def stream_chat(
    turns: Sequence[Turn], *, endpoints: Sequence[Endpoint], circuits: Circuits = _circuits
) -> AsyncIterator[Delta]:
    """Yield the reply of the first endpoint that works; the first delta names it.

    Before the first text the next endpoint takes over from one that fails; after it a failure is
    raised, for two models must not write one reply. A refused request is raised at once: it is
    not the endpoint that is at fault, and content that one model filters goes to no other.
    Cancelling the reading task, or closing the iterator, closes the provider's connection.

    Raises:
        NoEndpoint: `endpoints` is empty.
        ProviderError: every endpoint failed; the error of the first is raised.
    """
    return _stream(turns, list(endpoints), circuits)


async def _stream(
    turns: Sequence[Turn], endpoints: list[Endpoint], circuits: Circuits
) -> AsyncGenerator[Delta, None]:
    if not endpoints:
        raise NoEndpoint
    first_error: ProviderError | None = None
    for endpoint in endpoints:
        if not circuits.admits(endpoint):
            wait = circuits.seconds_until_trial(endpoint)
            first_error = first_error or ProviderUnavailable(retry_after=wait)
            continue
        async with aclosing(_attempt(turns, endpoint, endpoints, circuits)) as reply:
            try:
                first = await anext(reply)
            except ProviderRejected:
                raise
            except ProviderError as error:
                logger.warning("The endpoint %s failed: %s", endpoint.name, error.code)
                first_error = first_error or error
                continue
            yield replace(first, endpoint=endpoint)
            async for delta in reply:
                yield delta
            return
    raise first_error or NoEndpoint


async def _attempt(
    turns: Sequence[Turn], endpoint: Endpoint, all_: Sequence[Endpoint], circuits: Circuits
) -> AsyncGenerator[Delta, None]:
    """Yield one endpoint's reply and tell its circuit how it went."""
    try:
        async for delta in _patiently(turns, endpoint, all_):
            yield delta
    except ProviderRejected:
        circuits.succeeded(endpoint)  # it works; it just did not like this request
        raise
    except ProviderError:
        circuits.failed(endpoint)
        raise
    circuits.succeeded(endpoint)


async def _patiently(
    turns: Sequence[Turn], endpoint: Endpoint, all_: Sequence[Endpoint]
) -> AsyncGenerator[Delta, None]:
    """Yield the reply; an endpoint that is busy for a moment is asked once more."""
    begun = False
    try:
        async for delta in _reply(turns, endpoint, all_):
            begun = True
            yield delta
    except ProviderBusy as error:
        wait = error.retry_after
        if begun or wait is None or wait > SHORT_WAIT_SECONDS:
            raise
    else:
        return
    await asyncio.sleep(wait)
    async for delta in _reply(turns, endpoint, all_):
        yield delta


async def _reply(
    turns: Sequence[Turn], endpoint: Endpoint, all_: Sequence[Endpoint]
) -> AsyncGenerator[Delta, None]:
    stream = _chat_model(endpoint, all_).stream(turns)
    async with aclosing(cast("AsyncGenerator[Delta, None]", stream)) as deltas:
        said = False
        async for delta in deltas:
            said = said or bool(delta.text)
            if delta.finish_reason and not said:
                raise ProviderInterrupted  # an end without a word is no answer
            if said or delta.finish_reason:
                yield delta
        if not said:
            raise ProviderInterrupted


def _chat_model(endpoint: Endpoint, all_: Sequence[Endpoint]) -> ChatModel:
    if endpoint.provider == "local":
        return ExtractiveChat(endpoint, stands_in=any(each.provider != "local" for each in all_))
    try:
        return CHAT[endpoint.provider](endpoint)
    except KeyError:
        raise NoEndpoint from None


async def complete(turns: Sequence[Turn], *, endpoints: Sequence[Endpoint]) -> str:
    """Return a whole short reply, such as a title; the built-in answerer writes none.

    Raises:
        NoEndpoint: `endpoints` holds no language model.
        ProviderError: as `stream_chat`.
    """
    writers = [endpoint for endpoint in endpoints if endpoint.provider != "local"]
    return "".join([delta.text async for delta in stream_chat(turns, endpoints=writers)])


# --- Embedders -------------------------------------------------------------------------------
_embedders: dict[tuple[Any, ...], Embedder] = {}
_making = threading.Lock()


def embedder(endpoint: Endpoint) -> Embedder:
    """Return the process's embedder for the endpoint as it is configured now.

    Raises:
        NoEndpoint: the endpoint's provider makes no vectors.
    """
    key = (
        endpoint.name,
        endpoint.provider,
        endpoint.model,
        endpoint.base_url,
        endpoint.api_key,
        json.dumps(endpoint.parameters, sort_keys=True),
        endpoint.first_byte_timeout_seconds,
    )
    with _making:
        if key not in _embedders:
            while len(_embedders) >= MOST_EMBEDDERS:
                del _embedders[next(iter(_embedders))]
            try:
                _embedders[key] = EMBEDDERS[endpoint.provider](endpoint)
            except KeyError:
                raise NoEndpoint from None
        return _embedders[key]


def warm_up(endpoints: Sequence[Endpoint]) -> None:
    """Load what the first call to `endpoints` would have to load; nothing is sent anywhere."""
    for endpoint in endpoints:
        try:
            if endpoint.provider == "zhipu":
                client_of(endpoint)
            elif endpoint.provider == "local" and endpoint.kind == "embedding":
                embedder(endpoint).embed_query("ready")
        except Exception:  # the call itself will tell whoever makes it
            logger.warning("The endpoint %s cannot be prepared.", endpoint.name, exc_info=True)


# --- Health ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Health:
    """How a tiny call went; `error` is a code of our tree and `detail` is for people."""

    latency_ms: float
    error: str = ""
    detail: str = ""


async def health_check(endpoint: Endpoint) -> Health:
    """Make one tiny call to the endpoint, past its circuit, and say how it went."""
    started = time.perf_counter()
    try:
        await _probe(endpoint)
    except ProviderError as error:
        return Health(_milliseconds(started), error.code, error.detail)
    return Health(_milliseconds(started))


async def _probe(endpoint: Endpoint) -> None:
    if endpoint.kind == "embedding":
        await asyncio.to_thread(embedder(endpoint).embed_query, "ping")
        return
    if endpoint.kind == "rerank":
        await asyncio.to_thread(reranker(endpoint).rerank, "ping", ["ping"])
        return
    tiny = replace(endpoint, parameters={**endpoint.parameters, "max_tokens": 1})
    async with aclosing(_reply([Turn("user", "ping")], tiny, [tiny])) as deltas:
        await anext(deltas, None)


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
