"""Verbs of drafts: open one, put changes in, take them out, name it, throw it away."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext

from configs import audit
from configs.changesets import kinds
from configs.changesets.content import version_of
from configs.changesets.values import Wanted, is_storable, keep
from configs.errors import Conflict, Invalid
from configs.models import Change, ChangeSet

if TYPE_CHECKING:
    from accounts.models import User

State = ChangeSet.State
LONGEST_TITLE = 200
LONGEST_REASON = 500
RETURNABLE = (State.IN_REVIEW, State.SCHEDULED, State.REJECTED, State.FAILED)


def open_draft(*, title: str, actor: "User | None") -> ChangeSet:
    """Open an empty draft.

    Raises:
        Invalid: the title is empty, too long, or holds control characters.
    """
    return ChangeSet.objects.create(title=_checked_title(title), author=actor)


def draft(  # noqa: PLR0913  # what a change is
    *,
    change_set: ChangeSet,
    kind: str,
    target: str,
    action: str = Change.Action.SET,
    value: Any = None,
    group: Group | None = None,
    actor: "User | None",
    base_version: int | None = None,
) -> Change:
    """Put a change into a draft, in the place of an earlier one of the same target.

    `value` is the Python value: of a setting its own type (`FreeKey` for a new free key), of an
    endpoint a mapping of fields, of a prompt its text. `base_version` is the row's version that
    the actor saw, 0 for none; by default the present one. What waited for a second person or for
    its time is a draft again, and its approvals are void.

    Raises:
        NotFound: there is nothing of that name.
        Invalid: the value is not valid.
        Conflict: the environment fixes it, somebody changed it since `base_version`, or the
            change set is closed.
    """
    wanted = Wanted(target, _known_action(action), value, group)
    kinds.known(kind)
    if kind != Change.Kind.OVERRIDE and group is not None:
        complaint = gettext("Only exceptions are for one role.")
        raise Invalid(complaint, errors={"group": [complaint]})
    with transaction.atomic():
        edited = reopened(change_set)
        row = kinds.row_of(kind, target, group)
        now = version_of(row)
        require_version(now, base_version)
        content = kinds.check(kind, wanted, row)
        change = Change.objects.filter(
            change_set=edited, kind=kind, target=target, group=group
        ).first() or Change(change_set=edited, kind=kind, target=target, group=group)
        change.action, change.base_version, change.author = action, now, actor
        keep(change, content)
        change.save()
    change_set.refresh_from_db()
    return change


def _known_action(action: str) -> str:
    if action not in Change.Action.values:
        complaint = gettext("There is no such action.")
        raise Invalid(complaint, errors={"action": [complaint]})
    return action


def drop(*, change: Change, actor: "User | None") -> None:
    """Take a change out of its draft, which voids approvals as every edit does.

    Raises:
        Conflict: the change set is closed.
    """
    with transaction.atomic():
        reopened(change.change_set)
        Change.objects.filter(pk=change.pk).delete()
    change.change_set.refresh_from_db()


def describe(*, change_set: ChangeSet, title: str, reason: str, actor: "User | None") -> ChangeSet:
    """Name a draft, and say why.

    Raises:
        Invalid: a text is too long, or holds control characters.
        Conflict: the change set is closed.
    """
    title, reason = _checked_title(title), checked_reason(reason)
    with transaction.atomic():
        edited = reopened(change_set)
        edited.title, edited.reason = title, reason
        edited.save(update_fields=["title", "reason", "updated_at"])
    change_set.refresh_from_db()
    return change_set


def withdraw(*, change_set: ChangeSet, actor: "User | None") -> ChangeSet:
    """Make a draft again of what waits, was rejected or could not be published.

    Raises:
        Conflict: it is published or discarded.
    """
    with transaction.atomic():
        found = locked(change_set)
        if found.state not in RETURNABLE:
            raise Conflict(_closed(found))
        was = found.state
        _to_draft(found)
        note(audit.actions.CONFIG_WITHDRAW, found, actor, old=was)
    change_set.refresh_from_db()
    return change_set


def discard(*, change_set: ChangeSet, actor: "User | None") -> ChangeSet:
    """Throw a change set away that is not published; it stays in the list.

    Raises:
        Conflict: it is closed already.
    """
    with transaction.atomic():
        found = locked(change_set)
        if found.state not in (*ChangeSet.OPEN, State.REJECTED, State.FAILED):
            raise Conflict(_closed(found))
        was = found.state
        found.state = State.DISCARDED
        found.save(update_fields=["state", "updated_at"])
        note(audit.actions.CONFIG_DISCARD, found, actor, old=was)
    change_set.refresh_from_db()
    return change_set


# --- What the other verbs need as well -----------------------------------------------------------
def locked(change_set: ChangeSet) -> ChangeSet:
    """Return the change set as it is now, held until the commit."""
    return ChangeSet.objects.select_for_update().get(pk=change_set.pk)


def reopened(change_set: ChangeSet) -> ChangeSet:
    """Return the change set for an edit, held until the commit: a draft again if it waited.

    Raises:
        Conflict: it is closed.
    """
    found = locked(change_set)
    if found.state not in ChangeSet.OPEN:
        raise Conflict(_closed(found))
    if found.state != State.DRAFT:
        _to_draft(found)
    return found


def _to_draft(found: ChangeSet) -> None:
    found.state, found.content_hash, found.error = State.DRAFT, "", ""
    found.save(update_fields=["state", "content_hash", "error", "updated_at"])


def _closed(found: ChangeSet) -> str:
    return gettext("This change set is closed (%(state)s): open a new draft.") % {
        "state": found.get_state_display()
    }


def require_version(actual: int, expected: int | None) -> None:
    """Refuse when somebody was quicker.

    Raises:
        Conflict: the row's version is not the expected one.
    """
    if expected is not None and expected != actual:
        raise Conflict(
            gettext("Somebody changed this in between: it is version %(version)d now.")
            % {"version": actual}
        )


def checked_reason(reason: str, longest: int = LONGEST_REASON) -> str:
    """Return the reason without the space around it.

    Raises:
        Invalid: it is too long, or holds control characters.
    """
    return _checked("reason", reason.strip(), longest)


def _checked_title(title: str) -> str:
    title = title.strip()
    if not title:
        complaint = gettext("This may not be empty.")
        raise Invalid(complaint, errors={"title": [complaint]})
    return _checked("title", title, LONGEST_TITLE)


def _checked(name: str, text: str, longest: int) -> str:
    complaint = ""
    if len(text) > longest:
        complaint = gettext("This may have at most %(count)d characters.") % {"count": longest}
    elif not is_storable(text):
        complaint = gettext("This may not hold control characters.")
    if complaint:
        raise Invalid(complaint, errors={name: [complaint]})
    return text


def note(
    action: str,
    change_set: ChangeSet,
    actor: "User | None",
    *,
    old: str = "",
    reason: str = "",
    **detail: Any,
) -> None:
    """Write down in the audit log what became of a change set."""
    audit.record(
        action=action,
        actor=actor,
        object_type="changeset",
        object_id=str(change_set.pk),
        object_name=change_set.title,
        old={"state": old} if old else None,
        new={"state": change_set.state},
        reason=reason or change_set.reason,
        detail={"content": change_set.content_hash, **detail},
    )
