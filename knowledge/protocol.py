"""What the parsing process answers: one canonical text and the blocks that it consists of."""

import json
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["heading", "paragraph", "row", "code"]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the canonical text: `text == canonical[start:end]`, in code points.

    `level` is 1–6 for headings and 0 otherwise; `page` counts from 1 where the format has pages.
    """

    kind: Kind
    text: str
    start: int
    end: int
    level: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document as it is read: its text, and the blocks in their order without overlap."""

    text: str
    blocks: tuple[Block, ...]


class ParseError(Exception):
    """A file that cannot be read, for good; `code` is one of `knowledge.errors.REASONS`."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def outline(blocks: tuple[Block, ...]) -> list[dict[str, Any]]:
    """Return the blocks without their text, as `DocumentVersion.outline` stores them."""
    return [
        {"kind": b.kind, "start": b.start, "end": b.end, "level": b.level, "page": b.page}
        for b in blocks
    ]


def restore(text: str, stored: list[dict[str, Any]]) -> Parsed:
    """Return what `outline` stored, with the texts of the blocks cut out of `text` again."""
    return Parsed(text, tuple(Block(text=text[o["start"] : o["end"]], **o) for o in stored))


def encode(parsed: Parsed) -> bytes:
    """Return the answer of a parsing process that succeeded."""
    blocks = [(b.kind, b.start, b.end, b.level, b.page) for b in parsed.blocks]
    return json.dumps({"text": parsed.text, "blocks": blocks}, ensure_ascii=False).encode()


def encode_failure(code: str) -> bytes:
    """Return the answer of a parsing process that refuses the file."""
    return json.dumps({"error": code}).encode()


def decode(answer: bytes) -> Parsed:
    """Return what `encode` made.

    Raises:
        ParseError: the answer is a refusal, or no answer at all.
    """
    try:
        data = json.loads(answer)
    except ValueError:
        raise ParseError("malformed") from None
    if "error" in data:
        raise ParseError(data["error"])
    text: str = data["text"]
    return Parsed(
        text,
        tuple(
            Block(kind, text[start:end], start, end, level, page)
            for kind, start, end, level, page in data["blocks"]
        ),
    )
