"""Nudges about what steers the system: publish what has been waiting for its time."""

from celery import shared_task

from configs import changesets


@shared_task(name="configs.tasks.publish_due", ignore_result=True)
def publish_due() -> None:
    """Publish the change sets whose time has come; safe to run twice at once."""
    changesets.publish_due()
