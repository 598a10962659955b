"""Model fields that keep their content encrypted."""

from typing import Any

from django.db import models

from configs import crypto


class EncryptedTextField(models.TextField[str, str]):
    """A text that is plain in Python and `enc:v1:…` in the database and in history rows."""

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way into the database; what is encrypted already stays."""
        if isinstance(value, str) and value and not value.startswith(crypto.PREFIX):
            return crypto.encrypt(value)
        return value

    def from_db_value(self, value: Any, *_args: Any) -> Any:
        """Decrypt on the way out."""
        return crypto.decrypt(value) if isinstance(value, str) and value else value
