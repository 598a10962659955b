"""Re-index, retry, delete and follow documents."""

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from accounts.models import User
from configs.audit import actions
from configs.errors import Conflict, NotFound
from knowledge.errors import reason
from knowledge.indexing import generations, passages
from knowledge.models import Document, DocumentVersion
from knowledge.services import queueing, records
from knowledge.services.access import editable_document


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a document is; `error` is in the reader's language, empty where there is none."""

    document: UUID
    status: str
    progress: int
    error_code: str
    error: str


def document_progress(*, actor: User, document_id: UUID) -> Progress:
    """Return how far the document is.

    Raises:
        NotFound: the actor may not see it.
    """
    row = Document.objects.visible_to(actor).filter(pk=document_id).first()
    if row is None:
        raise NotFound
    return Progress(
        row.pk, row.status, row.progress, row.error_code, reason(row.error_code, row.error)
    )


def reindex(*, actor: User, document_id: UUID) -> Document:
    """Read the document's bytes again and index them; what is in use is searched until then.

    A document that has failed goes on where it stopped instead.

    Raises:
        NotFound, Forbidden: see the module of services.
    """
    editable_document(actor, document_id)
    with transaction.atomic():
        document = _locked(document_id)
        if document.status == Document.Status.READY:
            _repeat_version(document)
        queueing.queue([document.pk])
        records.of_document(actions.DOCUMENT_REINDEX, document, actor=actor)
    document.refresh_from_db()
    return document


def retry(*, actor: User, document_id: UUID) -> Document:
    """Let a failed document go on where it stopped.

    Raises:
        NotFound, Forbidden: see the module of services. Conflict: it has not failed.
    """
    editable_document(actor, document_id)
    with transaction.atomic():
        document = _locked(document_id)
        if document.status != Document.Status.FAILED:
            raise Conflict
        queueing.queue([document.pk])
        records.of_document(actions.DOCUMENT_REINDEX, document, actor=actor)
    document.refresh_from_db()
    return document


def delete_document(*, actor: User, document_id: UUID) -> None:
    """Delete the document with its versions, passages and files; answers keep what they quoted.

    Raises:
        NotFound, Forbidden: see the module of services.
    """
    base_id = editable_document(actor, document_id).base_id
    with transaction.atomic():
        document = _locked(document_id)
        queueing.drop_files_on_commit([document.pk])
        passages.remove_document(document)
        records.of_document(actions.DOCUMENT_DELETE, document, actor=actor)
        document.delete()
    generations.switch_when_complete(base_id)


def _locked(document_id: UUID) -> Document:
    document = Document.objects.select_for_update().filter(pk=document_id).first()
    if document is None:
        raise NotFound
    return document


def _repeat_version(document: Document) -> None:
    """Make the bytes in use a version of their own, so that both are whole meanwhile."""
    newest = document.versions.order_by("-number").first()
    if newest is None:
        return
    DocumentVersion.objects.create(
        document=document,
        number=newest.number + 1,
        file=newest.file.name,
        content_type=newest.content_type,
        size=newest.size,
        sha256=newest.sha256,
    )
