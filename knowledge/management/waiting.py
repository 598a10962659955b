"""Wait until documents are indexed, by workers or, where there is none, in this process."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from celery import current_app
from django.db import connection
from kombu.exceptions import OperationalError

from knowledge.indexing import jobs as leases
from knowledge.indexing import pipeline
from knowledge.models import Document, IndexGeneration, KnowledgeBase

LOOK_EVERY_SECONDS = 0.5
WORKER_ANSWERS_WITHIN_SECONDS = 1.5
DOUBT_AFTER_SECONDS = 20.0
"""When nothing has moved for so long it is asked again whether there is a worker."""

QUEUE = "indexing"


@dataclass(frozen=True, slots=True)
class State:
    """How far the documents are; `done` counts parts of documents too."""

    done: float
    open: int
    chunks: int
    chunks_per_second: float
    where: str


def a_worker_lives() -> bool:
    """Ask over the broker whether a worker takes from the indexing queue."""
    try:
        answers = current_app.control.inspect(timeout=WORKER_ANSWERS_WITHIN_SECONDS).active_queues()
    except (OperationalError, OSError):
        return False
    queues = [queue["name"] for of_one in (answers or {}).values() for queue in of_one]
    return QUEUE in queues


class Watch:
    """Follows documents of one base to their end."""

    def __init__(self, base: KnowledgeBase, *, inline: bool, jobs: int) -> None:
        self._base = base
        self._inline = inline
        self._began = time.monotonic()
        self._chunks_before = self._chunks()
        self._jobs = max(1, jobs)
        self._pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="ingest")
        self._running: dict[UUID, Future[None]] = {}

    def follow(self, document_ids: list[UUID]) -> Iterator[State]:
        """Yield how far they are twice a second, the last time when all have ended."""
        moved, last = time.monotonic(), -1.0
        self._inline = self._inline or not a_worker_lives()
        with self._pool:
            while True:
                state = self._look(document_ids)
                yield state
                if not state.open:
                    return
                if state.done != last:
                    moved, last = time.monotonic(), state.done
                elif time.monotonic() - moved > DOUBT_AFTER_SECONDS:
                    moved = time.monotonic()
                    self._inline = self._inline or not a_worker_lives()
                time.sleep(LOOK_EVERY_SECONDS)

    def _look(self, document_ids: list[UUID]) -> State:
        rows = Document.objects.filter(pk__in=document_ids).values_list("pk", "status", "progress")
        waiting = {Document.Status.QUEUED, Document.Status.PROCESSING}
        still = {pk: progress for pk, status, progress in rows if status in waiting}
        if self._inline:
            leases.sweep()  # gives up what has broken its workers too often
            self._work_on(list(still))
        chunks = self._chunks() - self._chunks_before
        return State(
            done=len(document_ids) - len(still) + sum(still.values()) / 100,
            open=len(still),
            chunks=chunks,
            chunks_per_second=chunks / max(time.monotonic() - self._began, 0.1),
            where="(in this process)" if self._inline else "",
        )

    def _work_on(self, document_ids: list[UUID]) -> None:
        """Keep the pool busy with documents that nobody works on; failures raise here."""
        for document_id, future in list(self._running.items()):
            if future.done():
                future.result()
                del self._running[document_id]
        for document_id in document_ids[: 8 * self._jobs]:
            if document_id not in self._running:
                self._running[document_id] = self._pool.submit(_index, document_id)

    def _chunks(self) -> int:
        wanted = (IndexGeneration.State.ACTIVE, IndexGeneration.State.BUILDING)
        counts = IndexGeneration.objects.filter(base=self._base, state__in=wanted)
        return sum(counts.values_list("chunk_count", flat=True))


def _index(document_id: UUID) -> None:
    try:
        pipeline.run(document_id)
    finally:
        connection.close()
