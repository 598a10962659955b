"""Cut a document into passages: by headings, then sentences, with an overlap. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from knowledge.protocol import Block

HEADING_PATH_LENGTH = 500
TITLE_LENGTH = 120
SMALL_TOKENS = 20
"""A section below this joins the next one: a heading with one line says too little alone."""

# Tokens of a multilingual model, estimated: 256 of them are about 400 Chinese characters or 1,000
# of English prose.
WIDE_TOKENS = 0.64
LATIN_TOKENS = 0.25
OTHER_TOKENS = 0.5

_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+")
_LATIN = re.compile(r"[\x21-\x7e\u00a1-\u024f]+")
_SPACE = re.compile(r"\s+")
_SENTENCE = re.compile(
    r".*?(?:[。！？!?；;…]+[」』”’\"')）】》]*|[.](?=[\s」』”’\"')])[」』”’\"')]*|\n)\s*|.+\Z",
    re.DOTALL,
)
_WORD = re.compile(r"[\x21-\x7e\u00a1-\u024f]+\s*|\S\s*|\s+")
_CELL = re.compile(r".*? \| |.+\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage: `text == canonical[start:end]`, without white space at its ends."""

    ordinal: int
    text: str
    start: int
    end: int
    heading_path: str
    page: int | None
    tokens: float


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is not cut further unless it must be: a sentence, a row, a line of code."""

    start: int
    end: int
    tokens: float
    page: int | None


@dataclass(slots=True)
class _Section:
    """A heading and what stands under it, up to the next heading."""

    path: str
    units: list[_Unit]
    tokens: float = 0.0


def estimate_tokens(text: str) -> float:
    """Return about how many tokens a multilingual model makes of `text`."""
    wide = sum(map(len, _WIDE.findall(text)))
    latin = sum(map(len, _LATIN.findall(text)))
    spaces = sum(map(len, _SPACE.findall(text)))
    other = len(text) - wide - latin - spaces
    return wide * WIDE_TOKENS + latin * LATIN_TOKENS + other * OTHER_TOKENS


def chunk(
    text: str, blocks: Sequence[Block], *, max_tokens: int, overlap_tokens: int
) -> Iterator[Piece]:
    """Yield the passages of a document in their order.

    Deterministic: the same input gives the same passages with the same ordinals. Every character
    of `blocks` that is no white space lies in a passage; no passage has more than `max_tokens`
    (estimated), none spans two sections of which one is large, and a row of a table is cut only
    where it alone is too long. The overlap repeats whole sentences, `overlap_tokens` at most.
    """
    ordinal = 0
    for section in _merged(_sections(blocks, max_tokens), max_tokens):
        for units in _packed(section.units, max_tokens, overlap_tokens):
            piece = _piece(ordinal, text, units, section.path)
            if piece is not None:
                yield piece
                ordinal += 1


def _piece(ordinal: int, text: str, units: Sequence[_Unit], path: str) -> Piece | None:
    raw = text[units[0].start : units[-1].end]
    start = units[0].start + len(raw) - len(raw.lstrip())
    words = raw.strip()
    if not words:
        return None
    tokens = sum(unit.tokens for unit in units)
    return Piece(ordinal, words, start, start + len(words), path, units[0].page, tokens)


def _sections(blocks: Sequence[Block], max_tokens: int) -> Iterator[_Section]:
    """Yield the sections; one of a heading alone goes with what follows it."""
    stack: list[tuple[int, str]] = []
    section = _Section("", [])
    only_headings = True
    for block in blocks:
        if block.kind == "heading":
            if section.units and not only_headings:
                yield section
                section = _Section("", [])
            stack = [(level, title) for level, title in stack if level < block.level]
            stack.append((block.level, block.text[:TITLE_LENGTH]))
            section.path = _path(stack)
            only_headings = len(section.units) == 0 or only_headings
        else:
            only_headings = False
        for unit in _units(block, max_tokens):
            section.units.append(unit)
            section.tokens += unit.tokens
    if section.units:
        yield section


def _path(stack: Sequence[tuple[int, str]]) -> str:
    """Join the headings; where that is too long the outermost go first."""
    titles = [title for _, title in stack]
    while len(titles) > 1 and len(" > ".join(titles)) > HEADING_PATH_LENGTH:
        titles.pop(0)
    return " > ".join(titles)[:HEADING_PATH_LENGTH]


def _merged(sections: Iterator[_Section], max_tokens: int) -> Iterator[_Section]:
    """Join small sections with the one after them while both fit into one passage."""
    held: _Section | None = None
    for section in sections:
        if held is None:
            held = section
        elif held.tokens < SMALL_TOKENS and held.tokens + section.tokens <= max_tokens:
            path = _common(held.path, section.path)
            held = _Section(path, held.units + section.units, held.tokens + section.tokens)
        else:
            yield held
            held = section
    if held is not None:
        yield held


def _common(one: str, other: str) -> str:
    """Return the headings that two paths begin with alike, or the first path for none."""
    shared = []
    for left, right in zip(one.split(" > "), other.split(" > "), strict=False):
        if left != right:
            break
        shared.append(left)
    return " > ".join(shared) or one


def _units(block: Block, max_tokens: int) -> Iterator[_Unit]:
    """Yield the sentences, rows or lines of a block, cut where one alone is too long."""
    tokens = estimate_tokens(block.text)
    if block.kind in {"heading", "row"} and tokens <= max_tokens:
        yield _Unit(block.start, block.start + len(block.text), tokens, block.page)
        return
    at = block.start
    for part in _parts(block, max_tokens):
        yield _Unit(at, at + len(part), estimate_tokens(part), block.page)
        at += len(part)


def _parts(block: Block, max_tokens: int) -> Iterator[str]:
    """Yield strings that join to the block's text, none above `max_tokens`."""
    if block.kind == "code":
        whole = block.text.splitlines(keepends=True)
    elif block.kind == "row":
        whole = _CELL.findall(block.text)
    else:
        whole = _SENTENCE.findall(block.text)
    for part in whole:
        if estimate_tokens(part) <= max_tokens:
            yield part
        else:
            yield from _forced(part, max_tokens)


