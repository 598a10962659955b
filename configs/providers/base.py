"""What every model adapter speaks: three small protocols and their frozen values."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Role = Literal["system", "user", "assistant"]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A `ModelEndpoint` row as adapters see it: plain, frozen, with its key opened."""

    name: str
    kind: str
    provider: str
    model: str = ""
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    parameters: dict[str, Any] = field(default_factory=dict)
    context_tokens: int = 32_000
    first_byte_timeout_seconds: float = 30
    idle_timeout_seconds: float = 20


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that the reply may rest on; `number` is what the text cites as `[1]`."""

    number: int
    text: str
    title: str = ""
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a prompt.

    `sources` repeats, as values, the passages that the text of the turn already holds, for the
    built-in answerer that quotes instead of generating; models over the network ignore it.
    """

    role: Role
    content: str
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call; `exact` is false where the provider did not count and we estimated."""

    prompt_tokens: int
    completion_tokens: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed reply: text, or at the end the usage and why it ended.

    `endpoint` says who speaks; it is set on the first delta of a stream.
    """

    text: str = ""
    endpoint: Endpoint | None = None
    usage: Usage | None = None
    finish_reason: str | None = None


class ChatModel(Protocol):
    """Streams a reply."""

    endpoint: Endpoint

    def stream(self, turns: Sequence[Turn]) -> AsyncIterator[Delta]:
        """Yield the reply piece by piece.

        Closing the iterator (`aclose`) or cancelling the task that reads it closes the
        connection to the provider at once.

        Raises:
            ProviderError: one of its subclasses; nothing of the provider's own ever gets out.
        """
        ...


class Embedder(Protocol):
    """Turns texts into vectors."""

    endpoint: Endpoint
    dimensions: int

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return `(n, dimensions)` float32, unit norm, for texts that will be searched."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """Return `(dimensions,)` float32, unit norm, for a question."""
        ...


class Reranker(Protocol):
    """Scores passages against a question."""

    endpoint: Endpoint

    def rerank(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return one score per passage, higher is better."""
        ...
