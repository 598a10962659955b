"""Where the work at hand comes from: the request, the address, the door; for history and audit."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """A request's id (`-` where there is none), the client's address and the door it used."""

    request_id: str = "-"
    ip: str | None = None
    door: str = "system"  # web, admin, api, socket, command, worker, system


_current: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039  # it is frozen


def current() -> Origin:
    """Return the origin of the work at hand."""
    return _current.get()


def begin(origin: Origin) -> None:
    """Let all that follows in this thread or task come from `origin`."""
    _current.set(origin)


@contextmanager
def of(origin: Origin) -> Iterator[None]:
    """Let everything inside come from `origin`."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)
