"""Nudges: publish what has been waiting for its time, and do the jobs that people asked for."""

import logging
from uuid import UUID

from celery import shared_task
from kombu.exceptions import OperationalError

from configs import changesets, working

logger = logging.getLogger(__name__)


@shared_task(name="configs.tasks.publish_due", ignore_result=True)
def publish_due() -> None:
    """Publish the change sets whose time has come; safe to run twice at once."""
    changesets.publish_due()


@shared_task(name="configs.tasks.run_job", ignore_result=True)
def run_job(job_id: str) -> None:
    """Do a job, unless it is taken or over; safe to run twice at once."""
    working.run(UUID(job_id))


@shared_task(name="configs.tasks.sweep_jobs", ignore_result=True)
def sweep_jobs() -> None:
    """Nudge the jobs whose nudge or worker was lost, and those that wanted to be asked again."""
    for job_id in working.sweep():
        nudge_job(job_id)


def nudge_job(job_id: UUID) -> None:
    """Tell a worker that the job waits; when Redis is away the sweeper finds it later."""
    try:
        run_job.apply_async((str(job_id),))
    except OperationalError:
        logger.warning("Job %s waits for the sweeper: no broker.", job_id)
