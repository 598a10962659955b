"""Prove that the audit log is whole: no entry altered, removed, inserted or moved."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.utils.translation import gettext

from configs.audit import sealing
from configs.models import AuditEntry, AuditHead

CHUNK: Final = 2000
SEALS_AT_HAND: Final = 50_000
"""Seals that are remembered: an entry names one that was the newest when it was recorded."""
COLUMNS: Final = (*sealing.CONTENT, "id", "position", "digest", "seal")


@dataclass(frozen=True, slots=True)
class Head:
    """A position of the chain and the seal there: it stands for all that was before."""

    position: int
    seal: str

    def __str__(self) -> str:
        return f"{self.position}:{self.seal}"

    @classmethod
    def of(cls, text: str) -> "Head":
        """Return the head that `POSITION:SEAL` names.

        Raises:
            ValueError: it is not written so.
        """
        position, _, seal = text.strip().partition(":")
        if len(seal) != len(sealing.seal("", 0, 0, "")):
            raise ValueError(text)
        return cls(int(position), seal.lower())


@dataclass(frozen=True, slots=True)
class Fault:
    """The first place where the chain does not hold, and why."""

    position: int
    why: str
    entry_id: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: a whole chain up to `head`, or a fault."""

    checked: int
    first: int
    head: Head
    fault: Fault | None


Progress = Callable[[int, int], None]
"""Told how many entries were looked at, of how many."""


class _Broken(Exception):  # noqa: N818  # it carries a finding
    def __init__(self, position: int, why: str, entry_id: int | None = None) -> None:
        self.fault = Fault(position, why, entry_id)


def head() -> Head:
    """Return the end of the chain as it is stored."""
    stored = AuditHead.objects.filter(pk=1).values_list("position", "seal").first()
    return Head(*stored) if stored else Head(0, "")


def first_since(moment: datetime) -> int:
    """Return the position of the first entry at or after `moment`, one past the end if none."""
    found = AuditEntry.objects.filter(at__gte=moment).order_by("position")
    position = found.values_list("position", flat=True).first()
    return position or head().position + 1


def verify(
    *, first: int = 1, expected: Head | None = None, progress: Progress | None = None
) -> Verdict:
    """Check the chain from the position `first` to its end, as of one moment, in constant memory.

    `expected` is a head that was noted before: it proves that nothing up to there was rewritten.
    """
    with _one_moment():
        end = head()
        walk = _Walk(first, end, expected, progress or (lambda _done, _total: None))
        try:
            walk.go()
        except _Broken as broken:
            return Verdict(walk.checked, first, end, broken.fault)
        return Verdict(walk.checked, first, end, None)


@contextmanager
def _one_moment() -> Iterator[None]:
    """See one state of the database throughout, unless the caller's transaction decides."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


class _Walk:
    """One walk along the chain."""

    def __init__(self, first: int, end: Head, expected: Head | None, progress: Progress) -> None:
        self.first, self.end, self.expected, self.progress = first, end, expected, progress
        self.checked = 0
        self.keys = sealing.known_keys()
        self.seals: OrderedDict[int, str] = OrderedDict()

    def go(self) -> None:
        """Look at every entry, then at the end.

        Raises:
            _Broken: something is wrong.
        """
        position = self.first - 1
        before = self._remember(position, self._seal_at(position))
        for row in self._rows():
            entry = dict(zip(COLUMNS, row, strict=True))
            position += 1
            self._check(entry, position, before)
            before = self._remember(position, entry["seal"])
            self.checked += 1
            if self.checked % CHUNK == 0:
                self.progress(self.checked, self.end.position - self.first + 1)
        self._check_end(Head(position, before))

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        # Unsealed rows sort last, where they are one too many.
        rows = AuditEntry.objects.order_by("position").values_list(*COLUMNS)
        if self.first > 1:
            rows = rows.exclude(position__lt=self.first)
        return rows.iterator(chunk_size=CHUNK)

    def _check(self, entry: Mapping[str, Any], position: int, before: str) -> None:
        found, entry_id = entry["position"], entry["id"]
        if found is None:
            raise _Broken(position, gettext("An entry was inserted without a seal."), entry_id)
        if found != position:
            raise _Broken(position, _gap(position, found), entry_id)
        if entry["seal"] != sealing.seal(before, position, entry_id, entry["digest"]):
            why = gettext(
                "The seal does not continue the one before: "
                "the entry or the order is not what it was."
            )
            raise _Broken(position, why, entry_id)
        self._check_digest(entry, position)
        self._check_expected(Head(position, entry["seal"]))

    def _check_digest(self, entry: Mapping[str, Any], position: int) -> None:
        key = self.keys.get(entry["key_id"])
        if key is None:
            raise _Broken(position, _key_is_gone(entry["key_id"]), entry["id"])
        follows = entry["follows"]
        known = 0 <= follows < position
        if not known or entry["digest"] != sealing.digest(entry, self._seal_at(follows), key):
            why = gettext(
                "The entry was altered or forged, or what stands before it was written anew."
            )
            raise _Broken(position, why, entry["id"])

    def _check_expected(self, here: Head) -> None:
        if self.expected and self.expected.position == here.position and self.expected != here:
            why = gettext("The seal is not the one that was noted: something before was rewritten.")
            raise _Broken(here.position, why)

    def _check_end(self, last: Head) -> None:
        if last.position < self.end.position:
            raise _Broken(last.position + 1, gettext("Entries are missing at the end."))
        if last != self.end:
            why = gettext("The stored end of the log is not that of its last entry.")
            raise _Broken(last.position, why)
        if self.expected and self.expected.position > last.position:
            why = gettext("The log ends before the position that was noted: its end was removed.")
            raise _Broken(last.position + 1, why)
        self.progress(self.checked, self.checked)

    def _remember(self, position: int, seal: str) -> str:
        self.seals[position] = seal
        if len(self.seals) > SEALS_AT_HAND:
            self.seals.popitem(last=False)
        return seal

    def _seal_at(self, position: int) -> str:
        """Return the seal at a position; one that was passed long ago is looked up."""
        known = self.seals.get(position)
        if known is not None or position < 1:
            return known or ""
        rows = AuditEntry.objects.filter(position=position)
        return rows.values_list("seal", flat=True).first() or ""


def _key_is_gone(name: str) -> str:
    return gettext(
        "The entry was sealed with the key %(name)s, which is not among CLAWAI_FIELD_KEYS: "
        "put that key back at the end of the list to check it."
    ) % {"name": name}


def _gap(position: int, found: int) -> str:
    if found < position:
        return gettext("Position %(found)d stands there twice.") % {"found": found}
    return gettext("Entries are missing: after %(last)d comes %(found)d.") % {
        "last": position - 1,
        "found": found,
    }
