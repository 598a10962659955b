"""Order, fallback, retry and circuit breaker, played through with scripted endpoints."""

import asyncio
from contextlib import aclosing

import pytest

from configs import providers
from configs.errors import (
    NoEndpoint,
    ProviderAuth,
    ProviderBusy,
    ProviderError,
    ProviderInterrupted,
    ProviderRejected,
    ProviderUnavailable,
)
from configs.providers import Endpoint, Turn
from configs.providers.circuit import Circuits
from configs.providers.fake import CALLS

TURNS = [Turn("user", "hello")]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    CALLS.clear()
    return Clock()


@pytest.fixture
def circuits(clock: Clock) -> Circuits:
    return Circuits(clock=clock)


def fake(name: str, **script: object) -> Endpoint:
    return Endpoint(name, "chat", "fake", parameters={"deltas": [f"{name} ", "speaks"], **script})


def failing(name: str, **script: object) -> Endpoint:
    return fake(name, fail_at=0, **script)


async def ask(circuits: Circuits, *endpoints: Endpoint) -> str:
    stream = providers.stream_chat(TURNS, endpoints=endpoints, circuits=circuits)
    return "".join([delta.text async for delta in stream])


async def refusals(circuits: Circuits, endpoint: Endpoint, count: int) -> None:
    for _ in range(count):
        with pytest.raises(ProviderError):
            await ask(circuits, endpoint)


async def test_stream_chat__first_works__only_it_is_asked(circuits):
    stream = providers.stream_chat(
        TURNS, endpoints=[fake("one", usage=[3, 4]), fake("two")], circuits=circuits
    )
    deltas = [delta async for delta in stream]
    assert "".join(delta.text for delta in deltas) == "one speaks"
    assert [delta.endpoint.name if delta.endpoint else "" for delta in deltas] == ["one", "", ""]
    assert (deltas[-1].usage.prompt_tokens, deltas[-1].usage.exact) == (3, True)
    assert list(CALLS) == ["one"]


@pytest.mark.parametrize("error", ["provider_unavailable", "provider_auth", "provider_timeout"])
async def test_stream_chat__failure_before_the_first_word__falls_back(circuits, error):
    assert await ask(circuits, failing("one", error=error), fake("two")) == "two speaks"


async def test_stream_chat__failure_after_the_first_word__is_raised(circuits):
    endpoints = [fake("one", fail_at=1, error="provider_interrupted"), fake("two")]
    texts = []
    with pytest.raises(ProviderInterrupted):  # noqa: PT012
        async for delta in providers.stream_chat(TURNS, endpoints=endpoints, circuits=circuits):
            texts.append(delta.text)  # noqa: PERF401
    assert texts == ["one "]
    assert "two" not in CALLS


async def test_stream_chat__refused_request__goes_nowhere_else(circuits):
    with pytest.raises(ProviderRejected):
        await ask(circuits, failing("one", error="provider_rejected"), fake("two"))
    assert "two" not in CALLS


async def test_stream_chat__all_fail__raises_the_first_error(circuits):
    with pytest.raises(ProviderAuth):
        await ask(circuits, failing("one", error="provider_auth"), failing("two"))


async def test_stream_chat__no_endpoints__says_so(circuits):
    with pytest.raises(NoEndpoint):
        await ask(circuits)
    with pytest.raises(NoEndpoint):
        await ask(circuits, Endpoint("x", "chat", "unheard-of"))


async def test_stream_chat__empty_reply__is_no_answer(circuits):
    assert await ask(circuits, fake("one", deltas=[]), fake("two")) == "two speaks"


async def test_stream_chat__busy_for_a_moment__is_asked_once_more(circuits):
    busy = failing("one", error="provider_busy", retry_after=0, failures=1)
    assert await ask(circuits, busy, fake("two")) == "one speaks"
    assert len(CALLS["one"]) == 2


@pytest.mark.parametrize("retry_after", [None, 6])
async def test_stream_chat__busy_for_long__is_not_waited_for(circuits, retry_after):
    busy = failing("one", error="provider_busy", retry_after=retry_after)
    assert await ask(circuits, busy, fake("two")) == "two speaks"
    assert len(CALLS["one"]) == 1


