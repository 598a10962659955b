"""The two ways of the vector leg: no way loses passages behind a filter, and each is taken."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from django.db import connection, transaction
from pgvector import SparseVector
from pytest_django import DjangoDbBlocker

from accounts.models import User
from configs import runtime
from configs.providers.vectors import hashed_ngrams
from knowledge import embedding, retrieval
from knowledge.models import TERM_SPACE, Chunk, IndexGeneration, KnowledgeBase
from knowledge.retrieval import scope, searching, statement
from tests.factories import DocumentFactory, DocumentVersionFactory
from tests.knowledge.shelves import base_of, plug_in

pytestmark = pytest.mark.django_db
ROWS = 4_000
SHARES = {"most": 0.889, "tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001}
DICE = random.Random(7)
ASKED = searching._Question.of("天地玄黄")
TOPICS = [
    ["".join(DICE.choices("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往", k=2)) for _ in range(9)]
    for _ in range(60)
]


def sentence() -> str:
    topic = DICE.choice(TOPICS)
    return "".join([*DICE.choices(topic, k=7), *DICE.choice(TOPICS)[:1]])


@dataclass(frozen=True)
class Shelves:
    """Bases that hold 89 %, 10 %, 1 % and 0.1 % of all passages, in clusters."""

    owner: User
    bases: dict[str, KnowledgeBase]
    vectors: dict[str, npt.NDArray[np.float32]]

    def named(self, *names: str) -> list[KnowledgeBase]:
        return [self.bases[name] for name in names]


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Shelves]:
    with django_db_blocker.unblock():
        endpoint = plug_in()
        owner = User.objects.create_user("librarian")
        bases = {name: base_of(owner) for name in SHARES}
        vectors = {name: _fill(bases[name], int(ROWS * share)) for name, share in SHARES.items()}
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE knowledge_chunk, knowledge_document")
    yield Shelves(owner, bases, vectors)
    with django_db_blocker.unblock():
        KnowledgeBase.objects.filter(owner=owner).delete()
        owner.delete()
        endpoint.delete()


@pytest.fixture
def shelves(db: None, filled: Shelves) -> Iterator[Shelves]:
    embedding.forget_questions()
    runtime.refresh()
    yield filled
    runtime.forget()


@pytest.fixture
def alice(filled: Shelves) -> User:
    return filled.owner


def _fill(base: KnowledgeBase, rows: int) -> npt.NDArray[np.float32]:
    version = DocumentVersionFactory.create(document=DocumentFactory.create(base=base))
    version.document.current_version = version
    version.document.save()
    texts = [sentence() for _ in range(rows)]
    vectors = hashed_ngrams(texts, 256)
    generation = base.active_generation
    Chunk.objects.bulk_create(
        [
            Chunk(
                base=base, generation=generation, document=version.document, version=version,
                ordinal=n, text=text, start=0, end=9, dimensions=256, embedding=vectors[n],
            )
            for n, text in enumerate(texts)
        ],
        batch_size=2000,
    )  # fmt: skip
    IndexGeneration.objects.filter(pk=generation.pk).update(chunk_count=rows)
    return vectors


def found(user: User, question: str, bases: list[KnowledgeBase]) -> retrieval.Result:
    keys = [base.pk for base in bases]
    return retrieval.retrieve(question, user=user, bases=keys, mode="vector", limit=10)


@pytest.mark.parametrize("way", ["exact", "hnsw"])
def test_search__every_selectivity__finds_what_is_nearest(
    shelves: Shelves, alice: User, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(searching, "EXACT_BELOW", 0 if way == "hnsw" else ROWS)
    for names in (*((name,) for name in SHARES), tuple(SHARES), ("tenth", "hundredth")):
        rows = np.concatenate([shelves.vectors[name] for name in names])
        shares = [share_reached(shelves, names, rows) for _ in range(8)]
        assert np.mean(shares) >= 0.99


def share_reached(shelves: Shelves, names: tuple[str, ...], rows: npt.NDArray[np.float32]) -> float:
    """Return recall@10; sentences repeat, so what is equally near counts as equally right."""
    question = sentence()
    vector = hashed_ngrams([question], 256)[0]
    got = found(shelves.owner, question, shelves.named(*names)).passages
    nearest = np.sort(rows @ vector)[::-1][:10]
    assert len(got) == len(nearest)
    reached = hashed_ngrams([passage.text for passage in got], 256) @ vector
    return float((reached >= nearest[-1] - 1e-3).mean())


def test_retrieve__size_of_the_scope__chooses_the_way(
    shelves: Shelves, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "EXACT_BELOW", 1_000)
    assert found(alice, "天地玄黄", shelves.named("most")).plan == "hnsw"
    assert found(alice, "天地玄黄", shelves.named("tenth")).plan == "exact"
    assert found(alice, "天地玄黄", shelves.named(*SHARES)).plan == "hnsw"


def test_retrieve__index_without_iterative_scan__is_noticed_and_done_exactly(
    shelves: Shelves, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "EXACT_BELOW", 0)
    assert found(alice, "天地玄黄", shelves.named("tenth")).plan == "hnsw"
    off = statement.SETTINGS.replace("relaxed_order", "off")
    monkeypatch.setattr(statement, "SETTINGS", off)
    result = found(alice, "天地玄黄", shelves.named("tenth"))
    assert (result.plan, len(result.passages)) == ("exact", 10)


def plan_of(user: User, bases: list[KnowledgeBase], *, indexed: bool) -> str:
    """Return how PostgreSQL would run the statement."""
    looked = scope.look(user, [base.pk for base in bases], ["天地"])
    legs, _ = searching._vector_legs("天地玄黄", looked.parts, "vector")
    request = searching._request(ASKED, looked, legs, "vector", 10)
    assert all(leg.indexed == indexed for leg in request.vectors)
    sql, values = statement.build(request)
    with transaction.atomic(), connection.cursor() as cursor:
        if indexed:
            cursor.execute(statement.SETTINGS, statement.settings(request, 200, 40_000))
        else:
            cursor.execute(statement.EXACT_SETTINGS)
        cursor.execute("EXPLAIN " + sql, values)
        rows = cursor.fetchall()
        transaction.set_rollback(True)
    return "\n".join(row[0] for row in rows)


def test_plan__large_scope__walks_the_vector_index(
    shelves: Shelves, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for least, bases in ((0, ["tenth"]), (1_000, ["most"]), (1_000, list(SHARES))):
        monkeypatch.setattr(searching, "EXACT_BELOW", least)
        plan = plan_of(alice, shelves.named(*bases), indexed=True)
        assert "Index Scan using chunk_embedding_256" in plan, plan


def test_plan__small_scope__never_touches_the_vector_index(shelves: Shelves, alice: User) -> None:
    for bases in (["thousandth"], ["tenth"], list(SHARES)):
        plan = plan_of(alice, shelves.named(*bases), indexed=False)
        assert "chunk_embedding" not in plan, plan


def test_settings__in_force_inside__and_gone_outside(
    shelves: Shelves, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(name: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute(f"SHOW {name}")
            return str(cursor.fetchone()[0])

    names = (
        "hnsw.iterative_scan",
        "hnsw.ef_search",
        "hnsw.max_scan_tuples",
        "enable_sort",
        "enable_seqscan",
    )
    monkeypatch.setattr(searching, "EXACT_BELOW", 0)
    found(alice, "天地玄黄", shelves.named("most"))
    before = [shown(name) for name in names]
    request = searching._request(ASKED, scope.look(alice, None, []), [], "vector", 10)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.SETTINGS, statement.settings(request, 200, 40_000))
        inside = [shown(name) for name in names]
        transaction.set_rollback(True)
    assert inside == ["relaxed_order", "200", "40000", "off", "off"]
    assert before == [shown(name) for name in names] == ["off", "40", "20000", "on", "on"]
    monkeypatch.setattr(searching, "EXACT_BELOW", ROWS)
    assert found(alice, "天地玄黄", shelves.named("most")).plan == "exact"
    assert shown("enable_seqscan") == "on"


@pytest.mark.parametrize(
    ("chunks", "matches", "everything", "by_terms"),
    [
        (5_000, 400, 5_000, True),
        (5_000, 400, 10_000, True),
        (200, 50, 200_000, False),
        (100_000, 1_500, 100_000, False),
    ],
)
def test_text_leg__fewer_rows_by_terms_than_by_base__takes_them_first(
    chunks: int, matches: int, everything: int, by_terms: bool
) -> None:
    looked = scope.Scope(
        KnowledgeBase.objects.none(),
        (scope.Part("fake", 256, (1,), chunks),),
        {"天地": 1.0},
        {"天地": matches},
        everything,
    )
    leg = searching._text_leg(looked)
    assert leg is not None
    assert leg.by_terms is by_terms


def test_plan__candidates_by_terms__come_from_their_index(shelves: Shelves, alice: User) -> None:
    looked = scope.look(alice, [base.pk for base in shelves.bases.values()], ["天地"])
    text = statement.TextLeg(SparseVector({1: 1.0}, TERM_SPACE), "'天地'", by_terms=True)
    request = replace(searching._request(ASKED, looked, [], "text", 10), text=text)
    sql, values = statement.build(request)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.EXACT_SETTINGS)
        cursor.execute("EXPLAIN " + sql, values)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Bitmap Index Scan on chunk_terms" in plan, plan


def test_naming_terms__rarest_first__stop_before_they_bring_in_too_many() -> None:
    frequencies = {"a": 5, "b": 90, "c": 400, "d": 10}
    assert searching._naming_terms(frequencies, 100) == ["a", "b"]
    assert searching._naming_terms({"d": 10_000}, 100) == ["d"]
