"""Cut passages into sentences and tell which of them answer a question; pure."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import local

import snowballstemmer

from configs.providers.base import Source

CJK = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af"
TOKEN = re.compile(rf"[{CJK}]+|[A-Za-z0-9_]+")
SENTENCE = re.compile(r".+?(?:[。！？；…]+[”’」』）]*|[.!?]+[\"')\]]*(?=\s|$)|$)", re.DOTALL)
SENTENCE_END = re.compile(r"[。！；….!:：;,，][”’」』）\"')\]]*$")
LIST_ITEM = re.compile(r"^\s*(?:[-*+•·]\s+|\d{1,3}[.)]\s+|\d{1,3}、|[（(]\d{1,3}[)）]\s*)")
TABLE_RULE = re.compile(r"^[\s|:-]+$")
FENCE = re.compile(r"^\s*(?:```|~~~)")
STOP_WORDS = frozenset(
    """
    a an and are as at be by can do does for from has have how i in is it its may me my of on or our
    should that the their this to was we what when where which who why will with you your
    什么 怎么 如何 怎样 哪些 哪个 多少 为什 请问 是否 可以 一个 我们 你们 我的 吗 呢 的 了 是 在
    """.split()  # noqa: SIM905  # a list of eighty quoted words is hard to read
)
LONGEST_HEADING = 80
LONGEST_SENTENCE = 400
ITEMS_AFTER_COLON = 6
SAME = 0.7
ENOUGH = 0.55
HEADING_WEIGHT = 0.7

_thread = local()


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a source, or a list item of it."""

    text: str
    number: int
    position: int
    is_item: bool = False
    heading: str = ""


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    stemmer = getattr(_thread, "stemmer", None)  # the stemmer keeps its word in itself
    if stemmer is None:
        stemmer = _thread.stemmer = snowballstemmer.stemmer("english")
    return str(stemmer.stemWord(word))


def terms(text: str) -> set[str]:
    """Return the character pairs of Chinese and the stems of other words, without stop words."""
    found: set[str] = set()
    for token in TOKEN.findall(text.lower()):
        if token[0].isascii():
            found.add(token if token in STOP_WORDS else _stem(token))
        else:
            found.update(token[i : i + 2] for i in range(max(1, len(token) - 1)))
    return found - STOP_WORDS


def sentences(source: Source) -> list[Sentence]:
    """Return the sentences of a passage in their order; headings and rules are left out."""
    found: list[Sentence] = []
    heading = source.heading
    units = list(_units(source.text))
    for at, (text, is_item) in enumerate(units, 1):
        if at < len(units) and not is_item and _is_heading(text):
            heading = f"{source.heading} {text}"
            continue
        pieces = [text] if is_item else SENTENCE.findall(text)
        for piece in pieces:
            clean = " ".join(piece.split())
            if len(terms(clean)) > 0:
                place = source.number, len(found)
                found.append(Sentence(_short(clean), *place, is_item, heading))
    return found


def _is_heading(paragraph: str) -> bool:
    """Whether a paragraph with others behind it is a title: short, and not closed as a sentence."""
    return len(paragraph) <= LONGEST_HEADING and not SENTENCE_END.search(paragraph)


def _units(text: str) -> Iterator[tuple[str, bool]]:
    """Yield paragraphs, joined over their line breaks, and list items and table rows one by one."""
    paragraph: list[str] = []
    is_item = False
    for line in [*text.splitlines(), ""]:
        starts_item = bool(LIST_ITEM.match(line)) or line.lstrip().startswith("|")
        if starts_item or _separates(line):
            if paragraph:
                yield _joined(paragraph), is_item
            paragraph, is_item = [], starts_item
        if not _separates(line):
            paragraph.append(_bare(line))


def _separates(line: str) -> bool:
    return bool(
        not line.strip()
        or line.lstrip().startswith("#")
        or TABLE_RULE.match(line)
        or FENCE.match(line)
    )


def _bare(line: str) -> str:
    if line.lstrip().startswith("|"):
        return " · ".join(cell.strip() for cell in line.strip().strip("|").split("|"))
    return LIST_ITEM.sub("", line).lstrip("> ").strip()


def _joined(lines: Sequence[str]) -> str:
    text = ""
    for line in lines:
        wide = bool(text and line) and not (text[-1].isascii() and line[0].isascii())
        text += line if wide or not text else f" {line}"
    return text


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SENTENCE else f"{text[:LONGEST_SENTENCE].rstrip()}…"


def ranked(question: str, all_: Sequence[Sentence]) -> list[tuple[float, Sentence]]:
    """Return the sentences with the share of the question they cover, 0 to 1, best first.

    Each term of the question counts by its rarity among the sentences (idf), and for less where
    only the heading above holds it. A sentence of an earlier source, and a shorter one, comes first
    where the rest is equal.
    """
    wanted = terms(question)
    held = [terms(sentence.text) for sentence in all_]
    counts = Counter(term for each in held for term in each)
    weights = {term: math.log(1 + len(all_) / (1 + counts[term])) for term in wanted}
    total = sum(weights.values()) or 1
    scored = [
        (_coverage(wanted, each, terms(sentence.heading), weights) / total, sentence)
        for each, sentence in zip(held, all_, strict=True)
    ]
    return sorted(scored, key=_rank)


def _coverage(
    wanted: set[str], held: set[str], above: set[str], weights: Mapping[str, float]
) -> float:
    own = sum(weights[term] for term in wanted & held)
    return own + HEADING_WEIGHT * sum(weights[term] for term in (wanted & above) - held)


def _rank(scored: tuple[float, Sentence]) -> tuple[float, int, int]:
    score, sentence = scored
    prior = 1 / (1 + 0.08 * (sentence.number - 1))
    brevity = 1 / (1 + len(sentence.text) / 2000)
    return -score * prior * brevity, sentence.number, sentence.position


def chosen(scored: Sequence[tuple[float, Sentence]], *, limit: int) -> list[Sentence]:
    """Return the best sentences that say different things, in the order of their sources."""
    if not scored or scored[0][0] <= 0:
        return []
    kept: list[Sentence] = []
    for score, sentence in scored:
        if score < ENOUGH * scored[0][0] or len(kept) == limit:
            break
        if not any(_alike(sentence, other) for other in kept):
            kept.append(sentence)
    return kept


def with_items(kept: Sequence[Sentence], all_: Sequence[Sentence]) -> list[Sentence]:
    """Return `kept` with the list behind each sentence that ends in a colon."""
    whole = list(dict.fromkeys(kept))
    for sentence in kept:
        if sentence.text.endswith((":", "：")):
            at = all_.index(sentence) + 1
            for item in all_[at : at + ITEMS_AFTER_COLON]:
                if not item.is_item or item.number != sentence.number:
                    break
                whole.append(item)
    order = {number: rank for rank, number in enumerate(dict.fromkeys(s.number for s in kept))}
    return sorted(dict.fromkeys(whole), key=lambda s: (order[s.number], s.position))


def _alike(one: Sentence, other: Sentence) -> bool:
    first, second = terms(one.text), terms(other.text)
    return len(first & second) > SAME * min(len(first), len(second))
