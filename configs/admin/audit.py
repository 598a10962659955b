"""The admin of the audit log: found by filters, compared side by side, checked, taken away."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from asgiref.sync import sync_to_async
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import NoReverseMatch, URLPattern, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs import audit
from configs.admin.base import RecordAdmin
from configs.admin.screens import actor_of, address, require, show, whole_number
from configs.audit import actions, browsing, exporting
from configs.audit.browsing import Wanted
from configs.models import AuditEntry

PER_PAGE: Final = 50
CHECKED_AT_ONCE: Final = 50_000
"""Entries that a check in the browser covers; the command covers all."""
VIEW, EXPORT = "configs.view_auditentry", "configs.export_auditentry"
PAGES: Final = {
    "user": "admin:accounts_user_change",
    "group": "admin:auth_group_change",
    "knowledgebase": "admin:knowledge_knowledgebase_change",
    "document": "admin:knowledge_document_change",
    "conversation": "admin:conversations_conversation_change",
    "message": "admin:conversations_message_change",
    "release": "admin:configs_release_change",
    "change_set": "admin:configs_changeset_change",
    "setting": "admin:configs_config_setting",
    "endpoint": "admin:configs_modelendpoint_change",
    "prompt": "admin:configs_prompttemplate_change",
}
KINDS: Final = {
    "": _("Every kind"),
    "setting": _("setting"),
    "override": _("exception for a role"),
    "endpoint": _("model endpoint"),
    "prompt": _("prompt"),
    "change_set": _("change set"),
    "release": _("release"),
    "user": _("user"),
    "group": _("role"),
    "api_key": _("API key"),
    "token_family": _("sign-in by token"),
    "knowledgebase": _("knowledge base"),
    "document": _("document"),
    "conversation": _("conversation"),
    "message": _("message"),
    "job": _("job"),
    "page": _("page of the admin"),
    "address": _("address"),
    "audit": _("audit log"),
}


class FilterForm(forms.Form):
    """What of the log is to be seen."""

    q = forms.CharField(label=_("Words"), required=False, max_length=100)
    action = forms.ChoiceField(label=_("Act"), required=False)
    person = forms.CharField(label=_("Person"), required=False, max_length=150)
    object_type = forms.ChoiceField(
        label=_("Kind"), required=False, choices=lambda: list(KINDS.items())
    )
    object_id = forms.CharField(label=_("Object's id or key"), required=False, max_length=100)
    since = forms.DateTimeField(label=_("From"), required=False)
    until = forms.DateTimeField(label=_("To"), required=False)
    ip = forms.GenericIPAddressField(label=_("Address"), required=False)
    request = forms.CharField(label=_("Request"), required=False, max_length=64)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        acts = sorted(((key, str(label)) for key, label in actions.LABELS.items()), key=_by_label)
        self.fields["action"].choices = [("", gettext("Every act")), *acts]  # type: ignore[attr-defined]
        for name, field in self.fields.items():
            field.widget.attrs |= {"class": "st-input", "aria-label": field.label}
            if name in {"since", "until"}:
                field.widget.input_type = "datetime-local"
            elif not isinstance(field, forms.ChoiceField):
                field.widget.attrs["placeholder"] = field.label


def _by_label(pair: tuple[str, str]) -> str:
    return pair[1]


class CheckForm(forms.Form):
    """A head that was noted before, if there is one."""

    expect = forms.CharField(label=_("Noted head (position:seal)"), required=False, max_length=90)

    def clean_expect(self) -> audit.Head | None:
        """Return the head.

        Raises:
            ValidationError: it is not written as a head is.
        """
        text = self.cleaned_data["expect"]
        try:
            return audit.Head.of(text) if text else None
        except ValueError:
            raise forms.ValidationError(
                gettext("A head is a position, a colon and 64 characters; copy it whole.")
            ) from None


@admin.register(AuditEntry)
class AuditEntryAdmin(RecordAdmin):
    """Who did what, when, why, from what to what: to be read, never to be changed."""

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with the check and the export."""
        return [
            address(self, "check/", self.check_view, "check"),
            address(self, "export/", self.export_view, "export"),
            *super().get_urls(),
        ]

    # --- The list ------------------------------------------------------------------------------
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Show a page of the entries that fit the filters: it goes on from an id, not a number.

        Raises:
            PermissionDenied: this person may not see the log, or sends something.
        """
        _require_reading(request)
        form = FilterForm(request.GET)
        wanted = _wanted(request, form)
        found = browsing.entries(wanted, limit=PER_PAGE + 1)
        page = found[:PER_PAGE]
        older = wanted.named | {"before": page[-1].pk} if len(found) > PER_PAGE else None
        return show(
            self,
            request,
            "admin/configs/auditentry/list.html",
            title=gettext("Audit log"),
            form=form,
            lines=[_line(entry) for entry in page],
            older=_query(older) if older else "",
            filtered=bool(wanted.named),
            query=_query(wanted.named),
            may_export=request.user.has_perm(EXPORT),
            **(extra_context or {}),
        )

    # --- One entry -----------------------------------------------------------------------------
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        """Show an entry: what it was about, both values side by side, and its place in the chain.

        Raises:
            PermissionDenied: this person may not see it, or sends something.
            Http404: there is no such entry.
        """
        _require_reading(request)
        pk = whole_number(object_id)
        if pk is None:
            raise Http404
        entry = get_object_or_404(AuditEntry, pk=pk)
        return show(
            self,
            request,
            "admin/configs/auditentry/entry.html",
            title=actions.label(entry.action),
            line=_line(entry),
            entry=entry,
            old=_text(entry.old),
            new=_text(entry.new),
            detail=_text(entry.detail or None),
            kind=KINDS.get(entry.object_type, entry.object_type),
        )

    # --- The check -----------------------------------------------------------------------------
    def check_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the end of the chain; a POST checks the newest entries, which is recorded.

        Raises:
            PermissionDenied: this person may not see the log.
        """
        require(request, VIEW)
        form = CheckForm(request.POST if request.method == "POST" else None)
        end = audit.head()
        first = max(1, end.position - CHECKED_AT_ONCE + 1)
        verdict = None
        if request.method == "POST" and form.is_valid():
            verdict = audit.verify(first=first, expected=form.cleaned_data["expect"])
            audit.record(
                action=actions.AUDIT_VERIFY,
                actor=actor_of(request),
                object_type="audit",
                new={"whole": verdict.fault is None, "head": str(verdict.head)},
                detail={"first": first, "checked": verdict.checked},
            )
        return show(
            self,
            request,
            "admin/configs/auditentry/check.html",
            title=gettext("Check of the audit log"),
            form=form,
            head=verdict.head if verdict else end,
            first=first,
            verdict=verdict,
            bad=_found_bad(verdict),
        )

    # --- The export ----------------------------------------------------------------------------
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with a file of all entries that fit the filters; taking it away is recorded.

        Raises:
            PermissionDenied: this person may not export the log.
            Http404: there is no such format.
        """
        require(request, VIEW, EXPORT)
        kind = request.GET.get("format", "")
        if kind not in exporting.FORMATS:
            raise Http404
        wanted = _wanted(request, FilterForm(request.GET))
        audit.record(
            action=actions.EXPORT_AUDIT,
            actor=actor_of(request),
            object_type="audit",
            detail={"format": kind, "filters": {k: str(v) for k, v in wanted.named.items()}},
        )
        write, media_type = exporting.FORMATS[kind]
        name = f"audit-{timezone.now():%Y%m%d-%H%M%S}.{kind}"
        return StreamingHttpResponse(
            _streamed(request, write(wanted)),
            content_type=media_type,
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            },
        )


def _require_reading(request: HttpRequest) -> None:
    require(request, VIEW)
    if request.method not in {"GET", "HEAD"}:
        raise PermissionDenied


def _wanted(request: HttpRequest, form: FilterForm) -> Wanted:
    """Return what is asked for; a filter that makes no sense is shown as such and left out."""
    form.is_valid()
    named = {name: value for name, value in form.cleaned_data.items() if value}
    return Wanted(**named, before=whole_number(request.GET.get("before")))


def _query(values: dict[str, Any]) -> str:
    """Return the values as an address has them; times as the form's own field writes them."""
    local = {
        name: timezone.localtime(value).strftime("%Y-%m-%dT%H:%M:%S")
        if name in {"since", "until"}
        else value
        for name, value in values.items()
    }
    return urlencode(local)


