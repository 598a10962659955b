"""Long work that people ask for: start it once, watch it, cancel it."""

import json
import logging
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from configs import audit, tasks
from configs.audit import actions
from configs.errors import Conflict, Forbidden, Invalid
from configs.models import Job
from configs.working import NUDGE_AGAIN, STOPPED, Cancelled, Handle, Later, known, register

if TYPE_CHECKING:
    from accounts.models import User

__all__ = [
    "Cancelled",
    "Handle",
    "Later",
    "cancel",
    "may_cancel",
    "register",
    "start",
    "visible_to",
]

LONGEST_TITLE = 200
logger = logging.getLogger(__name__)


def start(*, kind: str, title: str, owner: "User", payload: Mapping[str, Any]) -> Job:
    """Put long work into the queue; the same work that is not over yet is returned instead.

    `payload` is JSON that its handler understands.

    Raises:
        Invalid: no handler does jobs of this kind.
    """
    if not known(kind):
        raise Invalid(_("There is no job of this kind: %s") % kind)
    with transaction.atomic():
        _take_turns(kind, payload)
        same = Job.objects.filter(kind=kind, payload=dict(payload), state__in=Job.OPEN)
        there = same.filter(cancel_requested_at=None).first()
        if there is not None:
            return there
        job = Job.objects.create(
            kind=kind,
            title=title[:LONGEST_TITLE],
            owner=owner,
            payload=dict(payload),
            lease_expires_at=timezone.now() + NUDGE_AGAIN,
        )
        _record(actions.JOB_START, job, owner)
        transaction.on_commit(partial(tasks.nudge_job, job.pk), robust=True)
    return job


def _take_turns(kind: str, payload: Mapping[str, Any]) -> None:
    """Let two who start the same work at once do so one after the other."""
    name = f"{kind}:{json.dumps(payload, sort_keys=True)}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 20))", [name])


def visible_to(user: Any) -> QuerySet[Job]:
    """Return the jobs that `user` may see: all with the right to it, one's own otherwise."""
    jobs = Job.objects.select_related("owner")
    return jobs if user.has_perm("configs.view_job") else jobs.filter(owner=user.pk)


def may_cancel(user: Any, job: Job) -> bool:
    """Say whether `user` may stop the job: their own, or any with the right to it."""
    return job.state in Job.OPEN and (
        job.owner_id == user.pk or user.has_perm("configs.change_job")
    )


def cancel(*, job: Job, actor: "User") -> Job:
    """Ask for a job to stop; one that nobody has begun is over at once.

    Raises:
        Forbidden: it is somebody else's, and the actor may not.
        Conflict: it is over already.
    """
    with transaction.atomic():
        row = Job.objects.select_for_update().get(pk=job.pk)
        if row.state not in Job.OPEN:
            raise Conflict(_("This job is over already."))
        if not may_cancel(actor, row):
            raise Forbidden
        if row.cancel_requested_at is None:
            _record(actions.JOB_CANCEL, row, actor)
        _ask_to_stop(row)
    return row


def _ask_to_stop(row: Job) -> None:
    row.cancel_requested_at = row.cancel_requested_at or timezone.now()
    begun = row.state == Job.State.RUNNING or row.attempts or row.total or row.result
    if begun:
        # What waits for others hears of it at the sweeper's next round.
        row.save(update_fields=["cancel_requested_at"])
        return
    row.state, row.message, row.lease_expires_at = Job.State.CANCELLED, STOPPED, None
    row.save(update_fields=["cancel_requested_at", "state", "message", "lease_expires_at"])
    Job.objects.filter(pk=row.pk).update(finished_at=Now())


def _record(action: str, job: Job, actor: "User") -> None:
    audit.record(
        action=action,
        actor=actor,
        object_type="job",
        object_id=job.pk,
        object_name=job.title,
        detail={"kind": job.kind},
    )
