"""Seal secrets that leave the house under a passphrase that travels another way."""

import base64
import json
import os
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from django.utils.translation import gettext

from configs import secrecy
from configs.errors import Invalid

SHORTEST: Final = 12
SALT_BYTES: Final = 16


class Passphrase:
    """A key that scrypt (n = 32,768, r = 8, p = 1) makes of a passphrase and a salt."""

    def __init__(self, text: str, salt: str = "") -> None:
        if len(text) < SHORTEST:
            raise _refused(
                gettext("A passphrase needs at least %(count)d characters.") % {"count": SHORTEST}
            )
        secrecy.remember(text)
        raw = _salt(salt) if salt else os.urandom(SALT_BYTES)
        self.salt = base64.urlsafe_b64encode(raw).decode()
        key = Scrypt(salt=raw, length=32, n=2**15, r=8, p=1).derive(text.encode())
        self._box = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, plain: str, place: str) -> str:
        """Return `plain` as only this passphrase opens it, and only at `place`."""
        return self._box.encrypt(json.dumps([place, plain]).encode()).decode()

    def open(self, sealed: str, place: str) -> str:
        """Return what `seal` was given.

        Raises:
            Invalid: the passphrase is another one, or the text was altered or moved.
        """
        try:
            found, plain = json.loads(self._box.decrypt(sealed))
        except (InvalidToken, ValueError, TypeError):
            found, plain = None, ""
        if found != place:
            raise _refused(gettext("The passphrase does not open the secrets of this file."))
        secrecy.remember(plain)
        return str(plain)


def _salt(text: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(text)
    except ValueError:
        raw = b""
    if len(raw) != SALT_BYTES:
        raise _refused(gettext("The passphrase does not open the secrets of this file."))
    return raw


def _refused(complaint: str) -> Invalid:
    return Invalid(complaint, errors={"passphrase": [complaint]})
