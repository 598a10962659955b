"""How a REST call says who makes it: a session, a JWT or an API key."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import api_keys, tokens
from accounts.models import User
from configs import origin


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a program signed in with; `scopes` is None where all of the owner's rights hold."""

    user: User
    token_family: UUID | None = None
    api_key: UUID | None = None
    scopes: frozenset[str] | None = None
    expires_at: datetime | None = None

    def allows(self, scope: str | None) -> bool:
        """Return whether the credential reaches so far; None is what no key may do."""
        return self.scopes is None or scope in self.scopes


def recognise(secret: str) -> Bearer | None:
    """Return what a JWT or an API key stands for while it is good; one query."""
    if not secret.isascii():
        return None
    return _key(secret) if secret.startswith(api_keys.PREFIX) else _token(secret)


def _key(secret: str) -> Bearer | None:
    row = api_keys.recognise(secret, ip=origin.current().ip)
    return None if row is None else Bearer(row.owner, None, row.pk, frozenset(row.scopes))


def _token(secret: str) -> Bearer | None:
    found = tokens.recognise(secret)
    return found and Bearer(found[0].user, token_family=found[0].pk, expires_at=found[1])


def working(bearers: Iterable[Bearer]) -> set[Bearer]:
    """Return those that are still good: two queries, however many there are."""
    now = timezone.now()
    fresh = [each for each in bearers if each.expires_at is None or each.expires_at > now]
    keys = {each.api_key for each in fresh if each.api_key}
    families = {each.token_family for each in fresh if each.token_family}
    alive = (api_keys.working(keys) if keys else set()) | (
        tokens.working(families) if families else set()
    )
    return {each for each in fresh if (each.api_key or each.token_family) in alive}


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer <JWT>` or `Bearer claw_<key>`."""

    def authenticate(self, request: Request) -> tuple[User, Bearer] | None:
        """Return the owner and the credential; None where there is no such header.

        Raises:
            AuthenticationFailed: it is not good, said in one way for every reason.
        """
        kind, _space, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        bearer = recognise(secret.strip())
        if bearer is None:
            raise AuthenticationFailed(_("This credential is not valid, or not any more."))
        return bearer.user, bearer

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for `WWW-Authenticate`."""
        return 'Bearer realm="CLAW.AI"'


class SessionAuthentication(authentication.SessionAuthentication):
    """The web's session cookie, with CSRF; a call without it is answered 401, not 403."""

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for `WWW-Authenticate`."""
        return 'Session realm="CLAW.AI"'
