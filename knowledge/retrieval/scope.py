"""What a search looks at: the readable bases, their indexes, and how common its words are."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, Func, OuterRef, Subquery
from django.db.models.functions import JSONObject

from knowledge.models import IndexGeneration, KnowledgeBase, TermFrequency
from knowledge.querysets import KnowledgeBaseQuerySet
from knowledge.segmentation import term_id

if TYPE_CHECKING:
    from accounts.models import User

MOST_TERMS = 64
"""Terms of a question that are searched for, the rarest first; a question has some 20."""

LONGEST_LOOKUP = 2_000
"""Distinct terms of a question whose frequency is looked up: a pasted page stays cheap."""


@dataclass(frozen=True, slots=True)
class Part:
    """Generations whose vectors can be compared: made by one endpoint, with the same dimensions."""

    endpoint_name: str
    dimensions: int
    generations: tuple[int, ...]
    chunk_count: int


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows behind the filter, by part, and the terms of the question that occur among them.

    `terms` maps a term to its inverse document frequency, `frequencies` to its chunks; the rarest
    come first in both. `all_chunks` counts those of every base, readable or not.
    """

    bases: KnowledgeBaseQuerySet
    parts: tuple[Part, ...]
    terms: Mapping[str, float]
    frequencies: Mapping[str, int]
    all_chunks: int

    @property
    def chunk_count(self) -> int:
        """Return how many chunks are behind the filter."""
        return sum(part.chunk_count for part in self.parts)

    @property
    def generations(self) -> list[int]:
        """Return the generations of all parts."""
        return [generation for part in self.parts for generation in part.generations]


def readable(user: "User", bases: Collection[UUID] | None) -> KnowledgeBaseQuerySet:
    """Return the bases with an index that `user` may read, of those asked for (None: of all)."""
    found = KnowledgeBase.objects.visible_to(user).filter(active_generation__isnull=False)
    return (found if bases is None else found.filter(pk__in=bases)).order_by()


def look(user: "User", bases: Collection[UUID] | None, found: Sequence[str]) -> Scope:
    """Return the scope of a question with the terms `found`, in one query."""
    asked = {term_id(term): term for term in list(dict.fromkeys(found))[:LONGEST_LOOKUP]}
    allowed = readable(user, bases)
    rows = list(
        allowed.annotate(
            endpoint_name=F("active_generation__endpoint_name"),
            dimensions=F("active_generation__dimensions"),
            chunk_count=F("active_generation__chunk_count"),
            all_chunks=Subquery(
                IndexGeneration.objects.order_by()
                .annotate(total=Func("chunk_count", function="SUM"))
                .values("total")
            ),
            frequencies=ArraySubquery(
                TermFrequency.objects.filter(
                    generation=OuterRef("active_generation"), term__in=list(asked), chunks__gt=0
                ).values(json=JSONObject(term="term", chunks="chunks"))
            ),
        ).values_list(
            "active_generation_id",
            "endpoint_name",
            "dimensions",
            "chunk_count",
            "frequencies",
            "all_chunks",
        )
    )
    chunks = sum(row[3] for row in rows)
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update({asked[entry["term"]]: entry["chunks"] for entry in row[4] or ()})
    rarest = dict(sorted(counts.items(), key=lambda item: item[1])[:MOST_TERMS])
    return Scope(
        bases=allowed,
        parts=_parts([row[:4] for row in rows]),
        terms={term: _rarity(chunks, count) for term, count in rarest.items()},
        frequencies=rarest,
        all_chunks=rows[0][5] if rows else 0,
    )


def _parts(rows: Sequence[tuple[int, str, int, int]]) -> tuple[Part, ...]:
    spaces: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for generation, endpoint_name, dimensions, chunk_count in rows:
        spaces.setdefault((endpoint_name, dimensions), []).append((generation, chunk_count))
    return tuple(
        Part(name, dimensions, tuple(g for g, _ in members), sum(n for _, n in members))
        for (name, dimensions), members in sorted(spaces.items())
    )


def _rarity(chunks: int, containing: int) -> float:
    """Return the inverse document frequency of BM25, never negative."""
    return math.log1p((max(chunks - containing, 0) + 0.5) / (containing + 0.5))
