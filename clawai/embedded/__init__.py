"""PostgreSQL and a Redis-compatible server from wheels, for machines that have neither."""

import os
from dataclasses import dataclass
from pathlib import Path

from clawai.embedded import postgresql, state, valkey
from clawai.embedded.errors import StackError

__all__ = ["Stack", "StackError", "running", "start", "stop"]


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the two servers answer."""

    database_url: str
    redis_url: str


def start(data_dir: Path, *, durable: bool = True) -> Stack:
    """Start both servers, or attach to those that run; DATABASE_URL and REDIS_URL replace them.

    Safe to call from many processes at once: one starts, the others wait and attach.

    Raises:
        StackError: A server cannot run here; the text says why in one line.
    """
    data_dir = data_dir.resolve()
    state.prepare(data_dir)
    with state.locked(data_dir / "stack.lock"):
        return Stack(
            database_url=os.environ.get("DATABASE_URL")
            or postgresql.Server(data_dir, durable).start(),
            redis_url=os.environ.get("REDIS_URL") or valkey.Server(data_dir, durable).start(),
        )


def running(data_dir: Path) -> bool:
    """Say whether every embedded server that is wanted lives."""
    data_dir = data_dir.resolve()
    return bool(
        (os.environ.get("DATABASE_URL") or postgresql.Server(data_dir, durable=True).pid())
        and (os.environ.get("REDIS_URL") or valkey.Server(data_dir, durable=True).pid())
    )


def stop(data_dir: Path) -> None:
    """Stop Redis, then PostgreSQL, whoever started them."""
    data_dir = data_dir.resolve()
    if not data_dir.exists():
        return
    with state.locked(data_dir / "stack.lock"):
        valkey.Server(data_dir, durable=True).stop()
        postgresql.Server(data_dir, durable=True).stop()
