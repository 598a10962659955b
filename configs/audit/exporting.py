"""The audit log as a file: CSV that no spreadsheet takes for formulas, or JSON Lines."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from types import MappingProxyType
from typing import Any, Final

from configs.audit.browsing import Wanted, every
from configs.models import AuditEntry

CHUNK: Final = 2000
COLUMNS: Final = (
    "position",
    "at",
    "actor_name",
    "actor_id",
    "action",
    "object_type",
    "object_id",
    "object_name",
    "old",
    "new",
    "reason",
    "detail",
    "request_id",
    "ip",
    "door",
    "id",
    "follows",
    "key_id",
    "digest",
    "seal",
)
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
BYTE_ORDER_MARK: Final = "\ufeff"
"""Tells spreadsheets that the text is UTF-8."""


def as_csv(wanted: Wanted) -> Iterator[bytes]:
    """Yield a CSV file with a heading, some thousand entries at a time."""
    yield (BYTE_ORDER_MARK + _written([COLUMNS])).encode()
    for page in every(wanted, chunk=CHUNK):
        yield _written([_cell(value) for value in _values(entry)] for entry in page).encode()


def as_json_lines(wanted: Wanted) -> Iterator[bytes]:
    """Yield one JSON object a line, some thousand entries at a time."""
    for page in every(wanted, chunk=CHUNK):
        lines = (dict(zip(COLUMNS, _values(entry), strict=True)) for entry in page)
        yield "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


FORMATS: Final[Mapping[str, tuple[Callable[[Wanted], Iterator[bytes]], str]]] = MappingProxyType(
    {
        "csv": (as_csv, "text/csv; charset=utf-8"),
        "jsonl": (as_json_lines, "application/x-ndjson"),
    }
)
"""How each format is written, and its media type."""


def _values(entry: AuditEntry) -> list[Any]:
    values = [getattr(entry, name) for name in COLUMNS]
    values[1] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    values[3] = str(entry.actor_id) if entry.actor_id else None
    return values


def _cell(value: Any) -> Any:
    """Return a cell; a text that a spreadsheet would calculate begins with an apostrophe."""
    if value is None or isinstance(value, int):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "'" + text if text.startswith(FORMULA) else text


def _written(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
