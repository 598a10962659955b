"""What is swept out of the accounts' rooms from time to time."""

from celery import shared_task

from accounts import idempotency, tokens


@shared_task(name="accounts.tasks.forget_old", ignore_result=True)
def forget_old() -> None:
    """Delete remembered answers of more than a day, and sign-ins that ended a month ago."""
    idempotency.forget_old()
    tokens.forget_ended()
