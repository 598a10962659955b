"""How values of steering rows are shown: whole, readable, and secrets as dots."""

import json
from typing import Any, Final

from django.utils.text import Truncator
from django.utils.translation import gettext

from configs import crypto, registry
from configs.errors import SecretUnreadable
from configs.models import ModelEndpoint
from configs.registry import AnySetting

NOTHING: Final = "–"
DOTS: Final = "••••"
BRIEF: Final = 120
UNSHOWN_FIELDS: Final = frozenset({"id", "version", "updated_at", "updated_by"})


def whole(setting: AnySetting | None, value: Any) -> str:
    """Return a value as a person reads it: words for yes and no, a line an entry of a list."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return gettext("on") if value else gettext("off")
    if isinstance(value, str):
        return value or gettext("(empty)")
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return "\n".join(value) or gettext("(empty)")
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, indent=2 if setting and setting.json else None
    )


def brief(setting: AnySetting | None, value: Any) -> str:
    """Return a value as a list shows it."""
    return Truncator(whole(setting, value)).chars(BRIEF)


def key_of(row: Any) -> str:
    """Return of an endpoint's key, or of a past one's, the last four characters."""
    try:
        return crypto.mask(row.api_key)
    except SecretUnreadable:
        return DOTS


def stored(key: str, text: str, *, sensitive: bool) -> str:
    """Return the stored text of a setting as it may be seen; an empty one is the default."""
    setting = registry.SETTINGS.get(key)
    if sensitive or (setting is not None and setting.sensitive):
        return crypto.masked(text) if text else ""
    if not text:
        return whole(setting, setting.default) if setting else ""
    try:
        return whole(setting, json.loads(text))
    except ValueError:
        return text


def endpoint_lines(row: Any) -> dict[str, str]:
    """Return each field of an endpoint (or of a past one) by its name, the key as dots."""
    lines = {}
    for field in ModelEndpoint._meta.concrete_fields:
        if field.name in UNSHOWN_FIELDS:
            continue
        value = (key_of(row) or None) if field.name == "api_key" else getattr(row, field.name)
        if field.choices:
            value = str(dict(field.flatchoices).get(value, value))
        elif not isinstance(value, bool | str | dict | int):
            value = format(value.normalize(), "f") if value is not None else None
        lines[str(field.verbose_name)] = whole(None, value)
    return lines
