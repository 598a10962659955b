"""Search through real SQL: what is found, in which order, and by whom."""

import json
from collections.abc import Callable, Iterator
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from configs import runtime
from configs.errors import ProviderError
from configs.models import Config, ModelEndpoint
from knowledge import embedding, retrieval
from knowledge.models import Chunk, IndexGeneration, KnowledgeBase
from knowledge.retrieval import scope, searching
from tests import steering
from tests.factories import DocumentVersionFactory
from tests.fake_glm.process import FakeGlm, running
from tests.knowledge.shelves import base_of, fill, plug_in, put

pytestmark = pytest.mark.django_db

ZH = (
    "差旅报销须在返回后三十天内提交，住宿标准为每晚六百元。",
    "数据库连接超时时，请检查防火墙和连接池的上限。",
    "年假按工龄计算：满一年五天，满十年十天。",
)
EN = (
    "Travel expenses are refunded within thirty days of the return.",
    "The setting CONN_MAX_AGE keeps database connections open between requests.",
    "Error ERR-2041 means that the licence server did not answer.",
)


@pytest.fixture(autouse=True)
def endpoint(db: None) -> Iterator[None]:
    embedding.forget_questions()
    plug_in()
    yield
    runtime.forget()


@pytest.fixture
def handbook(alice: User) -> KnowledgeBase:
    base = base_of(alice)
    for text in (*ZH, *EN):
        put(base, text, heading="Handbook")
    return base


def texts(passages: list[retrieval.Passage]) -> list[str]:
    return [passage.text for passage in passages]


# --- What is found ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("出差回来多久之内要报销？", ZH[0]),
        ("数据库老是连接超时怎么办", ZH[1]),
        ("工作满十年有几天年假？", ZH[2]),
        ("資料庫連接逾時怎麼辦？", ZH[1]),
        ("How long do I have to hand in travel expenses?", EN[0]),
        ("what does conn_max_age do", EN[1]),
        ("err-2041", EN[2]),
        ("licences of servers not answering", EN[2]),
    ],
)
@pytest.mark.parametrize("mode", ["hybrid", "text"])
def test_search__natural_question__finds_the_passage_first(
    handbook: KnowledgeBase, alice: User, question: str, answer: str, mode: retrieval.Mode
) -> None:
    assert texts(retrieval.search(question, user=alice, limit=3, mode=mode))[0] == answer


def test_search__passage__carries_where_it_stands_and_why(
    handbook: KnowledgeBase, alice: User
) -> None:
    [passage] = retrieval.search("what does conn_max_age do", user=alice, limit=1)
    chunk = Chunk.objects.get(pk=passage.chunk_id)
    assert passage.document_id == chunk.document_id
    assert passage.document_name == "leaflet.md"
    assert (passage.version_id, passage.version_number) == (chunk.version_id, 1)
    assert passage.base_id == handbook.pk
    assert (passage.start, passage.end, passage.page) == (chunk.start, chunk.end, None)
    assert passage.heading_path == "Handbook"
    assert passage.rank_text == 1
    assert passage.rank_vector is not None
    assert "conn_max_age" in passage.matched_terms
    assert passage.score == pytest.approx(1.0, abs=0.6)


def test_search__modes__rank_by_their_legs_alone(handbook: KnowledgeBase, alice: User) -> None:
    by_words = retrieval.search("database connections", user=alice, mode="text", limit=10)
    by_meaning = retrieval.search("database connections", user=alice, mode="vector", limit=10)
    assert [p.rank_text for p in by_words] == list(range(1, len(by_words) + 1))
    assert all(p.rank_vector is None for p in by_words)
    assert [p.rank_vector for p in by_meaning] == list(range(1, 7))
    assert all(p.rank_text is None for p in by_meaning)


def test_search__answer_in_another_language_alone__is_not_outranked_by_common_words(
    alice: User,
) -> None:
    base = base_of(alice)
    question = "怎么配置数据库的连接？"
    asked = embedding.bound("fake", 256).question(question)
    aside = np.eye(256, dtype=np.float32)[0] - asked[0] * asked
    aside /= np.linalg.norm(aside)
    for text, cosine in ((EN[1], 0.98), ("怎么配置", 0.85), ("连接的数", 0.6), ("打印机", 0.5)):
        put(base, text, vectors=(cosine * asked + np.sqrt(1 - cosine**2) * aside)[None])
    assert texts(retrieval.search(question, user=alice))[0] == EN[1]
    Chunk.objects.update(is_chinese=True)
    assert texts(retrieval.search(question, user=alice))[0] != EN[1]


