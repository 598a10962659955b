"""Is the process alive, can it serve, and what do its counters say."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from functools import cache as once
from typing import Any

import psycopg
import redis.asyncio
from django.conf import settings
from django.core.cache import cache
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django_prometheus.exports import ExportToDjangoView
from django_redis.exceptions import ConnectionInterrupted

from configs import processes

CHECK_SECONDS = 2
RETRY_AFTER_SECONDS = 5
WORKERS = ("answers", "indexing")
PROXY_HEADERS = ("X-Forwarded-For", "Forwarded", "X-Real-IP")
VITAL = ("postgresql", "migrations")
UNREACHABLE = (
    OSError,
    TimeoutError,
    psycopg.Error,
    redis.asyncio.RedisError,
    ConnectionInterrupted,
)


@never_cache
async def healthz(_request: HttpRequest) -> JsonResponse:
    """Say that the process answers; asks nothing else."""
    return JsonResponse({"status": "ok"})


@never_cache
async def readyz(_request: HttpRequest) -> JsonResponse:
    """Say what each dependency is worth now.

    503 with Retry-After while the database is away or behind the code; without Redis or workers
    pages and history are still served, so that is `degraded` with 200.
    """
    checks: dict[str, Callable[[], Awaitable[str]]] = {
        "postgresql": _postgresql,
        "migrations": _migrations,
        "redis": _redis,
        "workers": _workers,
    }
    states = await asyncio.gather(*(_state(check) for check in checks.values()))
    dependencies = dict(zip(checks, states, strict=True))
    if any(dependencies[name] != "ok" for name in VITAL):
        body = {"status": "unavailable", "dependencies": dependencies}
        return JsonResponse(body, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    status = "ok" if set(states) == {"ok"} else "degraded"
    return JsonResponse({"status": status, "dependencies": dependencies})


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus; for the rest of the world there is nothing here."""
    if not _is_collector(request):
        raise Http404
    counters: HttpResponse = ExportToDjangoView(request)
    counters.write(processes.exposition())
    return counters


def _is_collector(request: HttpRequest) -> bool:
    """Say whether the peer is this machine or in METRICS_PEERS, with no proxy between."""
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    try:
        peer = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return peer.is_loopback or any(
        peer in ipaddress.ip_network(network) for network in settings.METRICS_PEERS
    )


async def _state(check: Callable[[], Awaitable[str]]) -> str:
    try:
        return await asyncio.wait_for(check(), CHECK_SECONDS)
    except UNREACHABLE:
        return "unavailable"


async def _connect() -> psycopg.AsyncConnection[Any]:
    """Open a connection of our own: a pool that busy requests have emptied is no dead database."""
    wanted = ("dbname", "user", "password", "host", "port", "sslmode", "sslrootcert")
    known = connections["default"].get_connection_params()
    return await psycopg.AsyncConnection.connect(
        **{name: known[name] for name in wanted if name in known}, connect_timeout=CHECK_SECONDS
    )


async def _postgresql() -> str:
    async with await _connect() as connection:
        await connection.execute("SELECT 1")
    return "ok"


async def _migrations() -> str:
    wanted = await asyncio.to_thread(_migrations_on_disk)
    async with await _connect() as connection:
        try:
            rows = await connection.execute("SELECT app, name FROM django_migrations")
        except psycopg.errors.UndefinedTable:
            return "pending"
        applied = {(app, name) for app, name in await rows.fetchall()}
    return "ok" if wanted <= applied else "pending"


@once
def _migrations_on_disk() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)


async def _redis() -> str:
    client = redis.asyncio.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1
    )
    async with client:
        await client.ping()
    return "ok"


async def _workers() -> str:
    beats = await asyncio.to_thread(cache.get_many, [f"worker:{name}" for name in WORKERS])
    return "ok" if len(beats) == len(WORKERS) else "missing"
