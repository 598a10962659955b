"""OpenAI-compatible servers: the dialect, its faults, and connections that close."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
from aiohttp import web

from configs.errors import (
    ProviderBusy,
    ProviderError,
    ProviderInterrupted,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from configs.providers.base import Delta, Endpoint, Turn
from configs.providers.openai_compatible import OpenAICompatibleChat, OpenAICompatibleEmbedder
from tests.configs.waiting import until
from tests.fake_glm.answers import is_consecutive
from tests.fake_glm.process import FakeGlm, running

KEY = "sk-canary-4711"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeGlm]:
    with running("--tokens", "40") as glm:
        yield glm


@pytest.fixture
def glm(server: FakeGlm) -> FakeGlm:
    server.clear()
    return server


def endpoint(base_url: str, **more: object) -> Endpoint:
    given = {"first_byte_timeout_seconds": 5, "idle_timeout_seconds": 5, **more}
    return Endpoint("o", "chat", "openai_compatible", "m", base_url=base_url, api_key=KEY, **given)


async def read(base_url: str, **more: object) -> tuple[list[Delta], ProviderError | None]:
    deltas: list[Delta] = []
    stream = OpenAICompatibleChat(endpoint(base_url, **more)).stream([Turn("user", "hello")])
    try:
        async for delta in stream:
            deltas.append(delta)  # noqa: PERF401  # keeps what came before an error
    except ProviderError as error:
        return deltas, error
    return deltas, None


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


async def test_stream__whole_reply__has_text_and_exact_usage(glm):
    deltas, error = await read(glm.openai_url)
    assert error is None
    assert is_consecutive(text_of(deltas))
    assert text_of(deltas).count("t") == 40
    assert deltas[-1].usage.exact
    assert deltas[-1].usage.completion_tokens == 40
    assert glm.calls()[0]["authorization"] == f"Bearer {KEY}"


async def test_stream__split_code_points__arrive_whole(glm):
    glm.rule(text="中文😀\u2028é", split_bytes=True)
    deltas, error = await read(glm.openai_url)
    assert (text_of(deltas), error) == ("中文😀\u2028é", None)


@pytest.mark.parametrize(
    ("treatment", "kind"),
    [
        ({"status": 400}, ProviderRejected),
        ({"status": 500}, ProviderUnavailable),
        ({"html": True}, ProviderUnavailable),
        ({"close_at": 0}, ProviderInterrupted),
        ({"close_at": 5}, ProviderInterrupted),
        ({"close_at": 5, "reset": True}, ProviderInterrupted),
        ({"error_at": 5}, ProviderInterrupted),
        ({"hang_at": 5}, ProviderTimeout),
    ],
)
async def test_stream__fault__becomes_our_error_and_keeps_the_text(glm, treatment, kind):
    glm.rule(echo_key=True, **treatment)
    deltas, error = await read(glm.openai_url, idle_timeout_seconds=0.3)
    assert (
        type(error) in (kind, ProviderUnavailable)
        if "close_at" in treatment
        else type(error) is kind
    )
    assert "canary" not in f"{error!r}{error.detail}"
    assert is_consecutive(text_of(deltas))
    if "reset" not in treatment:
        expected = max(treatment.get(name, 0) for name in ("close_at", "error_at", "hang_at"))
        assert text_of(deltas).count("t") == expected


async def test_stream__busy__says_when_to_come_back(glm):
    glm.rule(status=429, retry_after=3)
    _, error = await read(glm.openai_url)
    assert isinstance(error, ProviderBusy)
    assert error.retry_after == 3


async def test_stream__no_first_byte__times_out(glm):
    glm.rule(hang_at=0)
    started = time.monotonic()
    _, error = await read(glm.openai_url, first_byte_timeout_seconds=0.3)
    assert isinstance(error, ProviderTimeout)
    assert time.monotonic() - started < 1


async def test_stream__cancelled__closes_the_connection_at_once(glm):
    glm.rule(hang_at=5)
    task = asyncio.create_task(read(glm.openai_url))
    await until(lambda: len(glm.calls()) == 1)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: glm.calls()[0]["outcome"] == "closed_by_client", seconds=1)


# --- A server that writes Server-Sent Events in every way the standard allows -------------------
@pytest.fixture
async def raw() -> AsyncIterator[tuple[str, list[bytes]]]:
    """The base URL of a server that sends the given bytes as its stream."""
    body: list[bytes] = []

    async def chat(request: web.Request) -> web.StreamResponse:
        if not body:
            raise web.HTTPFound("http://127.0.0.1:9/elsewhere")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in body:
            await response.write(piece)
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}/v1", body
    await runner.cleanup()


def chunk(text: str, **more: object) -> bytes:
    import json

    return json.dumps({"choices": [{"delta": {"content": text}, **more}]}).encode()


async def test_stream__comments_no_space_crlf_and_many_lines__are_understood(raw):
    url, body = raw
    two_lines = chunk("B").replace(b'{"delta"', b'\ndata: {"delta"')
    body += [
        b": keep-alive\n\n", b"data:" + chunk("A") + b"\r\n\r\n", b"event: message\nid: 7\n",
        b"data: " + two_lines + b"\n\n", b"data: " + chunk("C", finish_reason="length"),
    ]  # fmt: skip
    deltas, error = await read(url)
    assert (text_of(deltas), error) == ("ABC", None)
    assert deltas[-1].finish_reason == "length"
    assert not deltas[-1].usage.exact


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"{broken", ProviderInterrupted),
        (b"[1]", ProviderInterrupted),
        (b'{"error": {"code": "1301", "message": "canary"}}', ProviderRejected),
        (b'{"error": "canary"}', ProviderInterrupted),
        (chunk("", finish_reason="content_filter"), ProviderRejected),
        (chunk("", finish_reason="network_error"), ProviderInterrupted),
    ],
)
async def test_stream__bad_event_behind_text__keeps_the_text(raw, payload, kind):
    url, body = raw
    body.append(b"data: " + chunk("before") + b"\n\ndata: " + payload + b"\n\n")
    deltas, error = await read(url)
    assert text_of(deltas) == "before"
    assert type(error) is kind


async def test_stream__odd_but_harmless_chunks__are_passed_over(raw):
    url, body = raw
    body += [b"data: " + event + b"\n\n" for event in (
        b'{"choices": []}', b'{"choices": [null]}', b'{"choices": [{"delta": null}]}',
        b'{"choices": [{"delta": {"content": null, "reasoning_content": "hm"}}]}',
        b'{"usage": {"prompt_tokens": "many"}}', chunk("ok"), b"[DONE]",
    )]  # fmt: skip
    deltas, error = await read(url)
    assert (text_of(deltas), error) == ("ok", None)


async def test_stream__redirect__is_not_followed(raw):
    deltas, error = await read(raw[0])
    assert isinstance(error, ProviderUnavailable)
    assert deltas == []


async def test_stream__nobody_listens__is_unavailable():
    _, error = await read("http://127.0.0.1:9/v1")
    assert isinstance(error, ProviderUnavailable)


# --- Embeddings -----------------------------------------------------------------------------------
def embedding(glm: FakeGlm, url: str | None = None) -> OpenAICompatibleEmbedder:
    return OpenAICompatibleEmbedder(
        Endpoint("e", "embedding", "openai_compatible", "bge", base_url=url or glm.openai_url,
                 parameters={"dimensions": 128})
    )  # fmt: skip


def test_embedder__texts__become_unit_vectors(glm):
    vectors = embedding(glm).embed_passages(["a b c", "你好", "x"] * 30)
    assert vectors.shape == (90, 128)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert [call["count"] for call in glm.recorded()["embeddings"]] == [64, 26]


def test_embedder__faults__become_our_errors(glm):
    glm.rule(status=500)
    with pytest.raises(ProviderUnavailable):
        embedding(glm).embed_query("x")
    with pytest.raises(ProviderUnavailable):
        embedding(glm, "http://127.0.0.1:9/v1").embed_query("x")
    glm.clear()
    wrong = OpenAICompatibleEmbedder(
        Endpoint("e", "embedding", "openai_compatible", "m", base_url=glm.openai_url)
    )
    with pytest.raises(ProviderUnavailable):  # the server made 2048 dimensions, not 1024
        wrong.embed_query("x")
