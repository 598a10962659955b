"""What the audit log says of people: sign-ins, accounts, roles and rights."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from accounts.models import User, username_key
from configs import audit
from configs.audit import actions

LONGEST_NAME = 150


def account(
    action: str,
    *,
    actor: User | None,
    target: User,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    reason: str = "",
) -> None:
    """Record an act upon an account, with the values before and after where some changed."""
    audit.record(
        action=action,
        actor=actor,
        object_type="user",
        object_id=target.pk,
        object_name=target.username,
        old=old,
        new=new,
        reason=reason,
    )


def roles(
    *,
    actor: User | None,
    target: User,
    before: Iterable[str],
    after: Iterable[str],
    reason: str = "",
) -> None:
    """Record which roles were given and taken away, each by itself."""
    old, new = sorted(before), sorted(after)
    for action, names in _differences(actions.ROLE_GRANT, actions.ROLE_REVOKE, old, new):
        for name in names:
            audit.record(
                action=action,
                actor=actor,
                object_type="user",
                object_id=target.pk,
                object_name=target.username,
                old={"roles": old},
                new={"roles": new},
                reason=reason,
                detail={"role": name},
            )


def permissions(
    *, actor: User | None, holder: User | Group, before: Iterable[str], after: Iterable[str]
) -> None:
    """Record which permissions a role or a person was given, and which were taken away."""
    old, new = set(before), set(after)
    named = _differences(actions.PERMISSION_GRANT, actions.PERMISSION_REVOKE, old, new)
    for action, names in named:
        if names:
            audit.record(
                action=action,
                actor=actor,
                object_type="user" if isinstance(holder, User) else "group",
                object_id=holder.pk,
                object_name=holder.username if isinstance(holder, User) else holder.name,
                old=None if action == actions.PERMISSION_GRANT else names,
                new=names if action == actions.PERMISSION_GRANT else None,
            )


def permissions_of(holder: User | Group) -> list[str]:
    """Return the permissions that a role or person has of its own, as `app.codename`."""
    held = holder.user_permissions if isinstance(holder, User) else holder.permissions
    pairs = held.values_list("content_type__app_label", "codename")
    return sorted(f"{app}.{name}" for app, name in pairs)


def _differences(
    given: str, taken: str, old: Iterable[str], new: Iterable[str]
) -> tuple[tuple[str, list[str]], tuple[str, list[str]]]:
    before, after = set(old), set(new)
    return (given, sorted(after - before)), (taken, sorted(before - after))


# --- Sign-ins: Django tells of them, whichever door they come through --------------------------
def connect() -> None:
    """Begin to listen to Django's signals of sign-ins."""
    user_logged_in.connect(_signed_in, dispatch_uid="accounts.records")
    user_logged_out.connect(_signed_out, dispatch_uid="accounts.records")
    user_login_failed.connect(_failed, dispatch_uid="accounts.records")


def _signed_in(user: User, **_kwargs: Any) -> None:
    account(actions.LOGIN_SUCCESS, actor=user, target=user)


def _signed_out(user: User | None, **_kwargs: Any) -> None:
    if user is not None:
        account(actions.LOGOUT, actor=user, target=user)


def _failed(
    credentials: Mapping[str, Any], request: HttpRequest | None = None, **_kwargs: Any
) -> None:
    """Record under which name somebody failed; attempts are counted, which bounds the entries."""
    name = str(credentials.get("username", ""))[:LONGEST_NAME]
    target = User.objects.filter(username_key=username_key(name)).first()
    audit.record(
        action=actions.LOGIN_FAILURE,
        object_type="user",
        object_id=target.pk if target else "",
        object_name=name,
        detail={"known": target is not None, "active": bool(target and target.is_active)},
    )
