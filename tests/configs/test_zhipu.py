"""GLM through the SDK, against a server that speaks its protocol and fails on demand."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import aclosing

import numpy as np
import pytest

from configs.errors import (
    ProviderAuth,
    ProviderBusy,
    ProviderError,
    ProviderInterrupted,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from configs.providers.base import Endpoint, Turn
from configs.providers.zhipu import ZhipuChat, ZhipuEmbedder, client_of
from tests.configs.waiting import until
from tests.fake_glm.answers import is_consecutive
from tests.fake_glm.process import FakeGlm, running

KEY = "canary.secret4711"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeGlm]:
    with running("--first-token-ms", "5", "--tokens-per-second", "0", "--tokens", "40") as glm:
        yield glm


@pytest.fixture
def glm(server: FakeGlm) -> FakeGlm:
    server.clear()
    return server


def endpoint(glm: FakeGlm, **more: object) -> Endpoint:
    given = {"first_byte_timeout_seconds": 5, "idle_timeout_seconds": 5, **more}
    return Endpoint(
        "glm", "chat", "zhipu", "glm-4-plus", base_url=glm.zhipu_url, api_key=KEY, **given
    )


async def ask(glm: FakeGlm, question: str = "hello", **more: object) -> str:
    model = ZhipuChat(endpoint(glm, **more))
    return "".join([delta.text async for delta in model.stream([Turn("user", question)])])


async def read_until_it_breaks(model: ZhipuChat) -> tuple[str, ProviderError | None]:
    text = ""
    try:
        async for delta in model.stream([Turn("user", "hello")]):
            text += delta.text
    except ProviderError as error:
        return text, error
    return text, None


async def test_stream__whole_reply__has_text_usage_and_reason(glm):
    model = ZhipuChat(endpoint(glm, parameters={"temperature": 0, "max_tokens": 99}))
    turns = [Turn("system", "Be brief."), Turn("user", "hello 你好")]
    deltas = [delta async for delta in model.stream(turns)]
    text = "".join(delta.text for delta in deltas)
    assert is_consecutive(text)
    assert text.count("t") == 40
    assert deltas[-1].usage.exact
    assert deltas[-1].usage.completion_tokens == 40
    assert deltas[-1].finish_reason == "stop"
    (call,) = glm.calls()
    assert call["authorization"] == f"Bearer {KEY}"
    assert call["model"] == "glm-4-plus"
    assert [m["content"] for m in call["messages"]] == ["Be brief.", "hello 你好"]


async def test_stream__split_code_points_and_line_separators__arrive_whole(glm):
    text = "中文，表情 😀 \u2028\u2029\x85 done\nline"
    glm.rule(text=text, split_bytes=True)
    assert await ask(glm) == text


@pytest.mark.parametrize(
    ("treatment", "kind"),
    [
        ({"status": 400}, ProviderRejected),
        ({"status": 401}, ProviderAuth),
        ({"status": 403}, ProviderAuth),
        ({"status": 404}, ProviderUnavailable),
        ({"status": 408}, ProviderTimeout),
        ({"status": 418}, ProviderUnavailable),
        ({"status": 429}, ProviderBusy),
        ({"status": 500}, ProviderUnavailable),
        ({"status": 502}, ProviderUnavailable),
        ({"status": 503}, ProviderUnavailable),
        ({"html": True}, ProviderUnavailable),
        ({"error_at": 0}, ProviderInterrupted),
        ({"close_at": 0}, ProviderInterrupted),
        ({"close_at": 0, "reset": True}, ProviderInterrupted),
    ],
)
async def test_stream__refusal__becomes_our_error(glm, treatment, kind, caplog):
    caplog.set_level(logging.DEBUG, logger="configs")
    glm.rule(echo_key=True, **treatment)
    with pytest.raises(kind) as caught:
        await ask(glm)
    error = caught.value
    shown = (
        f"{error!r} {error.detail} {error.__cause__!r} {error.__suppress_context__} {caplog.text}"
    )
    assert "canary" not in shown
    assert error.__suppress_context__ or error.__context__ is None
    assert len(glm.calls()) == 1  # the SDK does not retry on its own


async def test_stream__busy__says_when_to_come_back(glm):
    glm.rule(status=429, retry_after=7)
    with pytest.raises(ProviderBusy) as caught:
        await ask(glm)
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("treatment", "kind"),
    [
        ({"close_at": 7}, ProviderInterrupted),
        ({"close_at": 7, "reset": True}, ProviderInterrupted),
        ({"error_at": 7}, ProviderInterrupted),
        ({"hang_at": 7}, ProviderTimeout),
    ],
)
async def test_stream__breaks_in_the_middle__keeps_what_came(glm, treatment, kind):
    glm.rule(**treatment)
    model = ZhipuChat(endpoint(glm, idle_timeout_seconds=0.3))
    text, error = await read_until_it_breaks(model)
    assert isinstance(error, kind)
    assert is_consecutive(text)
    assert text.count("t") == 7 or treatment.get("reset")  # a reset may discard what was on its way


async def test_stream__no_end_mark_but_a_reason__is_whole(glm):
    glm.rule(done=False)
    assert is_consecutive(await ask(glm))


async def test_stream__hangs_before_the_first_byte__times_out_and_closes(glm):
    glm.rule(hang_at=0)
    started = time.monotonic()
    with pytest.raises(ProviderTimeout):
        await ask(glm, first_byte_timeout_seconds=0.3)
    assert time.monotonic() - started < 2
    await until(lambda: glm.calls()[0]["outcome"] == "closed_by_client")


async def test_stream__nobody_listens__is_unavailable():
    dead = Endpoint("dead", "chat", "zhipu", "m", base_url="http://127.0.0.1:9/", api_key=KEY)
    with pytest.raises(ProviderUnavailable):
        async for _ in ZhipuChat(dead).stream([Turn("user", "x")]):
            pass


@pytest.mark.parametrize("treatment", [{"hang_at": 5}, {"hang_at": 0}, {"tokens_per_second": 5}])
async def test_stream__cancelled_while_it_reads__closes_the_connection_at_once(glm, treatment):
    glm.rule(**treatment)
    task = asyncio.create_task(ask(glm))
    await until(lambda: len(glm.calls()) == 1)
    await asyncio.sleep(0.1)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 0.1
    await until(lambda: glm.calls()[0]["outcome"] == "closed_by_client", seconds=1)


async def test_stream__closed_by_the_reader__closes_the_connection(glm):
    glm.rule(tokens_per_second=20, tokens=400)
    async with aclosing(ZhipuChat(endpoint(glm)).stream([Turn("user", "x")])) as stream:
        await anext(stream)
    await until(lambda: glm.calls()[0]["outcome"] == "closed_by_client", seconds=1)


async def test_stream__eighty_at_once__none_waits_for_another(glm):
    glm.rule(tokens=20, tokens_per_second=20)
    started = time.monotonic()
    texts = await asyncio.gather(*(ask(glm, f"question {n}") for n in range(80)))
    assert all(is_consecutive(text) and text.count("t") == 20 for text in texts)
    assert time.monotonic() - started < 5  # a pool of 50 would need two rounds of 1 s and more


async def test_stream__cut_line_of_a_finished_call__does_not_break_the_next(glm):
    for number in range(30):
        assert is_consecutive(await ask(glm, f"again {number}"))
    assert {call["outcome"] for call in glm.calls()} == {"complete"}


def test_client__same_address_and_key__is_one():
    one = Endpoint("a", "chat", "zhipu", base_url="http://127.0.0.1:9/", api_key="k.1")
    other = Endpoint("b", "embedding", "zhipu", base_url="http://127.0.0.1:9/", api_key="k.1")
    third = Endpoint("b", "embedding", "zhipu", base_url="http://127.0.0.1:9/", api_key="k.2")
    assert client_of(one) is client_of(other)
    assert client_of(one) is not client_of(third)


def embedding(glm: FakeGlm) -> ZhipuEmbedder:
    return ZhipuEmbedder(
        Endpoint("emb", "embedding", "zhipu", "embedding-3", base_url=glm.zhipu_url, api_key=KEY,
                 parameters={"dimensions": 256})
    )  # fmt: skip


def test_embedder__many_texts__go_in_batches_of_64(glm):
    vectors = embedding(glm).embed_passages([f"text {n}" for n in range(130)])
    assert vectors.shape == (130, 256)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert [call["count"] for call in glm.recorded()["embeddings"]] == [64, 64, 2]
    assert embedding(glm).embed_passages([]).shape == (0, 256)
    query = embedding(glm).embed_query("text 7")
    assert query.shape == (256,)
    assert int(np.argmax(vectors @ query)) == 7


@pytest.mark.parametrize(("status", "kind"), [(429, ProviderBusy), (500, ProviderUnavailable)])
def test_embedder__refusal__becomes_our_error(glm, status, kind):
    glm.rule(status=status)
    with pytest.raises(kind):
        embedding(glm).embed_query("x")
