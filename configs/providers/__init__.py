"""Adapters to models; this is the only place that speaks to them."""

from configs.providers.base import (
    ChatModel,
    Delta,
    Embedder,
    Endpoint,
    Reranker,
    Source,
    Turn,
    Usage,
    Vectors,
)
from configs.providers.rerank import rerank
from configs.providers.router import Health, complete, embedder, health_check, stream_chat, warm_up
from configs.providers.tokens import estimate_tokens, estimate_usage

__all__ = [
    "ChatModel",
    "Delta",
    "Embedder",
    "Endpoint",
    "Health",
    "Reranker",
    "Source",
    "Turn",
    "Usage",
    "Vectors",
    "complete",
    "embedder",
    "estimate_tokens",
    "estimate_usage",
    "health_check",
    "rerank",
    "stream_chat",
    "warm_up",
]
