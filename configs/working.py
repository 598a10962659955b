"""Jobs at work: claimed under a lease, told of by their handlers, taken up again when lost.

While a job waits in the queue, `lease_expires_at` is when the workers are nudged about it again;
while it runs, it is when the claim ends, and its exact value is the fencing token of the claim.
Leases are kept by the database's clock.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext_noop, override

from configs.errors import ClawError
from configs.models import Job

LEASE: Final = timedelta(seconds=60)
ATTEMPTS: Final = 3
NUDGE_AGAIN: Final = timedelta(seconds=30)
RETRY_SECONDS: Final = 10
SWEEP_AT_MOST: Final = 200
LONGEST_MESSAGE: Final = 500
GIVEN_UP: Final = gettext_noop("Given up: its worker was lost three times. Start it again.")
STOPPED: Final = gettext_noop("Cancelled.")
NOBODY: Final = gettext_noop("This release does not know this kind of job.")

logger = logging.getLogger(__name__)


class Cancelled(Exception):  # noqa: N818 - an event, no fault
    """Somebody asked for the job to stop: tidy up, and let this through."""


class LeaseLost(Exception):  # noqa: N818 - an event, no fault
    """Somebody else has the job now, or it is over: stop, and write nothing more."""


@dataclass(frozen=True, slots=True)
class Later:
    """What a handler returns when its job only waits: come back in so many seconds."""

    seconds: float


class Handle:
    """A claimed job as its handler sees it; `result` is what earlier calls remembered."""

    def __init__(self, job: Job, token: datetime) -> None:
        self.id: UUID = job.pk
        self.owner = job.owner
        self.payload: dict[str, Any] = job.payload
        self.result: dict[str, Any] = job.result
        self._token = token

    def progress(self, done: int, total: int, message: str = "") -> None:
        """Say how far the job is and keep the claim; `message` is an English msgid.

        Raises:
            Cancelled: somebody asked for the job to stop.
            LeaseLost: the claim is over.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE configs_job SET done = %s, total = %s, message = %s,
                    lease_expires_at = clock_timestamp() + make_interval(secs => %s)
                WHERE id = %s AND state = 'running' AND lease_expires_at = %s
                RETURNING lease_expires_at, cancel_requested_at IS NOT NULL
                """,
                [
                    done,
                    total,
                    message[:LONGEST_MESSAGE],
                    LEASE.total_seconds(),
                    self.id,
                    self._token,
                ],
            )
            row = cursor.fetchone()
        if row is None:
            raise LeaseLost
        self._token, cancelled = row
        if cancelled:
            raise Cancelled

    def remember(self, **facts: Any) -> None:
        """Keep JSON values for later calls of the handler, and for whoever looks at the job.

        Raises:
            LeaseLost: the claim is over.
        """
        self.result = {**self.result, **facts}
        self._write(result=self.result)

    def _write(self, **columns: Any) -> None:
        held = Job.objects.filter(pk=self.id, state=Job.State.RUNNING, lease_expires_at=self._token)
        if not held.update(**columns):
            raise LeaseLost

    def end(self, state: str, message: str | None = None) -> None:
        """Close the job.

        Raises:
            LeaseLost: the claim is over.
        """
        said = {} if message is None else {"message": message[:LONGEST_MESSAGE]}
        self._write(state=state, lease_expires_at=None, finished_at=Now(), **said)

    def pause(self, seconds: float, **columns: Any) -> None:
        """Give the job back until then.

        Raises:
            LeaseLost: the claim is over.
        """
        self._write(lease_expires_at=Now() + timedelta(seconds=seconds), **columns)


Handler = Callable[[Handle], Later | None]
_handlers: Final[dict[str, Handler]] = {}


def register(kind: str) -> Callable[[Handler], Handler]:
    """Make a function do the jobs of a kind.

    It is safe to call twice for one job, calls `progress` at least every half minute, and returns
    nothing when it is done, or `Later` when it waits for others.
    """

    def keep(handler: Handler) -> Handler:
        _handlers[kind] = handler
        return handler

    return keep


def known(kind: str) -> bool:
    """Say whether there is somebody for jobs of a kind."""
    return kind in _handlers


def run(job_id: UUID) -> None:
    """Claim a job and have it done, unless it is taken or over."""
    handle = _claim(job_id)
    if handle is None:
        return
    job = Job.objects.only("kind", "attempts").get(pk=job_id)
    try:
        _do(handle, job)
    except LeaseLost:
        logger.info("Job %s went to somebody else.", job_id)


def _claim(job_id: UUID) -> Handle | None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE configs_job SET state = 'running', attempts = attempts + 1,
                lease_expires_at = clock_timestamp() + make_interval(secs => %s)
            WHERE id = %s AND attempts < %s AND (
                state = 'queued' OR (state = 'running' AND lease_expires_at < clock_timestamp())
            )
            RETURNING lease_expires_at
            """,
            [LEASE.total_seconds(), job_id, ATTEMPTS],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return Handle(Job.objects.select_related("owner").get(pk=job_id), row[0])


def _do(handle: Handle, job: Job) -> None:
    handler = _handlers.get(job.kind)
    if handler is None:
        handle.end(Job.State.FAILED, NOBODY)
        return
    try:
        # What a service refuses is kept in its source language, and translated for its reader.
        with override("en"):
            pause = handler(handle)
    except Cancelled:
        handle.end(Job.State.CANCELLED, STOPPED)
    except ClawError as refusal:
        _refused(handle, job, refusal)
    else:
        if pause is None:
            handle.end(Job.State.DONE)
        else:
            # To wait is no failed attempt.
            handle.pause(pause.seconds, attempts=0)


def _refused(handle: Handle, job: Job, refusal: ClawError) -> None:
    logger.warning("Job %s did not succeed: %s", handle.id, refusal.code)
    said = str(refusal.detail)[:LONGEST_MESSAGE]
    if refusal.retryable and job.attempts < ATTEMPTS:
        handle.pause(RETRY_SECONDS * 3 ** (job.attempts - 1), message=said)
    else:
        handle.end(Job.State.FAILED, said)


def sweep() -> list[UUID]:
    """Deal with every job that nobody works on; return those to nudge the workers about."""
    open_jobs = Job.objects.filter(state__in=Job.OPEN, lease_expires_at__lt=Now())
    with transaction.atomic():
        rows = list(
            open_jobs.order_by("lease_expires_at")
            .select_for_update(skip_locked=True)
            .values_list("pk", "attempts")[:SWEEP_AT_MOST]
        )
        spent = [pk for pk, attempts in rows if attempts >= ATTEMPTS]
        due = [pk for pk, attempts in rows if attempts < ATTEMPTS]
        Job.objects.filter(pk__in=spent).update(
            state=Job.State.FAILED, message=GIVEN_UP, lease_expires_at=None, finished_at=Now()
        )
        Job.objects.filter(pk__in=due).update(
            state=Job.State.QUEUED, lease_expires_at=Now() + NUDGE_AGAIN
        )
    return due
