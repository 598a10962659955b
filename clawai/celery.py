"""The Celery application: it carries nudges; the facts stand in PostgreSQL."""

import os
import threading
from typing import Any

from celery import Celery, signals

from clawai.logs import request_id
from configs import origin

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")

app = Celery("clawai")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

HEARTBEAT_SECONDS = 15
CAUSE = "clawai_cause"
"""The header of a task that says which request, from which address, caused it."""


@signals.worker_ready.connect
def refresh_configuration(sender: Any = None, **_: Any) -> None:
    """Begin the live refreshing of the configuration with the worker."""
    from configs import runtime

    runtime.start(str(getattr(sender, "hostname", "worker")).partition("@")[0])
    if "answers" in app.amqp.queues.consume_from:
        threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()


@signals.beat_init.connect
def refresh_configuration_of_beat(**_: Any) -> None:
    """Begin the live refreshing of the configuration with beat."""
    from configs import runtime

    runtime.start("beat")


@signals.worker_shutdown.connect
def end_refreshing(**_: Any) -> None:
    """Take the worker off the list of processes."""
    from configs import runtime

    runtime.stop()


def _warm_up() -> None:
    """Load the models' libraries before the first question does, if there is anything to ask."""
    from django.db import DatabaseError, connection

    from configs import providers, runtime
    from knowledge.models import Document

    try:
        kinds = ["chat", "embedding"] if Document.objects.exists() else ["chat"]
    except DatabaseError:
        return
    finally:
        connection.close()
    for kind in kinds:
        providers.warm_up(runtime.current().endpoints(kind)[:1])


@signals.heartbeat_sent.connect
def report_alive(**_: Any) -> None:
    """Leave a trace for each queue that this worker takes from; `/readyz` looks for it."""
    from django.core.cache import cache

    traces = {f"worker:{queue}": 1 for queue in app.amqp.queues.consume_from}
    cache.set_many(traces, HEARTBEAT_SECONDS)


@signals.before_task_publish.connect
def name_cause(headers: Any = None, **_: Any) -> None:
    """Send with a task where it comes from."""
    here = origin.current()
    if headers is not None:
        headers.setdefault(CAUSE, [here.request_id, here.ip])


@signals.task_prerun.connect
def take_cause(task: Any = None, **_: Any) -> None:
    """Let what the task does come from what caused it."""
    name, address = getattr(task.request, CAUSE, None) or ("-", None)
    if not task.request.is_eager:
        request_id.set(name)
        origin.begin(origin.Origin(name, address, "worker"))


@signals.task_postrun.connect
def forget_cause(task: Any = None, **_: Any) -> None:
    """Leave nothing of it to the next task of this process."""
    if not task.request.is_eager:
        request_id.set("-")
        origin.begin(origin.Origin(door="worker"))
