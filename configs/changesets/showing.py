"""How what is drafted, and what was, is shown: readable, and secrets as dots."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext

from configs import crypto, registry
from configs.changesets.endpoints import ENDPOINT_FIELDS, SECRET, foresee
from configs.changesets.values import FreeKey, Wanted
from configs.errors import SecretUnreadable
from configs.models import Change, ModelEndpoint
from configs.secrecy import HIDDEN


def value(each: Any, *, indented: bool = False) -> str:
    """Return a value as a person reads it: words for yes and no, a line an entry of a list."""
    if isinstance(each, bool):
        return gettext("on") if each else gettext("off")
    if each is None or isinstance(each, str):
        return "" if each is None else each or gettext("(empty)")
    if isinstance(each, list | tuple) and all(isinstance(part, str) for part in each):
        return "\n".join(each) or gettext("(empty)")
    if isinstance(each, Decimal):
        return format(each.normalize(), "f")
    return json.dumps(each, ensure_ascii=False, sort_keys=True, indent=2 if indented else None)


def secret(plain: Any) -> str:
    """Return of a secret what may be seen: dots and the last four characters."""
    return crypto.mask(plain if isinstance(plain, str) else json.dumps(plain)) if plain else ""


def row(kind: str, found: Any) -> str:
    """Return what a row, or a history row, says; nothing where there is none."""
    if found is None:
        return ""
    if kind == Change.Kind.PROMPT:
        return str(found.text)
    if kind == Change.Kind.ENDPOINT:
        return _lines(endpoint(found))
    if getattr(found, "is_sensitive", False):
        return crypto.masked(found.value, f"config:{found.key}")
    return setting_text(found.key, json.loads(found.value) if found.value else None)


def default_of(key: str | None) -> str:
    """Return what a setting is where nothing is stored: its default, of a free key nothing."""
    setting = registry.SETTINGS.get(key or "")
    return "" if setting is None or setting.sensitive else value(setting.default)


def setting_text(key: str, plain: Any) -> str:
    """Return the value of a setting, or its default where nothing is stored."""
    setting = registry.SETTINGS.get(key)
    if plain is None:
        return default_of(key)
    return value(plain, indented=setting is None or setting.json)


def free_key(wanted: FreeKey) -> str:
    """Return what a free key becomes."""
    return secret(wanted.value) if wanted.is_sensitive else value(wanted.value, indented=True)


def endpoint(found: Any) -> dict[str, str]:
    """Return each field of an endpoint in words by its name, the key as dots."""
    lines = {}
    for field in ModelEndpoint._meta.concrete_fields:
        if field.name in ENDPOINT_FIELDS:
            lines[str(field.verbose_name)] = _field(field, found)
    return lines


def _field(field: Any, found: Any) -> str:
    try:
        plain = getattr(found, field.name)
    except SecretUnreadable:
        return HIDDEN
    if field.name == SECRET:
        return crypto.mask(plain)
    if field.choices:
        return str(dict(field.flatchoices).get(plain, plain))
    return value(plain)


def sides(kind: str, before: Any, after: Any) -> tuple[str, str]:
    """Return two rows, or history rows, as they may be seen; of endpoints what differs."""
    if kind != Change.Kind.ENDPOINT:
        return _side(kind, before, after), _side(kind, after, before)
    return differing(endpoint(before) if before else {}, endpoint(after) if after else {})


def _side(kind: str, this: Any, other: Any) -> str:
    if this is None and kind == Change.Kind.SETTING:
        return default_of(other.key if other else None)
    return row(kind, this)


def differing(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, str]:
    """Return those fields as lines that are not the same on both sides."""
    names = [name for name in {**old, **new} if old.get(name, "") != new.get(name, "")]
    return _lines(old, names), _lines(new, names)


def _lines(values: Mapping[str, str], names: Iterable[str] | None = None) -> str:
    wanted = values if names is None else [name for name in names if name in values]
    return "\n".join(f"{name}: {values[name]}" for name in wanted)


def drafted(kind: str, wanted: Wanted, found: Any) -> tuple[str, str]:
    """Return what a row says now and what it is to say; `found` may be written to."""
    if kind == Change.Kind.ENDPOINT:
        return _drafted_endpoint(wanted, found)
    old = row(kind, found) if found else default_of(wanted.target)
    if kind == Change.Kind.OVERRIDE and found is None:
        old = ""
    return old, _new(kind, wanted)


def _new(kind: str, wanted: Wanted) -> str:
    if wanted.action in (Change.Action.DELETE, Change.Action.RESET):
        kept = kind == Change.Kind.SETTING and wanted.action == Change.Action.RESET
        return default_of(wanted.target) if kept else ""
    if isinstance(wanted.value, FreeKey):
        return free_key(wanted.value)
    setting = registry.SETTINGS.get(wanted.target)
    if kind == Change.Kind.SETTING and setting is not None and setting.sensitive:
        return secret(wanted.value)
    if kind == Change.Kind.PROMPT:
        return str(wanted.value)
    return setting_text(wanted.target, wanted.value)


def _drafted_endpoint(wanted: Wanted, found: ModelEndpoint | None) -> tuple[str, str]:
    old = endpoint(found) if found else {}
    if wanted.action == Change.Action.DELETE:
        return _lines(old), ""
    fresh = found or ModelEndpoint()
    foresee(fresh, wanted.value)
    before, after = differing(old, endpoint(fresh))
    if SECRET in wanted.value and before == after == "":
        return HIDDEN, HIDDEN
    return before, after
