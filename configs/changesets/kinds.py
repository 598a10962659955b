"""The four kinds of rows that steer: how each is found, checked and written."""

from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth.models import Group
from django.db.models import Q
from django.utils.translation import gettext

from configs import prompts
from configs.changesets import endpoints, settings
from configs.changesets.values import Content, Wanted, to_text
from configs.errors import Invalid, NotFound
from configs.models import Change, Config, ConfigOverride, ModelEndpoint, PromptTemplate

if TYPE_CHECKING:
    from accounts.models import User

Row = Config | ConfigOverride | ModelEndpoint | PromptTemplate
Kind = Change.Kind
MODELS: Final[dict[str, Any]] = {
    Kind.SETTING: Config,
    Kind.OVERRIDE: ConfigOverride,
    Kind.ENDPOINT: ModelEndpoint,
    Kind.PROMPT: PromptTemplate,
}
NATURAL: Final[dict[str, tuple[str, ...]]] = {
    Kind.SETTING: ("key",),
    Kind.OVERRIDE: ("key", "group_id"),
    Kind.ENDPOINT: ("name",),
    Kind.PROMPT: ("name",),
}
"""What names a row of the kind; the first is the target of a change."""


def known(kind: str) -> str:
    """Return the kind if there is such a one.

    Raises:
        Invalid: there is not.
    """
    if kind not in MODELS:
        complaint = gettext("There is no such kind of change.")
        raise Invalid(complaint, errors={"kind": [complaint]})
    return kind


def row_of(kind: str, target: str, group: Group | None = None, *, lock: bool = False) -> Any:
    """Return the row that a change is about as it is now, or None; `lock` until the commit."""
    if "\0" in target:  # PostgreSQL keeps it in no text
        return None
    names = NATURAL[kind]
    condition = Q(**{names[0]: target})
    if kind == Kind.OVERRIDE:
        condition &= Q(group=group)
    rows = MODELS[kind].objects.filter(condition)
    return (rows.select_for_update() if lock else rows).first()


def check(kind: str, wanted: Wanted, row: Any) -> Content:
    """Return what is kept of a wanted change; `row` may be written to, and is not saved.

    Raises:
        NotFound: there is nothing of that name.
        Invalid: the value is not valid, or this kind has no such action.
        Conflict: the environment fixes it.
    """
    if kind == Kind.SETTING:
        return settings.check_setting(wanted, row)
    if kind == Kind.OVERRIDE:
        return settings.check_override(wanted, row)
    if kind == Kind.ENDPOINT:
        return endpoints.check_change(wanted, row)
    return _check_prompt(wanted, row)


def removes(kind: str, action: str) -> bool:
    """Say whether the action takes the row away."""
    if kind == Kind.OVERRIDE:
        return action in settings.REMOVALS
    return action == Change.Action.DELETE


def write(kind: str, wanted: Wanted, row: Any, actor: "User | None") -> Row:
    """Write what is wanted into the row, a new one where there is none; it is not saved.

    Raises:
        Invalid: a value is not valid.
    """
    if kind == Kind.SETTING:
        return settings.write_setting(wanted, row, actor)
    if kind == Kind.OVERRIDE:
        return settings.write_override(wanted, row, actor)
    if kind == Kind.ENDPOINT:
        return endpoints.write_endpoint(wanted, row)
    row.text = wanted.value
    return row  # type: ignore[no-any-return]  # `check` saw that there is one


def _check_prompt(wanted: Wanted, row: PromptTemplate | None) -> Content:
    if row is None:
        raise NotFound(gettext("No such prompt is known."))
    if wanted.action != Change.Action.SET or not isinstance(wanted.value, str):
        complaint = gettext("A prompt is changed by its words.")
        raise Invalid(complaint, errors={"text": [complaint]})
    prompts.check(row.name, wanted.value)
    return Content(to_text(wanted.value))
