"""How a knowledge base is: its documents, its index, and what is wrong with either."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Max, Q, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from configs import registry, runtime
from knowledge.errors import reason
from knowledge.models import Document, DocumentVersion, IndexGeneration, KnowledgeBase

SHOWN: Final = 50
STATES: Final = (
    (Document.Status.READY, "good"),
    (Document.Status.PROCESSING, "accent"),
    (Document.Status.QUEUED, "soft"),
    (Document.Status.FAILED, "bad"),
)


@dataclass(frozen=True, slots=True)
class State:
    """How many documents are in one state, and their share in percent."""

    code: str
    name: str | Promise
    tone: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that could not be indexed, and why, in the reader's language."""

    document: Document
    why: str


@dataclass(frozen=True, slots=True)
class Health:
    """All that the page says of a base."""

    documents: int
    states: Sequence[State]
    size: int
    chunks: int
    last_indexed: datetime | None
    failures: Sequence[Failure]
    twins: Sequence[Sequence[str]]
    generations: Sequence[IndexGeneration]
    stale: Sequence[str]

    @property
    def failed(self) -> int:
        """Return how many documents failed, also those that are not listed."""
        return sum(state.count for state in self.states if state.code == Document.Status.FAILED)


def of(base: KnowledgeBase) -> Health:
    """Look a base over, in five queries."""
    documents = Document.objects.filter(base=base).order_by()
    totals = documents.aggregate(
        documents=Count("pk"),
        size=Sum("current_version__size"),
        last=Max("updated_at", filter=Q(status=Document.Status.READY)),
    )
    active = base.active_generation
    return Health(
        documents=totals["documents"],
        states=_states(documents, totals["documents"]),
        size=totals["size"] or 0,
        chunks=active.chunk_count if active else 0,
        last_indexed=totals["last"],
        failures=_failures(base),
        twins=_twins(base),
        generations=list(base.generations.order_by("-id")[:SHOWN]),
        stale=_stale(active),
    )


def _states(documents: Any, total: int) -> list[State]:
    counts = dict(documents.values_list("status").annotate(n=Count("pk")))
    return [
        State(
            status.value,
            status.label,
            tone,
            counts.get(status, 0),
            round(counts.get(status, 0) / total * 100, 2) if total else 0,
        )
        for status, tone in STATES
    ]


def _failures(base: KnowledgeBase) -> list[Failure]:
    rows = Document.objects.filter(base=base, status=Document.Status.FAILED)
    return [
        Failure(row, reason(row.error_code, row.error))
        for row in rows.order_by("-updated_at")[:SHOWN]
    ]


def _twins(base: KnowledgeBase) -> list[list[str]]:
    """Return the names of documents whose bytes are the same."""
    in_use = DocumentVersion.objects.filter(document__base=base).filter(
        pk__in=Document.objects.filter(base=base).values("current_version")
    )
    repeated = in_use.order_by().values("sha256").annotate(n=Count("pk")).filter(n__gt=1)
    rows = in_use.filter(sha256__in=repeated.values("sha256")[:SHOWN])
    names: dict[str, list[str]] = {}
    for digest, name in rows.order_by("document__name").values_list("sha256", "document__name"):
        names.setdefault(digest, []).append(name)
    return list(names.values())


def _stale(active: IndexGeneration | None) -> list[str]:
    """Return in which ways the index in use differs from what the settings ask for now."""
    if active is None:
        return []
    settings = runtime.current()
    wanted = settings.get(registry.EMBEDDING_ENDPOINT)
    found = []
    if active.endpoint_name != wanted:
        found.append(
            _("The vectors were made by %(old)s; new documents elsewhere get theirs from %(new)s.")
            % {"old": active.endpoint_name, "new": wanted}
        )
    sizes = (active.chunk_tokens, active.overlap_tokens)
    asked = (settings.get(registry.CHUNKING_TOKENS), settings.get(registry.CHUNKING_OVERLAP))
    if sizes != asked:
        found.append(
            _("Passages have %(old)s tokens with an overlap of %(over)s; now set: %(new)s and "
              "%(now)s.")
            % {"old": sizes[0], "over": sizes[1], "new": asked[0], "now": asked[1]}
        )  # fmt: skip
    return found
