"""The fake GLM server behaves as the real one, and as badly as it is told to."""

import asyncio
import json
from collections.abc import Iterator

import aiohttp
import httpx
import numpy as np
import pytest
import zhipuai
from zhipuai import ZhipuAI

from tests.fake_glm.answers import embedding, is_consecutive
from tests.fake_glm.process import FakeGlm, running

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeGlm]:
    with running() as glm:
        yield glm


@pytest.fixture
def glm(server: FakeGlm) -> FakeGlm:
    server.clear()
    return server


@pytest.fixture
def sdk(glm: FakeGlm) -> Iterator[ZhipuAI]:
    with ZhipuAI(api_key="id.secret", base_url=glm.zhipu_url, max_retries=0) as client:
        yield client


async def stream(glm: FakeGlm, path: str = "api/paas/v4", key: str = "id.secret") -> bytes:
    body = {"model": "glm-4-plus", "messages": HELLO, "stream": True}
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{glm.url}/{path}/chat/completions", json=body, headers=headers) as response,
    ):
        return await response.read()


def texts(raw: bytes) -> list[str]:
    lines = [line.removeprefix(b"data: ") for line in raw.split(b"\n\n") if line]
    chunks = [json.loads(line) for line in lines if line != b"[DONE]"]
    return [c["choices"][0]["delta"].get("content", "") for c in chunks if c.get("choices")]


def test_sdk__streaming__gets_numbered_tokens_and_usage(glm: FakeGlm, sdk: ZhipuAI) -> None:
    chunks = list(sdk.chat.completions.create(model="glm-4-plus", messages=HELLO, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    [call] = glm.calls("hello")
    assert text == call["answer"] == call["sent"]
    assert is_consecutive(text)
    assert len(text.split()) == 40
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 40
    assert call["authorization"] == "Bearer id.secret"
    assert call["outcome"] == "complete"


def test_sdk__not_streaming__gets_the_whole_text(glm: FakeGlm, sdk: ZhipuAI) -> None:
    glm.rule("hello", text="你好，world")
    answer = sdk.chat.completions.create(model="glm-4-plus", messages=HELLO)
    assert answer.choices[0].message.content == "你好，world"


def test_sdk__two_prompts__get_two_answers(glm: FakeGlm, sdk: ZhipuAI) -> None:
    ask = sdk.chat.completions.create
    first = ask(model="m", messages=HELLO).choices[0].message.content
    again = ask(model="m", messages=HELLO).choices[0].message.content
    other = (
        ask(model="m", messages=[{"role": "user", "content": "other"}]).choices[0].message.content
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, zhipuai.APIAuthenticationError),
        (429, zhipuai.APIReachLimitError),
        (500, zhipuai.APIInternalError),
        (502, zhipuai.APIStatusError),
    ],
)
def test_status__as_told__is_the_sdks_error(
    glm: FakeGlm, sdk: ZhipuAI, status: int, error: type[Exception]
) -> None:
    glm.rule("hello", status=status, retry_after=7)
    with pytest.raises(error) as raised:
        sdk.chat.completions.create(model="m", messages=HELLO)
    assert raised.value.response.headers["Retry-After"] == "7"


def test_key__echoed_in_an_error__is_there_to_be_redacted(glm: FakeGlm, sdk: ZhipuAI) -> None:
    glm.rule("hello", status=400, echo_key=True)
    with pytest.raises(zhipuai.APIRequestFailedError) as raised:
        sdk.chat.completions.create(model="m", messages=HELLO)
    assert "id.secret" in raised.value.response.text


def test_credential__missing__is_401(glm: FakeGlm) -> None:
    answer = httpx.post(f"{glm.zhipu_url}chat/completions", json={"model": "m", "messages": HELLO})
    assert answer.status_code == 401


def test_rule__times__wears_out(glm: FakeGlm, sdk: ZhipuAI) -> None:
    glm.rule("hello", status=500, times=1)
    with pytest.raises(zhipuai.APIInternalError):
        sdk.chat.completions.create(model="m", messages=HELLO)
    assert sdk.chat.completions.create(model="m", messages=HELLO).choices


