"""The page of workers and queues: who is there, what waits, what is being written, what is lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin, messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError

from clawai.celery import app
from clawai.dashboard.page import duration
from configs import processes
from configs.admin.screens import actor_of
from configs.errors import ClawError
from configs.models import Job
from configs.tasks import sweep_jobs
from conversations.models import Message
from conversations.streams import UNREACHABLE
from conversations.tasks import sweep_replies
from knowledge import services
from knowledge.models import Document
from knowledge.tasks import sweep_documents

SEE: Final = "configs.view_runningprocess"
ACT: Final = "configs.change_job"
SHOWN: Final = 50
LATE_SECONDS: Final = 30
QUEUES: Final[Mapping[str, str | Promise]] = {
    "answers": gettext_lazy("Replies"),
    "indexing": gettext_lazy("Documents and jobs"),
}


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of the broker; `nudges` is None while it cannot be asked."""

    name: str
    title: str
    nudges: int | None
    is_served: bool


@require_safe
def page(request: HttpRequest) -> HttpResponseBase:
    """Show the workers, the queues, and what is lost.

    Raises:
        PermissionDenied: this person may not see what runs.
    """
    if not request.user.has_perm(SEE):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": _("Workers and queues"),
        "queues": _queues(),
        "waiting": _waiting(),
        "processes": [row for row in processes.running() if row.name not in ("web", "beat")],
        "may_act": request.user.has_perm(ACT),
        "may_see_people": request.user.has_perm("accounts.view_user"),
        "now": timezone.now(),
    }
    if request.user.has_perm("conversations.view_message"):
        context["replies"] = _replies()
    if request.user.has_perm("knowledge.view_document"):
        context["documents"] = _stuck()
    return TemplateResponse(request, "admin/operations/workers.html", context)


def _queues() -> list[Queue]:
    """Return the queues with the nudges that nobody has taken, and whether a worker is there."""
    try:
        beats = cache.get_many([f"worker:{name}" for name in QUEUES])
    except UNREACHABLE:
        beats = {}
    depths = _depths()
    return [
        Queue(name, str(title), depths.get(name), f"worker:{name}" in beats)
        for name, title in QUEUES.items()
    ]


def _depths() -> dict[str, int]:
    try:
        with app.connection_for_read() as broker:
            channel: Any = broker.default_channel
            return {name: channel._size(name) for name in QUEUES}
    except OperationalError:
        return {}


def _waiting() -> Sequence[Mapping[str, Any]]:
    """Return for each kind of work how much waits, how much is late, and how long the oldest."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT 'replies', count(*) FILTER (WHERE status = 'queued'),
                count(*) FILTER (WHERE status <> 'queued'),
                count(*) FILTER (WHERE lease_expires_at < now() - %(late)s * interval '1 second'),
                extract(epoch FROM now() - min(created_at) FILTER (WHERE status = 'queued'))::float8
            FROM conversations_message WHERE status IN ('queued', 'retrieving', 'generating')
            UNION ALL
            SELECT 'documents', count(*) FILTER (WHERE status = 'queued'),
                count(*) FILTER (WHERE status <> 'queued'),
                count(*) FILTER (WHERE lease_expires_at < now() - %(late)s * interval '1 second'),
                extract(epoch FROM now() - min(updated_at) FILTER (WHERE status = 'queued'))::float8
            FROM knowledge_document WHERE status IN ('queued', 'processing')
            UNION ALL
            SELECT 'jobs', count(*) FILTER (WHERE state = 'queued'),
                count(*) FILTER (WHERE state <> 'queued'),
                count(*) FILTER (WHERE lease_expires_at < now() - %(late)s * interval '1 second'),
                extract(epoch FROM now() - min(created_at) FILTER (WHERE state = 'queued'))::float8
            FROM configs_job WHERE state IN ('queued', 'running')
            """,
            {"late": LATE_SECONDS},
        )
        rows = cursor.fetchall()
    titles = {"replies": _("Replies"), "documents": _("Documents"), "jobs": _("Jobs")}
    return [
        {
            "title": titles[name],
            "waiting": waiting,
            "running": running,
            "lost": lost,
            "oldest": duration(oldest),
        }
        for name, waiting, running, lost, oldest in rows
    ]


def _replies() -> Sequence[Message]:
    """Return the replies that are being written, the longest first; never their words."""
    rows = Message.objects.filter(status__in=Message.CLAIMED).select_related("conversation__owner")
    return list(
        rows.only(
            "id", "status", "attempts", "epoch", "started_at", "lease_expires_at", "created_at",
            "conversation__owner__username", "conversation__owner__display_name",
        ).order_by("started_at", "id")[:SHOWN]
    )  # fmt: skip


def _stuck() -> Sequence[Document]:
    """Return the documents that failed, or whose worker was lost."""
    lost = Document.objects.filter(
        status__in=[Document.Status.QUEUED, Document.Status.PROCESSING], lease_expires_at__lt=Now()
    )
    failed = Document.objects.filter(status=Document.Status.FAILED)
    rows = (lost | failed).select_related("base").order_by(F("updated_at").desc())
    return list(rows[:SHOWN])


@require_POST
def sweep(request: HttpRequest) -> HttpResponseBase:
    """Look for lost work now, as the sweepers do every few seconds.

    Raises:
        PermissionDenied: this person may not steer jobs.
    """
    _require_right_to_act(request)
    before = Job.objects.filter(state__in=Job.OPEN).count()
    for sweeper in (sweep_replies, sweep_documents, sweep_jobs):
        sweeper()
    messages.success(request, _("Looked for lost work; open jobs: %(count)d.") % {"count": before})
    return redirect("operations_workers")


@require_POST
def requeue(request: HttpRequest, pk: Any) -> HttpResponseBase:
    """Put a document into the queue again.

    Raises:
        PermissionDenied: this person may not steer jobs.
    """
    _require_right_to_act(request)
    try:
        document = services.reindex(actor=actor_of(request), document_id=pk)
    except ClawError as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, _("In the queue again: %s") % document)
    return redirect("operations_workers")


def _require_right_to_act(request: HttpRequest) -> None:
    if not request.user.has_perm(ACT):
        raise PermissionDenied
