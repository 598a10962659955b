"""How a REST call says who makes it: a session, a JWT or an API key."""

from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import api_keys, tokens
from accounts.models import User
from configs import origin


@dataclass(frozen=True, slots=True)
class Bearer:
    """What came in the `Authorization` header; `scopes` is None where all of the owner's hold."""

    user: User
    token_family: UUID | None = None
    api_key: UUID | None = None
    scopes: frozenset[str] | None = None

    def allows(self, scope: str | None) -> bool:
        """Return whether the credential reaches so far; None is what no key may do."""
        return self.scopes is None or scope in self.scopes


def recognise(secret: str) -> Bearer | None:
    """Return what a JWT or an API key stands for while it is good; one query."""
    if not secret.isascii():
        return None
    if secret.startswith(api_keys.PREFIX):
        key = api_keys.recognise(secret, ip=origin.current().ip)
        return key and Bearer(key.owner, api_key=key.pk, scopes=frozenset(key.scopes))
    family = tokens.recognise(secret)
    return family and Bearer(family.user, token_family=family.pk)


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
