"""Corpora as bases: documents through the indexing pipeline, vectors remembered between runs."""

import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files.base import ContentFile
from django.db import connection

from accounts.models import User
from benchmarks.environment import database_seconds
from configs import providers, runtime
from configs.providers import local
from knowledge import embedding, retrieval, services
from knowledge.chunking import Piece
from knowledge.indexing import jobs, passages, pipeline
from knowledge.models import Chunk, Document, DocumentVersion, IndexGeneration, KnowledgeBase
from knowledge.parsing import plain as reading
from knowledge.protocol import outline

PLAIN_CHARACTERS = 1000


class Memory:
    """Vectors in a file, by a hash of the model and the text."""

    def __init__(self, path: Path, model: str) -> None:
        self._file = sqlite3.connect(path, check_same_thread=False)
        self._file.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB)")
        self._model = model

    def through(
        self, kind: str, texts: Sequence[str], make: Callable[[list[str]], Any]
    ) -> list[Any]:
        """Return a vector for each text; those not known yet are made."""
        keys = [sha256(f"{self._model}|{kind}|{text}".encode()).hexdigest() for text in texts]
        known = {key: self._get(key) for key in keys}
        missing = [text for key, text in zip(keys, texts, strict=True) if known[key] is None]
        if missing:
            for text, vector in zip(missing, make(missing), strict=True):
                self._put(sha256(f"{self._model}|{kind}|{text}".encode()).hexdigest(), vector)
        return [self._get(key) for key in keys]

    def _get(self, key: str) -> Any:
        row = self._file.execute("SELECT vector FROM vectors WHERE key = ?", [key]).fetchone()
        return None if row is None else np.frombuffer(row[0], np.float32)

    def _put(self, key: str, vector: Any) -> None:
        blob = np.asarray(vector, np.float32).tobytes()
        self._file.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", [key, blob])
        self._file.commit()


def remember(path: Path) -> None:
    """Let this process's embedder look its vectors up in the file at `path` first."""
    endpoint = runtime.current().endpoints("embedding")[0]
    model: Any = providers.embedder(endpoint)
    share = f"/{local.CENTRING}" if endpoint.provider == "local" else ""
    memory = Memory(path, f"{endpoint.provider}/{endpoint.model}{share}")
    passages_of, question_of = model.embed_passages, model.embed_query
    model.embed_passages = lambda texts: np.array(memory.through("passage", texts, passages_of))
    model.embed_query = lambda text: memory.through("query", [text], lambda t: [question_of(t[0])])[
        0
    ]


def asker() -> User:
    """Return the person who owns the bases."""
    user = User.objects.filter(username="bench").first()
    return user or User.objects.create_superuser("bench", password=None)


def load(
    name: str, rows: Sequence[dict[str, Any]], *, plain: bool = False, keep: bool = False
) -> Any:
    """Return the id of a base with one document a row: that of an earlier run, or made anew."""
    user = asker()
    slug = f"bench-{name}{'-plain' if plain else ''}"
    if keep and (kept := _whole(slug, len(rows))):
        return kept
    for old in KnowledgeBase.objects.filter(slug=slug):
        services.delete_base(actor=user, base_id=old.pk)
    base = services.create_base(actor=user, name=slug, slug=slug)
    for row in rows:
        document = _document(base, user, f"{name}/{row['id']}", _markdown(row))
        if plain:
            _index_plainly(document)
        else:
            pipeline.run(document.pk)
    return base.pk


def _whole(slug: str, documents: int) -> Any:
    """Return the id of the base if it holds so many documents that are ready, or None."""
    ready = Document.objects.filter(base__slug=slug, status=Document.Status.READY)
    base = KnowledgeBase.objects.filter(slug=slug).values_list("pk", flat=True).first()
    return base if ready.count() == documents else None


def _markdown(row: dict[str, Any]) -> str:
    """Return a row as its file would be: the title is the first heading, the others below it."""
    if not row["title"]:
        return str(row["text"])
    body = re.sub(r"(?m)^(#{1,5} )", r"#\1", row["text"])
    return f"# {row['title']}\n\n{body}"


def _document(base: KnowledgeBase, user: User, name: str, text: str) -> Document:
    """Make a document that has been read already: the pipeline goes on with cutting it."""
    read = reading.markdown(text.encode()).parsed()
    document = Document.objects.create(base=base, name=name, uploaded_by=user)
    DocumentVersion.objects.create(
        document=document,
        file=ContentFile(b"", name="bench.md"),
        content_type="text/markdown",
        size=0,
        sha256="",
        text=read.text,
        outline=outline(read.blocks),
    )
    return document


def _index_plainly(document: Document) -> None:
    """Index a document in slices of 1,000 characters that know nothing of headings."""
    held = jobs.claim(document.pk)
    version = document.versions.get()
    generation = document.base.active_generation
    if held is None or generation is None:
        raise RuntimeError(f"{document} cannot be indexed")
    starts = range(0, len(version.text), PLAIN_CHARACTERS)
    slices = [(at, version.text[at : at + PLAIN_CHARACTERS].strip()) for at in starts]
    pieces = [
        Piece(ordinal, text, at, at + len(text), "", None, 0.0)
        for ordinal, (at, text) in enumerate(part for part in slices if part[1])
    ]
    done = 0
    for vectors in embedding.for_generation(generation).batches([piece.text for piece in pieces]):
        batch = pieces[done : done + len(vectors)]
        passages.store(held, version, generation, batch, vectors)
        done += len(batch)
    Document.objects.filter(pk=document.pk).update(current_version=version, status="ready")


def settle() -> None:
    """Let the planner know what was loaded."""
    with connection.cursor() as cursor:
        cursor.execute(
            "VACUUM ANALYZE knowledge_chunk, knowledge_document, knowledge_termfrequency"
        )


@cache
def _generation(base_id: Any) -> IndexGeneration:
    return IndexGeneration.objects.get(base_id=base_id, state="active")


def size(base_id: Any) -> int:
    """Return how many chunks a base has."""
    return Chunk.objects.filter(base_id=base_id).count()


@cache
def names_found(
    user: User, question: str, bases: tuple[Any, ...], mode: Any, limit: int
) -> tuple[list[str], float, float, float]:
    """Return the names of the documents found, best first, and milliseconds.

    Those are the time in all, the time in SQL, and the database's processor time. What was asked
    before is not asked again.
    """
    spent: list[float] = []

    def clock(execute: Any, *arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            spent.append(time.perf_counter() - began)

    # The time of the embedding is the endpoint's: it is remembered before the clock starts.
    if mode != "text":
        embedding.for_generation(_generation(bases[0])).question(question)
    began, used = time.perf_counter(), database_seconds()
    with connection.execute_wrapper(clock):
        found = retrieval.search(question, user=user, bases=bases, mode=mode, limit=limit)
    took = time.perf_counter() - began
    names = list(dict.fromkeys(passage.document_name for passage in found))
    return names, took * 1000, sum(spent) * 1000, (database_seconds() - used) * 1000
