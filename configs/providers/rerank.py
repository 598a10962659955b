"""Reranking over HTTP, in the dialect that Cohere, Jina, Zhipu, vLLM and others share."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from configs.errors import NoEndpoint, ProviderError, ProviderRejected, ProviderUnavailable
from configs.providers.base import Endpoint, Reranker
from configs.providers.circuit import Circuits
from configs.providers.openai_compatible import post

logger = logging.getLogger(__name__)

MOST_SECONDS = 5.0
"""A better order is worth no longer wait, whatever the endpoint's own patience."""

LONGEST_TEXT = 4_000
"""Characters of a question or passage that are sent; Zhipu takes 4,096."""

_circuits = Circuits()


class HttpReranker:
    """Asks `POST {base_url}/rerank`."""

    def __init__(self, endpoint: Endpoint) -> None:
        patience = min(endpoint.first_byte_timeout_seconds, MOST_SECONDS)
        self.endpoint = replace(endpoint, first_byte_timeout_seconds=patience)

    def rerank(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return one score per passage, higher is better.

        Raises:
            ProviderError: the endpoint failed, or did not score every passage.
        """
        body = {
            **self.endpoint.parameters,
            "model": self.endpoint.model,
            "query": question[:LONGEST_TEXT],
            "documents": [passage[:LONGEST_TEXT] for passage in passages],
            "top_n": len(passages),
        }
        return _scores(post(self.endpoint, "rerank", body), len(passages))


def _scores(answer: object, count: int) -> list[float]:
    """Return the scores in the order of the passages; each must be there, once and finite."""
    results: Any = answer.get("results") if isinstance(answer, Mapping) else None
    try:
        found = {int(row["index"]): float(row["relevance_score"]) for row in results}
    except (TypeError, KeyError, ValueError):
        raise ProviderUnavailable from None
    if sorted(found) != list(range(count)) or not all(map(math.isfinite, found.values())):
        raise ProviderUnavailable
    return [found[index] for index in range(count)]


RERANKERS: Mapping[str, Callable[[Endpoint], Reranker]] = {
    "zhipu": HttpReranker,
    "openai_compatible": HttpReranker,
}


def reranker(endpoint: Endpoint) -> Reranker:
    """Return the endpoint's reranker.

    Raises:
        NoEndpoint: the endpoint's provider has none.
    """
    try:
        return RERANKERS[endpoint.provider](endpoint)
    except KeyError:
        raise NoEndpoint from None


def rerank(
    question: str,
    passages: Sequence[str],
    *,
    endpoints: Sequence[Endpoint],
    circuits: Circuits = _circuits,
) -> list[float]:
    """Return one score per passage, higher is better, from the first endpoint that works.

    Raises:
        NoEndpoint: there is none, or all are being left alone after failures.
        ProviderRejected: an endpoint refused the texts.
        ProviderError: every endpoint failed; the error of the first is raised.
    """
    first_error: ProviderError | None = None
    for endpoint in filter(circuits.admits, endpoints):
        try:
            scores = reranker(endpoint).rerank(question, passages)
        except ProviderRejected:
            circuits.succeeded(endpoint)
            raise  # what one model refuses to read goes to no other
        except ProviderError as error:
            circuits.failed(endpoint)
            logger.warning("The endpoint %s failed: %s", endpoint.name, error.code)
            first_error = first_error or error
        else:
            circuits.succeeded(endpoint)
            return scores
    raise first_error or NoEndpoint
