"""JSON Web Tokens: a short access token, and refresh tokens of which each is good once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth import authenticate
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from accounts.models import TokenFamily, User
from configs import audit
from configs.audit import actions
from configs.errors import NotAuthenticated

FAMILY: Final = "family"
KEPT_AFTER_THE_END: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token, the refresh token behind it, and how long the first is good."""

    access: str
    refresh: str
    expires_in_seconds: int


def obtain(*, request: HttpRequest, username: str, password: str) -> Pair:
    """Return the first pair of a sign-in; attempts were counted by the caller.

    Raises:
        NotAuthenticated: name and password do not go together, said the same way for all reasons.
    """
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        raise NotAuthenticated(_("Name and password do not go together."))
    with transaction.atomic():
        family = TokenFamily(user=user, password_stamp=user.get_session_auth_hash())
        pair = _next(family)
        audit.record(action=actions.TOKEN_ISSUE, actor=user, **_of(family))
    return pair


def refresh(*, token: str) -> Pair:
    """Return the next pair; a refresh token that was used before ends all of its family.

    Raises:
        NotAuthenticated: the token is not good any more, or never was.
    """
    claims = _claims(RefreshToken, token)
    with transaction.atomic():
        family = _family(claims, lock=True)
        if family is not None and constant_time_compare(family.current, claims["jti"]):
            return _next(family)
        if family is not None:
            _end([family], actions.TOKEN_REUSE)
    raise NotAuthenticated(_sign_in_again())


def revoke(*, token: str) -> None:
    """End the family of a refresh token; one that is not good any more is no error."""
    try:
        claims = _claims(RefreshToken, token)
    except NotAuthenticated:
        return
    with transaction.atomic():
        if family := _family(claims, lock=True):
            _end([family], actions.TOKEN_REVOKE)


def end_all(*, user: User, reason: str) -> None:
    """End every sign-in by token of a person: after a change of roles, for instance."""
    with transaction.atomic():
        rows = user.token_families.filter(revoked_at=None, expires_at__gt=timezone.now())
        _end(list(rows.select_for_update()), actions.TOKEN_REVOKE, reason)


def recognise(token: str) -> tuple[TokenFamily, datetime] | None:
    """Return the family of an access token that works, with its user, and its end; one query."""
    try:
        claims = _claims(AccessToken, token)
    except NotAuthenticated:
        return None
    family = _family(claims)
    return None if family is None else (family, datetime.fromtimestamp(claims["exp"], UTC))


def working(families: Iterable[UUID]) -> set[UUID]:
    """Return those families that still work, in one query."""
    rows = TokenFamily.objects.filter(pk__in=list(families)).select_related("user").order_by()
    return {row.pk for row in rows if _is_good(row)}


def forget_ended() -> int:
    """Delete families that ended a month ago; returns how many."""
    long_ago = timezone.now() - KEPT_AFTER_THE_END
    return TokenFamily.objects.filter(expires_at__lt=long_ago).delete()[0]


def _next(family: TokenFamily) -> Pair:
    refreshed = RefreshToken()
    access = AccessToken()
    for made in (refreshed, access):
        made["sub"], made[FAMILY] = str(family.user_id), family.pk.hex
    family.current = refreshed["jti"]
    family.expires_at = timezone.now() + refreshed.lifetime
    family.save()
    return Pair(str(access), str(refreshed), int(access.lifetime.total_seconds()))


def _claims(kind: type[Token], token: str) -> Token:
    try:
        claims = kind(token)  # type: ignore[arg-type]  # the package takes the encoded text
    except (TokenError, ValueError, RecursionError):
        raise NotAuthenticated(_sign_in_again()) from None
    return claims


def _family(claims: Token, *, lock: bool = False) -> TokenFamily | None:
    try:
        pk, user = (UUID(hex=str(claims.get(name, ""))) for name in (FAMILY, "sub"))
    except ValueError:
        return None
    rows = TokenFamily.objects.select_related("user").filter(pk=pk, user=user)
    row = (rows.select_for_update(of=("self",)) if lock else rows).first()
    return row if row is not None and _is_good(row) else None


def _is_good(row: TokenFamily) -> bool:
    """Return whether the sign-in holds: not ended, person active, password still the same."""
    if row.revoked_at or row.expires_at <= timezone.now() or not row.user.is_active:
        return False
    return constant_time_compare(row.password_stamp, row.user.get_session_auth_hash())


def _end(families: list[TokenFamily], action: str, reason: str = "") -> None:
    for family in families:
        family.revoked_at = timezone.now()
        family.save(update_fields=["revoked_at"])
        audit.record(action=action, actor=family.user, reason=reason, **_of(family))


def _of(family: TokenFamily) -> dict[str, Any]:
    return {"object_type": "token_family", "object_id": str(family.pk)}


def _sign_in_again() -> str:
    return _("This token is not valid any more: sign in again.")
