"""Submit, approve and reject change sets, and publish those whose time has come."""

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext

from configs import audit, registry, runtime
from configs.changesets import checking, policy
from configs.changesets.content import changes_of, fingerprint
from configs.changesets.drafting import LONGEST_REASON, checked_reason, locked, note
from configs.changesets.publishing import publication, publish, require_reason
from configs.errors import ClawError, Conflict, Forbidden, Invalid
from configs.models import Approval, Change, ChangeSet

if TYPE_CHECKING:
    from accounts.models import User

logger = logging.getLogger(__name__)

State = ChangeSet.State
APPROVE = "configs.approve_changeset"


def needs_second_person(change_set: ChangeSet) -> bool:
    """Say whether somebody else has to approve the change set as it is now."""
    return _needs_second_person(changes_of(change_set))


def _needs_second_person(changes: list[Change]) -> bool:
    return policy.covers(runtime.build().get(registry.FOUR_EYES), changes)


# --- Submitting --------------------------------------------------------------------------------
def submit(
    *,
    change_set: ChangeSet,
    actor: "User | None",
    reason: str = "",
    publish_at: datetime | None = None,
    ask_models: bool = True,
) -> ChangeSet:
    """Publish a draft at once, or at `publish_at`, or send it to a second person first.

    The state of the returned change set says what became of it. `ask_models` is false for a way
    back, which must be open also while a model is down.

    Raises:
        Invalid: a value is not valid, the time is past, or a reason is missing.
        Conflict: it is no draft, is empty or stale, the environment fixes something, a default
            model does not answer, or somebody edits it meanwhile.
    """
    whole = reason if reason.strip() else change_set.reason
    # A reason may be longer in the history than in the list of change sets.
    checked_reason(whole, longest=100_000)
    _require_future(publish_at)
    tested = _tested(change_set) if ask_models else None
    with publication():
        found = locked(change_set)
        _require_state(found, State.DRAFT)
        changes = changes_of(found)
        require_reason(changes, whole)
        if tested is not None and tested != fingerprint(change_set, changes):
            raise Conflict(_edited())
        found.reason, found.publish_at = whole[:LONGEST_REASON], publish_at
        found.content_hash = fingerprint(found, changes)
        _onward(found, changes, actor, whole)
    change_set.refresh_from_db()
    return change_set


def _tested(change_set: ChangeSet) -> str:
    """Ask the models before any lock is taken; return what was tested."""
    changes = changes_of(change_set)
    tested = fingerprint(change_set, changes)
    checking.require_none(checking.problems(change_set))
    return tested


def _onward(found: ChangeSet, changes: list[Change], actor: "User | None", reason: str) -> None:
    """Send a submitted change set to a second person, let it wait for its time, or publish it."""
    if not changes:
        raise Conflict(gettext("There is nothing to publish: this draft holds no change."))
    if _needs_second_person(changes):
        checking.require_none(checking.standing(changes))
        _become(found, State.IN_REVIEW, audit.actions.CONFIG_SUBMIT, actor)
    elif found.publish_at is not None:
        checking.require_none(checking.standing(changes))
        _become(found, State.SCHEDULED, audit.actions.CONFIG_SCHEDULE, actor)
    else:
        publish(found, actor=actor, reason=reason)


def _become(found: ChangeSet, state: str, action: str, actor: "User | None", **more: Any) -> None:
    was, found.state = found.state, state
    found.save()
    at = found.publish_at
    note(action, found, actor, old=was, publish_at=at.isoformat() if at else "", **more)


def _require_future(publish_at: datetime | None) -> None:
    if publish_at is not None and publish_at <= timezone.now():
        complaint = gettext("This time is past: choose a later one.")
        raise Invalid(complaint, errors={"publish_at": [complaint]})


def _require_state(found: ChangeSet, *states: str) -> None:
    if found.state not in states:
        raise Conflict(
            gettext("This cannot be done now: the change set is in the state “%(state)s”.")
            % {"state": found.get_state_display()}
        )


def _edited() -> str:
    return gettext("It was edited while you looked at it: look again, then decide.")


