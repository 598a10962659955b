"""Put documents into the queue: the row says so, and a nudge follows the commit."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.functions import Now

from knowledge import progress, tasks
from knowledge.models import Document, DocumentVersion

TAKEN_UP_WITHIN = timedelta(seconds=20)
"""Once this has passed the sweeper nudges too, in case Redis was away."""


def waiting() -> dict[str, Any]:
    """Return the columns of a document that waits for its first attempt."""
    return {
        "status": Document.Status.QUEUED,
        "progress": 0,
        "attempts": 0,
        "error_code": "",
        "error": "",
        "run_after": None,
        "lease_expires_at": Now() + TAKEN_UP_WITHIN,
    }


def queue(document_ids: Sequence[UUID]) -> None:
    """Queue documents that are locked by the transaction around; whoever works on one stops."""
    Document.objects.filter(pk__in=document_ids).update(**waiting())
    nudge_on_commit(document_ids)


def nudge_on_commit(document_ids: Sequence[UUID]) -> None:
    """Nudge the worker and the uploaders' pages once the transaction is durable."""
    transaction.on_commit(partial(_nudge, tuple(document_ids)), robust=True)


def _nudge(document_ids: tuple[UUID, ...]) -> None:
    for document_id in document_ids:
        tasks.nudge(document_id)
    rows = Document.objects.filter(pk__in=document_ids).values_list("pk", "uploaded_by_id")
    for document_id, uploader in rows:
        progress.announce(document_id, uploader)


def drop_files_on_commit(document_ids: Sequence[UUID]) -> None:
    """Delete the stored files of documents once the transaction is durable."""
    names = set(
        DocumentVersion.objects.filter(document__in=document_ids).values_list("file", flat=True)
    )
    transaction.on_commit(partial(_drop, names), robust=True)


def _drop(names: set[str]) -> None:
    for name in names:
        default_storage.delete(name)
