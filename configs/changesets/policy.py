"""Four eyes: which changes need a second person."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from django.utils.translation import gettext

from configs import registry
from configs.errors import Invalid
from configs.models import Change, Config

EVERYTHING: Final = "*"
SENSITIVE: Final = "sensitive"
PLURALS: Final[Mapping[str, str]] = {
    Change.Kind.SETTING: "settings",
    Change.Kind.OVERRIDE: "overrides",
    Change.Kind.ENDPOINT: "endpoints",
    Change.Kind.PROMPT: "prompts",
}


def patterns(text: str) -> list[str]:
    """Return the patterns of a policy; they stand between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def check(text: str) -> None:
    """Refuse a policy with a pattern that matches nothing: it would protect nothing in silence.

    Raises:
        Invalid: there is such a pattern.
    """
    known = {EVERYTHING, SENSITIVE, *PLURALS.values(), *(group.value for group in registry.Group)}
    names = [*registry.SETTINGS, *Config.objects.values_list("key", flat=True)]
    for pattern in patterns(text):
        kind = pattern.partition(".")[0]
        if pattern in known or kind in {"endpoints", "prompts"}:
            continue
        if not any(fnmatchcase(name, pattern) for name in names):
            complaint = gettext("%(name)s: no setting, group or kind is called so.") % {
                "name": pattern
            }
            raise Invalid(complaint, errors={"value": [complaint]})


def covers(text: str, changes: Iterable[Change]) -> bool:
    """Say whether a change needs a second person under the policy `text`.

    A policy that is not empty covers itself.
    """
    wanted = patterns(text)
    return bool(wanted) and any(_covered(wanted, change) for change in changes)


def _covered(wanted: Iterable[str], change: Change) -> bool:
    names = _names(change)
    if registry.FOUR_EYES.key in names:
        return True
    return any(fnmatchcase(name, pattern) for pattern in wanted for name in names)


def _names(change: Change) -> set[str]:
    """Return every name that a policy may know a change by."""
    plural = PLURALS[change.kind]
    names = {plural, f"{plural}.{change.target}"}
    if change.is_sensitive:
        names.add(SENSITIVE)
    if change.kind in {Change.Kind.SETTING, Change.Kind.OVERRIDE}:
        setting = registry.SETTINGS.get(change.target)
        group: Any = setting.group if setting else registry.Group.FREE
        names |= {change.target, str(group.value)}
    return names
