"""Warn, wherever the database is checked, of stored secrets whose key is gone."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import ProgrammingError, transaction
from django.utils.translation import gettext

from configs import rotation


@register(Tags.database)
def secrets_open(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Return a warning for each field key that sealed stored secrets and is not configured."""
    if "default" not in (databases or ()):
        return []
    try:
        with transaction.atomic():
            missing = rotation.missing_keys()
    except ProgrammingError:  # before the first migration
        return []
    return [_warning(key, count) for key, count in sorted(missing.items())]


def _warning(key: str, count: int) -> CheckMessage:
    said = gettext("%(count)d stored secrets cannot be read: the field key %(key)s is gone.")
    hint = gettext(
        "Put that key back at the end of CLAWAI_FIELD_KEYS and run `manage.py configs "
        "rotate-keys`, or set those secrets anew."
    )
    return Warning(said % {"count": count, "key": key}, hint=hint, id="configs.W001")
