"""Find what the actor may change, or say what a stranger would be told."""

from uuid import UUID

from accounts.models import User
from configs.errors import Forbidden, NotFound
from knowledge.models import Document, KnowledgeBase


def editable_base(actor: User, base_id: UUID) -> KnowledgeBase:
    """Return the base when `actor` may change it.

    Raises:
        NotFound: the actor may not see it. Forbidden: the actor may only read it.
    """
    base = KnowledgeBase.objects.editable_by(actor).filter(pk=base_id).first()
    if base is not None:
        return base
    if KnowledgeBase.objects.visible_to(actor).filter(pk=base_id).exists():
        raise Forbidden
    raise NotFound


def editable_document(actor: User, document_id: UUID) -> Document:
    """Return the document when `actor` may change it.

    Raises:
        NotFound: the actor may not see it. Forbidden: the actor may only read it.
    """
    document = Document.objects.editable_by(actor).filter(pk=document_id).first()
    if document is not None:
        return document
    if Document.objects.visible_to(actor).filter(pk=document_id).exists():
        raise Forbidden
    raise NotFound
