"""A model without a model: it says and fails what its endpoint's parameters tell it to."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from configs import errors
from configs.providers.base import Delta, Endpoint, Turn, Usage, Vectors
from configs.providers.tokens import estimate_usage
from configs.providers.vectors import hashed_ngrams

ERRORS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ProviderError)
}
CALLS: dict[str, list[tuple[Turn, ...]]] = defaultdict(list)
"""The turns of every call in this process, by the endpoint's name; tests clear it."""


class FakeChat:
    """Plays a script.

    Parameters of the endpoint: `deltas` (texts), `delay_seconds` (before each), `fail_at`
    (position of the delta in whose place the error comes), `error` (its code), `retry_after`,
    `failures` (how many calls fail; all where it is absent), `usage` (`[prompt, completion]`).
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def stream(self, turns: Sequence[Turn]) -> AsyncIterator[Delta]:
        """Yield the scripted reply; see `ChatModel.stream`."""
        CALLS[self.endpoint.name].append(tuple(turns))
        script = self.endpoint.parameters
        deltas: list[str] = script.get("deltas", ["A ", "fake ", "answer."])
        for position, text in enumerate([*deltas, ""]):
            await asyncio.sleep(script.get("delay_seconds", 0))
            self._fail(position)
            if text:
                yield Delta(text=text)
        counts = script.get("usage")
        usage = Usage(*counts) if counts else estimate_usage(turns, "".join(deltas))
        yield Delta(usage=usage, finish_reason="stop")

    def _fail(self, position: int) -> None:
        script = self.endpoint.parameters
        calls = len(CALLS[self.endpoint.name])
        if position == script.get("fail_at") and calls <= script.get("failures", calls):
            kind = ERRORS[script.get("error", "provider_unavailable")]
            raise kind(retry_after=script.get("retry_after"))


class FakeEmbedder:
    """Makes vectors of hashed character n-grams: no model, and similar texts are near."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.dimensions = int(endpoint.parameters.get("dimensions", 384))

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return `(n, dimensions)` float32, unit norm."""
        return hashed_ngrams(texts, self.dimensions)

    def embed_query(self, text: str) -> Vectors:
        """Return `(dimensions,)` float32, unit norm."""
        vector: Vectors = hashed_ngrams([text], self.dimensions)[0]
        return vector