def _forced(part: str, max_tokens: int) -> Iterator[str]:
    """Cut what has no better place between words, and inside a word only between characters."""
    taken: list[str] = []
    tokens = 0.0
    for word in _pieces_of_words(part, max_tokens):
        cost = estimate_tokens(word)
        if taken and tokens + cost > max_tokens and not _belongs(word[0]):
            yield "".join(taken)
            taken, tokens = [], 0.0
        taken.append(word)
        tokens += cost
    yield "".join(taken)


def _pieces_of_words(part: str, max_tokens: int) -> Iterator[str]:
    most = max(1, int(max_tokens / LATIN_TOKENS / 2))
    for word in _WORD.findall(part):
        for at in range(0, len(word), most):
            yield word[at : at + most]


def _belongs(character: str) -> bool:
    """Say whether `character` is drawn together with the one before it."""
    return character == "\u200d" or unicodedata.category(character) in {"Mn", "Me", "Mc", "Sk"}


def _packed(units: Sequence[_Unit], max_tokens: int, overlap_tokens: int) -> Iterator[list[_Unit]]:
    """Yield runs of units that fill a passage; the next run repeats the end of the last."""
    run: list[_Unit] = []
    tokens = 0.0
    for unit in units:
        if run and tokens + unit.tokens > max_tokens:
            yield run
            run = _overlap(run, min(overlap_tokens, max_tokens - unit.tokens))
            tokens = sum(kept.tokens for kept in run)
        run.append(unit)
        tokens += unit.tokens
    if run:
        yield run


def _overlap(run: Sequence[_Unit], most: float) -> list[_Unit]:
    """Return the last units of a run that have `most` tokens together, never the whole run."""
    kept: list[_Unit] = []
    tokens = 0.0
    for unit in reversed(run[1:]):
        tokens += unit.tokens
        if tokens > most:
            break
        kept.insert(0, unit)
    return kept
