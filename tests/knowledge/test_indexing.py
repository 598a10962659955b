"""Documents become passages: once, in order, and again after every kind of interruption."""

import random
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone

from configs import runtime
from configs.models import ModelEndpoint
from knowledge import services
from knowledge.indexing import generations, jobs, passages, pipeline
from knowledge.models import Chunk, Document, IndexedVersion, IndexGeneration, TermFrequency
from tests.knowledge import shelf


@pytest.fixture
def base(alice):
    shelf.install_embedder()
    yield services.create_base(actor=alice, name="Handbook")
    runtime.forget()


def passages_of(document):
    return list(
        Chunk.objects.filter(document=document)
        .order_by("version__number", "generation", "ordinal")
        .values_list("version__number", "ordinal", "start", "end", "text")
    )


def test_document__indexed__is_ready_with_exact_positions(alice, base):
    document = shelf.put_ready(alice, base, shelf.essay(30))
    assert (document.status, document.progress, document.attempts) == ("ready", 100, 0)
    text = document.current_version.text
    found = passages_of(document)
    assert [row[1] for row in found] == list(range(len(found)))
    assert len(found) > 5
    assert all(text[start:end] == words for _, _, start, end, words in found)
    chunk = Chunk.objects.filter(document=document).first()
    assert chunk.embedding is not None
    assert chunk.bm25 is not None
    assert "quick" in chunk.terms
    base.active_generation.refresh_from_db()
    assert base.active_generation.chunk_count == len(found)
    assert shelf.kept_terms(base.active_generation) == shelf.counted_terms(base.active_generation)
