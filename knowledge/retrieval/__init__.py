"""Find the passages that answer a question, among those that the asker may read."""

from knowledge.retrieval.searching import Passage, Result, retrieve, search

__all__ = ["Passage", "Result", "retrieve", "search"]
