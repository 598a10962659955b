"""The page of long work: what runs, how far it is, and a way to stop it."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs import jobs
from configs.admin.base import RecordAdmin
from configs.admin.screens import actor_of, address, deed, show
from configs.models import Job

SHOWN: Final = 100
TONES: Final = {
    Job.State.QUEUED: "",
    Job.State.RUNNING: "is-info",
    Job.State.DONE: "is-good",
    Job.State.FAILED: "is-bad",
    Job.State.CANCELLED: "is-warn",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A job as the page shows it, in the reader's language."""

    row: Job
    state: str
    label: str
    tone: str
    percent: int | None
    message: str
    is_open: bool
    may_cancel: bool

    def to_json(self) -> dict[str, Any]:
        """Return what changes while one looks at it."""
        return {
            "id": str(self.row.pk),
            "state": self.state,
            "label": self.label,
            "tone": self.tone,
            "percent": self.percent,
            "done": self.row.done,
            "total": self.row.total,
            "message": self.message,
            "open": self.is_open,
            "cancellable": self.may_cancel,
        }


def line(job: Job, user: Any) -> Line:
    """Return a job as `user` may see it."""
    # What waits for others goes through the queue now and then; to people it has begun.
    begun = job.state == Job.State.QUEUED and bool(job.total)
    state = Job.State.RUNNING if begun else Job.State(job.state)
    stopping = job.state in Job.OPEN and job.cancel_requested_at is not None
    return Line(
        row=job,
        state=state.value,
        label=gettext("stopping") if stopping else str(state.label),
        tone="is-warn" if stopping else TONES[state],
        percent=_percent(job),
        message=gettext(job.message) if job.message else "",
        is_open=job.state in Job.OPEN,
        may_cancel=not stopping and jobs.may_cancel(user, job),
    )


def _percent(job: Job) -> int | None:
    if job.state == Job.State.DONE:
        return 100
    return min(100, job.done * 100 // job.total) if job.total else None


@admin.register(Job)
class JobAdmin(RecordAdmin):
    """Long work; everybody in the admin sees their own, some see all."""

    list_display = ["title", "kind", "state", "owner", "created_at"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the person is in the admin at all."""
        return bool(request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person sees the page, or this job."""
        if obj is None:
            return bool(request.user.is_staff)
        return jobs.visible_to(request.user).filter(pk=obj.pk).exists()

    def get_urls(self) -> list[URLPattern]:
        """Add the state that the page asks for, and the cancelling."""
        return [
            address(self, "state/", self.state_view, "state"),
            address(self, "<uuid:pk>/cancel/", self.cancel_view, "cancel"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the newest jobs; a small script moves their bars.

        Raises:
            PermissionDenied: this person may not see them, or sent a form.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        rows = jobs.visible_to(request.user)[:SHOWN]
        lines = [line(job, request.user) for job in rows]
        return show(
            self,
            request,
            "admin/configs/job/list.html",
            title=_("Jobs"),
            lines=sorted(lines, key=lambda each: not each.is_open),
            **(extra_context or {}),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, *_args: Any, **_kwargs: Any
    ) -> HttpResponseBase:
        """Lead to the job in the list."""
        return redirect(f"../../#job-{object_id}")

    def state_view(self, request: HttpRequest) -> HttpResponseBase:
        """Answer how far the jobs are that the page names, as JSON.

        Raises:
            Http404: an id is none.
        """
        try:
            wanted = [UUID(each) for each in request.GET.getlist("id")[:SHOWN]]
        except ValueError as malformed:
            raise Http404 from malformed
        rows = jobs.visible_to(request.user).filter(pk__in=wanted)
        return JsonResponse({"jobs": [line(job, request.user).to_json() for job in rows]})

    @deed
    def cancel_view(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        """Stop a job.

        Raises:
            Http404: there is none that this person may see.
        """
        job = jobs.visible_to(request.user).filter(pk=pk).first()
        if job is None:
            raise Http404
        jobs.cancel(job=job, actor=actor_of(request))
        messages.success(request, gettext("The job stops: %s") % job.title)
        return redirect("admin:configs_job_changelist")
