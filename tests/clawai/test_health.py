"""Liveness, readiness and the closed door of the counters."""

import os
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import connection, connections
from django.test import AsyncClient, Client

from clawai.embedded import processes
from clawai.health import WORKERS

DEAD = "redis://127.0.0.1:1/0"


@pytest.fixture
def workers(wiped_redis: object) -> Iterator[None]:
    """Traces of workers, as their heartbeats leave them."""
    cache.set_many({f"worker:{name}": 1 for name in WORKERS}, 60)
    yield
    cache.clear()


def test_healthz__every_dependency_away__is_alive(client: Client, settings: object):
    settings.REDIS_URL = DEAD
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db(transaction=True)
async def test_readyz__all_there__is_ok(async_client: AsyncClient, workers: None):
    response = await async_client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "dependencies": dict.fromkeys(("postgresql", "migrations", "redis", "workers"), "ok"),
    }


@pytest.mark.django_db(transaction=True)
async def test_readyz__no_worker__is_degraded(async_client: AsyncClient, wiped_redis: object):
    response = await async_client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["dependencies"]["workers"] == "missing"


@pytest.mark.django_db(transaction=True)
async def test_readyz__redis_away__is_degraded(
    async_client: AsyncClient, workers: None, settings: object
):
    settings.REDIS_URL = DEAD
    response = await async_client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["dependencies"]["redis"] == "unavailable"


@pytest.mark.django_db(transaction=True)
async def test_readyz__database_away__is_503_with_retry_after(
    async_client: AsyncClient, workers: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", processes.free_port())
    response = await async_client.get("/readyz")
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response.json()["dependencies"]["postgresql"] == "unavailable"


@pytest.mark.django_db(transaction=True)
def test_readyz__migration_not_applied__is_503(client: Client, workers: None):
    name = "0001_initial"
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE app = 'configs' AND name = %s RETURNING applied",
            [name],
        )
        applied = cursor.fetchone()[0]
    try:
        response = client.get("/readyz")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES ('configs', %s, %s)",
                [name, applied],
            )
    assert response.status_code == 503
    assert response.json()["dependencies"]["migrations"] == "pending"


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("127.0.0.1", {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}, 404),
        ("127.0.0.1", {"HTTP_FORWARDED": "for=203.0.113.9"}, 404),
        ("203.0.113.9", {}, 404),
        ("", {}, 404),
        ("10.1.2.3", {}, 200),
        ("10.1.2.3", {"HTTP_X_REAL_IP": "203.0.113.9"}, 404),
    ],
)
@pytest.mark.django_db
def test_metrics__who_asks__decides(
    client: Client, settings: object, peer: str, headers: dict[str, str], status: int
):
    settings.METRICS_PEERS = ["10.1.0.0/16"]
    response = client.get("/metrics", REMOTE_ADDR=peer, **headers)
    assert response.status_code == status
    assert (b"python_info" in response.content) == (status == 200)


def test_environment__of_the_tests__keeps_real_keys_out():
    assert os.environ["ZHIPUAI_API_KEY"] == ""
