"""Read tables: CSV and XLSX, each row with the names of its columns."""

import csv
import datetime
import io
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from knowledge.parsing.archive import checked
from knowledge.parsing.builder import Builder, one_line
from knowledge.parsing.encoding import decode
from knowledge.parsing.plain import MAX_BYTES
from knowledge.protocol import ParseError

MAX_COLUMNS = 500
LONGEST_NAME = 80


def comma_separated(data: bytes) -> Builder:
    """Read CSV with a comma, semicolon, tab or bar between the cells."""
    if len(data) > MAX_BYTES:
        raise ParseError("limits")
    whole = decode(data).replace("\0", "")
    csv.field_size_limit(1_000_000)
    builder = Builder()
    try:
        rows = csv.reader(io.StringIO(whole, newline=""), delimiter=_delimiter(whole[:8192]))
        _add_rows(builder, (row[:MAX_COLUMNS] for row in rows))
    except csv.Error:
        raise ParseError("malformed") from None
    return builder


def workbook(path: Path) -> Builder:
    """Read XLSX: a sheet is a section, a row a record; a formula without a value stays as text."""
    with checked(path, "xlsx") as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        formulas = any(_mentions(archive.open(name), (b"<f>", b"<f ")) for name in sheets)
    builder = Builder()
    for title, rows in _sheets(path, formulas=formulas):
        builder.heading(title, 1)
        _add_rows(builder, rows)
    return builder


def _delimiter(sample: str) -> str:
    first = sample.split("\n", 1)[0]
    return max(",;\t|", key=first.count)


def _add_rows(builder: Builder, rows: Iterable[list[str]]) -> None:
    """Add rows as records of the first one where that reads like names of columns."""
    filled = (row for row in rows if any(cell.strip() for cell in row))
    first = next(filled, [])
    second = next(filled, None)
    header = first if second is not None and _names_columns(first) else []
    if not header or second is None:
        builder.row(first)
    for row in [second] if second is not None else []:
        builder.record(header, row) if header else builder.row(row)
    for row in filled:
        builder.record(header, row) if header else builder.row(row)


def _names_columns(row: list[str]) -> bool:
    names = [one_line(cell) for cell in row if cell.strip()]
    return (
        len(names) >= min(2, len(row))
        and len(set(names)) == len(names)
        and all(len(name) <= LONGEST_NAME and not _is_number(name) for name in names)
    )


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace(",", "").lstrip("+-").rstrip("%").isdigit()


def _mentions(stream: Any, needles: tuple[bytes, ...]) -> bool:
    tail = b""
    with stream:
        while block := stream.read(1 << 20):
            if any(needle in tail + block for needle in needles):
                return True
            tail = block[-8:]
    return False


def _sheets(path: Path, *, formulas: bool) -> Iterator[tuple[str, Iterator[list[str]]]]:
    # openpyxl imports numpy where it can, for nothing that is needed here.
    sys.modules.setdefault("numpy", None)  # type: ignore[arg-type]
    from openpyxl import load_workbook  # after the line above

    values = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    texts = load_workbook(path, read_only=True, keep_links=False) if formulas else None
    for sheet in values.worksheets:
        rows = sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS)
        other = (
            texts[sheet.title].iter_rows(values_only=True, max_col=MAX_COLUMNS) if texts else None
        )
        yield sheet.title, (_cells(row, next(other, ()) if other else ()) for row in rows)


def _cells(row: tuple[Any, ...], formulas: tuple[Any, ...]) -> list[str]:
    filled = [
        formulas[at] if cell is None and at < len(formulas) else cell for at, cell in enumerate(row)
    ]
    while filled and filled[-1] is None:
        filled.pop()
    return [_shown(cell) for cell in islice(filled, MAX_COLUMNS)]


def _shown(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime.datetime):
        return (
            cell.date().isoformat()
            if cell.time() == datetime.time()
            else cell.isoformat(" ", "minutes")
        )
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:  # noqa: PLR2004 - exact below
        return str(int(cell))
    return str(cell)
