"""The way back: make what steers the system again what it was at an earlier release."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext

from configs import audit, registry
from configs.changesets import comparing, kinds
from configs.changesets.drafting import draft, note, open_draft
from configs.changesets.endpoints import ENDPOINT_FIELDS
from configs.changesets.reviewing import submit
from configs.changesets.values import FreeKey, Wanted
from configs.errors import Conflict, NotFound
from configs.models import Change, ChangeSet, Config, Release

if TYPE_CHECKING:
    from accounts.models import User

Action = Change.Action
Step = tuple[str, Wanted]


def roll_back_release(*, version: int, actor: "User | None", reason: str = "") -> ChangeSet:
    """Make everything what it was at a release, as a new release.

    Where a second person is needed, the returned change set waits for them. No model is asked:
    this way is open also while one is down.

    Raises:
        NotFound: there is no such release.
        Invalid: a value of then is not valid any more.
        Conflict: nothing has changed since, or the environment fixes something that has.
    """
    if not Release.objects.filter(version=version).exists():
        raise NotFound(gettext("There is no such release."))
    title = gettext("Back to release %(version)d") % {"version": version}
    with transaction.atomic():
        steps = list(_steps(version))
        if not steps:
            raise Conflict(gettext("Nothing has changed since this release."))
        change_set = open_draft(title=title, actor=actor)
        for kind, wanted in steps:
            draft(
                change_set=change_set,
                kind=kind,
                target=wanted.target,
                action=wanted.action,
                value=wanted.value,
                group=wanted.group,
                actor=actor,
            )
        note(audit.actions.CONFIG_ROLL_BACK, change_set, actor, reason=reason, release=version)
        return submit(change_set=change_set, actor=actor, reason=reason or title, ask_models=False)


def _steps(version: int) -> Iterator[Step]:
    """Yield what has to change so that all is as it was."""
    then = comparing.state_at(version)
    for kind, model in kinds.MODELS.items():
        for old, now in _pairs(kind, list(then[kind].values()), list(model.objects.all())):
            if not comparing.same(kind, old, now):
                yield from _step(kind, old, now)


def _pairs(kind: str, then: list[Any], present: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield each row of then beside what it is now: the same row, else one of the same name."""
    by_id = {row.pk: row for row in present}
    by_key = {comparing.key_of(kind, row): row for row in present}
    for old in then:
        now = by_id.pop(old.id, None)
        if now is None:
            now = by_key.get(comparing.key_of(kind, old))
            now = by_id.pop(now.pk, None) if now is not None else None
        yield old, now
    for now in by_id.values():
        yield None, now


def _step(kind: str, then: Any, now: Any) -> Iterator[Step]:
    if kind == Change.Kind.SETTING:
        yield kind, _setting(then, now)
    elif kind == Change.Kind.OVERRIDE:
        yield from ((kind, wanted) for wanted in _override(then, now))
    elif kind == Change.Kind.PROMPT and then is not None and now is not None:
        yield kind, Wanted(now.name, Action.SET, then.text)
    elif kind == Change.Kind.ENDPOINT:
        yield kind, _endpoint(then, now)


def _setting(then: Any, now: Any) -> Wanted:
    key = now.key if then is None else then.key
    if then is None:
        declared = key in registry.SETTINGS
        return Wanted(key, Action.RESET if declared else Action.DELETE)
    return setting_as(then)


def setting_as(past: Any) -> Wanted:
    """Return the change that makes a setting, or a free key, again what a history row says.

    Raises:
        SecretUnreadable: it was a secret, and no key opens it.
    """
    row: Config = past.instance
    value = row.plain
    if value is None:
        return Wanted(row.key, Action.RESET)
    if row.key in registry.SETTINGS:
        return Wanted(row.key, Action.SET, value)
    kept = FreeKey(
        row.value_type or "json", value, row.description, row.is_public, row.is_sensitive
    )
    return Wanted(row.key, Action.SET, kept)


def _override(then: Any, now: Any) -> Iterator[Wanted]:
    if then is None:
        yield Wanted(now.key, Action.RESET, group=now.group)
        return
    role = Group.objects.filter(pk=then.group_id).first()
    if role is not None:  # an exception for a role that is gone is for nobody
        yield Wanted(then.key, Action.SET, json.loads(then.value), role)


def _endpoint(then: Any, now: Any) -> Wanted:
    if then is None:
        return Wanted(now.name, Action.DELETE)
    values = {name: getattr(then, name) for name in sorted(ENDPOINT_FIELDS)}
    if now is None:
        return Wanted(then.name, Action.CREATE, values)
    return Wanted(
        now.name,
        Action.SET,
        {name: value for name, value in values.items() if getattr(now, name) != value},
    )
