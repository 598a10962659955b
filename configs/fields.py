"""Model fields that keep their content encrypted."""

from typing import Any

from django.db import models

from configs import crypto


class Sealed(str):
    """A text as the database holds it: no `str` that a person typed is taken for one."""

    __slots__ = ()


class _Opening:
    """Opens a sealed value when it is asked for: until then the row holds no plain secret."""

    def __init__(self, field: "EncryptedTextField") -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type | None = None) -> Any:
        """Return the plain text.

        Raises:
            SecretUnreadable: no key opens it in this row.
        """
        if instance is None:
            return self
        name = self.field.attname
        if name not in instance.__dict__:
            instance.refresh_from_db(fields=[name])
        value = instance.__dict__[name]
        if isinstance(value, Sealed):
            return crypto.decrypt(value, self.field.place_of(instance))
        return value

    def __set__(self, instance: models.Model, value: Any) -> None:
        """Keep what is set: plain, or sealed as it came from the database."""
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField[str, str]):
    """A text that is plain in Python and sealed in the database, in history rows, in fixtures.

    It is bound to its field and to the row's `id`, a UUID that the row's history has too.
    `values()` and `values_list()` return it sealed.
    """

    def place_of(self, instance: Any) -> str:
        """Return where the value of this row stands."""
        return f"{self.name}:{instance.id}"

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Put the opening attribute on the model."""
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _Opening(self))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Seal what is plain; what was sealed and not touched is saved as it is."""
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, Sealed) or not isinstance(value, str) or not value:
            return value
        return Sealed(crypto.encrypt(value, self.place_of(model_instance)))

    def get_prep_value(self, value: Any) -> Any:
        """Refuse to write plain text past the row that binds it, as `update()` would."""
        if isinstance(value, str) and value and not isinstance(value, Sealed):
            raise TypeError("Set a secret on a row and save it; update() cannot seal it.")
        return value if value is None else str(super().get_prep_value(value))

    def from_db_value(self, value: Any, *_args: Any) -> Any:
        """Mark what comes from the database as sealed."""
        return Sealed(value) if isinstance(value, str) and value else value

    def value_to_string(self, obj: models.Model) -> str:
        """Return what a serializer writes: the sealed text."""
        return str(self.pre_save(obj, add=False) or "")