# --- The second person -------------------------------------------------------------------------
def approve(*, change_set: ChangeSet, actor: "User", comment: str = "") -> ChangeSet:
    """Say yes to the content that `change_set`, as the caller read it, stands for.

    It is published at once, or waits for its time.

    Raises:
        Forbidden: the actor may not approve, or had a part in it.
        Conflict: it does not wait for an approval, was edited meanwhile, or cannot be published.
    """
    comment = checked_reason(comment)
    _require_second(change_set, actor)
    if change_set.state == State.IN_REVIEW and not _is_later(change_set):
        checking.require_none(checking.problems(change_set))
    with publication():
        found = _reviewed(change_set, actor)
        _decide(found, actor, Approval.Decision.APPROVED, comment)
        if _is_later(found):
            _become(found, State.SCHEDULED, audit.actions.CONFIG_APPROVE, actor, comment=comment)
        else:
            note(audit.actions.CONFIG_APPROVE, found, actor, old=found.state, comment=comment)
            publish(found, actor=found.author, approved_by=actor.get_username())
    change_set.refresh_from_db()
    return change_set


def reject(*, change_set: ChangeSet, actor: "User", comment: str = "") -> ChangeSet:
    """Say no; the author can make a draft of it again.

    Raises:
        Forbidden, Conflict: as in `approve`.
    """
    comment = checked_reason(comment)
    with publication():
        found = _reviewed(change_set, actor)
        _decide(found, actor, Approval.Decision.REJECTED, comment)
        _become(found, State.REJECTED, audit.actions.CONFIG_REJECT, actor, comment=comment)
    change_set.refresh_from_db()
    return change_set


def _reviewed(change_set: ChangeSet, actor: "User") -> ChangeSet:
    """Return the change set, held, if this person may decide about this very content."""
    found = locked(change_set)
    _require_second(found, actor)
    _require_state(found, State.IN_REVIEW)
    content = fingerprint(found, changes_of(found))
    if not content == found.content_hash == change_set.content_hash:
        raise Conflict(_edited())
    return found


def _require_second(change_set: ChangeSet, actor: "User") -> None:
    if not actor.has_perm(APPROVE):
        raise Forbidden(gettext("Your roles do not let you approve changes."))
    authors = set(change_set.changes.values_list("author_id", flat=True)) | {change_set.author_id}
    if actor.pk in authors:
        raise Forbidden(gettext("Nobody approves their own changes: a second person has to."))


def _decide(found: ChangeSet, actor: "User", decision: str, comment: str) -> None:
    Approval.objects.create(
        change_set=found,
        person=actor,
        decision=decision,
        content_hash=found.content_hash,
        comment=comment,
    )


def _is_later(change_set: ChangeSet) -> bool:
    return change_set.publish_at is not None and change_set.publish_at > timezone.now()


# --- Their time --------------------------------------------------------------------------------
def publish_due() -> int:
    """Publish every change set whose time has come; return how many were.

    Any number of processes may do this at once. What cannot be published any more has failed,
    and says why.
    """
    due = ChangeSet.objects.filter(state=State.SCHEDULED, publish_at__lte=timezone.now())
    return sum(map(_publish_one, due.order_by("publish_at", "created_at")))


def _publish_one(change_set: ChangeSet) -> bool:
    try:
        checking.require_none(checking.problems(change_set))
        return _publish_scheduled(change_set)
    except ClawError as refusal:
        _fail(change_set, refusal.detail)
        return False


def _publish_scheduled(change_set: ChangeSet) -> bool:
    with publication():
        found = locked(change_set)
        if found.state != State.SCHEDULED or _is_later(found):
            return False  # another process was quicker, or it was withdrawn
        changes = changes_of(found)
        if fingerprint(found, changes) != found.content_hash:
            raise Conflict(gettext("Its content is not what was submitted: look at it again."))
        if _needs_second_person(changes) and not _is_approved(found):
            raise Conflict(gettext("It needs a second person by now: submit it again."))
        publish(found, actor=found.author, scheduled=True)
        return True


def _is_approved(found: ChangeSet) -> bool:
    """Say whether the last word about this very content was a yes."""
    last = found.approvals.filter(content_hash=found.content_hash).last()
    return last is not None and last.decision == Approval.Decision.APPROVED


def _fail(change_set: ChangeSet, why: str) -> None:
    with publication():
        found = locked(change_set)
        if found.state != State.SCHEDULED or _is_later(found):
            return
        found.error = why
        _become(found, State.FAILED, audit.actions.CONFIG_FAIL, found.author, why=why)
    logger.warning("The scheduled change set %s could not be published.", change_set.pk)
