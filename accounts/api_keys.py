"""Keys that programs sign in with: made, rotated, revoked, recognised."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ApiKey, Scope, User
from configs import audit
from configs.audit import actions
from configs.errors import Invalid, NotFound

PREFIX: Final = "claw_"
SHOWN_CHARACTERS: Final = len(PREFIX) + 6
MOST_KEYS: Final = 50
LONGEST_OVERLAP: Final = timedelta(days=30)
USE_NOTED_EVERY: Final = timedelta(minutes=1)


def create(
    *,
    actor: User,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key of `actor`'s and return it with the secret, which is never to be had again.

    Raises:
        Invalid: an unknown scope or none, a time that has passed, or too many keys.
    """
    wanted = list(dict.fromkeys(scopes))
    _check(actor, wanted, expires_at)
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = ApiKey.objects.create(
            owner=actor,
            name=name,
            prefix=secret[:SHOWN_CHARACTERS],
            digest=_digest(secret),
            scopes=wanted,
            expires_at=expires_at,
        )
        _record(actions.API_KEY_CREATE, row, actor)
    return row, secret


def rotate(*, actor: User, key: UUID, overlap: timedelta) -> tuple[ApiKey, str]:
    """Return a successor of the key with its secret; the old key ends after `overlap`.

    Raises:
        NotFound: `actor` has no such key that works.
        Invalid: the overlap is negative or longer than 30 days.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        complaint = _("The overlap may be at most 30 days.")
        raise Invalid(complaint, errors={"overlap_seconds": [complaint]})
    with transaction.atomic():
        old = _own(actor, key)
        end = timezone.now() + overlap
        old.expires_at = min(old.expires_at, end) if old.expires_at else end
        made = create(actor=actor, name=old.name, scopes=old.scopes)
        old.save(update_fields=["expires_at"])
        _record(actions.API_KEY_ROTATE, old, actor)
    return made


def revoke(*, actor: User, key: UUID) -> None:
    """End a key of `actor`'s, or of anybody's for whoever may delete keys.

    Raises:
        NotFound: there is no such key for `actor`, or it has been revoked.
    """
    with transaction.atomic():
        row = _own(actor, key)
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at"])
        _record(actions.API_KEY_REVOKE, row, actor)


def visible_to(user: User) -> QuerySet[ApiKey]:
    """Return the keys that `user` may see: their own that were not revoked."""
    return ApiKey.objects.filter(owner=user, revoked_at=None)


def recognise(secret: str, *, ip: str | None) -> ApiKey | None:
    """Return the key that works for `secret`, with its owner, and note its use; one query.

    A revoked key is refused from its commit on, for nothing about keys is cached.
    """
    row = (
        ApiKey.objects.select_related("owner")
        .filter(digest=_digest(secret), revoked_at=None, owner__is_active=True)
        .filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
        .first()
    )
    if row is not None:
        _note_use(row, ip)
    return row


def working(keys: Iterable[UUID]) -> set[UUID]:
    """Return those of `keys` that still work, in one query."""
    rows = ApiKey.objects.filter(pk__in=list(keys), revoked_at=None, owner__is_active=True)
    alive = rows.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    return set(alive.order_by().values_list("pk", flat=True))


def _own(actor: User, key: UUID) -> ApiKey:
    rows = ApiKey.objects.select_for_update(of=("self",)).filter(pk=key, revoked_at=None)
    if not actor.has_perm("accounts.delete_apikey"):
        rows = rows.filter(owner=actor)
    row = rows.first()
    if row is None:
        raise NotFound
    return row


def _check(actor: User, scopes: list[str], expires_at: datetime | None) -> None:
    errors: dict[str, list[str]] = {}
    if not scopes or not set(scopes) <= set(Scope.values):
        errors["scopes"] = [_("Choose from: %s.") % ", ".join(Scope.values)]
    if expires_at is not None and expires_at <= timezone.now():
        errors["expires_at"] = [_("This time has passed.")]
    if visible_to(actor).count() >= MOST_KEYS:
        errors["name"] = [_("You have %d keys already: revoke one first.") % MOST_KEYS]
    if errors:
        raise Invalid(errors=errors)


def _note_use(row: ApiKey, ip: str | None) -> None:
    """Write down when and from where, at most once a minute: a write for each call is too dear."""
    now = timezone.now()
    if row.last_used_at and now - row.last_used_at < USE_NOTED_EVERY and row.last_used_ip == ip:
        return
    ApiKey.objects.filter(pk=row.pk).update(last_used_at=now, last_used_ip=ip)


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _record(action: str, row: ApiKey, actor: User) -> None:
    audit.record(
        action=action,
        actor=actor,
        object_type="api_key",
        object_id=str(row.pk),
        object_name=str(row),
        detail={"scopes": row.scopes, "owner": str(row.owner_id)},
    )
