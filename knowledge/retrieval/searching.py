"""Search: scope, vectors of the question, one statement, and the check that nothing is missing."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from django.db import connection, transaction

from configs import providers, registry, runtime
from configs.errors import ProviderError
from configs.providers import Endpoint
from configs.providers.local import is_chinese
from knowledge import embedding, segmentation
from knowledge.retrieval import statement
from knowledge.retrieval.scope import Part, Scope, look
from knowledge.retrieval.statement import Request, TextLeg, VectorLeg

if TYPE_CHECKING:
    from accounts.models import User

logger = logging.getLogger(__name__)

Mode = Literal["hybrid", "vector", "text"]

INDEXED_DIMENSIONS = frozenset({256, 384, 512, 1024, 2048})
"""Dimensions for which migration 0002 keeps an HNSW index; others are searched exactly."""

EXACT_BELOW = 10_000
"""Chunks behind the filter up to which measuring all of them is the faster way, and perfect."""

LEAST_MATCHES, MOST_MATCHES = 500, 1_000
"""Chunks that the rarer terms may bring in as candidates of the text leg: a tenth of all, within
these bounds. A scan of more is slow, and what only common words bring in is never the best."""

READ_OUT_OF_LINE = 4
"""How many rows are passed over in the time in which the terms of one are read."""

FEW_TERMS = {3: 5 / 3, 5: 4 / 3}
"""Keywords: with so many terms, at most, the words weigh so many times as much as in a sentence."""

LONGEST_QUESTION = 20_000
"""Characters of a question that are cut into terms."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found; the ranks are its places in the two legs, from 1."""

    chunk_id: int
    document_id: UUID
    document_name: str
    version_id: UUID
    version_number: int
    base_id: UUID
    text: str
    heading_path: str
    page: int | None
    start: int
    end: int
    score: float
    rank_vector: int | None
    rank_text: int | None
    matched_terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What was found, and how: `degraded` when a question could not be embedded.

    `plan` names the way of the vector leg: exact, hnsw, or none. `reranked` says whether a
    reranker put them in order; their scores are its own then.
    """

    passages: tuple[Passage, ...] = ()
    degraded: bool = False
    plan: Literal["exact", "hnsw", "none"] = "none"
    reranked: bool = False


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked, as the words' leg reads it."""

    terms: tuple[str, ...]
    is_chinese: bool

    @classmethod
    def of(cls, text: str) -> "_Question":
        short = text[:LONGEST_QUESTION]
        return cls(tuple(segmentation.terms(short)), is_chinese(short))

    def weighed(self, weight: float) -> float:
        """Return the weight of the words, given that of a whole sentence's."""
        count = len(set(self.terms))
        times = next((times for most, times in FEW_TERMS.items() if count <= most), 1.0)
        return min(weight * times, 1.0)


def search(
    question: str,
    *,
    user: "User",
    bases: Collection[UUID] | None = None,
    limit: int | None = None,
    mode: Mode = "hybrid",
) -> list[Passage]:
    """Return the best passages for a question, the best first, of what `user` may read.

    `bases` None means all of those, an empty collection none; bases that `user` may not read are
    as if they did not exist. `limit` None is the setting `retrieval.top_k`.

    Raises:
        ProviderError: `mode` is "vector" and the question cannot be embedded.
    """
    return list(retrieve(question, user=user, bases=bases, limit=limit, mode=mode).passages)


def retrieve(
    question: str,
    *,
    user: "User",
    bases: Collection[UUID] | None = None,
    limit: int | None = None,
    mode: Mode = "hybrid",
) -> Result:
    """Return what `search` does, and how it was found.

    Raises:
        ProviderError: as in `search`.
    """
    asked = _Question.of(question)
    if (bases is not None and not bases) or not question.strip():
        return Result()
    scope = look(user, bases, asked.terms)
    legs, degraded = _vector_legs(question, scope.parts, mode)
    wanted = limit if limit is not None else runtime.current().get(registry.RETRIEVAL_TOP_K)
    judges = _rerankers(mode)
    deep = max(wanted, runtime.current().get(registry.RETRIEVAL_RERANKED)) if judges else wanted
    request = _request(asked, scope, legs, "text" if degraded else mode, deep)
    if request.text is None and not request.vectors:
        return Result(degraded=degraded)
    rows, plan = _run(request, scope)
    passages, reranked = _reranked(question, [_passage(row, asked) for row in rows], judges)
    return Result(tuple(passages[:wanted]), degraded, plan, reranked)


def _vector_legs(question: str, parts: Sequence[Part], mode: Mode) -> tuple[list[VectorLeg], bool]:
    """Return a leg for each part, and whether one is missing because its endpoint failed."""
    legs: list[VectorLeg] = []
    degraded = False
    for part in parts if mode != "text" else ():
        try:
            vector = embedding.bound(part.endpoint_name, part.dimensions).question(question)
        except ProviderError as error:
            if mode == "vector":
                raise
            logger.warning("The question was searched by its words alone: %s", error.code)
            degraded = True
        else:
            indexed = part.chunk_count > EXACT_BELOW and part.dimensions in INDEXED_DIMENSIONS
            legs.append(VectorLeg(vector, part.dimensions, part.generations, indexed))
    return legs, degraded


