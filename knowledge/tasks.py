"""Nudges for the indexing worker: an id comes in, the pipeline decides whether there is work."""

from uuid import UUID

from celery import shared_task
from kombu.exceptions import OperationalError

from knowledge.indexing import generations, jobs, pipeline


@shared_task(name="knowledge.tasks.index_document", ignore_result=True)
def index_document(document_id: str) -> None:
    """Index the document if it is due, and come back when it asks for another attempt."""
    pause = pipeline.run(UUID(document_id))
    if pause is not None:
        nudge(UUID(document_id), seconds=pause)


@shared_task(name="knowledge.tasks.sweep_documents", ignore_result=True)
def sweep_documents() -> None:
    """Nudge the documents whose nudge or worker was lost; empty what is no longer in use."""
    for document_id in jobs.sweep():
        nudge(document_id)
    generations.clear_retired()


def nudge(document_id: UUID, *, seconds: float = 0) -> None:
    """Tell a worker that the document waits; when Redis is away the sweeper finds it later."""
    try:
        index_document.apply_async((str(document_id),), countdown=seconds)
    except OperationalError:
        jobs.logger.warning("Document %s waits for the sweeper: no broker.", document_id)
