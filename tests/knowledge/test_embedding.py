"""Passages go to their endpoint in parts, several at a time, and come back in their order."""

import threading
import time

import numpy as np
import pytest

from configs import runtime
from configs.errors import ProviderUnavailable
from configs.providers import fake
from configs.providers.vectors import hashed_ngrams
from knowledge import embedding
from tests.knowledge.shelves import plug_in

TEXTS = [f"passage number {n}" for n in range(64 * 6 + 5)]


@pytest.fixture
def embedder(db):
    plug_in(dimensions=64)
    yield embedding.bound("fake", 64)
    runtime.forget()


def test_batches__late_answers__keep_the_order(embedder, monkeypatch):
    under_way, most, lock = 0, 0, threading.Lock()

    def slowly(self, texts):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05 if texts[0].endswith(" 0") else 0.01)
        with lock:
            under_way -= 1
        return hashed_ngrams(texts, 64)

    monkeypatch.setattr(fake.FakeEmbedder, "embed_passages", slowly)
    parts = list(embedder.batches(TEXTS))
    assert [len(part) for part in parts] == [64] * 6 + [5]
    assert np.allclose(np.concatenate(parts), hashed_ngrams(TEXTS, 64))
    assert 1 < most <= embedding.CALLS_AT_A_TIME


def test_batches__one_call_fails__hands_out_those_before_it(embedder, monkeypatch):
    def failing(self, texts):
        if texts[0] == TEXTS[128]:
            raise ProviderUnavailable
        return hashed_ngrams(texts, 64)

    monkeypatch.setattr(fake.FakeEmbedder, "embed_passages", failing)
    parts = []
    with pytest.raises(ProviderUnavailable):
        parts.extend(embedder.batches(TEXTS))
    assert parts == [] or len(parts) == 2
    got = embedder.batches(TEXTS)
    assert len(next(got)) == len(next(got)) == 64
    with pytest.raises(ProviderUnavailable):
        next(got)
