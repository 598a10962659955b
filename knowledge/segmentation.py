"""Terms for full text: Chinese character bigrams, stemmed words, codes whole and in parts."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files
from itertools import pairwise
from threading import local

import snowballstemmer
from pgvector import SparseVector

from knowledge.models import TERM_SPACE

K1, B = 1.2, 0.75
"""The constants of BM25 (Robertson and Zaragoza 2009): saturation and length normalisation."""

LARGEST_VECTOR = 16_000
"""Non-zero elements that pgvector stores in one `sparsevec`."""

LONGEST_TERM = 64
LONGEST_CODE_PARTS = 16

# Han with its extensions, kana, bopomofo and hangul: scripts without spaces between words.
_CJK = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_LETTER = f"[^\\W_{_CJK}]"
_TOKEN = re.compile(f"(?P<cjk>[{_CJK}]+)|{_LETTER}+(?:[._\\-+#]+{_LETTER}+)*(?:\\+\\+|#)?")
_JOINTS = re.compile(r"[._\-+#]+")
# What NFKC leaves of marks that a word is written with: "İ" and "ﷺ" must not leave loose marks.
_MARKS = re.compile(r"[\u0300-\u036f]")

STOP_WORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being
    below between both but by can could did do does doing done down during each few for from
    further had has have having he her here hers him his how i if in into is it its just me
    more most my no nor not of off on once only or other our out over own same she should so
    some such than that the their them then there these they this those through to too under
    until up us very was we were what when where which while who whom whose why will with
    would you your
    的 了 是 在 和 与 及 或 也 都 吗 呢 吧 啊 之 其 什么 怎么 怎样 如何 哪个 哪些 哪里
    多少 为何 为什 请问 一个 这个 那个 我们 你们 他们
    """.split()  # noqa: SIM905 - a list of a hundred quoted words is hard to read
)


def terms(text: str) -> list[str]:
    """Return the terms of `text` in their order, repeats included, stop words left out.

    A term is lower-case, simplified, at most 64 characters long, and holds letters, digits and the
    joints `. _ - + #` alone: operators, quotes and control characters never get through.
    """
    return [term for term in _every_term(_normal(text)) if term not in STOP_WORDS]


def lexemes(found: Iterable[str]) -> list[str]:
    """Return the distinct terms, sorted, as `array_to_tsvector` takes them."""
    return sorted(set(found))


def either(found: Iterable[str]) -> str:
    """Return the text of a `tsquery` that any of the terms satisfies; empty for none.

    Each term is quoted by the rules of the type's input, so nothing in it can be an operator.
    """
    quoted = (t.replace("\\", "\\\\").replace("'", "''") for t in lexemes(found))
    return " | ".join(f"'{t}'" for t in quoted)


@lru_cache(maxsize=200_000)
def term_id(term: str) -> int:
    """Return the same number in `[0, TERM_SPACE)` for the same term, on every machine."""
    return int.from_bytes(blake2b(term.encode(), digest_size=8).digest(), "big") % TERM_SPACE


def weights(found: Sequence[str], average_terms: float) -> SparseVector:
    """Return the term-frequency part of BM25 for each term's id, the heaviest 16,000 at most.

    Its inner product with `queries` weights is the BM25 score of the passage.
    """
    length = K1 * (1 - B + B * len(found) / max(average_terms, 1.0))
    counts = Counter(map(term_id, found))
    return sparse({term: count * (K1 + 1) / (count + length) for term, count in counts.items()})


def sparse(values: Mapping[int, float]) -> SparseVector:
    """Return a sparse vector over the term space, cut to what the database stores."""
    heaviest = sorted(values.items(), key=lambda item: -item[1])[:LARGEST_VECTOR]
    return SparseVector(dict(heaviest), TERM_SPACE)


def _normal(text: str) -> str:
    """Return compatibility forms, case and traditional characters folded away."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _MARKS.sub("", folded).translate(_simplified())


def _every_term(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        token = match.group()
        if match.group("cjk"):
            yield from _bigrams(token)
        else:
            yield from _words(token)


def _bigrams(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for first, second in pairwise(run):
        yield first + second


@lru_cache(maxsize=50_000)
def _words(token: str) -> tuple[str, ...]:
    """Return a word's stem, or a code as a whole and the stems of its parts."""
    parts = [part for part in _JOINTS.split(token) if part]
    if len(parts) == 1 and parts[0] == token:
        return (_stem(token),)
    return (token[:LONGEST_TERM], *(_stem(part) for part in parts[:LONGEST_CODE_PARTS]))


def _stem(word: str) -> str:
    """Return the English stem; words with digits, and stop words, stay as they are."""
    if not word.isalpha() or word in STOP_WORDS:
        return word[:LONGEST_TERM]
    return str(_stemmer().stemWord(word[:LONGEST_TERM]))


_of_thread = local()


def _stemmer() -> snowballstemmer.stemmer:
    """Return this thread's stemmer: it keeps the word that it works on in itself."""
    if not hasattr(_of_thread, "stemmer"):
        _of_thread.stemmer = snowballstemmer.stemmer("english")
    return _of_thread.stemmer


@lru_cache(maxsize=1)
def _simplified() -> dict[int, str]:
    """Return OpenCC's table: each traditional character with its first simplified form."""
    lines = (files("opencc") / "dictionary" / "TSCharacters.txt").read_text("utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if "\t" in line)
    return {ord(pair[0]): pair[1].split(" ")[0] for pair in pairs if len(pair[0]) == 1}
