"""Verbs that change one thing that steers the system, at once: change sets of one change."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.utils.translation import gettext

from configs import changesets
from configs.changesets import kinds
from configs.changesets.endpoints import (
    ENDPOINT_FIELDS,
    PARAMETER_RANGES,
    RESERVED_PARAMETERS,
    check_endpoint,
)
from configs.changesets.publishing import RELEASE_LOCK
from configs.changesets.returning import setting_as
from configs.changesets.values import Wanted
from configs.errors import ClawError, NeedsSecondPerson, NotFound
from configs.models import (
    Change,
    ChangeSet,
    Config,
    ConfigOverride,
    ModelEndpoint,
    PromptTemplate,
)

if TYPE_CHECKING:
    from accounts.models import User

__all__ = [
    "ENDPOINT_FIELDS",
    "PARAMETER_RANGES",
    "RELEASE_LOCK",
    "RESERVED_PARAMETERS",
    "change_endpoint",
    "change_override",
    "change_prompt",
    "change_setting",
    "check_endpoint",
    "create_endpoint",
    "delete_endpoint",
    "delete_key",
    "drop_override",
    "reset_setting",
    "roll_back",
]

Kind, Action = Change.Kind, Change.Action


# --- Settings and free keys ------------------------------------------------------------------
def change_setting(
    *,
    key: str,
    value: object,
    actor: "User | None",
    reason: str = "",
    expected_version: int | None = None,
) -> Config:
    """Set a setting to `value` (a Python value of its type, or a `FreeKey`) and publish it.

    `expected_version` is the row's version that the actor saw, 0 where there was no row.

    Raises:
        NotFound: no such setting is declared.
        Invalid: wrong type or range, settings that do not fit together, or a missing reason.
        Conflict: the environment fixes it, somebody changed it in between, or a default model
            does not exist or answer.
        NeedsSecondPerson: it now waits for one.
    """
    wanted = Wanted(key, Action.SET, value)
    _at_once(Kind.SETTING, wanted, actor, reason, expected_version)
    return Config.objects.get(key=key)


def reset_setting(
    *, key: str, actor: "User | None", reason: str = "", expected_version: int | None = None
) -> Config:
    """Let the declared default hold again, as a new version of the row.

    Raises:
        NotFound, Invalid, Conflict, NeedsSecondPerson: as in `change_setting`.
    """
    _at_once(Kind.SETTING, Wanted(key, Action.RESET), actor, reason, expected_version)
    return Config.objects.get(key=key)


def delete_key(
    *, key: str, actor: "User | None", reason: str = "", expected_version: int | None = None
) -> None:
    """Remove a free key; its history stays.

    Raises:
        NotFound: there is no such key.
        Invalid: the release declares it.
        Conflict, NeedsSecondPerson: as in `change_setting`.
    """
    _at_once(Kind.SETTING, Wanted(key, Action.DELETE), actor, reason, expected_version)


def roll_back(
    *,
    key: str,
    version: int,
    actor: "User | None",
    reason: str = "",
    expected_version: int | None = None,
) -> Config:
    """Write the value that the setting had at `version` as a new version.

    No model is asked: the way back is open also while one is down.

    Raises:
        NotFound: the setting never had that version.
        Invalid: the value of then is not valid any more.
        Conflict, NeedsSecondPerson: as in `change_setting`.
    """
    past = Config.history.filter(key=key, version=version).exclude(history_type="-")
    found = past.order_by("-history_id").first()
    if found is None:
        raise NotFound(gettext("This setting never had that version."))
    why = reason or gettext("Back to version %(version)d") % {"version": version}
    _at_once(Kind.SETTING, setting_as(found), actor, why, expected_version, ask_models=False)
    return Config.objects.get(key=key)


# --- Exceptions for roles ----------------------------------------------------------------------
def change_override(
    *,
    key: str,
    group: Group,
    value: object,
    actor: "User | None",
    reason: str = "",
    expected_version: int | None = None,
) -> ConfigOverride:
    """Set what a setting is for the people of one role, and publish it.

    Raises:
        NotFound: no such setting is declared.
        Invalid: it has no exceptions, or the value is not valid.
        Conflict, NeedsSecondPerson: as in `change_setting`.
    """
    wanted = Wanted(key, Action.SET, value, group)
    _at_once(Kind.OVERRIDE, wanted, actor, reason, expected_version)
    return ConfigOverride.objects.get(key=key, group=group)


def drop_override(
    *,
    key: str,
    group: Group,
    actor: "User | None",
    reason: str = "",
    expected_version: int | None = None,
) -> None:
    """Let a setting be for the people of one role what it is for all.

    Raises:
        NotFound: they have no exception.
        Conflict, NeedsSecondPerson: as in `change_setting`.
    """
    wanted = Wanted(key, Action.RESET, group=group)
    _at_once(Kind.OVERRIDE, wanted, actor, reason, expected_version)


# --- Endpoints and prompts -----------------------------------------------------------------------
def create_endpoint(
    *, actor: "User | None", reason: str = "", values: Mapping[str, Any]
) -> ModelEndpoint:
    """Add a model endpoint and publish it.

    Raises:
        Invalid: a value is not valid; a key is never part of the message.
        Conflict: it would be the default, and does not answer.
        NeedsSecondPerson: it now waits for one.
    """
    name = str(values.get("name", ""))
    _at_once(Kind.ENDPOINT, Wanted(name, Action.CREATE, values), actor, reason)
    return ModelEndpoint.objects.get(name=name)


def change_endpoint(
    *,
    name: str,
    changes: Mapping[str, Any],
    actor: "User | None",
    reason: str = "",
    expected_version: int | None = None,
) -> ModelEndpoint:
    """Change fields of the endpoint `name` and publish it; what is not in `changes` stays.

    Raises:
        NotFound: there is no such endpoint.
        Invalid: a value is not valid; a key is never part of the message.
        Conflict: somebody changed it in between, new documents need it, or it is the default and
            does not answer.
        NeedsSecondPerson: it now waits for one.
    """
    wanted = Wanted(name, Action.SET, changes)
    _at_once(Kind.ENDPOINT, wanted, actor, reason, expected_version)
    return ModelEndpoint.objects.get(name=changes.get("name", name))


def delete_endpoint(*, name: str, actor: "User | None", reason: str = "") -> None:
    """Remove the endpoint `name` and publish that.

    Raises:
        NotFound: there is no such endpoint.
        Conflict: new documents are embedded by it.
        NeedsSecondPerson: it now waits for one.
    """
    _at_once(Kind.ENDPOINT, Wanted(name, Action.DELETE), actor, reason)


def change_prompt(
    *,
    name: str,
    text: str,
    actor: "User | None",
    reason: str = "",
    expected_version: int | None = None,
) -> PromptTemplate:
    """Change the words of the template `name` and publish them.

    Raises:
        NotFound: there is no such template.
        Invalid: it is empty, or holds an unknown placeholder or a brace that stands alone.
        Conflict: somebody changed it in between.
        NeedsSecondPerson: it now waits for one.
    """
    wanted = Wanted(name, Action.SET, text)
    _at_once(Kind.PROMPT, wanted, actor, reason, expected_version)
    return PromptTemplate.objects.get(name=name)


# --- How ------------------------------------------------------------------------------------------
def _at_once(
    kind: str,
    wanted: Wanted,
    actor: "User | None",
    reason: str,
    expected_version: int | None = None,
    *,
    ask_models: bool = True,
) -> None:
    """Publish one change as a change set of its own; nothing is left of it where it is refused."""
    # A row that is missing or a value that is wrong is told before anything is written.
    row = kinds.row_of(kinds.known(kind), wanted.target, wanted.group)
    kinds.check(kind, wanted, row)
    change_set = changesets.open_draft(title=wanted.target, actor=actor)
    try:
        changesets.draft(
            change_set=change_set,
            kind=kind,
            target=wanted.target,
            action=wanted.action,
            value=wanted.value,
            group=wanted.group,
            actor=actor,
            base_version=expected_version,
        )
        changesets.submit(change_set=change_set, actor=actor, reason=reason, ask_models=ask_models)
    except ClawError:
        change_set.delete()
        raise
    if change_set.state == ChangeSet.State.IN_REVIEW:
        raise NeedsSecondPerson(change_set)