def _line(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as the list shows it."""
    return {
        "entry": entry,
        "act": actions.label(entry.action),
        "kind": KINDS.get(entry.object_type, entry.object_type),
        "object": entry.object_name or entry.object_id,
        "page": _page(entry),
        "link": reverse("admin:configs_auditentry_change", args=[entry.pk]),
    }


def _page(entry: AuditEntry) -> str:
    """Return the address of the screen of what the entry is about, empty where it has none."""
    name = PAGES.get(entry.object_type)
    if not name or not entry.object_id:
        return ""
    try:
        return reverse(name, args=[entry.object_id])
    except NoReverseMatch:
        return ""


def _text(value: Any) -> str:
    """Return a JSON value as lines that can be compared: one a key, texts as they are."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_inline(value[key])}" for key in sorted(value))
    if isinstance(value, list):
        return "\n".join(map(_inline, value))
    return json.dumps(value)


def _inline(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _found_bad(verdict: audit.Verdict | None) -> AuditEntry | None:
    """Return the entry at which the chain breaks, if it is there."""
    pk = verdict.fault.entry_id if verdict and verdict.fault else None
    return None if pk is None else AuditEntry.objects.filter(pk=pk).first()


def _streamed(request: HttpRequest, parts: Iterator[bytes]) -> Any:
    """Return the parts as the server wants them: an asynchronous one would collect them all."""
    return _in_thread(parts) if isinstance(request, ASGIRequest) else parts


async def _in_thread(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(parts, None))
    while (part := await following()) is not None:
        yield part
