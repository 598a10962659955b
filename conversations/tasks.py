"""Celery tasks: they carry ids, and are safe to run twice."""

import logging
from uuid import UUID

from celery import shared_task
from kombu.exceptions import OperationalError

from conversations.answering import jobs, pipeline, sweeper, titles
from conversations.streams import log

logger = logging.getLogger(__name__)


@shared_task(name="conversations.tasks.answer")
def answer(reply_id: str) -> None:
    """Write a reply, unless it is taken, over, or not yet its turn."""
    job = pipeline.answer(UUID(reply_id))
    if job is None:
        return
    for waiting in jobs.next_in_line(job):
        nudge(waiting)
    if job.is_first:
        titles.give(job.conversation)


@shared_task(name="conversations.tasks.sweep_replies")
def sweep_replies() -> None:
    """Nudge the workers about replies that nobody works on."""
    for reply in sweeper.sweep():
        nudge(reply)


def nudge(reply: UUID) -> None:
    """Tell the workers of a reply; when nobody can be told, the sweeper tells them later."""
    # Celery itself would try for six seconds, with a person waiting.
    if not log.is_there():
        logger.warning("A nudge could not be sent: Redis is away.")
        return
    try:
        answer.apply_async((str(reply),), retry=False)
    except OperationalError as error:
        logger.warning("A nudge could not be sent: %s", error)
