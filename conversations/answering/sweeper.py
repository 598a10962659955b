"""Find replies that lost their nudge or their worker; safe to run in two processes at once."""

import logging
from datetime import timedelta
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Least, Now
from django.utils.translation import gettext as _

from configs import registry, runtime
from conversations import metrics
from conversations.models import Message
from conversations.protocol import QUEUED_SEQ, ReplyDelta
from conversations.streams import UNREACHABLE, log

BATCH = 200
FIRST_NUDGE = timedelta(seconds=3)
SLOWEST_NUDGE = timedelta(seconds=60)
WITHOUT_REDIS = timedelta(seconds=60)
"""For so long a log that cannot be read is waited for: it may hold text that was shown."""

logger = logging.getLogger(__name__)


def sweep() -> list[UUID]:
    """Deal with every reply that nobody works on; return those to nudge the workers about."""
    return [*_unheard(), *_abandoned()]


def _unheard() -> list[UUID]:
    """Return queued replies that are due for another nudge, more and more rarely."""
    queued = Message.objects.filter(status=Message.Status.QUEUED, lease_expires_at__lt=Now())
    with transaction.atomic():
        due = list(
            queued.order_by("lease_expires_at")
            .select_for_update(skip_locked=True)
            .values_list("pk", flat=True)[:BATCH]
        )
        wait = Least(Greatest(Now() - F("created_at"), FIRST_NUDGE), SLOWEST_NUDGE)
        Message.objects.filter(pk__in=due).update(lease_expires_at=Now() + wait)
    return due


def _abandoned() -> list[UUID]:
    """Take the replies whose lease ran out from their workers; return those that begin afresh."""
    expired = Message.objects.filter(status__in=Message.CLAIMED, lease_expires_at__lt=Now())
    found = expired.order_by("lease_expires_at").values_list("pk", flat=True)[:BATCH]
    return [reply for reply in list(found) if _take(reply)]


def _take(reply: UUID) -> bool:
    """Take one reply from its worker; return whether it is to be begun afresh."""
    with transaction.atomic():
        row = (
            Message.objects.select_for_update(skip_locked=True)
            .filter(pk=reply, status__in=Message.CLAIMED, lease_expires_at__lt=Now())
            .first()
        )
        if row is None or not _absorb(row):
            return False
        _decide(row)
        row.save()
    metrics.SWEPT.labels(outcome=row.status).inc()
    logger.warning("Reply %s lost its worker: %s.", reply, row.status)
    _tell(row)
    return row.status == Message.Status.QUEUED


def _absorb(row: Message) -> bool:
    """Seal the log, so that a worker that still lives writes no more, and add its text to the row.

    Returns false to leave the row for later: its log cannot be read at the moment.
    """
    try:
        log.seal(row.pk, row.epoch)
        entries = log.read(row.pk, row.epoch, after=row.seq)
    except UNREACHABLE:
        patient = Message.objects.filter(pk=row.pk, lease_expires_at__gt=Now() - WITHOUT_REDIS)
        return not patient.exists()
    for entry in entries:
        if entry.seq != row.seq + 1 or entry.is_last:
            break
        row.seq = entry.seq
        if entry.kind == ReplyDelta.TYPE:
            row.content += orjson.loads(entry.frame)["text"]
    return True


def _decide(row: Message) -> None:
    """Set what becomes of the reply: text is kept and never written twice."""
    if row.stop_requested_at:
        _end(row, Message.Status.STOPPED)
    elif row.content:
        _end(row, Message.Status.INTERRUPTED, "interrupted", _("The work on this reply broke off."))
    elif row.attempts >= runtime.current().get(registry.ANSWERS_ATTEMPTS):
        _end(
            row,
            Message.Status.FAILED,
            "worker_lost",
            _("The reply could not be written: its worker was lost %(count)d times.")
            % {"count": row.attempts},
        )
    else:
        row.status = Message.Status.QUEUED
        row.epoch += 1
        row.seq = QUEUED_SEQ
        row.lease_expires_at = Now() + FIRST_NUDGE


def _end(row: Message, status: Message.Status, code: str = "", detail: str = "") -> None:
    row.status = status
    row.seq += 1
    row.error_code, row.error, row.error_retryable = code, detail, bool(code)
    row.lease_expires_at = None
    row.finished_at = Now()


def _tell(row: Message) -> None:
    """Have the followers look at the row now."""
    metrics.REPLIES.labels(status=row.status).inc() if row.finished_at else None
    try:
        log.seal(row.pk, row.epoch if row.finished_at else row.epoch - 1)
    except UNREACHABLE as error:
        logger.info("The followers of reply %s will find out by themselves: %s", row.pk, error)
