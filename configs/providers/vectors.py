"""Vectors as they come back from an embeddings call, and vectors without any model."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from configs.errors import ProviderUnavailable
from configs.providers.base import Vectors

BATCH = 64


def unit(vectors: Vectors) -> Vectors:
    """Return the rows at length 1; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def stacked(batches: Sequence[Vectors], dimensions: int) -> Vectors:
    """Return one `(n, dimensions)` array of all batches."""
    empty = np.empty((0, dimensions), dtype=np.float32)
    return np.concatenate([empty, *batches])


def in_order(answer: object, count: int, dimensions: int) -> Vectors:
    """Return the vectors of an embeddings answer in the order of the inputs, unit norm.

    Raises:
        ProviderUnavailable: the answer is not `count` vectors of `dimensions` numbers.
    """
    data: Any = answer.get("data") if isinstance(answer, Mapping) else None
    try:
        rows = sorted(data, key=lambda row: row["index"])
        vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
    except (TypeError, KeyError, ValueError):
        raise ProviderUnavailable from None
    if vectors.shape != (count, dimensions) or not np.isfinite(vectors).all():
        raise ProviderUnavailable
    return unit(vectors)


def hashed_ngrams(texts: Sequence[str], dimensions: int) -> Vectors:
    """Return vectors of hashed character 1- to 3-grams: similar spellings are near each other."""
    rows = [_hashed(text.lower(), dimensions) for text in texts]
    return unit(np.array(rows, dtype=np.float32).reshape(len(texts), dimensions))


def _hashed(text: str, dimensions: int) -> Vectors:
    grams = [text[i : i + n] for n in (1, 2, 3) for i in range(len(text) - n + 1)] or [""]
    hashes = np.array([zlib.crc32(gram.encode("utf-8", "replace")) for gram in grams])
    signs = np.where(hashes & 0x8000_0000, 1.0, -1.0)
    counts = np.bincount(hashes % dimensions, weights=signs, minlength=dimensions)
    return (np.sign(counts) * np.sqrt(np.abs(counts))).astype(np.float32)
