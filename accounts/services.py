"""What can be done with people: invite, let in, change the password, change roles, shut out."""

from collections.abc import Iterable

from django.contrib.auth.models import Group
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext as _

from accounts.models import STAFF_ROLES, Role, User
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
    set_roles(actor=actor, target=user, roles=[*roles] or [Role.MEMBER])
    return user


@transaction.atomic
def set_roles(*, actor: User, target: User, roles: Iterable[str]) -> None:
    """Give `target` exactly the groups named `roles`; the right to enter the admin follows.

    Raises:
        Forbidden: `actor` may not change roles, or not those of `target`.
        ValidationError: a role does not exist.
    """
    if not (actor.has_perm("auth.change_group") and may_manage(actor=actor, target=target)):
        raise Forbidden
    groups = list(Group.objects.filter(name__in=roles))
    if {group.name for group in groups} != set(roles):
        raise ValidationError({"roles": _("There is no such role.")})
    target.groups.set(groups)
    sync_staff(target=target)


def sync_staff(*, target: User) -> None:
    """Open the admin to the roles that work there, and to nobody else."""
    target.is_staff = target.is_superuser or target.groups.filter(name__in=STAFF_ROLES).exists()
    target.save(update_fields=["is_staff"])


def invitation_path(*, actor: User, target: User) -> str:
    """Return the one-time address at which `target` sets a password; older ones stay good.

    Raises:
        Forbidden: `actor` may not let anybody in as `target`.
    """
    if not may_set_credentials(actor=actor, target=target):
        raise Forbidden
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
    return user


@transaction.atomic
def change_password(*, target: User, password: str) -> None:
    """Set a new password: every session that was begun with the old one ends."""
    target.set_password(password)
    target.save(update_fields=["password"])


@transaction.atomic
def deactivate(*, actor: User, target: User) -> None:
    """Shut an account out at once; what it made stays.

    Raises:
        Forbidden: `actor` may not change it.
        Conflict: it is the actor's own.
    """
    if not (actor.has_perm("accounts.change_user") and may_manage(actor=actor, target=target)):
        raise Forbidden
    if actor.pk == target.pk:
        raise Conflict(_("Your own account cannot be shut out by yourself."))
    target.is_active = False
    target.save(update_fields=["is_active"])


def set_preferences(*, target: User, language: str | None = None, theme: str | None = None) -> None:
    """Remember how a person wants to see things."""
    fields = {"language": language, "theme": theme}
    changed = {name: value for name, value in fields.items() if value is not None}
    for name, value in changed.items():
        setattr(target, name, value)
    if changed:
        target.save(update_fields=list(changed))
