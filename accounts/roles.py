"""What can be done with roles; nobody gives anybody more than they have themselves."""

from collections.abc import Iterable
from typing import Final

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Role, RoleNote, User
from accounts.rights import ENTER_ADMIN, MANAGE_ROLES
from configs import audit
from configs.audit import actions
from configs.errors import Conflict, Forbidden, Invalid, NotFound
from configs.models import ConfigOverride

LOCK: Final = 0x726F6C65  # "role": one change at a time, so that no two undo each other's checks
LONGEST_REASON: Final = 500
LONGEST_NAME: Final = 150
NAMES: Final = frozenset(role.value for role in Role)
ANCHORS: Final = frozenset(
    {MANAGE_ROLES, ENTER_ADMIN, "auth.view_group", "accounts.view_user", "accounts.change_user"}
)
"""What the administrator's role keeps, so that there is always somebody who can give roles."""
Cell = tuple[int, int]
"""A role and a right, by the ids of the group and of the permission."""


def fresh(actor: User) -> User:
    """Return the actor as the database knows them now, with no right remembered from before."""
    return User.objects.filter(pk=actor.pk, is_active=True).first() or User(is_active=False)


def codes_of(group: Group) -> set[str]:
    """Return the rights of a role, as `app.codename`."""
    given = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{name}" for app, name in given.order_by()}


def may_touch(*, actor: User, group: Group) -> bool:
    """Return whether `actor` may change this role at all."""
    if not actor.has_perm(MANAGE_ROLES):
        return False
    return actor.is_administrator or group.name != Role.ADMINISTRATOR


def may_give(*, actor: User, group: Group) -> bool:
    """Return whether `actor` may give this role to anybody: they have all that it gives."""
    return may_touch(actor=actor, group=group) and codes_of(group) <= actor.get_all_permissions()


