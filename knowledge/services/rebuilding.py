"""Index a whole base anew as a job: it starts the new index, and watches it grow."""

from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.models import User
from configs import jobs
from configs.errors import Conflict
from configs.models import Job
from knowledge.indexing import generations
from knowledge.models import Document, IndexedVersion, IndexGeneration, KnowledgeBase
from knowledge.services.access import editable_base
from knowledge.services.bases import embedding_endpoint, reindex_base

KIND: Final = "knowledge.reindex"
LOOK_AGAIN_SECONDS: Final = 2
PREPARING: Final = gettext_noop("Preparing the new index.")
INDEXING: Final = gettext_noop("Documents in the new index; the old one is searched meanwhile.")
IN_USE: Final = gettext_noop("The new index is in use.")
OVERTAKEN: Final = gettext_noop("A later indexing of this base took over.")
HELD_UP: Final = gettext_noop(
    "Some documents failed, so the old index stays in use. Retry or delete them on the base's "
    "health page; the new index takes over by itself then."
)


def start_reindex(*, actor: User, base_id: UUID) -> Job:
    """Start to index a base anew; a start while one is under way returns that job.

    Raises:
        NotFound, Forbidden: see the module of services.
        NoEndpoint: no embedding endpoint is usable.
    """
    base = editable_base(actor, base_id)
    embedding_endpoint()
    return jobs.start(
        kind=KIND,
        title=_("Index anew: %(base)s") % {"base": base.name},
        owner=actor,
        payload={"base": str(base_id)},
    )


@jobs.register(KIND)
def rebuild(handle: jobs.Handle) -> jobs.Later | None:
    """Begin a new generation of the base, then look again until it is in use.

    Raises:
        Cancelled: it was asked to stop; the new index is given up.
        Conflict: another generation took over, or failed documents hold this one up.
    """
    base_id = UUID(handle.payload["base"])
    try:
        if "generation" not in handle.result:
            handle.progress(0, 0, PREPARING)
            assert handle.owner is not None  # noqa: S101  # a job goes with its owner
            generation = reindex_base(actor=handle.owner, base_id=base_id)
            handle.remember(generation=generation.pk)
        return _watch(handle, base_id)
    except jobs.Cancelled:
        generations.give_up(handle.result.get("generation"))
        raise


def _watch(handle: jobs.Handle, base_id: UUID) -> jobs.Later | None:
    rows = IndexGeneration.objects.filter(pk=handle.result["generation"])
    state = rows.values_list("state", flat=True).first()
    documents = Document.objects.filter(base_id=base_id)
    total = documents.exclude(current_version=None).count()
    if state == IndexGeneration.State.ACTIVE:
        handle.progress(total, total, IN_USE)
        return None
    if state != IndexGeneration.State.BUILDING:
        raise Conflict(OVERTAKEN)
    indexed = IndexedVersion.objects.filter(generation=handle.result["generation"])
    complete = indexed.filter(version__in=documents.values("current_version")).count()
    handle.progress(complete, total, INDEXING)
    if not _is_under_way(base_id):
        raise Conflict(HELD_UP)
    return jobs.Later(LOOK_AGAIN_SECONDS)


def _is_under_way(base_id: UUID) -> bool:
    """Say whether documents are still to be indexed, or the switch is about to come."""
    documents = Document.objects.filter(base_id=base_id)
    working = (Document.Status.QUEUED, Document.Status.PROCESSING)
    if documents.filter(status__in=working).exists():
        return True
    generations.switch_when_complete(base_id)
    base = KnowledgeBase.objects.get(pk=base_id)
    return not base.generations.filter(state=IndexGeneration.State.BUILDING).exists()
