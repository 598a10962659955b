"""Write rows that steer the system past their guards, as only a broken system or a thief could."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def unguarded() -> Iterator[None]:
    """Let everything inside be written as if the database had no triggers."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def step(row: Any, **changes: Any) -> Any:
    """Save a row with the changes as its next version; no release says so."""
    for name, value in changes.items():
        setattr(row, name, value)
    row.version += 1
    row.save()
    return row
