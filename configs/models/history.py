"""History rows as the steering rows keep them: with the release, the request and the address."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from configs import origin

_release: ContextVar[int | None] = ContextVar("release", default=None)


@contextmanager
def published_as(version: int) -> Iterator[None]:
    """Let the history rows that are written inside say that they belong to this release."""
    token = _release.set(version)
    try:
        yield
    finally:
        _release.reset(token)


class Kept(models.Model):
    """A row that is saved and deleted together with its history row, or not at all."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row and its history row in one transaction."""
        with transaction.atomic():
            super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the row in one transaction with the history row that says so."""
        with transaction.atomic():
            return super().delete(*args, **kwargs)


class Origin(models.Model):
    """What a history row says about where the change came from."""

    release_version = models.PositiveBigIntegerField(
        _("release"), null=True, blank=True, db_index=True
    )
    request_id = models.CharField(_("request"), max_length=64, blank=True, default="")
    ip = models.GenericIPAddressField(_("address"), null=True, blank=True)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Note where the work at hand comes from, when the row is written."""
        if self._state.adding:
            here = origin.current()
            self.request_id, self.ip = here.request_id, here.ip
            self.release_version = _release.get()
        super().save(*args, **kwargs)


def _person(row: Any) -> Any:
    return get_user_model().objects.filter(pk=row.history_user_id).first()


class KeptHistory(HistoricalRecords):  # type: ignore[misc]
    """History whose rows nobody changes: the author is an id that outlives the person's row."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("verbose_name_plural", kwargs.get("verbose_name"))
        super().__init__(
            bases=[Origin],
            history_change_reason_field=models.TextField(null=True),
            history_user_id_field=models.UUIDField(null=True, blank=True),
            history_user_getter=_person,
            **kwargs,
        )

    def post_delete(self, instance: Any, using: Any = None, **kwargs: Any) -> None:
        """Count the end of a row as a version of its own, also where its role took it along."""
        instance.version += 1
        super().post_delete(instance, using=using, **kwargs)

    def get_change_reason_for_object(
        self, instance: Any, history_type: str, using: Any
    ) -> str | None:
        """Return the reason as the service left it on the row."""
        return getattr(instance, "_change_reason", None)