@pytest.mark.parametrize(
    ("question", "weight"),
    [
        ("连接超时", 0.5),
        ("conn_max_age", 0.4),
        ("how many days may pass until expenses and receipts reach accounting", 0.3),
    ],
)
def test_request__keywords__weigh_more_than_a_sentence(
    handbook: KnowledgeBase, alice: User, question: str, weight: float
) -> None:
    asked = searching._Question.of(question)
    looked = scope.look(alice, None, asked.terms)
    legs, _ = searching._vector_legs(question, looked.parts, "hybrid")
    request = searching._request(asked, looked, legs, "hybrid", 5)
    assert request.text_weight == pytest.approx(weight)
    alone = searching._request(asked, looked, [], "text", 5)
    assert alone.text_weight == 1.0


def test_search__matched_terms__are_the_questions_in_its_order(
    handbook: KnowledgeBase, alice: User
) -> None:
    found = retrieval.search("几天年假？ days, 工龄 年假 宿舍", user=alice)
    assert found[0].matched_terms == ("年假", "工龄")


def test_search__limit_above_what_exists__gives_all(handbook: KnowledgeBase, alice: User) -> None:
    assert len(retrieval.search("报销", user=alice, limit=40)) == 6


@pytest.mark.parametrize("question", ["", "   ", "\x00", "?!", "的", "the", "\ud800"])
@pytest.mark.parametrize("mode", ["hybrid", "text", "vector"])
def test_search__no_words__is_no_error(
    handbook: KnowledgeBase, alice: User, question: str, mode: retrieval.Mode
) -> None:
    retrieval.search(question, user=alice, mode=mode)


@pytest.mark.parametrize(
    "question",
    [
        "报销 & !(差旅) | <-> :*",
        "'; DROP TABLE knowledge_chunk; --",
        "\\' | 'a' & $$ %s %(terms)s {readable} {{0}}",
        "报销\x00\x01\u202e\ufeff",
        "a'b''c\\'d:*",
    ],
)
def test_search__operators_in_the_question__are_inert(
    handbook: KnowledgeBase, alice: User, question: str
) -> None:
    for mode in ("hybrid", "text", "vector"):
        retrieval.search(question, user=alice, mode=mode)
    assert Chunk.objects.count() == 6


def test_search__not_operator__does_not_exclude(handbook: KnowledgeBase, alice: User) -> None:
    assert texts(retrieval.search("!报销 -差旅", user=alice, limit=1, mode="text")) == [ZH[0]]


@pytest.mark.parametrize("filler", ["天地玄黄宇宙洪荒", "ERR-2041 licence ", "x", "\x00", "&|!"])
def test_search__question_of_ten_thousand_characters__answers_in_time(
    handbook: KnowledgeBase, alice: User, filler: str
) -> None:
    import time

    question = (filler * 10_000)[:9_980] + "差旅报销"
    began = time.perf_counter()
    retrieval.search(question, user=alice)
    assert time.perf_counter() - began < 0.3


# --- Who finds it ----------------------------------------------------------------------------
CANARY = "金丝雀计划 KX-7731：收购目标是海东机械，报价九亿元。"
PHRASINGS = (
    "金丝雀计划", "KX-7731", "kx 7731", "收购目标是谁", "海东机械", "海东机械的报价",
    "报价九亿元", "九亿", "canary", "收购", "What is KX-7731?", "金絲雀計劃", "收購目標",
    "计划", "CANARY PROJECT 金丝雀", "alice", "private", CANARY, "' OR 1=1 --",
    "金丝雀 OR 海东",
)  # fmt: skip


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_search__private_base__gives_a_stranger_nothing_in_any_phrasing(
    alice: User, charlie: User, mode: retrieval.Mode
) -> None:
    secret = base_of(alice)
    put(secret, CANARY)
    assert texts(retrieval.search("金丝雀计划", user=alice, mode=mode)) == [CANARY]
    for phrase in PHRASINGS:
        assert retrieval.search(phrase, user=charlie, mode=mode) == []
        assert retrieval.search(phrase, user=charlie, bases=[secret.pk], mode=mode) == []


