"""Record in the audit log whom the admin refused something, and not more often than can be read."""

import time
from threading import Lock
from typing import Final
from uuid import UUID

from django.http import HttpRequest

from accounts.models import User
from configs import audit
from configs.audit import actions

PER_MINUTE: Final = 20
MOST_REMEMBERED: Final = 10_000

_lock = Lock()
_counts: dict[UUID, tuple[int, int]] = {}


def record(request: HttpRequest) -> None:
    """Record a refusal to a person who is signed in, at most twenty a minute in each process."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return
    count = _count(user.pk)
    if count <= PER_MINUTE:
        audit.record(
            action=actions.ACCESS_DENIED,
            actor=user,
            object_type="page",
            object_name=request.path,
            detail={"method": request.method, "last_of_this_minute": count == PER_MINUTE},
        )


def _count(person: UUID) -> int:
    """Return how many refusals this is for a person within the minute."""
    minute = int(time.monotonic() // 60)
    with _lock:
        if len(_counts) >= MOST_REMEMBERED:
            _counts.clear()
        then, count = _counts.get(person, (minute, 0))
        count = count + 1 if then == minute else 1
        _counts[person] = minute, count
    return count
