"""The snapshot of this process, and how it is kept new: doorbell, poll, last known good."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from configs import metrics
from configs.processes import Reporter
from configs.runtime.building import build, newest_version
from configs.runtime.snapshot import Snapshot

logger = logging.getLogger(__name__)

CHANNEL = "clawai:configs:doorbell"
POLL_SECONDS = 1.0
FIRST_LOAD_SECONDS = 5.0
CONNECT_SECONDS = 2
REACHED_BY = ("dbname", "user", "password", "host", "port", "sslmode", "sslrootcert")

_current: Snapshot | None = None
_installing = threading.Lock()
_pinned: ContextVar[Snapshot | None] = ContextVar("pinned", default=None)


def current() -> Snapshot:
    """Return what the process runs with: a read of memory once something has been loaded.

    The first call loads it; after that `refresh` and the thread of `start` keep it new. Inside
    `pinned` it is the pinned one.
    """
    found = _pinned.get() or _current
    return found if found is not None else _load_first()


@contextmanager
def pinned(snapshot: Snapshot) -> Iterator[Snapshot]:
    """Let everything inside, in this thread or task, run with `snapshot` whatever is published."""
    token = _pinned.set(snapshot)
    try:
        yield snapshot
    finally:
        _pinned.reset(token)


def refresh() -> Snapshot:
    """Read the newest release now and return what is in force then.

    Raises:
        DatabaseError: the database cannot be read; what was in force stays.
    """
    return install(build())


def forget() -> None:
    """Drop the snapshot, so that `current` loads one anew: after a restore, between tests."""
    global _current  # noqa: PLW0603  # one snapshot a process is this module's job
    with _installing:
        _current = None


def install(fresh: Snapshot) -> Snapshot:
    """Put a snapshot in force unless a newer one is already."""
    global _current  # noqa: PLW0603  # as above
    with _installing:
        if _current is None or fresh.version >= _current.version:
            if _current is None or fresh.version > _current.version:
                logger.info("Configs v%s in force.", fresh.version)
            _current = fresh
        return _current


def _load_first() -> Snapshot:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return refresh()
    # Django refuses to query inside a running loop; this happens once, before anything is served.
    loader = threading.Thread(target=_refresh_quietly, name="configs-first-load")
    loader.start()
    loader.join()
    if _current is None:
        raise DatabaseError("The settings cannot be read: the database does not answer.")
    return _current


def _refresh_quietly() -> None:
    try:
        refresh()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("The settings could not be read: %s", type(error).__name__)
    finally:
        connection.close()  # back to the pool: threads come and go


def _mend() -> None:
    """Begin with a new pool of connections when the database answers again after an outage.

    The old one asks ever more rarely, the longer it has been away.

    Raises:
        DatabaseError: it does not answer yet.
    """
    known = connection.get_connection_params()
    chosen = {name: known[name] for name in REACHED_BY if name in known}
    with connection.wrap_database_errors:
        psycopg.connect(**chosen, connect_timeout=CONNECT_SECONDS).close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it


class Refresher:
    """Two daemon threads: one polls PostgreSQL, the other lets Redis ring to poll at once."""

    def __init__(self, name: str) -> None:
        self._reporter = Reporter(name)
        self._stopping = threading.Event()
        self._ring = threading.Event()
        self._loaded = threading.Event()
        self._reachable = True
        self._threads = [
            threading.Thread(target=self._poll, name="configs-poll", daemon=True),
            threading.Thread(target=self._listen, name="configs-doorbell", daemon=True),
        ]

    def start(self) -> None:
        """Start, and wait a few seconds at most for the first snapshot."""
        for thread in self._threads:
            thread.start()
        self._loaded.wait(FIRST_LOAD_SECONDS)

    def stop(self) -> None:
        """Stop both threads; returns when they have ended, or after two seconds."""
        self._stopping.set()
        self._ring.set()
        for thread in self._threads:
            thread.join(POLL_SECONDS + 1)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._ring.clear()
            self._look()
            self._loaded.set()
            self._ring.wait(POLL_SECONDS)
        self._leave()

    def _look(self) -> None:
        """Take up what is newer, and say what this process runs; the connection is not kept."""
        try:
            if not self._reachable:
                _mend()
            if _current is None or newest_version() > _current.version:
                refresh()
                metrics.REFRESHES.inc()
            metrics.polled()
            if _current is not None:
                self._reporter.report(_current.version)
            self._reachable = True
        except (DatabaseError, InterfaceError) as error:
            metrics.FAILURES.labels(source="database").inc()
            if self._reachable:  # once an outage, not once a second
                logger.warning("The settings could not be read: %s", type(error).__name__)
            self._reachable = False
        finally:
            connection.close()

    def _leave(self) -> None:
        try:
            self._reporter.leave()
        except (DatabaseError, InterfaceError):
            logger.debug("The list of processes could not be told of this one's end.")
        finally:
            connection.close()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen_until_broken()
            except (redis.RedisError, OSError) as error:
                metrics.FAILURES.labels(source="doorbell").inc()
                logger.debug("No doorbell: %s", type(error).__name__)
            self._stopping.wait(POLL_SECONDS)

    def _listen_until_broken(self) -> None:
        # No read time-out: the client's default of 5 s would end a silent subscription.
        with (
            redis.Redis.from_url(
                settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=2
            ) as client,
            client.pubsub(ignore_subscribe_messages=True) as bell,
        ):
            bell.subscribe(CHANNEL)
            self._ring.set()  # what rang while nobody listened
            while not self._stopping.is_set():
                if bell.get_message(timeout=POLL_SECONDS):
                    self._ring.set()


_refresher: Refresher | None = None


def start(name: str = "process") -> None:
    """Keep the snapshot of this process live until `stop`; calling it again does nothing.

    `name` says what kind of process this is: web, answers, indexing, beat.
    """
    global _refresher  # noqa: PLW0603  # as above
    if _refresher is None:
        _refresher = Refresher(name)
        _refresher.start()


def stop() -> None:
    """End the live refreshing; the snapshot stays as it is."""
    global _refresher  # noqa: PLW0603  # as above
    if _refresher is not None:
        _refresher.stop()
        _refresher = None


def ring() -> None:
    """Tell every process that something was published; polling covers a doorbell that is broken."""
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5
        ) as client:
            client.publish(CHANNEL, "")
    except (redis.RedisError, OSError) as error:
        logger.warning("The doorbell did not ring: %s", type(error).__name__)
