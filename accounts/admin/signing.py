"""With what a person is signed in at the moment, and how they came in before."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts import sessions
from accounts.models import ApiKey, TokenFamily, User
from configs.audit import actions
from configs.models import AuditEntry

MOST: Final = 20
LOOKED_THROUGH: Final = 5000
"""Sessions carry their owner sealed inside, so that they are opened one by one."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Open sessions (when each began), tokens, keys, and the last times of signing in."""

    sessions: list[datetime | None]
    tokens: list[TokenFamily]
    keys: list[ApiKey]
    last: list[AuditEntry]
    never_joined: bool


def of(person: User) -> SignedIn:
    """Return with what a person is signed in, as far as it still holds."""
    now = timezone.now()
    families = TokenFamily.objects.filter(user=person, revoked_at=None, expires_at__gt=now)
    entries = AuditEntry.objects.filter(
        actor_id=person.pk, action__in=[actions.LOGIN_SUCCESS, actions.TOKEN_ISSUE]
    )
    return SignedIn(
        sessions=_sessions(person),
        tokens=list(families[:MOST]),
        keys=list(ApiKey.objects.filter(owner=person, revoked_at=None)[:MOST]),
        last=list(entries.order_by("-id")[:MOST]),
        never_joined=person.last_login is None and not person.has_usable_password(),
    )


def _sessions(person: User) -> list[datetime | None]:
    rows = Session.objects.filter(expire_date__gt=timezone.now()).order_by("-expire_date")
    found = []
    for row in rows[:LOOKED_THROUGH].iterator(chunk_size=500):
        data = row.get_decoded()
        if data.get(SESSION_KEY) == str(person.pk) and sessions.seconds_left(data) > 0:
            began = data.get(sessions.BEGAN)
            found.append(datetime.fromtimestamp(began, UTC) if began else None)
    return found[:MOST]
