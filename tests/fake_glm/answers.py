"""What the fake model says, and the vectors that it makes of texts: pure and deterministic."""

import hashlib
import itertools
import json
import re
import zlib
from typing import Any

import numpy as np

Message = dict[str, Any]
WORD = re.compile(r"[A-Za-z0-9]+")
TOKEN = re.compile(r"t(\d{6})")


def numbered(messages: list[Message], count: int) -> list[str]:
    """Return `t004711 t004712 …`: consecutive numbers from a start that the prompt decides.

    A gap, a repeat or a reorder anywhere on the way to the reader shows in `is_consecutive`.
    """
    digest = hashlib.sha256(json.dumps(messages, ensure_ascii=False).encode()).digest()
    start = int.from_bytes(digest[:4], "big") % 900_000 + 1
    return [f"t{start + offset:06d} " for offset in range(count)]


def is_consecutive(text: str) -> bool:
    """Say whether `text` is nothing but numbered tokens, each one more than the one before."""
    numbers = [int(number) for number in TOKEN.findall(text)]
    whole = "".join(f"t{number:06d} " for number in numbers)
    steps = all(second == first + 1 for first, second in itertools.pairwise(numbers))
    return steps and whole.startswith(text)


def scripted(text: str) -> list[str]:
    """Cut `text` into tokens as a model would: words with the space after, CJK by character."""
    return re.findall(r"[A-Za-z0-9]+\s?|[^A-Za-z0-9]", text, flags=re.DOTALL)


def last_user_message(messages: list[Message]) -> str:
    """Return the content of the last turn of the user, or an empty text."""
    contents = [str(m.get("content", "")) for m in messages if m.get("role") == "user"]
    return contents[-1] if contents else ""


def count_tokens(text: str) -> int:
    """Estimate tokens: four ASCII characters or one other character each."""
    wide = sum(1 for character in text if ord(character) > 127)
    return max(1, wide + (len(text) - wide) // 4)


def embedding(text: str, dimensions: int) -> list[float]:
    """Return a unit vector of hashed words and character pairs, so that similar texts are near."""
    lowered = text.lower()
    grams = [
        *WORD.findall(lowered),
        *(lowered[i : i + 2] for i in range(len(lowered) - 1)),
        lowered[:1],
    ]
    hashes = np.fromiter(
        (zlib.crc32(gram.encode()) for gram in grams), dtype=np.uint32, count=len(grams)
    )
    signs = np.where(hashes & 0x8000_0000, 1.0, -1.0)
    vector = np.bincount(hashes % dimensions, weights=signs, minlength=dimensions)
    norm = float(np.linalg.norm(vector))
    if norm == 0:
        vector[0] = norm = 1.0
    return [round(float(value), 6) for value in vector / norm]


def shared_characters(query: str, text: str) -> float:
    """Return the share of the query's characters that the text holds: a reranker's score."""
    asked = set(query)
    return round(len(asked & set(text)) / max(len(asked), 1), 6)
