"""The page of what runs: every process with the release that it runs."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from configs import processes
from configs.admin.base import RecordAdmin
from configs.admin.screens import show
from configs.models import Release, RunningProcess

TAKES_AT_MOST: Final = timedelta(seconds=2)
"""Within this every process has taken up what was published."""
QUIET_AFTER: Final = timedelta(seconds=25)


@dataclass(frozen=True, slots=True)
class Line:
    """A process as the page shows it; `behind` says how many releases it lags."""

    row: RunningProcess
    behind: int
    late: bool
    quiet: bool


def lines(newest: Release | None) -> list[Line]:
    """Return every process that runs, those that lag first."""
    now = timezone.now()
    late = newest is not None and now - newest.created_at > TAKES_AT_MOST
    found = [_line(row, newest.version if newest else 0, late=late) for row in processes.running()]
    return sorted(found, key=lambda line: (not line.late, not line.quiet))


def _line(row: RunningProcess, newest: int, *, late: bool) -> Line:
    behind = max(0, newest - row.config_version)
    quiet = timezone.now() - row.seen_at > QUIET_AFTER
    return Line(row, behind, late and behind > 0, quiet)


@admin.register(RunningProcess)
class RunningProcessAdmin(RecordAdmin):
    """Which process runs which release, since when, and when it was heard of."""

    list_display = ["name", "host", "pid", "config_version", "in_force_at", "seen_at"]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the page; it looks for news by itself.

        Raises:
            PermissionDenied: this person may not see it, or sent a form.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        newest = Release.objects.select_related("author").first()
        found = lines(newest)
        return show(
            self,
            request,
            "admin/configs/runningprocess/list.html",
            title=_("Processes"),
            newest=newest,
            lines=found,
            lagging=sum(line.late for line in found),
            **(extra_context or {}),
        )
