"""What of an entry is sealed, and with what: a digest that only a holder of the keys can make."""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

CONTENT: Final = (
    "at",
    "actor_id",
    "actor_name",
    "action",
    "object_type",
    "object_id",
    "object_name",
    "old",
    "new",
    "reason",
    "detail",
    "request_id",
    "ip",
    "door",
    "key_id",
    "follows",
)
"""The columns that the digest covers."""

_write = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str
).encode


def newest_key() -> str:
    """Return the id of the key that seals today."""
    return next(iter(_keys(tuple(settings.FIELD_KEYS))))


def known_keys() -> Mapping[str, bytes]:
    """Return the sealing keys by their ids, the newest first."""
    return _keys(tuple(settings.FIELD_KEYS))


@lru_cache(maxsize=4)
def _keys(texts: tuple[str, ...]) -> Mapping[str, bytes]:
    return MappingProxyType(dict(map(_key, texts)))


def _key(text: str) -> tuple[str, bytes]:
    raw = base64.urlsafe_b64decode(text)
    derived = HKDF(SHA256(), 32, salt=None, info=b"clawai audit log: digest").derive(raw)
    return sha256(b"clawai audit log: name" + derived).hexdigest()[:12], derived


def digest(content: Mapping[str, Any], seal_before: str, key: bytes) -> str:
    """Return the HMAC-SHA256 of the columns in `CONTENT` and of the seal of `follows`.

    That seal is not stored in the entry: who writes the chain anew, with entries left out, gets
    other seals, and every later digest shows it.
    """
    values = [content[name] for name in CONTENT]
    values[0] = _time(values[0])
    return hmac.new(key, _write([values, seal_before]).encode(), sha256).hexdigest()


def seal(before: str, position: int, entry_id: int, digest: str) -> str:
    """Return the chain's seal at `position`, as the trigger makes it."""
    return sha256(f"{before}:{position}:{entry_id}:{digest}".encode()).hexdigest()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
