"""A change made in this process is in force in another one: by doorbell, and without Redis."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from configs import registry, runtime, services

pytestmark = pytest.mark.usefixtures("committed")

WATCH = """
import django, time
django.setup()
from configs import registry, runtime
runtime.start()
seen = None
while True:
    now = runtime.current()
    if now.version != seen:
        seen = now.version
        print(seen, now.get(registry.RETRIEVAL_TOP_K), time.time(), flush=True)
    time.sleep(0.005)
"""


@pytest.fixture
def other_process(
    committed: None, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[str]]:
    """A process that prints each version it takes up: version, value, time."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    url = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database)
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "clawai.settings"}
    environment |= getattr(request, "param", {})
    process = subprocess.Popen(
        [sys.executable, "-c", WATCH], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert read(process)[:2] == (1, 6)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
        process.stdout.close()


def read(process: subprocess.Popen[str]) -> tuple[int, int, float]:
    version, value, at = process.stdout.readline().split()
    return int(version), int(value), float(at)


def change(value: int) -> float:
    services.change_setting(key=registry.RETRIEVAL_TOP_K.key, value=value, actor=None)
    return time.time()


def test_change__with_redis__is_in_force_elsewhere_within_two_seconds(other_process):
    time.sleep(0.5)
    delays = []
    for version, value in ((2, 7), (3, 8), (4, 9)):
        changed = change(value)
        assert runtime.current().get(registry.RETRIEVAL_TOP_K) == value
        seen_version, seen_value, at = read(other_process)
        assert (seen_version, seen_value) == (version, value)
        delays.append(at - changed)
        time.sleep(0.1)
    assert max(delays) < 2
    assert min(delays) < 0.7  # the doorbell, not the poll


@pytest.mark.parametrize("other_process", [{"REDIS_URL": "redis://127.0.0.1:9/0"}], indirect=True)
def test_change__without_redis__is_in_force_elsewhere_within_three_seconds(other_process):
    changed = change(7)
    version, value, at = read(other_process)
    assert (version, value) == (2, 7)
    assert at - changed < 3


def test_ring__redis_down__only_warns(settings, caplog):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    change(8)
    assert "doorbell" in caplog.text
    assert runtime.current().get(registry.RETRIEVAL_TOP_K) == 8


@pytest.fixture
def pool_made_anew(committed: None) -> Iterator[None]:
    """Leave no pool behind that goes on waiting before it looks for the database again."""
    from django.db import connection

    yield
    connection.close()
    connection.close_pool()


@pytest.mark.usefixtures("pool_made_anew")
def test_refresher__database_gone__keeps_the_last_known_good(other_process):
    from django.db import connection

    change(7)
    assert read(other_process)[:2] == (2, 7)
    for _ in range(3):  # every connection of the other process, as a crash would
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        time.sleep(0.3)
    assert other_process.poll() is None
    change(8)
    assert read(other_process)[:2] == (3, 8)