def lock() -> None:
    """Let no other change of roles happen until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def require_reason(reason: str) -> str:
    """Return the reason without space around it.

    Raises:
        Invalid: there is none, or it is too long.
    """
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON:
        complaint = _("Give a reason of at most %(count)d characters.") % {"count": LONGEST_REASON}
        raise Invalid(complaint, errors={"reason": [complaint]})
    return text


def require_administrator() -> None:
    """See that somebody is left who can give roles.

    Raises:
        Conflict: nobody is.
    """
    holds = Q(is_superuser=True) | Q(groups__name=Role.ADMINISTRATOR)
    able = User.objects.filter(holds, is_active=True).exclude(
        password__startswith=UNUSABLE_PASSWORD_PREFIX
    )
    if not able.exists():
        raise Conflict(_("Nobody would be left who administers: give the role to another first."))


@transaction.atomic
def change_rights(
    *, actor: User, granted: Iterable[Cell], revoked: Iterable[Cell], reason: str
) -> None:
    """Give rights to roles and take others away, all or none.

    Raises:
        Invalid: there is no reason, or nothing to change.
        Forbidden: `actor` lacks one of the rights, or may not change one of the roles.
        NotFound: a role or a right is not there any more.
        Conflict: the administrator's role keeps the right.
    """
    lock()
    why, now = require_reason(reason), fresh(actor)
    given, taken = _by_role(granted), _by_role(revoked)
    roles = list(Group.objects.select_for_update().filter(pk__in={*given, *taken}).order_by("pk"))
    if len(roles) != len({*given, *taken}) or not roles:
        raise NotFound(_("There is no such role."))
    for role in roles:
        _change_role(now, role, given.get(role.pk, set()), taken.get(role.pk, set()), why)


def _by_role(cells: Iterable[Cell]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for role, right in cells:
        found.setdefault(role, set()).add(right)
    return found


def _change_role(
    actor: User, role: Group, granted: set[int], revoked: set[int], reason: str
) -> None:
    if not may_touch(actor=actor, group=role):
        raise Forbidden
    given, taken = _rights(granted), _rights(revoked)
    if not {*given, *taken} <= actor.get_all_permissions():
        raise Forbidden(_("You can give and take only rights that you have yourself."))
    if role.name == Role.ADMINISTRATOR and ANCHORS & taken.keys():
        raise Conflict(_("The administrator's role keeps the rights to give roles."))
    role.permissions.add(*given.values())
    role.permissions.remove(*taken.values())
    _follow_up(role, set(given), set(taken))
    for action, codes in ((actions.PERMISSION_GRANT, given), (actions.PERMISSION_REVOKE, taken)):
        if codes:
            record(action, actor, role, reason, {"rights": sorted(codes)})


def _rights(ids: set[int]) -> dict[str, Permission]:
    rows = Permission.objects.filter(pk__in=ids).select_related("content_type")
    found = {f"{row.content_type.app_label}.{row.codename}": row for row in rows}
    if len(found) != len(ids):
        raise NotFound(_("There is no such right."))
    return found


def _follow_up(role: Group, given: set[str], taken: set[str]) -> None:
    """Let the people of the role feel it: sockets close, the admin opens or closes."""
    people = User.objects.filter(groups=role)
    if taken:
        User.objects.filter(pk__in=people.values("pk")).update(rights_lost=F("rights_lost") + 1)
    if ENTER_ADMIN in given | taken:
        for person in people:
            sync_staff(target=person)


def sync_staff(*, target: User) -> None:
    """Open the admin to those whose roles let them enter it, and to nobody else."""
    entering = target.groups.filter(
        permissions__codename="enter_admin", permissions__content_type__app_label="accounts"
    )
    target.is_staff = target.is_superuser or entering.exists()
    target.save(update_fields=["is_staff"])


# --- Roles of one's own --------------------------------------------------------------------------
@transaction.atomic
def make(
    *, actor: User, name: str, description: str = "", like: Group | None = None, reason: str
) -> Group:
    """Make a role, with those rights of `like` that `actor` has.

    Raises:
        Forbidden: `actor` may not make roles.
        Invalid: the name is empty, too long or taken, or there is no reason.
    """
    lock()
    why, now = require_reason(reason), fresh(actor)
    if not (now.has_perm("auth.add_group") and now.has_perm(MANAGE_ROLES)):
        raise Forbidden
    role = Group.objects.create(name=_sound(name))
    RoleNote.objects.create(group=role, description=description.strip()[:300])
    copied = _copied(now, like) if like else {}
    role.permissions.add(*copied.values())
    detail = {"rights": sorted(copied), "like": like.name if like else ""}
    record(actions.GROUP_CREATE, now, role, why, detail)
    return role


def _copied(actor: User, like: Group) -> dict[str, Permission]:
    ids = set(like.permissions.values_list("pk", flat=True))
    own = actor.get_all_permissions()
    return {code: row for code, row in _rights(ids).items() if code in own}


def _sound(name: str, *, but: Group | None = None) -> str:
    text = " ".join(name.split())
    taken = Group.objects.filter(name__iexact=text)
    if but is not None:
        taken = taken.exclude(pk=but.pk)
    complaint = ""
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        complaint = _("Give a name of at most %(count)d characters.") % {"count": LONGEST_NAME}
    elif taken.exists() or (but is None and text.casefold() in NAMES):
        complaint = _("There is a role of that name already.")
    if complaint:
        raise Invalid(complaint, errors={"name": [complaint]})
    return text


@transaction.atomic
def describe(*, actor: User, role: Group, name: str, description: str, reason: str) -> None:
    """Rename a role of one's own and say what it is for; those of the system keep their names.

    Raises:
        Forbidden: `actor` may not change it.
        Invalid: the name is empty, too long or taken, or there is no reason.
    """
    lock()
    why, now = require_reason(reason), fresh(actor)
    if not may_touch(actor=now, group=role):
        raise Forbidden
    old = {"name": role.name, "description": description_of(role)}
    role.name = role.name if role.name in NAMES else _sound(name, but=role)
    role.save(update_fields=["name"])
    RoleNote.objects.update_or_create(
        group=role, defaults={"description": description.strip()[:300]}
    )
    new = {"name": role.name, "description": description.strip()[:300]}
    record(actions.GROUP_CHANGE, now, role, why, new, old=old)


def description_of(role: Group) -> str:
    """Return what the role is for, in its maker's words."""
    note = RoleNote.objects.filter(group=role).first()
    return note.description if note else ""


@transaction.atomic
def delete(*, actor: User, role: Group, reason: str) -> None:
    """Delete a role that nobody holds and nothing is shared with.

    Raises:
        Forbidden: `actor` may not delete it, or it is one of the system's.
        Conflict: somebody holds it, or something hangs on it.
    """
    lock()
    why, now = require_reason(reason), fresh(actor)
    allowed = now.has_perm("auth.delete_group") and may_touch(actor=now, group=role)
    if not allowed or role.name in NAMES:
        raise Forbidden
    _require_empty(role)
    record(actions.GROUP_DELETE, now, role, why, None, old={"rights": sorted(codes_of(role))})
    role.delete()


def _require_empty(role: Group) -> None:
    people = role.user_set.count()
    if people:
        said = ngettext(
            "%(n)d person holds this role: take it away first.",
            "%(n)d people hold this role: take it away first.",
            people,
        )
        raise Conflict(said % {"n": people})
    shared = getattr(role, "shared_bases", None)
    if ConfigOverride.objects.filter(group=role).exists() or (shared and shared.exists()):
        raise Conflict(_("Settings or knowledge bases name this role: take it out there first."))


def record(
    action: str, actor: User, role: Group, reason: str, new: object, *, old: object = None
) -> None:
    """Write down what was done to a role."""
    audit.record(
        action=action,
        actor=actor,
        object_type="group",
        object_id=str(role.pk),
        object_name=role.name,
        old=old,
        new=new,
        reason=reason,
    )
