"""What can be done with people: invite, let in, change the password, change roles, shut out."""

from collections.abc import Iterable

from django.contrib.auth.models import Group
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext as _

from accounts import records
from accounts import roles as all_roles
from accounts import tokens as sign_ins
from accounts.models import Role, User
from accounts.roles import sync_staff
from configs.audit import actions
from configs.errors import Conflict, Forbidden


class InvitationTokens(PasswordResetTokenGenerator):
    """Tokens that end with their first use: the hash covers the password that they set."""

    key_salt = "clawai.accounts.invitation"


tokens = InvitationTokens()


def may_manage(*, actor: User, target: User) -> bool:
    """Return whether `actor` may change the account of `target` at all.

    Superusers are touched by superusers only, administrators by administrators.
    """
    if actor.is_superuser:
        return True
    if target.is_superuser:
        return False
    return actor.is_administrator or not target.is_administrator


def may_set_credentials(*, actor: User, target: User) -> bool:
    """Return whether `actor` may let somebody in as `target`: nobody gains a right by it."""
    if not may_manage(actor=actor, target=target):
        return False
    return actor.is_superuser or target.get_all_permissions() <= actor.get_all_permissions()


@transaction.atomic
def invite(
    *,
    actor: User,
    username: str,
    email: str = "",
    display_name: str = "",
    roles: Iterable[str] = (),
) -> User:
    """Make an account that waits for its owner; `invitation_path` is the way in.

    Raises:
        Forbidden: `actor` may not add people.
        ValidationError: the name or the address is not acceptable.
    """
    if not actor.has_perm("accounts.add_user"):
        raise Forbidden
    user = User(username=username, email=email, display_name=display_name)
    user.set_unusable_password()
    user.full_clean()
    user.save()
    made = {"username": username, "email": email, "display_name": display_name}
    records.account(actions.USER_CREATE, actor=actor, target=user, new=made)
    set_roles(actor=actor, target=user, roles=[*roles] or [Role.MEMBER])
    return user


@transaction.atomic
def set_roles(*, actor: User, target: User, roles: Iterable[str], reason: str = "") -> None:
    """Give `target` exactly the groups named `roles`; the right to enter the admin follows.

    Sign-ins end with a role that is taken away; tokens end with any change.

    Raises:
        Forbidden: `actor` may not change roles, not those of `target`, or lacks a right of a role
            that is new to `target`.
        ValidationError: a role does not exist.
        Conflict: nobody would be left who administers.
    """
    all_roles.lock()
    now = all_roles.fresh(actor)
    if not (now.has_perm("auth.change_group") and may_manage(actor=now, target=target)):
        raise Forbidden
    wanted = set(Group.objects.filter(name__in=roles))
    if {group.name for group in wanted} != set(roles):
        raise ValidationError({"roles": _("There is no such role.")})
    before = set(target.groups.all())
    for group in wanted ^ before:
        _require_givable(now, group, new=group in wanted)
    target.groups.set(wanted)
    sync_staff(target=target)
    if any(group.name == Role.ADMINISTRATOR for group in before - wanted):
        all_roles.require_administrator()
    _note_roles(now, target, before, wanted, reason)


def _require_givable(actor: User, group: Group, *, new: bool) -> None:
    if not all_roles.may_touch(actor=actor, group=group):
        raise Forbidden
    if new and not all_roles.may_give(actor=actor, group=group):
        said = _("The role “%(role)s” gives rights that you do not have yourself.")
        raise Forbidden(said % {"role": group.name})


def _note_roles(
    actor: User, target: User, before: set[Group], after: set[Group], reason: str
) -> None:
    old, new = ([group.name for group in groups] for groups in (before, after))
    records.roles(actor=actor, target=target, before=old, after=new, reason=reason)
    if before - after:
        _end_sign_ins(target, reason)
    elif after - before:
        sign_ins.end_all(user=target, reason=reason)


@transaction.atomic
def set_superuser(*, actor: User, target: User, on: bool, reason: str) -> None:
    """Give all rights, or take them away; only somebody who has them can.

    Raises:
        Forbidden: `actor` has not all rights.
        Invalid: there is no reason.
        Conflict: nobody would be left who administers.
    """
    all_roles.lock()
    why, now = all_roles.require_reason(reason), all_roles.fresh(actor)
    if not now.is_superuser:
        raise Forbidden
    if target.is_superuser == on:
        return
    target.is_superuser = on
    target.save(update_fields=["is_superuser"])
    sync_staff(target=target)
    all_roles.require_administrator()
    old, new = ((), ("superuser",)) if on else (("superuser",), ())
    records.roles(actor=now, target=target, before=old, after=new, reason=why)
    if not on:
        _end_sign_ins(target, why)


