"""The admin of change sets: drafts, their differences, their review and their publication."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs import changesets, stepup
from configs.admin import drafting, history
from configs.admin.base import RecordAdmin
from configs.admin.screens import (
    APPROVE,
    PUBLISH,
    RIGHT_FOR,
    actor_of,
    address,
    complaints,
    deed,
    require,
    show,
)
from configs.changesets.checking import standing
from configs.changesets.content import changes_of
from configs.changesets.drafting import RETURNABLE
from configs.errors import ClawError
from configs.models import Change, ChangeSet
from configs.stepup import ConfirmationNeeded

MOST: Final = 200
AT_ONCE, LATER = "now", "later"
State = ChangeSet.State
TONES: Final[Mapping[str, str]] = {
    State.DRAFT: "",
    State.IN_REVIEW: "is-warn",
    State.SCHEDULED: "is-info",
    State.PUBLISHED: "is-good",
    State.REJECTED: "is-bad",
    State.FAILED: "is-bad",
    State.DISCARDED: "",
}


class SubmitForm(forms.Form):
    """Title, reason, and when."""

    title = forms.CharField(label=_("Title"), max_length=200)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        required=False,
        help_text=_("Why: it is kept in the history for ever."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    when = forms.ChoiceField(choices=[(AT_ONCE, ""), (LATER, "")], required=False)
    publish_at = forms.DateTimeField(
        label=_("In force from"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def clean(self) -> dict[str, Any]:
        """Let a time be in the future, or be left out."""
        cleaned = super().clean() or {}
        if cleaned.get("when") != LATER:
            cleaned["publish_at"] = None
        elif not cleaned.get("publish_at") and "publish_at" not in self.errors:
            self.add_error("publish_at", gettext("Choose a day and a time."))
        elif (moment := cleaned.get("publish_at")) and moment <= timezone.now():
            self.add_error("publish_at", gettext("This time is past: choose a later one."))
        return cleaned


@dataclass(frozen=True, slots=True)
class May:
    """What a person may do with a change set as it stands."""

    edit: bool
    publish: bool
    withdraw: bool
    decide: bool
    discard: bool
    own: bool


def may(request: HttpRequest, change_set: ChangeSet) -> May:
    """Return what the person at the screen may do; the services ask again."""
    user, state = request.user, change_set.state
    steers = user.has_perm(PUBLISH)
    authors = set(change_set.changes.values_list("author_id", flat=True)) | {change_set.author_id}
    own = user.pk in authors
    return May(
        edit=steers and state == State.DRAFT,
        publish=steers and state == State.DRAFT,
        withdraw=steers and state in RETURNABLE,
        decide=state == State.IN_REVIEW and user.has_perm(APPROVE) and not own,
        discard=steers and state in (*RETURNABLE, State.DRAFT),
        own=own,
    )


@admin.register(ChangeSet)
class ChangeSetAdmin(RecordAdmin):
    """What is drafted, waits for a second person or a time, and what became of it."""

    list_select_related = ["author"]

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with one a deed."""
        deeds: dict[str, Any] = {
            "open": self.open_view,
            "<uuid:pk>/describe": self.describe_view,
            "<uuid:pk>/drop": self.drop_view,
            "<uuid:pk>/discard": self.discard_view,
            "<uuid:pk>/withdraw": self.withdraw_view,
            "<uuid:pk>/approve": self.approve_view,
            "<uuid:pk>/reject": self.reject_view,
        }
        own = [
            address(self, f"{route}/", view, route.rpartition("/")[2])
            for route, view in deeds.items()
        ]
        return [*own, *super().get_urls()]

    # --- The list ----------------------------------------------------------------------------
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the change sets, the newest first.

        Raises:
            PermissionDenied: this person may not see them, or sent a form.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        state, mine = request.GET.get("state", ""), request.GET.get("mine") == "1"
        rows = ChangeSet.objects.select_related("author", "release")
        rows = rows.filter(state=state) if state in State.values else rows
        rows = rows.filter(author=actor_of(request)) if mine else rows
        found = list(rows.annotate(count=Count("changes"))[:MOST])
        for row in found:
            row.tone = TONES[row.state]  # type: ignore[attr-defined]
        return show(
            self,
            request,
            "admin/configs/changeset/list.html",
            title=gettext("Change sets"),
            rows=found,
            states=State.choices,
            state=state,
            mine=mine,
            may_open=request.user.has_perm(PUBLISH),
            **(extra_context or {}),
        )

    # --- One change set ------------------------------------------------------------------------
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show what a change set changes; POST publishes it, at once or later, or asks for review.

        Raises:
            PermissionDenied: this person may not see it, or may not publish.
            Http404: there is no such change set.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        change_set = self.get_object(request, object_id)
        change_set = change_set or get_object_or_404(ChangeSet.objects.none())
        form = SubmitForm(request.POST or None, initial=_initial(change_set))
        if request.method == "POST":
            require(request, PUBLISH, *_rights(change_set))
            if form.is_valid():
                try:
                    return self._submit(request, change_set, form.cleaned_data)
                except ConfirmationNeeded as refusal:
                    messages.warning(request, refusal.detail)
                    return redirect(stepup.address(request))
                except ClawError as refusal:
                    _complain(form, refusal)
            change_set.refresh_from_db()
        return self._page(request, change_set, form)

    def _submit(
        self, request: HttpRequest, change_set: ChangeSet, values: Mapping[str, Any]
    ) -> HttpResponseBase:
        drafting.require_for(request, change_set)
        actor = actor_of(request)
        changesets.describe(
            change_set=change_set, title=values["title"], reason=values["reason"], actor=actor
        )
        changesets.submit(
            change_set=change_set,
            actor=actor,
            reason=values["reason"],
            publish_at=values["publish_at"],
        )
        change_set.refresh_from_db()
        messages.success(request, _became(change_set))
        return redirect(drafting.page_of(change_set))

    def _page(
        self, request: HttpRequest, change_set: ChangeSet, form: SubmitForm
    ) -> HttpResponseBase:
        rights = may(request, change_set)
        opened = change_set.state in ChangeSet.OPEN
        changes = changes_of(change_set)
        differences = changesets.differences(change_set)
        return show(
            self,
            request,
            "admin/configs/changeset/page.html",
            title=change_set.title,
            change_set=change_set,
            tone=TONES[change_set.state],
            may=rights,
            form=form,
            later=form["when"].value() == LATER,
            differences=_with_changes(differences, changes),
            problems=_mendable(standing(changes)) if opened else [],
            second_person=opened and changesets.needs_second_person(change_set),
            approvals=change_set.approvals.select_related("person"),
            now=timezone.now(),
        )

    # --- Deeds ---------------------------------------------------------------------------------
    @deed
    def open_view(self, request: HttpRequest) -> HttpResponseBase:
        """Open an empty draft, into which changes are then gathered."""
        require(request, PUBLISH)
        title = request.POST.get("title", "").strip()[:200] or gettext("Draft")
        change_set = changesets.open_draft(title=title, actor=actor_of(request))
        return redirect(drafting.page_of(change_set))

    @deed
    def describe_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Keep the title and the reason without publishing."""
        change_set = self._own(request, pk)
        changesets.describe(
            change_set=change_set,
            title=request.POST.get("title", "").strip()[:200] or change_set.title,
            reason=request.POST.get("reason", "")[:500],
            actor=actor_of(request),
        )
        messages.success(request, gettext("Kept. Nothing is published yet."))
        return redirect(drafting.page_of(change_set))

    @deed
    def drop_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Take one change out of a draft."""
        change_set = self._own(request, pk)
        wanted = request.POST.get("change", "")
        change = get_object_or_404(
            Change, change_set=change_set, pk=int(wanted) if wanted.isdecimal() else 0
        )
        changesets.drop(change=change, actor=actor_of(request))
        return redirect(drafting.page_of(change_set))

    @deed
    def discard_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Throw a change set away; it stays in the list."""
        change_set = self._own(request, pk)
        changesets.discard(change_set=change_set, actor=actor_of(request))
        messages.success(request, gettext("Discarded. Nothing was published."))
        return redirect("admin:configs_changeset_changelist")

    @deed
    def withdraw_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Make a draft again of what waits."""
        change_set = self._own(request, pk)
        changesets.withdraw(change_set=change_set, actor=actor_of(request))
        messages.success(request, gettext("It is a draft again."))
        return redirect(drafting.page_of(change_set))

    @deed
    def approve_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Say yes to the very content that was shown."""
        return self._decide(request, pk, changesets.approve)

    @deed
    def reject_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Say no."""
        return self._decide(request, pk, changesets.reject)

    def _decide(self, request: HttpRequest, pk: Any, verb: Any) -> HttpResponseBase:
        require(request, APPROVE)
        change_set = get_object_or_404(ChangeSet, pk=pk)
        if request.POST.get("seen") != change_set.content_hash:
            words = gettext("It was edited while you looked at it: look again, then decide.")
            messages.error(request, words)
            return redirect(drafting.page_of(change_set))
        if verb is changesets.approve:
            drafting.require_for(request, change_set)
        comment = request.POST.get("comment", "")[:500]
        verb(change_set=change_set, actor=actor_of(request), comment=comment)
        change_set.refresh_from_db()
        messages.success(request, _became(change_set))
        return redirect(drafting.page_of(change_set))

    def _own(self, request: HttpRequest, pk: Any) -> ChangeSet:
        require(request, PUBLISH)
        return get_object_or_404(ChangeSet, pk=pk)


