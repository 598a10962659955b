"""What the rooms tell each other about drafted changes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth.models import Group
from django.core.serializers.json import DjangoJSONEncoder

from configs import crypto
from configs.models import Change

STALE: Final = "stale"
LOCKED: Final = "locked"
INVALID: Final = "invalid"
RULE: Final = "rule"
ENDPOINT: Final = "endpoint"
UNANSWERED: Final = "unanswered"
EDITED: Final = "edited"


@dataclass(frozen=True, slots=True)
class FreeKey:
    """A key of an operator's own: what it holds, and how it is treated."""

    value_type: str
    value: Any = field(repr=False)
    description: str = ""
    is_public: bool = False
    is_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """What one row was and what it becomes, ready to show; secrets are dots.

    `group` is a role's name for an exception, else empty. `stale` says that somebody changed the
    row since the change was drafted.
    """

    kind: str
    target: str
    label: str
    group: str
    old: str
    new: str
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a change set cannot be published as it is; `code` is one of the names above."""

    code: str
    kind: str
    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become of one row; `value` is the plain Python value."""

    target: str
    action: str
    value: Any = field(default=None, repr=False)
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The value of a drafted change as it is kept: JSON text, and whether it is a secret."""

    text: str = field(default="", repr=False)
    sensitive: bool = False


def is_storable(text: str) -> bool:
    """Say whether PostgreSQL can keep the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def to_text(value: Any) -> str:
    """Return a checked value as JSON text."""
    return json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder)


def place_of(change: Change) -> str:
    """Return what binds a drafted secret to its change set and target."""
    return f"change:{change.change_set_id}:{change.kind}:{change.target}"


def keep(change: Change, content: Content) -> None:
    """Put the content into a change that is not saved yet, sealed where it is a secret."""
    change.is_sensitive = content.sensitive
    change.value = (
        crypto.encrypt(content.text, place_of(change)) if content.sensitive else content.text
    )


def plain_text(change: Change) -> str:
    """Return the JSON text of a drafted change.

    Raises:
        SecretUnreadable: it is sensitive and no key opens it.
    """
    if not change.is_sensitive:
        return change.value
    return crypto.decrypt(change.value, place_of(change))


def wanted_by(change: Change) -> Wanted:
    """Return what a stored change wants, with its plain value.

    Raises:
        SecretUnreadable: as in `plain_text`.
    """
    text = plain_text(change)
    value = json.loads(text) if text else None
    if change.kind == Change.Kind.SETTING and isinstance(value, Mapping) and FREE_MARK in value:
        value = FreeKey(**{name: each for name, each in value.items() if name != FREE_MARK})
    return Wanted(change.target, change.action, value, change.group)


FREE_MARK: Final = "free_key"
"""Tells a stored free key from a setting whose value is an object."""
