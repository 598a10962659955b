"""History rows as the steering rows keep them: with the release, the request and the address."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from configs import origin


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
        super().save(*args, **kwargs)


def _person(row: Any) -> Any:
    return get_user_model().objects.filter(pk=row.history_user_id).first()


class KeptHistory(HistoricalRecords):  # type: ignore[misc]
    """History whose rows nobody changes: the author is an id that outlives the person's row."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            bases=[Origin],
            history_change_reason_field=models.TextField(null=True),
            history_user_id_field=models.UUIDField(null=True, blank=True),
            history_user_getter=_person,
            **kwargs,
        )

    def get_change_reason_for_object(
        self, instance: Any, history_type: str, using: Any
    ) -> str | None:
        """Return the reason as the service left it on the row."""
        return getattr(instance, "_change_reason", None)
