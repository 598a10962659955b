"""Write entries of the audit log, in a form that reads back from the database unchanged."""

import ipaddress
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.utils import timezone

from configs import origin, secrecy
from configs.audit import sealing
from configs.models import AuditEntry, AuditHead

if TYPE_CHECKING:
    from accounts.models import User

UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL keeps in no text."""
LONGEST_TEXT: Final = 100_000
LONGEST: Final = {
    field.name: field.max_length
    for field in AuditEntry._meta.concrete_fields
    if isinstance(field, models.CharField)
}
_recorded_for: ContextVar[origin.Origin | None] = ContextVar("recorded_for", default=None)
LARGEST_NUMBER: Final = 10**300


def record(  # noqa: PLR0913  # an entry has this many sides
    *,
    action: str,
    actor: "User | AnonymousUser | None" = None,
    object_type: str = "",
    object_id: object = "",
    object_name: str = "",
    old: Any = None,
    new: Any = None,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write down an act in the caller's transaction, with the origin of the work at hand.

    `old`, `new` and `detail` are JSON values; what looks like a secret becomes dots. The caller
    masks what it knows to be one.
    """
    here = origin.current()
    entry = AuditEntry(
        at=timezone.now(),
        actor_id=getattr(actor, "pk", None),
        actor_name=_text(actor.get_username() if actor else "", "actor_name"),
        action=_text(action, "action"),
        object_type=_text(object_type, "object_type"),
        object_id=_text(str(object_id), "object_id"),
        object_name=_text(object_name, "object_name"),
        old=_plain(old),
        new=_plain(new),
        reason=_clean(reason),
        detail=_plain(dict(detail or {})),
        request_id=_text("" if here.request_id == "-" else here.request_id, "request_id"),
        ip=_address(here.ip),
        door=_text(here.door, "door"),
        key_id=sealing.newest_key(),
    )
    end = AuditHead.objects.filter(pk=1).values_list("position", "seal").first()
    entry.follows, seal_before = end or (0, "")
    key = sealing.known_keys()[entry.key_id]
    entry.digest = sealing.digest(entry.__dict__, seal_before, key)
    entry.save(force_insert=True)
    _recorded_for.set(here)


def recorded_here() -> bool:
    """Say whether the request at hand, or other work of one origin, has recorded an act."""
    return _recorded_for.get() is origin.current()


def _text(text: str, column: str) -> str:
    return _clean(text)[: LONGEST[column]]


def _clean(text: str) -> str:
    return secrecy.redact(UNSTORABLE.sub("\ufffd", str(text)))[:LONGEST_TEXT]


def _plain(value: Any) -> Any:
    """Return a JSON value as `jsonb` gives it back: its numbers have one way to be written."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        return {_clean(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return _clean(str(value))


def _number(value: Any) -> Any:
    if abs(value) < LARGEST_NUMBER:
        return int(value) if int(value) == value else value
    return str(value) if isinstance(value, float) else hex(value)


def _address(text: str | None) -> str | None:
    try:
        return str(ipaddress.ip_address(text)) if text else None
    except ValueError:
        return None
