"""Vectors of passages and questions, made by the endpoint that an index generation is bound to."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from django.utils.translation import gettext_lazy as _

from configs import providers, runtime
from configs.errors import NoEndpoint, ProviderError
from configs.providers.base import Endpoint, Vectors

if TYPE_CHECKING:
    from knowledge.models import IndexGeneration

BATCH = 64
"""Passages of one call to an endpoint over the network; Zhipu takes no more."""

CALLS_AT_A_TIME = 4
"""Calls for one document that wait for an endpoint over the network at the same time."""

LOCAL_BATCH = 16
"""Passages of one call to the built-in model: some seconds of work, so that progress shows."""

LONGEST_QUESTION = 2_000
"""Characters of a question that are embedded: models read no more than some 500 tokens."""

REMEMBERED_QUESTIONS = 512


class NeedsReindex(ProviderError):  # noqa: N818 - named like the rest of the tree
    """The endpoint's vectors do not fit the index generation any more: index the base again."""

    code = "needs_reindex"
    title = _("The embedding model has changed: index this knowledge base again")
    retryable = False


class BadVectors(ProviderError):  # noqa: N818 - named like the rest of the tree
    """The endpoint answered with vectors that cannot be searched: none, NaN, infinite or zero."""

    code = "bad_vectors"
    title = _("The embedding model answered with unusable vectors")


def passage_text(heading_path: str, text: str) -> str:
    """Return what both legs index of a passage: its headings, then its words."""
    return f"{heading_path}\n{text}" if heading_path else text


def for_generation(generation: "IndexGeneration") -> "GenerationEmbedder":
    """Return the embedder that the generation is bound to.

    Raises:
        NoEndpoint: the endpoint is gone or disabled.
    """
    return bound(generation.endpoint_name, generation.dimensions)


def bound(endpoint_name: str, dimensions: int) -> "GenerationEmbedder":
    """Return the embedder of an endpoint, held to a number of dimensions.

    Raises:
        NoEndpoint: the endpoint is gone or disabled.
    """
    for endpoint in runtime.current().endpoints("embedding"):
        if endpoint.name == endpoint_name:
            return GenerationEmbedder(endpoint, dimensions)
    raise NoEndpoint


@dataclass(frozen=True, slots=True)
class GenerationEmbedder:
    """An endpoint's embedder whose every vector is checked before anything is done with it."""

    endpoint: Endpoint
    dimensions: int

    def batches(self, texts: Sequence[str]) -> Iterator[Vectors]:
        """Yield `(n, dimensions)` float32 for the texts in their order, some at a time.

        Raises:
            ProviderError: the endpoint failed, or its vectors do not fit (`NeedsReindex`) or are
                unusable (`BadVectors`).
        """
        is_local = self.endpoint.provider == "local"
        size = LOCAL_BATCH if is_local else BATCH
        parts = (texts[at : at + size] for at in range(0, len(texts), size))
        yield from map(self._passages, parts) if is_local else self._ahead(parts)

    def _ahead(self, parts: Iterator[Sequence[str]]) -> Iterator[Vectors]:
        """Yield the parts' vectors in their order, with some calls under way at a time."""
        with ThreadPoolExecutor(CALLS_AT_A_TIME, "embed") as pool:
            calls = deque(pool.submit(self._passages, p) for p in islice(parts, CALLS_AT_A_TIME))
            while calls:
                vectors = calls.popleft().result()
                calls.extend(pool.submit(self._passages, part) for part in islice(parts, 1))
                yield vectors

    def _passages(self, texts: Sequence[str]) -> Vectors:
        vectors = providers.embedder(self.endpoint).embed_passages(texts)
        return self._checked(np.asarray(vectors, np.float32), len(texts))

    def question(self, text: str) -> Vectors:
        """Return `(dimensions,)` float32 for a question; asked again, it costs nothing.

        Raises:
            ProviderError: as for `batches`.
        """
        words = _printable(text)[:LONGEST_QUESTION]
        key = (repr(self.endpoint), self.dimensions, words)
        known = _remembered.get(key)
        if known is None:
            vector = providers.embedder(self.endpoint).embed_query(words)
            known = self._checked(np.asarray(vector, np.float32)[None], 1)[0]
            _remembered.put(key, known)
        return known

    def _checked(self, vectors: Vectors, count: int) -> Vectors:
        if vectors.ndim != 2 or vectors.shape[0] != count:  # noqa: PLR2004 - rows and columns
            raise BadVectors
        if vectors.shape[1] != self.dimensions:
            raise NeedsReindex
        if not np.isfinite(vectors).all() or (np.abs(vectors).max(axis=1, initial=0) < 1e-6).any():  # noqa: PLR2004
            raise BadVectors
        return vectors


class _Memory:
    """The vectors of the latest questions, shared by the threads of a process."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._vectors: OrderedDict[tuple[str, int, str], Vectors] = OrderedDict()

    def get(self, key: tuple[str, int, str]) -> Vectors | None:
        with self._lock:
            if key in self._vectors:
                self._vectors.move_to_end(key)
            return self._vectors.get(key)

    def put(self, key: tuple[str, int, str], vector: Vectors) -> None:
        with self._lock:
            self._vectors[key] = vector
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._vectors.clear()


_remembered = _Memory(REMEMBERED_QUESTIONS)
forget_questions = _remembered.clear


def _printable(text: str) -> str:
    """Return `text` without what no model or database reads: NUL, controls, lone surrogates."""
    return "".join(c if c.isprintable() else " " for c in text).strip()