def test_search__visibility__decides_for_the_whole_cast(
    alice: User, bob: User, charlie: User, olga: User, aidan: User
) -> None:
    private, grouped, named, public = (
        base_of(alice, visibility=visibility)
        for visibility in ("private", "shared", "shared", "everyone")
    )
    grouped.shared_groups.set(alice.groups.filter(name="research"))
    named.shared_users.add(charlie)
    for base, text in ((private, "私有"), (grouped, "小组"), (named, "点名"), (public, "公开")):
        put(base, f"{text}的报销制度")
    found = {
        person.username: sorted(p.text[:2] for p in retrieval.search("报销制度", user=person))
        for person in (alice, bob, charlie, olga, aidan)
    }
    assert found == {
        "alice": ["公开", "小组", "点名", "私有"],
        "bob": ["公开", "小组"],
        "charlie": ["公开", "点名"],
        "olga": ["公开"],
        "aidan": ["公开"],
    }


def test_search__share_taken_back__finds_nothing_at_once(alice: User, bob: User) -> None:
    base = base_of(alice, visibility="shared")
    base.shared_users.add(bob)
    put(base, ZH[0])
    assert retrieval.search("报销", user=bob)
    base.shared_users.clear()
    assert retrieval.search("报销", user=bob) == []


def test_search__bases__narrow_and_never_widen(alice: User, charlie: User) -> None:
    mine, other = base_of(alice), base_of(alice)
    theirs = base_of(charlie)
    for base in (mine, other, theirs):
        put(base, f"{base.slug} 的报销制度")
    assert retrieval.search("报销", user=alice, bases=[]) == []
    assert retrieval.search("报销", user=alice, bases=[uuid4()]) == []
    found = retrieval.search("报销", user=alice, bases=[mine.pk, theirs.pk])
    assert {passage.base_id for passage in found} == {mine.pk}


# --- Versions and generations ------------------------------------------------------------------
def test_search__new_version__takes_the_place_of_the_old(alice: User) -> None:
    base = base_of(alice)
    document = put(base, "住宿标准为每晚四百元")
    put(base, "住宿标准为每晚六百元", document=document)
    found = retrieval.search("住宿标准", user=alice)
    assert texts(found) == ["住宿标准为每晚六百元"]
    assert found[0].version_number == 2


def test_search__version_being_indexed__is_not_found_yet(alice: User) -> None:
    base = base_of(alice)
    document = put(base, "住宿标准为每晚四百元")
    draft = DocumentVersionFactory.create(document=document, number=2)
    fill(base.active_generation, draft, ["住宿标准为每晚六百元"], np.ones((1, 256), np.float32))
    assert texts(retrieval.search("住宿标准", user=alice)) == ["住宿标准为每晚四百元"]


def test_search__generation_being_built__is_not_found_yet(alice: User) -> None:
    base = base_of(alice)
    document = put(base, "住宿标准为每晚四百元")
    building = IndexGeneration.objects.create(
        base=base,
        endpoint_name="fake",
        dimensions=384,
        chunk_tokens=256,
        overlap_tokens=0,
        average_terms=9,
    )
    fill(building, document.current_version, ["住宿标准"], np.ones((1, 384), np.float32))
    assert texts(retrieval.search("住宿标准", user=alice)) == ["住宿标准为每晚四百元"]


def test_search__models_of_different_dimensions__are_searched_side_by_side(alice: User) -> None:
    plug_in("wide", 512)
    narrow, wide = base_of(alice), base_of(alice, endpoint_name="wide", dimensions=512)
    fillers = [f"第{n}条规定与此无关，编号{n * 37}。" for n in range(20)]
    put(narrow, ZH[0], *fillers)
    put(wide, ZH[2], *fillers)
    for mode in ("hybrid", "vector", "text"):
        assert texts(retrieval.search(ZH[2], user=alice, mode=mode))[0] == ZH[2]
        assert texts(retrieval.search(ZH[0], user=alice, mode=mode))[0] == ZH[0]
    assert len(retrieval.search("报销", user=alice, mode="vector", limit=42)) == 42


# --- When a part is down -----------------------------------------------------------------------
def test_retrieve__embedder_down__goes_on_with_words_and_says_so(alice: User) -> None:
    plug_in("down", 256, provider="openai_compatible", base_url="http://127.0.0.1:9/v1", model="m")
    base = base_of(alice, endpoint_name="down")
    put(base, *ZH)
    result = retrieval.retrieve("差旅报销", user=alice)
    assert result.degraded
    assert result.passages[0].text == ZH[0]
    assert result.passages[0].rank_vector is None
    with pytest.raises(ProviderError):
        retrieval.search("差旅报销", user=alice, mode="vector")


