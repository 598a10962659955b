"""Collect blocks into the canonical text, cleaned of what a database or a reader cannot take."""

import re

from knowledge.protocol import Block, Kind, Parsed, ParseError

MAX_CHARACTERS = 10_000_000
MAX_BLOCKS = 400_000

# NUL and other control characters, lone surrogates, byte order marks and non-characters.
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff\ufffe\uffff]")
_TRAILING = re.compile(r"[ \t\u3000]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")
_SPACES = re.compile(r"\s+")


def clean(text: str) -> str:
    """Return `text` with one kind of line end and without what cannot be stored."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x85", "\n")
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", _UNWANTED.sub("", text))).strip("\n")


def one_line(text: str) -> str:
    """Return `text` with every run of white space as one space."""
    return _SPACES.sub(" ", text).strip()


class Builder:
    """Grows the canonical text block by block.

    Blocks are parted by an empty line, the rows of one table by a line end.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0

    def heading(self, text: str, level: int, *, page: int | None = None) -> None:
        """Add a heading of `level` 1–6."""
        self._add("heading", one_line(text), level=min(max(level, 1), 6), page=page)

    def paragraph(self, text: str, *, page: int | None = None) -> None:
        """Add a paragraph; its line ends stay."""
        self._add("paragraph", text, page=page)

    def code(self, text: str, *, page: int | None = None) -> None:
        """Add lines whose order and spaces matter."""
        self._add("code", text, page=page)

    def row(self, cells: list[str], *, page: int | None = None) -> None:
        """Add a row of a table; empty cells at its end go."""
        self._add("row", " | ".join(one_line(cell) for cell in cells).rstrip(" |"), page=page)

    def record(self, header: list[str], cells: list[str], *, page: int | None = None) -> None:
        """Add a row whose cells carry the names of their columns, so that it can be read alone."""
        named = zip(header + [""] * (len(cells) - len(header)), cells, strict=False)
        pairs = [(one_line(name), one_line(cell)) for name, cell in named]
        self._add("row", " | ".join(f"{n}: {c}" if n else c for n, c in pairs if c), page=page)

    def parsed(self) -> Parsed:
        """Return the whole.

        Raises:
            ParseError: `empty` where there is no text.
        """
        if not self._blocks:
            raise ParseError("empty")
        return Parsed("".join(self._parts), tuple(self._blocks))

    def _add(self, kind: Kind, text: str, *, level: int = 0, page: int | None = None) -> None:
        text = clean(text)
        if not text.strip():
            return
        separator = self._separator(kind)
        start = self._length + len(separator)
        end = start + len(text)
        if end > MAX_CHARACTERS or len(self._blocks) >= MAX_BLOCKS:
            raise ParseError("limits")
        self._parts += [separator, text]
        self._length = end
        self._blocks.append(Block(kind, text, start, end, level, page))

    def _separator(self, kind: Kind) -> str:
        if not self._blocks:
            return ""
        return "\n" if kind == self._blocks[-1].kind == "row" else "\n\n"
