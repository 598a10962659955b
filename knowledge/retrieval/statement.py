"""The one SQL statement of a search: rights, both legs, and the fusion of their scores."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, QuerySet
from pgvector import HalfVector, SparseVector

from configs.providers.base import Vectors
from knowledge.models import TERM_SPACE
from knowledge.querysets import KnowledgeBaseQuerySet

Values = dict[str, Any]

FOREIGN_LOSS = 0.4
"""The share of the words' weight that a passage in another language goes without."""

# Rights come first: nothing below reads a chunk whose generation is not in `scope`.
_SCOPE = """WITH scope AS MATERIALIZED ({readable})"""

# The candidates hold at least one of the rarer terms; all terms count in their order. Where terms
# lead to fewer rows than generations do, a sum hides the index of generations from the planner: it
# does not know what reading `terms` out of line costs, and would read all of them.
_TEXT_LEG = """,
words AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY distance, id) AS place
    FROM (
        SELECT c.id, c.bm25 <#> %(terms)s::sparsevec AS distance
        FROM knowledge_chunk c
        JOIN knowledge_document d ON d.id = c.document_id AND d.current_version_id = c.version_id
        WHERE c.terms @@ %(any_term)s::tsquery
          AND {generation} = ANY(%(generations)s)
          AND {generation} IN (SELECT generation FROM scope)
        ORDER BY distance, c.id
        LIMIT %(candidates)s
    ) best
    WHERE distance < 0
)"""

# Exact: every row behind the filter is measured. `OFFSET 0` keeps the vector index out of it, and
# `IS TRUE` has the versions in use looked up in one hash table instead of row by row.
_EXACT_LEG = """,
meaning_{part} AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY distance, id) AS place
    FROM (
        SELECT id, distance
        FROM (
            SELECT c.id,
                c.embedding::halfvec({dimensions}) <#> %(vector_{part})s::halfvec({dimensions})
                AS distance
            FROM knowledge_chunk c
            WHERE c.generation_id = ANY(%(generations_{part})s)
              AND c.generation_id IN (SELECT generation FROM scope)
              AND c.dimensions = {dimensions} AND c.embedding IS NOT NULL
              AND (c.version_id IN (
                  SELECT d.current_version_id FROM knowledge_document d
                  WHERE d.base_id IN (SELECT base FROM scope) AND d.current_version_id IS NOT NULL
              )) IS TRUE
            OFFSET 0
        ) measured
        ORDER BY distance, id
        LIMIT %(candidates)s
    ) nearest
)"""

# HNSW: the filters are plain conditions on the rows that the index hands out one by one, so that
# an iterative scan goes on until enough of them have passed. A join here could change the plan.
_INDEX_LEG = """,
meaning_{part} AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY distance, id) AS place
    FROM (
        SELECT c.id, c.embedding::halfvec({dimensions}) <#> %(vector_{part})s::halfvec({dimensions})
            AS distance
        FROM knowledge_chunk c
        WHERE c.dimensions = {dimensions}
          AND c.generation_id = ANY(%(generations_{part})s)
          AND c.generation_id = ANY((SELECT array_agg(generation) FROM scope)::bigint[])
          AND c.version_id = (
              SELECT d.current_version_id FROM knowledge_document d WHERE d.id = c.document_id
          )
        ORDER BY c.embedding::halfvec({dimensions}) <#> %(vector_{part})s::halfvec({dimensions})
        LIMIT %(candidates)s
    ) nearest
)"""

_NO_WORDS = """,
words AS (SELECT NULL::bigint AS id, NULL::bigint AS place WHERE false)"""
_NO_MEANING = """,
meaning AS (SELECT NULL::bigint AS id, NULL::bigint AS place WHERE false)"""
_MEANING = """,
meaning AS MATERIALIZED ({legs})"""