def test_rule__unknown_name__is_refused(glm: FakeGlm) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        glm.rule("hello", explode=True)


async def test_stream__split_bytes__joins_to_the_same_text(glm: FakeGlm) -> None:
    glm.rule("hello", text="数据库🚀ok", split_bytes=True)
    assert "".join(texts(await stream(glm))) == "数据库🚀ok"


async def test_stream__without_done__ends_without_it(glm: FakeGlm) -> None:
    glm.rule("hello", done=False)
    assert b"[DONE]" not in await stream(glm)


async def test_stream__html__is_html_with_200(glm: FakeGlm) -> None:
    glm.rule("hello", html=True)
    assert (await stream(glm)).startswith(b"<html>")


async def test_stream__duplicate_at__repeats_one_token(glm: FakeGlm) -> None:
    glm.rule("hello", tokens=4, duplicate_at=2)
    pieces = texts(await stream(glm))
    assert pieces[2] == pieces[3]
    assert not is_consecutive("".join(pieces))


async def test_stream__error_at__sends_an_error_object(glm: FakeGlm) -> None:
    glm.rule("hello", error_at=3)
    raw = await stream(glm)
    assert b'"error"' in raw
    assert glm.calls("hello")[0]["outcome"] == "faulted"


@pytest.mark.parametrize("reset", [False, True])
async def test_stream__close_at__breaks_off(glm: FakeGlm, reset: bool) -> None:
    glm.rule("hello", tokens=20, close_at=5, reset=reset, tokens_per_second=200)
    with pytest.raises(aiohttp.ClientError):
        await stream(glm)
    [call] = glm.calls("hello")
    assert len(call["sent"].split()) == 5


@pytest.mark.parametrize("hang_at", [0, 3])
async def test_stream__hang__lasts_until_the_client_goes(glm: FakeGlm, hang_at: int) -> None:
    glm.rule("hello", hang_at=hang_at)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stream(glm), 0.5)
    await asyncio.sleep(0.1)
    [call] = glm.calls("hello")
    assert call["outcome"] == "closed_by_client"
    assert len(call["sent_at"]) == hang_at


async def test_stream__paced__keeps_the_pace(glm: FakeGlm) -> None:
    glm.rule("hello", tokens=10, first_token_ms=100, tokens_per_second=50)
    await stream(glm)
    [call] = glm.calls("hello")
    first, last = call["sent_at"][0] - call["started"], call["sent_at"][-1] - call["started"]
    assert 0.1 <= first < 0.2
    assert 0.28 <= last < 0.5


async def test_openai__stream__speaks_its_dialect(glm: FakeGlm) -> None:
    raw = await stream(glm, "v1")
    assert b"chat.completion.chunk" in raw
    assert is_consecutive("".join(texts(raw)))
    assert raw.endswith(b"data: [DONE]\n\n")


def test_models__listed__in_openai_form(glm: FakeGlm) -> None:
    answer = httpx.get(f"{glm.openai_url}models").json()
    assert "glm-4-plus" in [model["id"] for model in answer["data"]]


def test_embeddings__sdk__have_the_asked_dimensions(glm: FakeGlm, sdk: ZhipuAI) -> None:
    answer = sdk.embeddings.create(model="embedding-3", input=["a", "b"], dimensions=256)
    assert [len(item.embedding) for item in answer.data] == [256, 256]
    assert sdk.embeddings.create(model="embedding-3", input="a").data[0].index == 0


def test_embeddings__65_inputs__are_refused(sdk: ZhipuAI) -> None:
    with pytest.raises(zhipuai.APIRequestFailedError):
        sdk.embeddings.create(model="embedding-3", input=["x"] * 65)


def test_embedding__similar_texts__are_near() -> None:
    texts_ = ["如何重置密码", "怎样重置密码？", "午餐菜单"]
    question, near, far = (np.array(embedding(text, 256)) for text in texts_)
    assert question @ near > question @ far + 0.2
    assert np.isclose(np.linalg.norm(question), 1, atol=1e-3)
