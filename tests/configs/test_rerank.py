"""Reranking over HTTP: scores in the order of the passages, faults, and who is asked next."""

import time
from collections.abc import Iterator

import pytest

from configs import providers
from configs.errors import (
    NoEndpoint,
    ProviderAuth,
    ProviderBusy,
    ProviderError,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from configs.providers.base import Endpoint
from configs.providers.circuit import Circuits
from configs.providers.rerank import LONGEST_TEXT
from tests.fake_glm.process import FakeGlm, running

PASSAGES = ["年假五天", "差旅报销三十天", "数据库连接"]
DEAD = "http://127.0.0.1:9/v1/"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeGlm]:
    with running() as glm:
        yield glm


@pytest.fixture
def glm(server: FakeGlm) -> FakeGlm:
    server.clear()
    return server


def endpoint(base_url: str, name: str = "r", provider: str = "zhipu", **more: object) -> Endpoint:
    given = {"api_key": "sk-canary", "first_byte_timeout_seconds": 5, **more}
    return Endpoint(name, "rerank", provider, "rerank-1", base_url=base_url, **given)


def rerank(*endpoints: Endpoint, circuits: Circuits | None = None) -> list[float]:
    return providers.rerank("报销", PASSAGES, endpoints=endpoints, circuits=circuits or Circuits())


@pytest.mark.parametrize("provider", ["zhipu", "openai_compatible"])
def test_rerank__scores__stand_in_the_order_of_the_passages(glm: FakeGlm, provider: str) -> None:
    url = glm.zhipu_url if provider == "zhipu" else glm.openai_url
    assert rerank(endpoint(url, provider=provider, parameters={"seed": 7})) == [0.0, 1.0, 0.0]
    sent = glm.recorded()["reranks"][0]
    assert sent["path"].endswith("/rerank")
    assert (sent["model"], sent["query"], sent["top_n"]) == ("rerank-1", "报销", 3)
    assert (sent["documents"], sent["seed"]) == (PASSAGES, 7)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, ProviderAuth), (429, ProviderBusy), (500, ProviderUnavailable), (400, ProviderRejected)],
)
def test_rerank__refusal__is_an_error_of_our_tree(
    glm: FakeGlm, status: int, kind: type[ProviderError]
) -> None:
    glm.rule(status=status)
    with pytest.raises(kind) as caught:
        rerank(endpoint(glm.openai_url, provider="openai_compatible"))
    assert "canary" not in caught.value.detail


def test_rerank__no_json__is_unavailable(glm: FakeGlm) -> None:
    glm.rule(html=True)
    with pytest.raises(ProviderUnavailable):
        rerank(endpoint(glm.zhipu_url))


def test_rerank__silent_server__is_waited_for_briefly(glm: FakeGlm) -> None:
    glm.rule(hang_at=0)
    began = time.monotonic()
    with pytest.raises(ProviderTimeout):
        rerank(endpoint(glm.zhipu_url, first_byte_timeout_seconds=0.3))
    assert time.monotonic() - began < 4


def test_rerank__first_down__asks_the_second(glm: FakeGlm) -> None:
    assert rerank(endpoint(DEAD, "dead"), endpoint(glm.zhipu_url))[1] == 1.0


def test_rerank__refused_texts__go_to_no_other(glm: FakeGlm) -> None:
    glm.rule(status=400, times=1)
    with pytest.raises(ProviderRejected):
        rerank(endpoint(glm.zhipu_url, "strict"), endpoint(glm.zhipu_url))
    assert len(glm.recorded()["reranks"]) == 1


def test_rerank__keeps_failing__is_left_alone(glm: FakeGlm) -> None:
    circuits = Circuits()
    glm.rule(status=500)
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            rerank(endpoint(glm.zhipu_url), circuits=circuits)
    with pytest.raises(NoEndpoint):
        rerank(endpoint(glm.zhipu_url), circuits=circuits)
    assert len(glm.recorded()["reranks"]) == 3


def test_rerank__provider_without_one__is_no_endpoint() -> None:
    with pytest.raises(NoEndpoint):
        rerank(endpoint("", provider="local"))


def test_rerank__long_texts__are_cut(glm: FakeGlm) -> None:
    providers.rerank("问" * 9000, ["答" * 9000], endpoints=[endpoint(glm.zhipu_url)])
    sent = glm.recorded()["reranks"][0]
    assert (len(sent["query"]), len(sent["documents"][0])) == (LONGEST_TEXT, LONGEST_TEXT)


async def test_health_check__reranker__is_asked_to_rerank(glm: FakeGlm) -> None:
    assert (await providers.health_check(endpoint(glm.zhipu_url))).error == ""
    assert len(glm.recorded()["reranks"]) == 1
    assert (await providers.health_check(endpoint(DEAD))).error == "provider_unavailable"
