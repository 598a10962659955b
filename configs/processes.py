"""Which processes run, and with which release: each says so itself, every few seconds."""

import os
import socket
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import uuid4

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from configs.models import RunningProcess

EVERY_SECONDS = 10.0
GONE_AFTER = timedelta(seconds=60)
"""A process that said nothing for so long has ended."""


class Reporter:
    """Says that this process runs: at once when its release changes, else every ten seconds."""

    def __init__(self, name: str) -> None:
        self._id = uuid4()
        self._name = name[:40]
        self._host = socket.gethostname()[:100]
        self._started_at = self._in_force_at = timezone.now()
        self._version: int | None = None
        self._told = 0.0

    def report(self, version: int) -> None:
        """Write this process's row if it is time.

        Raises:
            DatabaseError: it cannot be written.
        """
        if version != self._version:
            self._in_force_at = timezone.now()
        elif time.monotonic() - self._told < EVERY_SECONDS:
            return
        self._write(version)
        RunningProcess.objects.filter(seen_at__lt=Now() - GONE_AFTER).delete()
        self._version, self._told = version, time.monotonic()

    def leave(self) -> None:
        """Take this process's row away.

        Raises:
            DatabaseError: it cannot be written; the row ends by itself within a minute.
        """
        RunningProcess.objects.filter(pk=self._id).delete()

    def _write(self, version: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO configs_runningprocess
                    (id, name, host, pid, config_version, in_force_at, started_at, seen_at)
                VALUES (%s, %s, %s, %s, %s, %s, %s, statement_timestamp())
                ON CONFLICT (id) DO UPDATE SET config_version = excluded.config_version,
                    in_force_at = excluded.in_force_at, seen_at = excluded.seen_at
                """,
                [
                    self._id,
                    self._name,
                    self._host,
                    os.getpid(),
                    version,
                    self._in_force_at,
                    self._started_at,
                ],
            )


def running() -> Sequence[RunningProcess]:
    """Return the processes that were heard of within the last minute, by name."""
    return list(RunningProcess.objects.filter(seen_at__gte=Now() - GONE_AFTER))


class _Rows(Collector):
    """The processes as Prometheus sees them: every one, whichever of them is asked."""

    def collect(self) -> Iterable[Metric]:
        """Yield the release of each process, and when it was last heard of."""
        labels = ["process", "host", "pid"]
        version = GaugeMetricFamily(
            "clawai_configs_version", "Release that the process runs with.", labels=labels
        )
        seen = GaugeMetricFamily(
            "clawai_configs_process_seen_timestamp_seconds",
            "When the process last said that it runs, as a Unix time.",
            labels=labels,
        )
        for row in running():
            of = [row.name, row.host, str(row.pid)]
            version.add_metric(of, row.config_version)
            seen.add_metric(of, row.seen_at.timestamp())
        return [version, seen]


def exposition() -> bytes:
    """Return the list of processes as Prometheus reads it; nothing while the database is away."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows())
    try:
        return generate_latest(registry)
    except DatabaseError:
        return b""
