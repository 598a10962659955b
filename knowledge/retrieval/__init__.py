"""Find the passages that answer a question, among those that the asker may read."""

from knowledge.retrieval.searching import Mode, Passage, Result, retrieve, search

__all__ = ["Mode", "Passage", "Result", "retrieve", "search"]
