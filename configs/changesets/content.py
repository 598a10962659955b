"""What a change set says: its fingerprint, and its differences from what is in force."""

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256

from configs.changesets import comparing, kinds, showing
from configs.changesets.values import Difference, Wanted, wanted_by
from configs.errors import SecretUnreadable
from configs.models import Change, ChangeSet
from configs.secrecy import HIDDEN


def changes_of(change_set: ChangeSet) -> list[Change]:
    """Return the drafted changes in a steady order."""
    return list(change_set.changes.select_related("group", "author").order_by("kind", "id"))


def fingerprint(change_set: ChangeSet, changes: Iterable[Change]) -> str:
    """Return the SHA-256 of all that an approval is for: the changes, the reason, the time.

    Of a secret it covers the sealed token, which a renewal of keys leaves as it is: the plain
    text could be guessed from a digest.
    """
    lines = sorted(
        [
            change.kind,
            change.target,
            change.group_id,
            change.action,
            change.value.rpartition(":")[2] if change.is_sensitive else change.value,
            change.is_sensitive,
            change.base_version,
            str(change.author_id),
        ]
        for change in changes
    )
    at = change_set.publish_at
    whole = [lines, change_set.reason, at.timestamp() if at else None]
    return sha256(json.dumps(whole, ensure_ascii=False).encode()).hexdigest()


def differences(change_set: ChangeSet) -> list[Difference]:
    """Return what the change set changes, ready to show; of a published one what it changed."""
    if change_set.release_id is not None:
        return comparing.compare(change_set.release_id - 1, change_set.release_id)
    return [difference(change) for change in changes_of(change_set)]


def difference(change: Change) -> Difference:
    """Return what one drafted change changes, ready to show."""
    row = kinds.row_of(change.kind, change.target, change.group)
    stale = version_of(row) != change.base_version
    old, new = _sides(change, row)
    return Difference(
        kind=change.kind,
        target=change.target,
        label=comparing.label(change.kind, change.target),
        group=str(change.group or ""),
        old=old,
        new=new,
        stale=stale,
    )


def _sides(change: Change, row: kinds.Row | None) -> Sequence[str]:
    try:
        wanted = wanted_by(change)
    except SecretUnreadable:
        nothing = Wanted(change.target, Change.Action.DELETE, None, change.group)
        return showing.drafted(change.kind, nothing, row)[0], HIDDEN
    return showing.drafted(change.kind, wanted, row)


def version_of(row: kinds.Row | None) -> int:
    """Return a row's version, 0 where there is none."""
    return row.version if row else 0
