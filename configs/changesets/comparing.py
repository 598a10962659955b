"""What steered the system at any release, and what is different between two."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Q
from django.utils.translation import gettext

from configs import crypto, registry
from configs.changesets import kinds, showing
from configs.changesets.endpoints import ENDPOINT_FIELDS
from configs.changesets.values import Difference
from configs.errors import SecretUnreadable
from configs.fields import Sealed
from configs.models import Change, PromptTemplate, Release

Key = tuple[str, ...]
REMOVED = "-"


def state_at(version: int) -> dict[str, dict[Key, Any]]:
    """Return the history rows that held at a release, by kind and by what names them."""
    release = Release.objects.filter(version=version).first()
    if release is None:
        return {kind: {} for kind in kinds.MODELS}
    held = Q(release_version__lte=version) | Q(
        release_version=None, history_date__lte=release.created_at
    )
    return {kind: _newest(kind, held) for kind in kinds.MODELS}


def _newest(kind: str, held: Q) -> dict[Key, Any]:
    """Return the newest history row of each row; what was removed or renamed is gone."""
    rows = kinds.MODELS[kind].history.filter(held).order_by("id", "-history_id").distinct("id")
    return {key_of(kind, row): row for row in rows if row.history_type != REMOVED}


def key_of(kind: str, row: Any) -> Key:
    """Return what names a row, or a history row, among those of its kind."""
    return tuple(str(getattr(row, name)) for name in kinds.NATURAL[kind])


def compare(older: int, newer: int) -> list[Difference]:
    """Return what is different between two releases, ready to show; 0 is before the first."""
    before, after = state_at(older), state_at(newer)
    roles = {str(group.pk): group.name for group in Group.objects.all()}
    found = []
    for kind in kinds.MODELS:
        for key in sorted({**before[kind], **after[kind]}):
            old, new = before[kind].get(key), after[kind].get(key)
            if not same(kind, old, new):
                found.append(_difference(kind, key, (old, new), roles))
    return found


def _difference(kind: str, key: Key, rows: tuple[Any, Any], roles: Mapping[str, str]) -> Difference:
    old, new = showing.sides(kind, *rows)
    group = roles.get(key[1], gettext("a role that is gone")) if len(key) > 1 else ""
    return Difference(kind, key[0], label(kind, key[0]), group, old, new)


def same(kind: str, old: Any, new: Any) -> bool:
    """Say whether two rows, or history rows, steer the system alike; None steers as a default."""
    return bool(meaning(kind, old) == meaning(kind, new))


def meaning(kind: str, row: Any) -> Any:
    """Return all that a row says, comparable, with its secrets open where a key opens them."""
    return None if row is None else _MEANINGS[kind](row)


def _of_endpoint(row: Any) -> dict[str, Any]:
    return {name: _opened(row, name) for name in sorted(ENDPOINT_FIELDS)}


def _of_setting(row: Any) -> Any:
    text = _plain(row)
    if not text or row.key in registry.SETTINGS:
        return text or None
    return (text, row.value_type, row.description, row.is_public, row.is_sensitive)


_MEANINGS: Mapping[str, Callable[[Any], Any]] = {
    Change.Kind.SETTING: _of_setting,
    Change.Kind.OVERRIDE: lambda row: row.value,
    Change.Kind.ENDPOINT: _of_endpoint,
    Change.Kind.PROMPT: lambda row: row.text,
}


def _plain(row: Any) -> str:
    if not row.is_sensitive:
        return str(row.value)
    try:
        return crypto.decrypt(row.value, f"config:{row.key}")
    except SecretUnreadable:
        return str(row.value)


def _opened(row: Any, name: str) -> Any:
    try:
        return getattr(row, name)
    except SecretUnreadable:
        return Sealed(row.__dict__[name])


def label(kind: str, target: str) -> str:
    """Return what a target is about, in words."""
    if kind in {Change.Kind.SETTING, Change.Kind.OVERRIDE}:
        setting = registry.SETTINGS.get(target)
        return str(setting.help) if setting else gettext("A key of your own.")
    if kind == Change.Kind.ENDPOINT:
        return gettext("Model endpoint")
    found = PromptTemplate.objects.filter(name=target).values_list("description", flat=True)
    return gettext(found[0]) if found and found[0] else gettext("Prompt")
