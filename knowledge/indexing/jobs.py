"""Documents as leased jobs: claim, keep, give back, and find what was lost."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from configs import registry, runtime
from knowledge import progress
from knowledge.errors import reason
from knowledge.models import Document

logger = logging.getLogger(__name__)

BEATS_A_LEASE = 3
NUDGE = timedelta(minutes=5)
"""A nudge that was not taken up for so long counts as lost."""

SWEEP_AT_MOST = 200
ANNOUNCE_EVERY_SECONDS = 1.0


class LeaseLost(Exception):  # noqa: N818 - an event, no fault
    """Somebody else has the document now, or it is gone: stop, and write nothing more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a document until a higher `fence` is given out."""

    document_id: UUID
    fence: int
    attempts: int
    uploader_id: UUID | None


def claim(document_id: UUID) -> Claim | None:
    """Take the document when it is due, or when its last claimant let the lease run out.

    Of any number of callers at the same time one gets it; the others get None.
    """
    due = Q(status=Document.Status.QUEUED) & (Q(run_after=None) | Q(run_after__lte=Now()))
    lost = Q(status=Document.Status.PROCESSING, lease_expires_at__lt=Now())
    rows = Document.objects.filter(pk=document_id)
    with transaction.atomic():
        taken = rows.filter(due | lost, attempts__lt=attempts_allowed()).update(
            status=Document.Status.PROCESSING,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            lease_expires_at=Now() + lease(),
            run_after=None,
            error_code="",
            error="",
        )
        if not taken:
            return None
        fence, attempts, uploader = rows.values_list("fence", "attempts", "uploaded_by_id").get()
    progress.announce(document_id, uploader)
    return Claim(document_id, fence, attempts, uploader)


def lease() -> timedelta:
    """Return for how long a claim holds without a sign of life."""
    return timedelta(seconds=runtime.current().get(registry.INDEXING_LEASE_SECONDS))


def attempts_allowed() -> int:
    """Return after how many claims without success a document is given up."""
    return runtime.current().get(registry.INDEXING_ATTEMPTS)


def hold(held: Claim) -> Document:
    """Lock the document's row for the transaction around; every write of a worker starts here.

    Raises:
        LeaseLost: the claim is no longer the newest.
    """
    rows = Document.objects.select_for_update(no_key=True).filter(
        pk=held.document_id, fence=held.fence, status=Document.Status.PROCESSING
    )
    document = rows.first()
    if document is None:
        raise LeaseLost
    return document


@contextmanager
def kept(held: Claim) -> Iterator[None]:
    """Renew the lease from a thread of its own while the work inside goes on."""
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(held, done), name="lease", daemon=True)
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()


def _beat(held: Claim, done: threading.Event) -> None:
    while not done.wait(lease().total_seconds() / BEATS_A_LEASE):
        try:
            _update(held, lease_expires_at=Now() + lease())
        except DatabaseError as error:
            logger.warning("The lease of document %s was not renewed: %s", held.document_id, error)
        finally:
            connection.close()


class Meter:
    """Writes how far a document is, with its lease, once a second at most."""

    def __init__(self, held: Claim) -> None:
        self._held = held
        self._written = time.monotonic()

    def at(self, percent: float) -> None:
        """Note that `percent` of the work is done; it is written when it is time."""
        now = time.monotonic()
        if now - self._written >= ANNOUNCE_EVERY_SECONDS:
            self._written = now
            _update(self._held, progress=int(percent), lease_expires_at=Now() + lease())
            progress.announce(self._held.document_id, self._held.uploader_id)


def succeed(held: Claim) -> None:
    """Mark the document as ready; call inside a transaction.

    Raises:
        LeaseLost: the claim is no longer the newest.
    """
    hold(held)
    _update(
        held,
        status=Document.Status.READY,
        progress=100,
        attempts=0,
        lease_expires_at=None,
    )


def ring(held: Claim) -> None:
    """Announce the document to the person who uploaded it."""
    progress.announce(held.document_id, held.uploader_id)


def fail(held: Claim, code: str, detail: str) -> None:
    """Give the document up, with a reason for people."""
    logger.warning("Document %s failed: %s (%s)", held.document_id, code, detail)
    _update(
        held,
        status=Document.Status.FAILED,
        error_code=code,
        error=detail,
        lease_expires_at=None,
    )
    progress.announce(held.document_id, held.uploader_id)


def postpone(held: Claim, seconds: float) -> None:
    """Give the document back, to be taken again after `seconds`."""
    pause = timedelta(seconds=seconds)
    _update(
        held,
        status=Document.Status.QUEUED,
        run_after=Now() + pause,
        lease_expires_at=Now() + pause + NUDGE,
    )
    progress.announce(held.document_id, held.uploader_id)


def _update(held: Claim, **changes: object) -> None:
    Document.objects.filter(
        pk=held.document_id, fence=held.fence, status=Document.Status.PROCESSING
    ).update(**changes)


def sweep() -> list[UUID]:
    """Return the documents to nudge: lost leases and lost nudges, the oldest first.

    A document whose claimants died too often is given up instead.
    """
    lost = Document.objects.filter(
        status=Document.Status.PROCESSING, lease_expires_at__lt=Now()
    )  # fmt: skip
    for document_id, uploader in lost.filter(attempts__gte=attempts_allowed()).values_list(
        "pk", "uploaded_by_id"
    ):
        _give_up(document_id, uploader)
    lost.update(status=Document.Status.QUEUED, lease_expires_at=None)
    with transaction.atomic():
        waiting = Document.objects.filter(
            Q(run_after=None) | Q(run_after__lte=Now()),
            Q(lease_expires_at=None) | Q(lease_expires_at__lt=Now()),
            status=Document.Status.QUEUED,
        ).order_by("created_at", "pk")
        found = [row.pk for row in waiting.select_for_update(skip_locked=True)[:SWEEP_AT_MOST]]
        Document.objects.filter(pk__in=found).update(lease_expires_at=Now() + NUDGE)
    return found


def _give_up(document_id: UUID, uploader: UUID | None) -> None:
    given_up = Document.objects.filter(
        pk=document_id, status=Document.Status.PROCESSING, lease_expires_at__lt=Now()
    ).update(
        status=Document.Status.FAILED,
        error_code="crashed",
        error=reason("crashed"),
        lease_expires_at=None,
    )
    if given_up:
        logger.error("Document %s broke its workers too often and is given up.", document_id)
        progress.announce(document_id, uploader)
