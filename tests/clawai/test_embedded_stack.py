"""The test run stands on real servers."""

import pytest
from django.db import connection


@pytest.mark.django_db
def test_database__in_tests__has_pgvector():
    with connection.cursor() as cursor:
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        major, minor, *_ = map(int, cursor.fetchone()[0].split("."))
    assert (major, minor) >= (0, 8)


def test_redis__in_tests__is_wiped(wiped_redis):
    assert wiped_redis.dbsize() == 0
