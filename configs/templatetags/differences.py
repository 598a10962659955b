"""What changed between two texts: line beside line, and in each line the words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final

CONTEXT_LINES: Final = 3
LONGEST_LINE: Final = 2000
"""Characters up to which the words of a line are compared; beyond, the whole line is marked."""
_WORDS: Final = re.compile(r"[A-Za-z0-9_]+|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a line; `changed` where the other side has something else."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the old text beside one of the new; 0 and no parts where a side has none.

    `folded` counts the unchanged lines that the row stands for.
    """

    old_number: int = 0
    new_number: int = 0
    old: tuple[Part, ...] = ()
    new: tuple[Part, ...] = ()
    changed: bool = False
    folded: int = 0


def compare(old: str, new: str) -> list[Row]:
    """Return the lines of both texts side by side; long unchanged runs are folded."""
    olds, news = old.split("\n") if old else [], new.split("\n") if new else []
    rows: list[Row] = []
    for kind, a, b, c, d in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        if kind == "equal":
            rows += _same(olds[a:b], a, c)
        else:
            rows += _changed(olds[a:b], news[c:d], a, c)
    return list(_folded(rows))


def _same(lines: Sequence[str], a: int, c: int) -> Iterator[Row]:
    for n, line in enumerate(lines, 1):
        parts = (Part(line, changed=False),)
        yield Row(a + n, c + n, parts, parts)


def _changed(olds: Sequence[str], news: Sequence[str], a: int, c: int) -> Iterator[Row]:
    for n, (old, new) in enumerate(zip_longest(olds, news), 1):
        before, after = _words(old, new)
        yield Row(
            a + n if old is not None else 0,
            c + n if new is not None else 0,
            before,
            after,
            changed=True,
        )


def _words(old: str | None, new: str | None) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Return both lines in pieces, marked where they differ; a lone line is marked by its side."""
    if old is None or new is None:
        return _alone(old), _alone(new)
    if max(len(old), len(new)) > LONGEST_LINE:
        return (Part(old, changed=True),), (Part(new, changed=True),)
    a, b = _WORDS.findall(old), _WORDS.findall(new)
    codes = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    before = tuple(Part("".join(a[i:j]), k != "equal") for k, i, j, _, _ in codes if j > i)
    after = tuple(Part("".join(b[i:j]), k != "equal") for k, _, _, i, j in codes if j > i)
    return before, after


def _alone(line: str | None) -> tuple[Part, ...]:
    return () if line is None else (Part(line, changed=False),)


def _folded(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the rows near a change, and one in place of each longer run of others."""
    near = {
        n + step
        for n, row in enumerate(rows)
        if row.changed
        for step in range(-CONTEXT_LINES, CONTEXT_LINES + 1)
    }
    hidden = 0
    for n, row in enumerate(rows):
        if near and n not in near:
            hidden += 1
            continue
        if hidden:
            yield Row(folded=hidden)
            hidden = 0
        yield row
    if hidden:
        yield Row(folded=hidden)
