"""Renew the seals of stored secrets after a change of keys: current rows, drafts and history."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import connection, models, transaction
from django.db.models.functions import Cast

from configs import audit, crypto
from configs.errors import SecretUnreadable
from configs.fields import Sealed
from configs.models import Change, Config, ModelEndpoint

if TYPE_CHECKING:
    from accounts.models import User

BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Shelf:
    """A column with secrets, and the place of each: what it begins with, and the row's field."""

    model: type[models.Model]
    column: str
    place: str = ""
    field: str = "pk"

    @property
    def name(self) -> str:
        """Return what people call the rows."""
        return str(self.model._meta.verbose_name)

    def sealed(self) -> Any:
        """Return the rows that hold a secret, each with its text as it is stored."""
        rows = self.model._base_manager.annotate(
            stored=Cast(self.column, models.TextField()),
            whose=Cast(self.field, models.TextField()),
        )
        return rows.filter(stored__startswith=crypto.PREFIX)

    def stale(self) -> Any:
        """Return the rows whose secret the newest key did not seal."""
        return self.sealed().exclude(stored__startswith=f"{crypto.V2}{crypto.field_keys()[0].id}:")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stored secret that no key opens; `key` is the one that sealed it, where that is known."""

    row: str
    whose: str
    key: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the stored secrets; `left` counts those that still have an older seal."""

    key: str
    renewed: int
    left: int
    unreadable: tuple[Unreadable, ...]


def shelves() -> tuple[Shelf, ...]:
    """Return every column that may hold a secret."""
    return (
        Shelf(Config, "value", "config", "key"),
        Shelf(Config.history.model, "value", "config", "key"),
        Shelf(ModelEndpoint, "api_key", "api_key", "id"),
        Shelf(ModelEndpoint.history.model, "api_key", "api_key", "id"),
        Shelf(Change, "value"),
    )


def stale() -> int:
    """Return how many stored secrets an older key sealed."""
    return sum(shelf.stale().count() for shelf in shelves())


def missing_keys() -> dict[str, int]:
    """Return the ids of keys that sealed stored secrets and are gone, with how many they sealed."""
    known = {key.id for key in crypto.field_keys()}
    found: dict[str, int] = {}
    for shelf in shelves():
        for stored in shelf.sealed().values_list("stored", flat=True).iterator():
            name = crypto.key_id(stored)
            if name and name not in known:
                found[name] = found.get(name, 0) + 1
    return found


def rotate(
    *, actor: "User | None", dry_run: bool = False, step: Callable[[int], None] | None = None
) -> Report:
    """Renew every seal that is not the newest key's; `step` is told how many rows were looked at.

    Each batch is a transaction of its own: interrupted, the next run goes on where this one ended.
    """
    renewed, unreadable = 0, list[Unreadable]()
    for shelf in shelves():
        for batch in _batches(shelf):
            done, failed = _renew(shelf, batch, dry_run=dry_run)
            renewed += done
            unreadable += failed
            if step:
                step(len(batch))
    report = Report(crypto.field_keys()[0].id, renewed, stale(), tuple(unreadable))
    if renewed and not dry_run:
        detail = {"key": report.key, "renewed": renewed, "unreadable": len(unreadable)}
        with transaction.atomic():
            audit.record(action=audit.actions.KEYS_ROTATE, actor=actor, detail=detail)
    return report


def _batches(shelf: Shelf) -> Iterator[list[Any]]:
    last: Any = None
    while True:
        rows = shelf.stale().order_by("pk").values_list("pk", "stored", "whose")
        batch = list((rows if last is None else rows.filter(pk__gt=last))[:BATCH])
        if not batch:
            return
        last = batch[-1][0]
        yield batch


def _renew(
    shelf: Shelf, batch: list[tuple[Any, str, str]], *, dry_run: bool
) -> tuple[int, list[Unreadable]]:
    renewed, unreadable = 0, []
    with transaction.atomic(), connection.cursor() as cursor:
        # The triggers let only a seal change while this is set, never what it holds.
        cursor.execute("SET LOCAL clawai.rewrapping = 'on'")
        for pk, stored, whose in batch:
            try:
                fresh = crypto.rewrap(stored, f"{shelf.place}:{whose}" if shelf.place else "")
            except SecretUnreadable:
                unreadable.append(Unreadable(shelf.name, whose, crypto.key_id(stored)))
                continue
            rows = shelf.sealed().filter(pk=pk, stored=stored)
            # Where somebody set it anew in between, there is nothing left to renew.
            renewed += 1 if dry_run else rows.update(**{shelf.column: Sealed(fresh)})
    return renewed, unreadable
