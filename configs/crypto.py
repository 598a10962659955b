"""Encrypt values at rest in envelopes, with keys that live outside the database.

`enc:v2:<key id>:<wrapped>:<token>`: `token` is the value under a data key of its own (Fernet), and
`wrapped` that data key, with a digest of the place where the value stands, under one of
`CLAWAI_FIELD_KEYS` (AES-256-GCM). A change of keys renews `<key id>:<wrapped>` only.
`enc:v1:<token>`, from before, is the value under a field key itself.
"""

import base64
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.translation import gettext

from configs import secrecy
from configs.errors import SecretUnreadable

PREFIX: Final = "enc:"
V1: Final = "enc:v1:"
V2: Final = "enc:v2:"
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
PLACE_BYTES: Final = 16
SHORTEST_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class FieldKey:
    """One of `CLAWAI_FIELD_KEYS`; `id` names it without giving it away."""

    id: str
    fernet: Fernet
    wrapper: AESGCM
    raw: bytes

    @classmethod
    def of(cls, text: str) -> "FieldKey":
        """Return the key that `text`, 32 bytes in URL-safe base64, is."""
        raw = base64.urlsafe_b64decode(text)
        derived = HKDF(SHA256(), 32, salt=None, info=b"clawai field key: wrap").derive(raw)
        name = sha256(b"clawai field key: name" + raw).hexdigest()[:12]
        return cls(name, Fernet(text), AESGCM(derived), raw)

    def wrap(self, content: bytes) -> str:
        """Return a data key and its place as only this key opens them."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self.wrapper.encrypt(nonce, content, None)
        return base64.urlsafe_b64encode(sealed).decode()

    def unwrap(self, wrapped: str) -> bytes:
        """Return what `wrap` was given.

        Raises:
            InvalidTag, ValueError: it was not wrapped so.
        """
        sealed = base64.urlsafe_b64decode(wrapped)
        return self.wrapper.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)


@lru_cache(maxsize=4)
def _ring(keys: tuple[str, ...]) -> tuple[FieldKey, ...]:
    for text in keys:
        secrecy.remember(text)
    return tuple(map(FieldKey.of, keys))


def field_keys() -> tuple[FieldKey, ...]:
    """Return the field keys, the newest first."""
    return _ring(tuple(settings.FIELD_KEYS))


def encrypt(plain: str, place: str = "") -> str:
    """Return `plain` sealed under the newest key for `place`; an empty text stays empty.

    `place` says where the value stands, such as `config:<key>`: moved elsewhere it does not open.
    """
    if not plain:
        return ""
    _remember(plain)
    data_key = Fernet.generate_key()
    token = Fernet(data_key).encrypt(plain.encode()).decode()
    return _sealed(base64.urlsafe_b64decode(data_key) + _digest(place), token)


def decrypt(stored: str, place: str = "") -> str:
    """Return the plain text of what `encrypt` made with any of the keys.

    `place` is where the value was found; empty for one that is only shown in dots.

    Raises:
        SecretUnreadable: no key in `CLAWAI_FIELD_KEYS` opens the value, or it belongs elsewhere.
    """
    if not stored:
        return ""
    content, token = _opened(stored)
    bound = content[KEY_BYTES:]
    if place and any(bound) and bound != _digest(place):
        raise SecretUnreadable(gettext("A stored secret stands where it does not belong."))
    plain = _read(content, token)
    _remember(plain)
    return plain


def rewrap(stored: str, place: str = "") -> str:
    """Return a stored value as the newest key seals it; its last part, the token, stays.

    `place` binds a value that is bound to none yet.

    Raises:
        SecretUnreadable: as in `decrypt`.
    """
    content, token = _opened(stored)
    _read(content, token)
    bound = content[KEY_BYTES:]
    return _sealed(content[:KEY_BYTES] + (bound if any(bound) else _digest(place)), token)


def is_newest(stored: str) -> bool:
    """Say whether the newest key sealed the value, in the format of today."""
    return stored.startswith(f"{V2}{field_keys()[0].id}:")


def key_id(stored: str) -> str:
    """Return the id of the key that sealed the value; empty for `enc:v1:`, which does not say."""
    return stored.split(":")[2] if stored.startswith(V2) else ""


def is_sealed(text: str) -> bool:
    """Say whether the text is what `encrypt` returns."""
    return text.startswith((V1, V2))


def mask(plain: str) -> str:
    """Return `••••` and the last four characters, or only dots where the text is too short."""
    if not plain:
        return ""
    return secrecy.HIDDEN + (plain[-4:] if len(plain) >= SHORTEST_SHOWN else "")


def masked(stored: str, place: str = "") -> str:
    """Return what may be seen of a stored text or JSON text; dots where no key opens it."""
    try:
        plain = decrypt(stored, place)
    except SecretUnreadable:
        return secrecy.HIDDEN
    try:
        return mask(str(json.loads(plain))) if plain else ""
    except ValueError:
        return mask(plain)


def _remember(plain: str) -> None:
    """Keep a secret out of the logs: a JSON text by the text that it holds."""
    secrecy.remember(plain.strip('"'))


def _digest(place: str) -> bytes:
    """Return the 16 bytes that bind to a place; zeros for none."""
    return sha256(place.encode()).digest()[:PLACE_BYTES] if place else bytes(PLACE_BYTES)


def _sealed(content: bytes, token: str) -> str:
    newest = field_keys()[0]
    return f"{V2}{newest.id}:{newest.wrap(content)}:{token}"


def _opened(stored: str) -> tuple[bytes, str]:
    """Return a value's data key and place, and its token; `enc:v1:` has the field key and none."""
    if not stored.startswith(V2):
        token = stored.removeprefix(V1)
        return _of_v1(token) + bytes(PLACE_BYTES), token
    try:
        name, wrapped, token = stored.removeprefix(V2).split(":")
    except ValueError:
        raise SecretUnreadable from None
    key = next((each for each in field_keys() if each.id == name), None)
    if key is None:
        raise SecretUnreadable(_key_is_gone(name))
    try:
        return key.unwrap(wrapped), token
    except (InvalidTag, ValueError):
        raise SecretUnreadable from None


def _of_v1(token: str) -> bytes:
    for key in field_keys():
        try:
            key.fernet.decrypt(token)
        except InvalidToken:
            continue
        return key.raw
    raise SecretUnreadable


def _read(content: bytes, token: str) -> str:
    try:
        return Fernet(base64.urlsafe_b64encode(content[:KEY_BYTES])).decrypt(token).decode()
    except (InvalidToken, ValueError):
        raise SecretUnreadable from None


def _key_is_gone(name: str) -> str:
    return gettext(
        "A stored secret was sealed with the key %(name)s, which is not among CLAWAI_FIELD_KEYS: "
        "put that key back at the end of the list, or set the secret anew."
    ) % {"name": name}
