"""Bring drafted changes into force: rows, history, release and audit in one transaction."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from django.db import connection, models, transaction
from django.utils.translation import gettext

from configs import audit, runtime
from configs.changesets import checking, kinds, showing
from configs.changesets.content import changes_of, version_of
from configs.changesets.drafting import note, require_version
from configs.changesets.values import wanted_by
from configs.errors import Conflict, Invalid
from configs.models import Change, ChangeSet, Release
from configs.models.history import published_as

if TYPE_CHECKING:
    from accounts.models import User

RELEASE_LOCK: Final = 0x636C6177  # "claw": one publication at a time: versions are contiguous
ORDER: Final = (
    Change.Action.DELETE,
    Change.Action.SET,
    Change.Action.RESET,
    Change.Action.CREATE,
)
"""Names are given up before they are taken."""


@contextmanager
def publication() -> Iterator[None]:
    """Hold the one right to publish until the commit; every other lock is taken after it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [RELEASE_LOCK])
        yield


def require_reason(changes: Iterable[Change], reason: str) -> None:
    """Refuse to touch a secret without a reason.

    Raises:
        Invalid: it is missing.
    """
    if not reason.strip() and any(change.is_sensitive for change in changes):
        complaint = gettext("A reason is needed: a secret is changed.")
        raise Invalid(complaint, errors={"reason": [complaint]})


def publish(
    change_set: ChangeSet, *, actor: "User | None", reason: str = "", **detail: Any
) -> Release:
    """Bring a change set into force inside `publication`; the caller has locked it.

    `reason` stands in the history; by default it is the change set's own.

    Raises:
        Invalid, Conflict: as `checking.require_none`.
    """
    changes = changes_of(change_set)
    if not changes:
        raise Conflict(gettext("There is nothing to publish: this draft holds no change."))
    require_reason(changes, reason or change_set.reason)
    checking.require_none(checking.standing(changes))
    release = _put_in_force(changes, actor, reason or change_set.reason)
    change_set.state, change_set.release, change_set.error = ChangeSet.State.PUBLISHED, release, ""
    change_set.save(
        update_fields=[
            "state", "release", "error", "reason", "publish_at", "content_hash", "updated_at",
        ]
    )  # fmt: skip
    note(
        audit.actions.CONFIG_PUBLISH,
        change_set,
        actor,
        release=release.version,
        summary=release.summary,
        **detail,
    )
    # Robust: the change is in force by then, and polling finds it where this fails.
    transaction.on_commit(_announce, robust=True)
    return release


def _put_in_force(changes: Sequence[Change], actor: "User | None", reason: str) -> Release:
    newest = Release.objects.aggregate(models.Max("version"))["version__max"] or 0
    ordered = sorted(changes, key=lambda change: ORDER.index(Change.Action(change.action)))
    with published_as(newest + 1):
        done = [_apply(change, change.author or actor, reason) for change in ordered]
    return Release.objects.create(
        version=newest + 1, author=actor, reason=reason[:500], summary=", ".join(done)[:500]
    )


def _apply(change: Change, actor: "User | None", reason: str) -> str:
    """Write one row with its history row and its audit entry; return both in a few characters."""
    row = kinds.row_of(change.kind, change.target, change.group, lock=True)
    require_version(version_of(row), change.base_version)
    wanted = wanted_by(change)
    shown = showing.drafted(
        change.kind, wanted, kinds.row_of(change.kind, change.target, change.group)
    )
    if kinds.removes(change.kind, change.action):
        _sign(row, actor, reason)
        row.delete()
        summary = f"{_name(change)} –"
    else:
        row = kinds.write(change.kind, wanted, row, actor)
        row.version += 1
        _sign(row, actor, reason)
        row.save()
        summary = f"{_name(change)} v{row.version}"
    _record(change, shown, row.version, actor, reason)
    return summary


def _sign(row: Any, actor: "User | None", reason: str) -> None:
    row._change_reason, row._history_user = reason, actor


def _name(change: Change) -> str:
    return f"{change.target} ({change.group})" if change.group else change.target


def _record(
    change: Change,
    shown: tuple[str, str],
    version: int,
    actor: "User | None",
    reason: str,
) -> None:
    audit.record(
        action=audit.actions.CONFIG_CHANGE,
        actor=actor,
        object_type=change.kind,
        object_id=change.target,
        object_name=_name(change),
        old=shown[0],
        new=shown[1],
        reason=reason,
        detail={"version": version, "change_set": str(change.change_set_id)},
    )


def _announce() -> None:
    runtime.ring()  # the others read while this process does
    runtime.refresh()
