"""The list of running processes: who reports when, and who has gone."""

import re
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from configs import processes, runtime
from configs.models import Release, RunningProcess
from tests.configs.waiting import until

pytestmark = pytest.mark.django_db


def test_report__same_release__is_written_every_ten_seconds_only(
    django_assert_num_queries, monkeypatch
):
    reporter = processes.Reporter("web")
    reporter.report(1)
    with django_assert_num_queries(0):
        reporter.report(1)
    row = RunningProcess.objects.get()
    assert (row.name, row.config_version) == ("web", 1)
    monkeypatch.setattr(processes, "EVERY_SECONDS", 0)
    reporter.report(1)
    again = RunningProcess.objects.get()
    assert again.seen_at > row.seen_at
    assert again.in_force_at == row.in_force_at


def test_report__new_release__is_written_at_once():
    reporter = processes.Reporter("web")
    reporter.report(1)
    first = RunningProcess.objects.get()
    reporter.report(2)
    row = RunningProcess.objects.get()
    assert row.config_version == 2
    assert row.in_force_at > first.in_force_at
    assert row.started_at == first.started_at


def test_running__silent_for_a_minute__is_gone():
    for name in ("web", "answers", "beat"):
        processes.Reporter(name).report(1)
    assert [row.name for row in processes.running()] == ["answers", "beat", "web"]
    silent = RunningProcess.objects.filter(name="answers")
    silent.update(seen_at=Now() - timedelta(seconds=61))
    assert [row.name for row in processes.running()] == ["beat", "web"]
    processes.Reporter("indexing").report(1)
    assert not silent.exists()


def test_leave__row__is_taken_away():
    reporter = processes.Reporter("web")
    reporter.report(1)
    reporter.leave()
    assert not RunningProcess.objects.exists()


def test_metrics__every_process__is_listed_with_its_release(client: Client):
    processes.Reporter("web").report(7)
    processes.Reporter("answers").report(6)
    text = client.get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    found = re.findall(r'clawai_configs_version\{.*?process="(\w+)".*?\} (\S+)', text)
    assert sorted(found) == [("answers", "6.0"), ("web", "7.0")]
    assert text.count("# TYPE clawai_configs_version gauge") == 1
    assert "clawai_configs_refresh_failures_total" in text
    assert "clawai_configs_polled_timestamp_seconds" in text


async def test_refresher__runs__reports_and_holds_no_connection(committed: None):
    def rows() -> list[RunningProcess]:
        found: list[RunningProcess] = []

        def look() -> None:
            found.extend(processes.running())
            connection.close()

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return found

    await_started = threading.Thread(target=runtime.start, args=("web",))
    await_started.start()
    await_started.join()
    try:
        await until(lambda: [row.config_version for row in rows()] == [1])
        release = threading.Thread(target=_publish)
        release.start()
        release.join()
        await until(lambda: [row.config_version for row in rows()] == [2])
        poll = next(t for t in threading.enumerate() if t.name == "configs-poll")
        assert poll.is_alive()
    finally:
        stopping = threading.Thread(target=runtime.stop)
        stopping.start()
        stopping.join()
    assert rows() == []


def _publish() -> None:
    Release.objects.create(version=2, summary="test")
    connection.close()


def test_refresher__between_two_looks__the_pool_has_everything_back(committed: None):
    runtime.start("web")
    try:
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            stats = connection.pool.get_stats()
            mine = 1 if connection.connection is not None else 0
            if stats["pool_size"] - stats["pool_available"] == mine:
                return
            time.sleep(0.01)
        pytest.fail(f"a connection is held: {stats}")
    finally:
        runtime.stop()
