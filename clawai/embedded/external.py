"""Servers of others, given by DATABASE_URL and REDIS_URL: are they there, and new enough."""

import os
import re
from typing import TYPE_CHECKING

import psycopg
import redis

from clawai.embedded.errors import StackError

if TYPE_CHECKING:
    from clawai.embedded import Stack

OLDEST_PGVECTOR = (0, 8)


def check(stack: "Stack") -> None:
    """See that the servers that are not ours can carry CLAW.AI.

    Raises:
        StackError: One cannot be reached, or pgvector is missing or too old.
    """
    if os.environ.get("DATABASE_URL"):
        _check_database(stack.database_url)
    if os.environ.get("REDIS_URL"):
        _check_redis(stack.redis_url)


def _check_database(url: str) -> None:
    try:
        address = re.sub(r"^\w+://", "postgresql://", url)
        with psycopg.connect(address, connect_timeout=5, autocommit=True) as connection:
            version = _pgvector(connection)
    except psycopg.OperationalError as error:
        raise StackError(f"DATABASE_URL cannot be reached: {_one_line(error)}") from error
    except psycopg.Error as error:
        raise StackError(f"DATABASE_URL cannot be used: {_one_line(error)}") from error
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < OLDEST_PGVECTOR:
        raise StackError(
            f"The database has pgvector {version}, and CLAW.AI needs 0.8 or newer: "
            "install it and run `ALTER EXTENSION vector UPDATE`."
        )


def _pgvector(connection: psycopg.Connection) -> str:
    known = connection.execute(
        "SELECT installed_version, default_version"
        " FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if known is None:
        raise StackError(
            "The database server has no pgvector: install pgvector 0.8 or newer on it."
        )
    return str(known[0] or known[1])


def _check_redis(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise StackError(f"REDIS_URL cannot be used: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
