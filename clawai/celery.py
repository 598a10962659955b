"""The Celery application: it carries nudges; the facts stand in PostgreSQL."""

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")

app = Celery("clawai")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

HEARTBEAT_SECONDS = 15


@signals.worker_ready.connect
def refresh_configuration(**_: Any) -> None:
    """Begin the live refreshing of the configuration with the worker."""
    from configs import runtime

    runtime.start()


@signals.heartbeat_sent.connect
def report_alive(**_: Any) -> None:
    """Leave a trace for each queue that this worker takes from; `/readyz` looks for it."""
    from django.core.cache import cache

    traces = {f"worker:{queue}": 1 for queue in app.amqp.queues.consume_from}
    cache.set_many(traces, HEARTBEAT_SECONDS)