@transaction.atomic
def end_sign_ins(*, actor: User, target: User, reason: str) -> None:
    """End every session, token and socket of `target`.

    Raises:
        Forbidden: `actor` may not change this account.
        Invalid: there is no reason.
    """
    why = all_roles.require_reason(reason)
    if not (actor.has_perm("accounts.change_user") and may_manage(actor=actor, target=target)):
        raise Forbidden
    _end_sign_ins(target, why)
    records.account(actions.SIGN_IN_END_ALL, actor=actor, target=target, reason=why)


def _end_sign_ins(target: User, reason: str) -> None:
    User.objects.filter(pk=target.pk).update(
        sign_ins_ended=F("sign_ins_ended") + 1, rights_lost=F("rights_lost") + 1
    )
    target.refresh_from_db(fields=["sign_ins_ended", "rights_lost"])
    sign_ins.end_all(user=target, reason=reason)


def invitation_path(*, actor: User, target: User, reason: str = "") -> str:
    """Return the one-time address at which `target` sets a password; older ones stay good.

    Raises:
        Forbidden: `actor` may not let anybody in as `target`.
    """
    if not may_set_credentials(actor=actor, target=target):
        raise Forbidden
    records.account(actions.USER_INVITE, actor=actor, target=target, reason=reason)
    uid = urlsafe_base64_encode(force_bytes(target.pk))
    return reverse("accounts:invitation", args=[uid, tokens.make_token(target)])


def invited(*, uid: str, token: str) -> User | None:
    """Return whom an invitation is for, while it is good."""
    try:
        pk = urlsafe_base64_decode(uid).decode()
        user = User.objects.get(pk=pk, is_active=True)
    except (ValueError, ValidationError, User.DoesNotExist):
        return None
    return user if tokens.check_token(user, token) else None


@transaction.atomic
def accept_invitation(*, target: User, token: str, password: str, display_name: str = "") -> User:
    """Set the password that the invited person chose; the invitation ends.

    Raises:
        Conflict: it was used in the meantime.
    """
    user = User.objects.select_for_update().get(pk=target.pk)
    if not tokens.check_token(user, token):
        raise Conflict(_("This invitation was used already, or has expired."))
    user.set_password(password)
    user.display_name = display_name or user.display_name
    user.save(update_fields=["password", "display_name"])
    records.account(actions.USER_JOIN, actor=user, target=user)
    return user


@transaction.atomic
def change_password(*, target: User, password: str) -> None:
    """Set a new password: every session that was begun with the old one ends."""
    target.set_password(password)
    target.save(update_fields=["password"])
    records.account(actions.PASSWORD_CHANGE, actor=target, target=target)


@transaction.atomic
def deactivate(*, actor: User, target: User, reason: str = "") -> None:
    """Shut an account out at once; what it made stays.

    Raises:
        Forbidden: `actor` may not change it.
        Conflict: it is the actor's own, or nobody would be left who administers.
    """
    all_roles.lock()
    if not (actor.has_perm("accounts.change_user") and may_manage(actor=actor, target=target)):
        raise Forbidden
    if actor.pk == target.pk:
        raise Conflict(_("Your own account cannot be shut out by yourself."))
    target.is_active = False
    target.save(update_fields=["is_active"])
    if target.is_administrator:
        all_roles.require_administrator()
    _end_sign_ins(target, reason)
    records.account(actions.USER_DEACTIVATE, actor=actor, target=target, reason=reason)


@transaction.atomic
def activate(*, actor: User, target: User, reason: str = "") -> None:
    """Let an account in again, with the roles that it had.

    Raises:
        Forbidden: `actor` may not change it, or lacks a right that its roles give.
    """
    allowed = actor.has_perm("accounts.change_user") and may_manage(actor=actor, target=target)
    target.is_active = True
    if not (allowed and may_set_credentials(actor=actor, target=target)):
        raise Forbidden
    target.save(update_fields=["is_active"])
    records.account(actions.USER_ACTIVATE, actor=actor, target=target, reason=reason)


def set_preferences(*, target: User, language: str | None = None, theme: str | None = None) -> None:
    """Remember how a person wants to see things."""
    fields = {"language": language, "theme": theme}
    changed = {name: value for name, value in fields.items() if value is not None}
    for name, value in changed.items():
        setattr(target, name, value)
    if changed:
        target.save(update_fields=list(changed))