# Both scores of the union of both legs.
_SCORED = """,
scored AS MATERIALIZED (
    SELECT c.id, words.place AS rank_text, meaning.place AS rank_vector,
        c.is_chinese = %(is_chinese)s AS same_language,
        greatest(-(c.bm25 <#> %(terms)s::sparsevec), 0) AS text_score,
        CASE {part_of_row} END AS part,
        CASE {vector_score} END AS vector_score
    FROM words FULL JOIN meaning USING (id) JOIN knowledge_chunk c USING (id)
)"""

# Products of different models cannot be compared, how far each stands out among its own can:
# the score against the part's mean, in standard deviations.
_STANDARD = """,
standard AS (
    SELECT id, rank_text, rank_vector, same_language, text_score,
        CASE WHEN vector_score IS NOT NULL THEN coalesce(
            (vector_score - avg(vector_score) OVER part)
            / nullif(stddev_pop(vector_score) OVER part, 0), 0) END AS vector_score
    FROM scored
    WINDOW part AS (PARTITION BY part)
)"""

# Both from 0 to 1 within the union: BM25 by its maximum, the vectors' score from least to most.
_MARKS = """,
marks AS (
    SELECT id, rank_text, rank_vector, same_language,
        coalesce(text_score / nullif(max(text_score) OVER (), 0), 0) AS words,
        coalesce(
            (vector_score - min(vector_score) OVER ()) / nullif(
                max(vector_score) OVER () - min(vector_score) OVER (), 0),
            (vector_score IS NOT NULL)::int) AS meaning
    FROM standard
)"""

# Convex combination (Bruch, Gai and Ingber 2023). A question's words cannot speak for a passage in
# another language: it is judged by its meaning where that says more.
_RESULT = """,
ranked AS (
    SELECT id, rank_text, rank_vector, greatest(
        %(text_weight)s * words + (1 - %(text_weight)s) * meaning,
        CASE WHEN NOT same_language THEN %(foreign_weight)s * meaning END
    )::float8 AS score
    FROM marks
)
SELECT c.id, c.document_id, d.name, c.version_id, v.number, c.base_id, c.text, c.heading_path,
    c.page, c.start, c."end", r.score, r.rank_vector, r.rank_text,
    ARRAY(SELECT lexeme FROM unnest(c.terms) WHERE lexeme = ANY(%(asked)s)),
    (SELECT count(*) FROM meaning)
FROM ranked r
JOIN knowledge_chunk c USING (id)
JOIN knowledge_document d ON d.id = c.document_id
JOIN knowledge_documentversion v ON v.id = c.version_id
ORDER BY r.score DESC, r.id
LIMIT %(limit)s"""


@dataclass(frozen=True, slots=True)
class VectorLeg:
    """A question's vector among the generations of one part; `indexed` takes HNSW."""

    vector: Vectors
    dimensions: int
    generations: Sequence[int]
    indexed: bool


@dataclass(frozen=True, slots=True)
class TextLeg:
    """The weights of a question's terms, and the `tsquery` text that names its candidates.

    `by_terms` has the candidates looked up by their terms, whatever the planner thinks.
    """

    weights: SparseVector
    any_term: str
    by_terms: bool


@dataclass(frozen=True, slots=True)
class Request:
    """All that the statement depends on."""

    bases: KnowledgeBaseQuerySet
    generations: Sequence[int]
    text: TextLeg | None
    vectors: Sequence[VectorLeg]
    candidates: int
    limit: int
    text_weight: float
    is_chinese: bool
    asked: Sequence[str]


@dataclass(slots=True)
class _Draft:
    sql: str
    values: Values = field(default_factory=dict)

    def add(self, template: str, **names: object) -> None:
        """Append a template; only numbers of ours and names of this module are filled in."""
        self.sql += template.format(**names)


