"""Read PDF page by page, and put broken lines together again."""

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError, LimitReachedError, PyPdfError
from pypdf.generic import Destination

from knowledge.parsing.builder import Builder, one_line
from knowledge.protocol import ParseError

MAX_PAGES = 5_000
FULL_LINE = 0.7
"""A line this long, against the longest of its page, was broken by the margin."""

_ENDS = re.compile(r"[。！？!?.：:；;…”」』)）]$")
_ITEM = re.compile(r"\s*(?:[-•·●▪◦*]|\(?\d{1,3}[.)、]|[（(]?[一二三四五六七八九十]{1,3}[)）、])\s*")
_WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")


def pdf(path: Path) -> Builder:
    """Read the text layer of a PDF; bookmarks that stand on their page as a line become headings.

    Raises:
        ParseError: `encrypted`, `malformed`, `limits`.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        return _read(PdfReader(path))
    except FileNotDecryptedError:
        raise ParseError("encrypted") from None
    except LimitReachedError:
        raise ParseError("limits") from None
    # What pypdf raises on broken files beside its own errors, as its issue tracker shows.
    except (
        PyPdfError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        AssertionError,
        OSError,
    ):
        raise ParseError("malformed") from None


def _read(reader: PdfReader) -> Builder:
    if reader.is_encrypted and not reader.decrypt(""):
        raise ParseError("encrypted")
    if len(reader.pages) > MAX_PAGES:
        raise ParseError("limits")
    marks = _bookmarks(reader)
    builder = Builder()
    for number, page in enumerate(reader.pages, start=1):
        _add_page(builder, page.extract_text(), number, marks.get(number, {}))
    return builder


def _bookmarks(reader: PdfReader) -> dict[int, dict[str, int]]:
    """Return page number → title without spaces → level; a broken outline counts as none."""
    marks: dict[int, dict[str, int]] = {}
    try:
        for level, item in _items(reader.outline, 1):
            page = reader.get_destination_page_number(item)
            if page is not None:
                marks.setdefault(page + 1, {})[_key(item.title or "")] = level
    except (
        PyPdfError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RecursionError,
    ):
        return {}
    return marks


def _items(outline: Sequence[object], level: int) -> Iterator[tuple[int, Destination]]:
    for item in outline:
        if isinstance(item, list):
            yield from _items(item, level + 1)
        elif isinstance(item, Destination):
            yield level, item


def _key(title: str) -> str:
    return re.sub(r"\s", "", title)


def _add_page(builder: Builder, text: str, number: int, marks: dict[str, int]) -> None:
    lines = text.split("\n")
    longest = max(map(len, lines), default=0)
    paragraph = ""
    previous = ""
    for line in [*lines, ""]:
        level = marks.get(_key(line))
        if level or not line.strip() or not _continues(previous, line, longest):
            builder.paragraph(paragraph, page=number)
            paragraph = ""
        if level:
            builder.heading(line, level, page=number)
        else:
            paragraph = _joined(paragraph, one_line(line))
        previous = "" if level else line
    builder.paragraph(paragraph, page=number)


def _continues(previous: str, line: str, longest: int) -> bool:
    """Say whether `line` goes on with the sentence of the line before it."""
    return (
        len(previous.rstrip()) >= longest * FULL_LINE
        and not _ENDS.search(previous.rstrip())
        and not _ITEM.match(line)
    )


def _joined(before: str, line: str) -> str:
    if not before or not line:
        return before + line
    if before.endswith("-") and len(before) > 1 and before[-2].isalpha() and line[0].islower():
        return before[:-1] + line
    wide = _WIDE.match(before[-1]) or _WIDE.match(line[0])
    return f"{before}{'' if wide else ' '}{line}"
