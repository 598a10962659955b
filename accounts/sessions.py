"""Sessions that end when an operator says so: so long after signing in, or after the last click."""

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.utils import timezone

from configs import registry, runtime

BEGAN = "began"
SEEN = "seen"
COARSEST_SECONDS = 60.0
"""An active session is written this often at most; a short idle time asks for more."""


def seconds_left(data: Mapping[str, Any]) -> float:
    """Return for how long a session with this content goes on from now; 0 or less: it is over.

    The settings count as they are now, also for sessions that began under others.
    """
    snapshot = runtime.current()
    now = time.time()
    left = data.get(BEGAN, now) + snapshot.get(registry.SESSION_HOURS) * 3600 - now
    if idle := snapshot.get(registry.SESSION_IDLE_MINUTES) * 60:
        left = min(left, data.get(SEEN, now) + idle - now)
    return float(left)


def touch(key: str) -> None:
    """Note that the person behind a socket's session is there."""
    if runtime.current().get(registry.SESSION_IDLE_MINUTES):
        store = SessionStore(key)
        store.get(SEEN)
        if store.modified:
            with suppress(UpdateError):  # signed out in the same moment
                store.save()


class SessionStore(db.SessionStore):
    """Sessions in the database, with the moments at which they began and were last used."""

    def load(self) -> dict[str, Any]:
        """Return the content, or nothing when the session is over."""
        return self._held(super().load())

    async def aload(self) -> dict[str, Any]:
        """Return the content, or nothing when the session is over."""
        return self._held(await super().aload())

    def get_session_cookie_age(self) -> int:
        """Return for how long a browser keeps the cookie: the row decides whether it is good."""
        return runtime.current().get(registry.SESSION_HOURS) * 3600

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """Return when the row is over unless it is used again."""
        if kwargs or self.get("_session_expiry"):
            fixed: datetime = super().get_expiry_date(**kwargs)
            return fixed
        data = self._get_session()  # type: ignore[attr-defined]  # the stubs lack it
        return timezone.now() + timedelta(seconds=seconds_left(data))

    async def aget_expiry_date(self, **kwargs: Any) -> datetime:
        """Return when the row is over unless it is used again."""
        if kwargs or await self.aget("_session_expiry"):
            fixed: datetime = await super().aget_expiry_date(**kwargs)
            return fixed
        data = await self._aget_session()  # type: ignore[attr-defined]  # as above
        return timezone.now() + timedelta(seconds=seconds_left(data))

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """Return the row to be saved, with its moments in it."""
        data.update(_moments(data))
        return super().create_model_instance(data)

    async def acreate_model_instance(self, data: dict[str, Any]) -> Any:
        """Return the row to be saved, with its moments in it."""
        data.update(_moments(data))
        return await super().acreate_model_instance(data)

    def _held(self, data: dict[str, Any]) -> dict[str, Any]:
        if SESSION_KEY not in data:
            return data
        if seconds_left(data) <= 0:
            self._session_key = None
            return {}
        fresh = _moments(data)
        self.modified = self.modified or bool(fresh)
        return data | fresh


def _moments(data: Mapping[str, Any]) -> dict[str, float]:
    """Return what is to be noted now in the session of somebody who is signed in."""
    if SESSION_KEY not in data:
        return {}
    now = time.time()
    fresh = {} if BEGAN in data else {BEGAN: now}
    idle = runtime.current().get(registry.SESSION_IDLE_MINUTES) * 60
    if idle and now - data.get(SEEN, 0) >= min(COARSEST_SECONDS, idle / 10):
        fresh[SEEN] = now
    return fresh
