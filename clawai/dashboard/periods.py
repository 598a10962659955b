"""The spans of time that the dashboard shows, cut into hours or days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Period:
    """A span that ends now, in `count` slots of a `unit` that PostgreSQL truncates to."""

    key: str
    label: str | Promise
    unit: str
    count: int

    def slots(self) -> Sequence[datetime]:
        """Return the beginnings of the slots in local time, the oldest first."""
        now = timezone.localtime().replace(minute=0, second=0, microsecond=0)
        newest = now if self.unit == "hour" else now.replace(hour=0)
        step = timedelta(hours=1) if self.unit == "hour" else timedelta(days=1)
        return [newest - step * back for back in reversed(range(self.count))]


PERIODS: Final = (
    Period("24h", _("24 hours"), "hour", 24),
    Period("7d", _("7 days"), "day", 7),
    Period("30d", _("30 days"), "day", 30),
)


def chosen(key: str | None) -> Period:
    """Return the period of that key; the week where there is none."""
    return next((period for period in PERIODS if period.key == key), PERIODS[1])