def _rights(change_set: ChangeSet) -> set[str]:
    return {
        RIGHT_FOR[Change.Kind(kind)] for kind in change_set.changes.values_list("kind", flat=True)
    }


def _initial(change_set: ChangeSet) -> dict[str, Any]:
    at = change_set.publish_at
    return {
        "title": change_set.title,
        "reason": change_set.reason,
        "publish_at": at and timezone.localtime(at),
        "when": LATER if at else AT_ONCE,
    }


def _complain(form: SubmitForm, refusal: ClawError) -> None:
    """Put what a service refused beside the field that it is about."""
    errors: Mapping[str, list[str]] = getattr(refusal, "errors", {})
    for name, texts in errors.items():
        form.add_error(name if name in form.fields else None, texts)
    if not errors:
        form.add_error(None, complaints(refusal))


def _became(change_set: ChangeSet) -> str:
    if change_set.state == State.PUBLISHED and change_set.release_id:
        words = gettext("Published as release %(version)d.")
        return words % {"version": change_set.release_id}
    if change_set.state == State.SCHEDULED and change_set.publish_at:
        at = timezone.localtime(change_set.publish_at)
        return gettext("It comes into force on %(time)s.") % {"time": _time(at)}
    if change_set.state == State.IN_REVIEW:
        return gettext("Sent for review: a second person has to approve it.")
    return str(change_set.get_state_display())


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


@dataclass(frozen=True, slots=True)
class Shown:
    """A difference with the drafted change that makes it."""

    kind: str
    target: str
    label: str
    group: str
    old: str
    new: str
    stale: bool
    change: Change | None


def _with_changes(differences: Any, changes: list[Change]) -> list[Shown]:
    by_target = {(c.kind, c.target, str(c.group or "")): c for c in changes}
    return [
        Shown(
            kind=str(each.kind),
            target=each.target,
            label=str(each.label),
            group=str(each.group or ""),
            old=each.old,
            new=each.new,
            stale=each.stale,
            change=by_target.get((str(each.kind), each.target, str(each.group or ""))),
        )
        for each in differences
    ]


def _mendable(problems: Any) -> list[tuple[str, str]]:
    """Return each problem in words with the page where it is mended."""
    return [(str(each.text), history.page_of(each.kind, each.target)) for each in problems]
