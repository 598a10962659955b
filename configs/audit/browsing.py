"""Find entries of the audit log among millions: every filter has an index, nothing is counted."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db.models import Max, Q, QuerySet
from django.db.models.expressions import RawSQL

from configs.models import AuditEntry

MOST_NAMESAKES: Final = 100
OUT_OF_STEP: Final = 10_000
"""Entries by which the order of ids may differ from that of times: commits overtake one another."""
SHORTEST_INDEXED: Final = 3
RECENT: Final = 100_000
"""So many of the newest entries are searched for words that are too short for the index."""
SEARCHED: Final = "(object_name || ' ' || object_id || ' ' || actor_name || ' ' || reason)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the log is asked for; `before` is the id at which an earlier page ended."""

    q: str = ""
    action: str = ""
    person: str = ""
    object_type: str = ""
    object_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    ip: str = ""
    request: str = ""
    before: int | None = None

    @property
    def named(self) -> dict[str, Any]:
        """Return what is asked for, without the place in the list, by the filters' names."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value and name != "before"}


def entries(wanted: Wanted, *, limit: int) -> list[AuditEntry]:
    """Return the newest entries that are wanted, newest first, `limit` at most."""
    return list(_rows(wanted)[:limit])


def every(wanted: Wanted, *, chunk: int) -> Iterator[list[AuditEntry]]:
    """Yield all entries that are wanted, newest first, `chunk` at a time.

    Each chunk is a query of its own: the memory stays the same however many there are, and no
    transaction stays open meanwhile.
    """
    rows = _rows(wanted)
    before = wanted.before
    while True:
        page = list((rows.filter(pk__lt=before) if before else rows)[:chunk])
        if page:
            yield page
        if len(page) < chunk:
            return
        before = page[-1].pk


def _rows(wanted: Wanted) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.order_by("-pk")
    exact = {
        "action": wanted.action,
        "object_type": wanted.object_type,
        "object_id": wanted.object_id,
        "ip": wanted.ip,
        "request_id": wanted.request,
    }
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if wanted.before:
        rows = rows.filter(pk__lt=wanted.before)
    if wanted.person:
        rows = rows.filter(actor__in=_people(wanted.person))
    return _within(_with_words(rows, wanted.q), wanted)


def _people(name: str) -> list[Any]:
    people = get_user_model().objects
    exact = list(people.filter(username=name).values_list("pk", flat=True))
    if exact:
        return exact
    found = people.filter(Q(username__icontains=name) | Q(display_name__icontains=name))
    return list(found.values_list("pk", flat=True)[:MOST_NAMESAKES])


def _with_words(rows: QuerySet[AuditEntry], words: str) -> QuerySet[AuditEntry]:
    if not words:
        return rows
    pattern = "".join("\\" + c if c in "\\%_" else c for c in words)
    rows = rows.annotate(fits=RawSQL(f"{SEARCHED} ILIKE %s", [f"%{pattern}%"]))  # noqa: S611  # only our own words
    if len(words) < SHORTEST_INDEXED:
        newest = AuditEntry.objects.aggregate(pk=Max("pk"))["pk"] or 0
        rows = rows.filter(pk__gt=newest - RECENT)
    return rows.filter(fits=True)


def _within(rows: QuerySet[AuditEntry], wanted: Wanted) -> QuerySet[AuditEntry]:
    """Bound the rows in time, and by their ids, in whose order they are read."""
    by_time = AuditEntry.objects.order_by("at", "pk").values_list("pk", flat=True)
    if wanted.since:
        first = by_time.filter(at__gte=wanted.since).first()
        rows = rows.filter(at__gte=wanted.since, pk__gte=(first or 0) - OUT_OF_STEP)
        rows = rows if first else rows.none()
    if wanted.until:
        last = by_time.filter(at__lte=wanted.until).last()
        rows = rows.filter(at__lte=wanted.until, pk__lte=(last or 0) + OUT_OF_STEP)
    return rows