async def test_stream_chat__busy_twice__falls_back(circuits):
    busy = failing("one", error="provider_busy", retry_after=0)
    with pytest.raises(ProviderBusy):
        await ask(circuits, busy)
    assert len(CALLS["one"]) == 2


async def test_circuit__three_failures_in_a_row__open_it_for_thirty_seconds(circuits, clock):
    await refusals(circuits, failing("one"), 3)
    with pytest.raises(ProviderUnavailable) as caught:
        await ask(circuits, failing("one"))
    assert caught.value.retry_after == 30
    assert len(CALLS["one"]) == 3
    clock.now += 29.9
    assert await ask(circuits, failing("one"), fake("two")) == "two speaks"
    assert len(CALLS["one"]) == 3
    clock.now += 0.2
    assert await ask(circuits, fake("one")) == "one speaks"  # the trial closes it
    await refusals(circuits, failing("one"), 2)
    assert await ask(circuits, fake("one")) == "one speaks"


async def test_circuit__failed_trial__opens_it_again(circuits, clock):
    await refusals(circuits, failing("one"), 3)
    clock.now += 31
    await refusals(circuits, failing("one"), 2)
    assert len(CALLS["one"]) == 4


async def test_circuit__half_open__lets_one_trial_through(circuits, clock):
    await refusals(circuits, failing("one"), 3)
    clock.now += 31
    slow = fake("one", delay_seconds=0.05)
    answers = await asyncio.gather(*(ask(circuits, slow, fake("two")) for _ in range(5)))
    assert sorted(answers) == ["one speaks"] + ["two speaks"] * 4


async def test_circuit__success_between__counts_anew(circuits):
    for _ in range(3):
        await refusals(circuits, failing("one"), 2)
        assert await ask(circuits, fake("one")) == "one speaks"


async def test_circuit__refused_requests__do_not_open_it(circuits):
    await refusals(circuits, failing("one", error="provider_rejected"), 4)
    assert await ask(circuits, fake("one")) == "one speaks"


async def test_circuit__other_model_under_the_same_name__starts_closed(circuits):
    await refusals(circuits, failing("one"), 3)
    other = Endpoint("one", "chat", "fake", model="other")
    assert await ask(circuits, other) == "A fake answer."


async def test_stream_chat__reader_leaves__neither_success_nor_failure(circuits):
    endless = fake("one", deltas=["x"] * 1000, delay_seconds=0.001)
    stream = providers.stream_chat(TURNS, endpoints=[endless], circuits=circuits)
    async with aclosing(stream):
        await anext(stream)
    assert await ask(circuits, fake("one")) == "one speaks"


async def test_complete__short_text__is_whole_and_never_extractive():
    CALLS.clear()
    local = Endpoint("local", "chat", "local")
    text = await providers.complete(TURNS, endpoints=[failing("a"), fake("b"), local])
    assert text == "b speaks"
    with pytest.raises(NoEndpoint):
        await providers.complete(TURNS, endpoints=[local])


def test_embedder__same_configuration__is_the_same_object():
    one = Endpoint("e", "embedding", "fake", parameters={"dimensions": 8})
    again = Endpoint("e", "embedding", "fake", parameters={"dimensions": 8})
    other = Endpoint("e", "embedding", "fake", parameters={"dimensions": 16})
    assert providers.embedder(one) is providers.embedder(again)
    assert providers.embedder(other).dimensions == 16
    with pytest.raises(NoEndpoint):
        providers.embedder(Endpoint("e", "embedding", "unheard-of"))


async def test_health_check__tells_latency_or_error():
    CALLS.clear()
    well = await providers.health_check(fake("well", delay_seconds=0.01))
    assert well.error == ""
    assert well.latency_ms >= 10
    ill = await providers.health_check(failing("ill", error="provider_auth"))
    assert ill.error == "provider_auth"
    assert ill.detail
    vectors = await providers.health_check(Endpoint("v", "embedding", "fake"))
    assert vectors.error == ""