def build(request: Request) -> tuple[str, Values]:
    """Return the statement and its parameters."""
    draft = _draft(request)
    _add_text_leg(draft, request.text)
    _add_vector_legs(draft, request.vectors)
    draft.add(_SCORED, **_of_row(request.vectors))
    draft.add(_STANDARD)
    draft.add(_MARKS)
    draft.add(_RESULT)
    return draft.sql, draft.values


def _draft(request: Request) -> _Draft:
    """Return the statement's beginning: the rights, as their one place defines them."""
    sql, given = _named(request.bases).query.sql_with_params()
    names = [f"scope_{at}" for at in range(len(given))]
    named = sql % tuple(f"%({name})s" for name in names)
    draft = _Draft(_SCOPE.format(readable=named), dict(zip(names, given, strict=True)))
    draft.values.update(
        generations=list(request.generations),
        candidates=request.candidates,
        limit=request.limit,
        text_weight=request.text_weight,
        foreign_weight=1 - FOREIGN_LOSS * request.text_weight,
        is_chinese=request.is_chinese,
        asked=list(request.asked),
    )
    return draft


def _named(bases: KnowledgeBaseQuerySet) -> QuerySet[Any, Any]:
    return bases.values(generation=F("active_generation"), base=F("pk"))


def _add_text_leg(draft: _Draft, leg: TextLeg | None) -> None:
    draft.values["terms"] = (leg.weights if leg else SparseVector({}, TERM_SPACE)).to_text()
    if leg:
        draft.values["any_term"] = leg.any_term
        draft.add(
            _TEXT_LEG, generation="c.generation_id + 0" if leg.by_terms else "c.generation_id"
        )
    else:
        draft.add(_NO_WORDS)


def _add_vector_legs(draft: _Draft, legs: Sequence[VectorLeg]) -> None:
    for part, leg in enumerate(legs):
        draft.values[f"vector_{part}"] = HalfVector(leg.vector).to_text()
        draft.values[f"generations_{part}"] = list(leg.generations)
        draft.add(_INDEX_LEG if leg.indexed else _EXACT_LEG, part=part, dimensions=leg.dimensions)
    if legs:
        names = (f"meaning_{part}" for part in range(len(legs)))
        draft.add(_MEANING, legs=" UNION ALL ".join(f"TABLE {name}" for name in names))
    else:
        draft.add(_NO_MEANING)


def _of_row(legs: Sequence[VectorLeg]) -> dict[str, str]:
    """Return the branches that give a row its part and its score against the part's vector."""
    parts, scores = [], []
    for part, leg in enumerate(legs):
        when = f"WHEN c.generation_id = ANY(%(generations_{part})s) THEN "
        kind = f"halfvec({leg.dimensions})"
        parts.append(f"{when} {part}")
        scores.append(f"{when} -(c.embedding::{kind} <#> %(vector_{part})s::{kind})")
    return {
        "part_of_row": " ".join(parts) or "WHEN true THEN 0",
        "vector_score": " ".join(scores) or "WHEN false THEN 0.0",
    }


# A scan of the table would read the terms of every row, which lie out of line.
EXACT_SETTINGS = "SELECT set_config('enable_seqscan', 'off', true)"

# Without sorts and sequential scans to choose from, the planner takes the vector index wherever
# the query's shape offers it. An unknown mode of the iterative scan would silently mean none.
SETTINGS = """SELECT
    set_config('hnsw.ef_search', %(ef_search)s, true),
    set_config('hnsw.iterative_scan', 'relaxed_order', true),
    set_config('hnsw.max_scan_tuples', %(max_scan_tuples)s, true),
    set_config('enable_sort', 'off', true),
    set_config('enable_seqscan', 'off', true)"""


def settings(request: Request, ef_search: int, max_scan_tuples: int) -> Values:
    """Return the values of `SETTINGS`: HNSW looks at no fewer rows than it is asked for."""
    ef_search = min(max(ef_search, request.candidates), 1000)
    return {"ef_search": str(ef_search), "max_scan_tuples": str(max_scan_tuples)}
