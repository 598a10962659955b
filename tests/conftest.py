"""What every test may ask for, and what no run may do: skip in silence."""

import os
from collections.abc import Iterator

import pytest
import redis
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

pytest_plugins = ["tests.cast", "tests.stack.fixtures"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let the flush after transactional tests truncate what an installation never may."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname) "
            "FROM pg_trigger WHERE tgtype & 32 = 32 AND NOT tgisinternal"
        )
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)


@pytest.fixture
def wiped_redis() -> Iterator[redis.Redis]:
    """Every database of Redis emptied first: streams, broker, channel layer and cache."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.flushall()
        yield client


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure under CLAWAI_REQUIRE_ALL=1."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CLAWAI_REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CLAWAI_REQUIRE_ALL=1: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    _refuse(report)
    return report
