"""Encrypt values at rest with keys that live outside the database."""

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from configs.errors import SecretUnreadable

PREFIX = "enc:v1:"


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str) -> str:
    """Return `plain` as `enc:v1:<token>` under the newest key; an empty text stays empty."""
    if not plain:
        return ""
    return PREFIX + _box(tuple(settings.FIELD_KEYS)).encrypt(plain.encode()).decode()


def decrypt(stored: str) -> str:
    """Return the plain text of what `encrypt` made with any of the keys.

    Raises:
        SecretUnreadable: no key in `CLAWAI_FIELD_KEYS` opens the value.
    """
    if not stored:
        return ""
    try:
        return _box(tuple(settings.FIELD_KEYS)).decrypt(stored.removeprefix(PREFIX)).decode()
    except InvalidToken as error:
        raise SecretUnreadable from error


def mask(plain: str) -> str:
    """Return `••••` and the last four characters, or only dots where the text is too short."""
    if not plain:
        return ""
    return "••••" + (plain[-4:] if len(plain) >= 12 else "")  # noqa: PLR2004
