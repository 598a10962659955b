"""Write rows that steer the system past their guards, as only a broken system or a thief could."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def unguarded() -> Iterator[None]:
    """Let everything inside be written as if the database had no triggers."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what was written before is guarded
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def put(model: type[Any], *, changes: Mapping[str, Any], **names: Any) -> Any:
    """Make the row of that name, or step it, with the changes; no release says so."""
    row = model.objects.filter(**names).first()
    return step(row, **changes) if row else model.objects.create(**names, **changes)


def step_all(rows: Iterable[Any], **changes: Any) -> None:
    """Save each row with the changes as its next version."""
    for row in rows:
        step(row, **changes)


def step(row: Any, **changes: Any) -> Any:
    """Save a row with the changes as its next version; no release says so."""
    for name, value in changes.items():
        setattr(row, name, value)
    row.version += 1
    row.save()
    return row