def test_retrieve__endpoint_gone__goes_on_with_words(alice: User) -> None:
    put(base_of(alice, endpoint_name="gone"), *ZH)
    result = retrieval.retrieve("差旅报销", user=alice)
    assert (result.degraded, result.passages[0].text) == (True, ZH[0])


def test_retrieve__model_with_other_dimensions__needs_a_reindex(alice: User) -> None:
    put(base_of(alice, dimensions=384), *ZH)
    assert retrieval.retrieve("差旅报销", user=alice).degraded
    with pytest.raises(embedding.NeedsReindex):
        retrieval.search("差旅报销", user=alice, mode="vector")


def test_retrieve__one_of_two_endpoints_down__keeps_the_other_leg(alice: User) -> None:
    put(base_of(alice), ZH[0])
    put(base_of(alice, endpoint_name="gone"), ZH[1])
    result = retrieval.retrieve("差旅报销 数据库", user=alice)
    assert result.degraded
    assert {passage.text for passage in result.passages} == {ZH[0], ZH[1]}


# --- How many queries ----------------------------------------------------------------------------
def test_search__any_number_of_bases__takes_two_queries(alice: User) -> None:
    for _ in range(5):
        put(base_of(alice), *ZH)
    with CaptureQueriesContext(connection) as queries:
        retrieval.search("差旅报销", user=alice)
    searching_ones = [q for q in queries if "knowledge_" in q["sql"]]
    assert len(searching_ones) == 2
    assert len(queries) == 6  # with a savepoint, the planner's settings, and back


def test_search__question_asked_again__is_embedded_once(alice: User) -> None:
    base = base_of(alice)
    put(base, *ZH)
    embedder = embedding.for_generation(base.active_generation)
    assert embedder.question("报销") is embedder.question("报销")


# --- Reranking -------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def glm() -> Iterator[FakeGlm]:
    with running() as server:
        yield server


@pytest.fixture
def rerank(glm: FakeGlm) -> Callable[..., ModelEndpoint]:
    """Plug a reranker in and switch it on; the best passage for it shares most characters."""
    glm.clear()

    def plugged(*, enabled: bool = True) -> ModelEndpoint:
        fields = {"kind": "rerank", "provider": "zhipu", "base_url": glm.zhipu_url}
        endpoint = ModelEndpoint.objects.create(name="judge", api_key="k", **fields)
        value = json.dumps(enabled)
        steering.put(Config, key="retrieval.rerank", changes={"value": value})
        runtime.refresh()
        return endpoint

    return plugged


QUESTION = "年假数据库报销"
JUDGED = ("报销报销报销报销。", "甲乙丙丁年假数据库报销戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥")


def test_retrieve__reranker_on__decides_the_order(
    alice: User, glm: FakeGlm, rerank: Callable[..., ModelEndpoint]
) -> None:
    put(base_of(alice), *JUDGED, *EN)
    before = retrieval.retrieve(QUESTION, user=alice)
    rerank()
    after = retrieval.retrieve(QUESTION, user=alice, limit=2)
    assert (before.reranked, after.reranked) == (False, True)
    assert texts(list(after.passages)) == [JUDGED[1], JUDGED[0]]
    assert [passage.score for passage in after.passages] == [1.0, pytest.approx(2 / 7, abs=1e-5)]
    assert "年假" in after.passages[0].matched_terms
    assert len(glm.recorded()["reranks"][0]["documents"]) == len(JUDGED + EN)


def test_retrieve__reranker_off__is_never_asked(
    handbook: KnowledgeBase, alice: User, glm: FakeGlm, rerank: Callable[..., ModelEndpoint]
) -> None:
    rerank(enabled=False)
    assert not retrieval.retrieve("年假", user=alice).reranked
    assert glm.recorded()["reranks"] == []


def test_retrieve__reranker_down__leaves_the_order(
    handbook: KnowledgeBase, alice: User, glm: FakeGlm, rerank: Callable[..., ModelEndpoint]
) -> None:
    before = retrieval.retrieve("年假", user=alice, limit=3)
    rerank()
    glm.rule(status=500)
    after = retrieval.retrieve("年假", user=alice, limit=3)
    assert len(glm.recorded()["reranks"]) == 1
    assert after == before


@pytest.mark.parametrize("mode", ["vector", "text"])
def test_retrieve__one_leg_alone__is_not_reranked(
    handbook: KnowledgeBase,
    alice: User,
    rerank: Callable[..., ModelEndpoint],
    mode: retrieval.Mode,
) -> None:
    rerank()
    assert not retrieval.retrieve("年假", user=alice, mode=mode).reranked
