"""The admin of releases: what each changed, any two compared, and the way back."""

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs import changesets, stepup
from configs.admin import drafting
from configs.admin.base import RecordAdmin
from configs.admin.screens import (
    PUBLISH,
    actor_of,
    address,
    complaints,
    require,
    show,
    whole_number,
)
from configs.errors import ClawError
from configs.models import Release
from configs.stepup import ConfirmationNeeded

PER_PAGE: Final = 50
MOST_TO_PICK: Final = 200


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        required=False,
        help_text=_("Why: it is kept in the history for ever."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


@admin.register(Release)
class ReleaseAdmin(RecordAdmin):
    """What was published, when, by whom and why."""

    search_fields = ["summary", "reason", "author__username"]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the releases, the newest first; two of them can be picked and compared.

        Raises:
            PermissionDenied: this person may not see them, or sent a form.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        words = request.GET.get("q", "").strip()[:100]
        before = whole_number(request.GET.get("before"))
        rows = Release.objects.select_related("author")
        rows = rows.filter(version__lt=before) if before else rows
        rows = rows.filter(_holds(words)) if words else rows
        found = list(rows[: PER_PAGE + 1])
        page = found[:PER_PAGE]
        query = {"q": words, "before": str(page[-1].version)} if len(found) > PER_PAGE else {}
        return show(
            self,
            request,
            "admin/configs/release/list.html",
            title=gettext("Releases"),
            rows=page,
            words=words,
            newest=_newest(),
            next_page=f"?{urlencode(query)}" if query else "",
            **(extra_context or {}),
        )

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with the comparison and the way back."""
        own = [
            address(self, "compare/", self.compare_view, "compare"),
            address(self, "<int:version>/back/", self.back_view, "back"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show what a release changed.

        Raises:
            PermissionDenied: this person may not see it, or sent a form.
            Http404: there is no such release.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        release = _release(object_id)
        return show(
            self,
            request,
            "admin/configs/release/page.html",
            title=gettext("Release %(version)d") % {"version": release.version},
            release=release,
            newest=_newest(),
            differences=changesets.compare(release.version - 1, release.version),
            change_set=getattr(release, "change_set", None),
            may_roll_back=request.user.has_perm(PUBLISH),
        )

    def compare_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show what is different between any two releases.

        Raises:
            PermissionDenied: this person may not see releases, or sent a form.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        newest = _newest()
        older = _number(request.GET.get("older"), max(0, newest - 1))
        newer = _number(request.GET.get("newer"), newest)
        older, newer = min(older, newer, newest), min(max(older, newer), newest)
        return show(
            self,
            request,
            "admin/configs/release/compare.html",
            title=gettext("Compare releases"),
            older=older,
            newer=newer,
            newest=newest,
            releases=Release.objects.select_related("author")[:MOST_TO_PICK],
            differences=changesets.compare(older, newer),
        )

    def back_view(self, request: HttpRequest, version: int) -> HttpResponseBase:
        """Show what going back to a release would change; POST goes back, as a new release.

        Raises:
            PermissionDenied: this person may not publish.
            Http404: there is no such release.
        """
        require(request, PUBLISH)
        release, newest = _release(str(version)), _newest()
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                return self._go_back(request, release, form.cleaned_data["reason"])
            except ConfirmationNeeded as refusal:
                messages.warning(request, refusal.detail)
                return redirect(stepup.address(request))
            except ClawError as refusal:
                form.add_error(None, complaints(refusal))
        return show(
            self,
            request,
            "admin/configs/release/back.html",
            title=gettext("Back to release %(version)d") % {"version": release.version},
            release=release,
            newest=newest,
            form=form,
            differences=changesets.compare(newest, release.version),
        )

    def _go_back(self, request: HttpRequest, release: Release, reason: str) -> HttpResponseBase:
        """Roll back, or send the way back to a second person where one is needed."""
        drafting.require_for_way_back(request, release.version)
        made = changesets.roll_back_release(
            version=release.version, actor=actor_of(request), reason=reason
        )
        if made.release_id is None:
            words = gettext("The way back waits for a second person.")
            messages.warning(request, words)
        else:
            words = gettext("Back to what release %(version)d was, as a new release.")
            messages.success(request, words % {"version": release.version})
        return redirect("admin:configs_changeset_change", made.pk)


def _holds(words: str) -> Q:
    names = Q(author__username__icontains=words) | Q(author__display_name__icontains=words)
    return names | Q(summary__icontains=words) | Q(reason__icontains=words)


def _newest() -> int:
    return Release.objects.values_list("version", flat=True).first() or 0


def _release(text: str) -> Release:
    version = whole_number(text)
    if version is None:
        raise Http404
    return get_object_or_404(Release.objects.select_related("author"), pk=version)


def _number(text: str | None, otherwise: int) -> int:
    number = whole_number(text)
    return otherwise if number is None else number
