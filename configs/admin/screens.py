"""Pages and deeds of the steering screens that Django's admin does not have by itself."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, cast
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.admin.options import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import url_has_allowed_host_and_scheme

from configs import stepup
from configs.errors import ClawError, Invalid
from configs.models import Change, ChangeSet
from configs.stepup import ConfirmationNeeded

if TYPE_CHECKING:
    from accounts.models import User

P = ParamSpec("P")

DIGITS = 18
"""So many fit into any of our columns."""
PUBLISH = "configs.publish_changeset"
APPROVE = "configs.approve_changeset"
RIGHT_FOR = {
    Change.Kind.SETTING: "configs.change_config",
    Change.Kind.OVERRIDE: "configs.change_config",
    Change.Kind.ENDPOINT: "configs.change_modelendpoint",
    Change.Kind.PROMPT: "configs.change_prompttemplate",
}
"""What a person needs to draft a change of that kind."""


def show(
    admin: ModelAdmin[Any], request: HttpRequest, template: str, **context: Any
) -> TemplateResponse:
    """Return a page of the admin, with what its frame needs."""
    frame = admin.admin_site.each_context(request)
    here = {"opts": admin.opts, **bar(request)}
    return TemplateResponse(request, template, {**frame, **here, **context})


def drafts_of(person: Any) -> Sequence[ChangeSet]:
    """Return a person's drafts with their `count` of changes, the last one touched first."""
    rows = ChangeSet.objects.filter(author=person, state=ChangeSet.State.DRAFT)
    return list(rows.annotate(count=Count("changes")).order_by("-updated_at", "-created_at"))


def bar(request: HttpRequest) -> dict[str, Any]:
    """Return what the bar shows: the reader's open drafts, and what waits for their approval."""
    mine = drafts_of(request.user) if request.user.has_perm(PUBLISH) else ()
    waiting = ChangeSet.objects.filter(state=ChangeSet.State.IN_REVIEW).exclude(
        author_id=request.user.pk
    )
    may_approve = request.user.has_perm(APPROVE)
    return {
        "drafts": mine,
        "more": max(0, len(mine) - 1),
        "waiting": waiting.count() if may_approve else 0,
    }


def address(admin: ModelAdmin[Any], route: str, view: Callable[..., Any], name: str) -> URLPattern:
    """Return an address below the admin's own, named `admin:<app>_<model>_<name>`."""
    full = f"{admin.opts.app_label}_{admin.opts.model_name}_{name}"
    return path(route, admin.admin_site.admin_view(view), name=full)


def require(request: HttpRequest, *rights: str) -> None:
    """Refuse a person without all of the rights.

    Raises:
        PermissionDenied: one is missing.
    """
    if not request.user.has_perms(rights):
        raise PermissionDenied


def deed(
    view: Callable[P, HttpResponseBase],
) -> Callable[P, HttpResponseBase]:
    """Let a method of an admin answer POSTs only; what a service refuses is said, not raised."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        request: Any = args[1]
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            return view(*args, **kwargs)
        except ConfirmationNeeded as refusal:
            messages.warning(request, refusal.detail)
            return redirect(stepup.address(request))
        except ClawError as refusal:
            messages.error(request, " ".join(complaints(refusal)))
            return redirect(came_from(request))

    return guarded


def complaints(refusal: ClawError) -> list[str]:
    """Return what a refusal says, in sentences for people."""
    if isinstance(refusal, Invalid) and refusal.errors:
        return [text for each in refusal.errors.values() for text in each]
    return [refusal.detail]


def came_from(request: HttpRequest) -> str:
    """Return the page of ours that a form was sent from, or the admin's first page."""
    parts = urlsplit(request.headers.get("Referer", ""))
    ours = url_has_allowed_host_and_scheme(
        parts.geturl(), {request.get_host()}, require_https=request.is_secure()
    )
    back = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return back if ours and back.startswith("/") else "/admin/"


def actor_of(request: HttpRequest) -> "User":
    """Return who is at the screen; the admin lets nobody in who has not signed in."""
    return cast("User", request.user)


def whole_number(text: str | None) -> int | None:
    """Return the number that an address holds, or nothing where it is none, or too long."""
    sound = text and len(text) <= DIGITS and text.isascii() and text.isdecimal()
    return int(text) if text and sound else None