def _request(
    asked: _Question, scope: Scope, legs: Sequence[VectorLeg], mode: Mode, limit: int
) -> Request:
    settings = runtime.current()
    text = _text_leg(scope) if mode != "vector" else None
    weight = asked.weighed(settings.get(registry.RETRIEVAL_TEXT_WEIGHT)) if text else 0.0
    return Request(
        bases=scope.bases,
        generations=scope.generations,
        text=text,
        vectors=legs,
        candidates=max(settings.get(registry.RETRIEVAL_CANDIDATES), limit),
        limit=limit,
        text_weight=weight if legs else 1.0,
        is_chinese=asked.is_chinese,
        asked=tuple(scope.terms),
    )


def _text_leg(scope: Scope) -> TextLeg | None:
    if not scope.terms:
        return None
    weights = {segmentation.term_id(term): rarity for term, rarity in scope.terms.items()}
    chunks = scope.chunk_count
    most = min(max(chunks // 10, LEAST_MATCHES), MOST_MATCHES)
    naming = _naming_terms(scope.frequencies, most)
    matches = sum(scope.frequencies[term] for term in naming)
    # Among all bases the terms bring in as many times more as there are more chunks.
    few = matches * scope.all_chunks <= READ_OUT_OF_LINE * chunks * chunks
    return TextLeg(
        segmentation.sparse(weights), segmentation.either(naming), few and chunks <= EXACT_BELOW
    )


def _naming_terms(frequencies: Mapping[str, int], most: int) -> list[str]:
    """Return the rarest terms that together bring in no more than `most` chunks, at least one."""
    named: list[str] = []
    matches = 0
    for term, chunks in frequencies.items():
        matches += chunks
        if named and matches > most:
            break
        named.append(term)
    return named


def _run(request: Request, scope: Scope) -> tuple[list[Any], Literal["exact", "hnsw", "none"]]:
    """Run the statement; where the index handed out too few rows, run it again without it."""
    if not request.vectors:
        return _rows(request), "none"
    if not any(leg.indexed for leg in request.vectors):
        return _rows(request), "exact"
    rows = _rows_by_index(request)
    enough = sum(min(request.candidates, part.chunk_count) for part in scope.parts)
    if rows and rows[0][-1] >= enough:
        return rows, "hnsw"
    return _rows(
        replace(request, vectors=[replace(v, indexed=False) for v in request.vectors])
    ), "exact"


def _rows(request: Request) -> list[Any]:
    return _rows_under(statement.EXACT_SETTINGS, {}, request)


def _rows_by_index(request: Request) -> list[Any]:
    """Run the statement so that it takes HNSW."""
    settings = runtime.current()
    ef_search = settings.get(registry.RETRIEVAL_EF_SEARCH)
    scan_rows = settings.get(registry.RETRIEVAL_SCAN_ROWS)
    values = statement.settings(request, ef_search, scan_rows)
    return _rows_under(statement.SETTINGS, values, request)


def _rows_under(settings: str, values: Mapping[str, Any], request: Request) -> list[Any]:
    """Run the statement under settings of the planner, which end with the savepoint."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(settings, values)
            cursor.execute(*statement.build(request))
            rows: list[Any] = cursor.fetchall()
        transaction.set_rollback(True)
    return rows


def _rerankers(mode: Mode) -> tuple[Endpoint, ...]:
    """Return the endpoints that may put the passages of both legs in another order."""
    settings = runtime.current()
    wanted = mode == "hybrid" and settings.get(registry.RETRIEVAL_RERANK)
    return settings.endpoints("rerank") if wanted else ()


def _reranked(
    question: str, found: list[Passage], judges: Sequence[Endpoint]
) -> tuple[list[Passage], bool]:
    """Return the passages in a reranker's order, or as they were where none answers."""
    if not judges or not found:
        return found, False
    texts = [embedding.passage_text(passage.heading_path, passage.text) for passage in found]
    try:
        scores = providers.rerank(question, texts, endpoints=judges)
    except ProviderError as error:
        logger.warning("The passages were not reranked: %s", error.code)
        return found, False
    scored = [replace(p, score=score) for p, score in zip(found, scores, strict=True)]
    return sorted(scored, key=lambda passage: -passage.score), True


def _passage(row: Sequence[Any], asked: _Question) -> Passage:
    """Return a row of the statement; its terms stand in the question's order."""
    *fields, matched, _ = row
    terms = tuple(term for term in dict.fromkeys(asked.terms) if term in matched)
    return Passage(*fields, terms)  # type: ignore[call-arg]  # a row has the fields in their order
