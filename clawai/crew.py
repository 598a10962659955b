"""What runs under `up`, each as the body of a process that was forked from the supervisor."""

import logging
import os
import socket
import warnings
from collections.abc import Callable

import uvicorn
from celery.apps.beat import Beat
from celery.apps.worker import Worker
from celery.exceptions import SecurityWarning
from django.conf import settings
from django.urls import get_resolver

from clawai.asgi import application
from clawai.celery import app
from configs import runtime

WEBSOCKET_MESSAGE_BYTES = 65_536
WEBSOCKET_PING_SECONDS = 15
DRAIN_SECONDS = 8


class Web(uvicorn.Server):
    """The web server, which says when it listens."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self.tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then tell the supervisor."""
        await super().startup(sockets=sockets)
        if self.started:
            self.tell()


def load() -> None:
    """Import everything that the processes need, once for all of them."""
    # `prepare` has run the system checks; each worker would run them once more.
    os.environ["CELERY_SKIP_CHECKS"] = "1"
    app.loader.import_default_modules()
    app.finalize()
    _ = get_resolver().url_patterns
    config = _web_config()
    config.load()


def web(listener: socket.socket, tell: Callable[[], None]) -> None:
    """Serve HTTP and WebSockets on `listener` until told to stop."""
    server = Web(_web_config(), tell)
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(1)


def answers() -> None:
    """Write answers."""
    _work("answers", ["answers"], threads=int(os.environ.get("CLAWAI_ANSWER_THREADS", "128")))


def indexing() -> None:
    """Index documents, and do what has no queue of its own."""
    _work("indexing", ["indexing", "default"], threads=2)


def beat() -> None:
    """Send what is due."""
    try:
        Beat(app=app, loglevel=_level(), quiet=True).run()
    finally:
        runtime.stop()


def _work(name: str, queues: list[str], *, threads: int) -> None:
    # Tasks arrive as JSON, so root gains an intruder nothing here; whoever runs `up` as root knows.
    warnings.simplefilter("ignore", SecurityWarning)
    worker = Worker(
        app=app,
        hostname=f"{name}@{socket.gethostname()}",
        queues=queues,
        pool="threads",
        concurrency=threads,
        loglevel=_level(),
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    raise SystemExit(worker.exitcode)


def _level() -> str:
    return logging.getLevelName(logging.getLogger().level)


def _web_config() -> uvicorn.Config:
    return uvicorn.Config(
        application,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES,
        ws_max_size=WEBSOCKET_MESSAGE_BYTES,
        ws_ping_interval=WEBSOCKET_PING_SECONDS,
        ws_ping_timeout=2 * WEBSOCKET_PING_SECONDS,
        # A frame holds a word or two: compressing it costs an eighth of the process's time.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
