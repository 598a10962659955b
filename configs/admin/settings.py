"""The admin of settings: the overview, a page for each setting, and the history of all changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.http import urlencode
from django.utils.translation import gettext

from configs import changesets, crypto, registry, runtime, stepup
from configs.admin import drafting, history, overview, shown
from configs.admin.base import ClawAdmin
from configs.admin.drafting import Wish
from configs.admin.forms import ExceptionForm, FreeKeyForm, ValueForm, range_of
from configs.admin.screens import address, complaints, deed, show, whole_number
from configs.admin.transfers import TransferScreens
from configs.errors import ClawError
from configs.models import Change, Config, ConfigOverride
from configs.registry import AnySetting

RECENT: Final = 8


@dataclass(frozen=True, slots=True)
class Exemption:
    """What holds for one role instead."""

    row: ConfigOverride
    value: str


@admin.register(Config)
class ConfigAdmin(TransferScreens, ClawAdmin):
    """Every setting that is declared, typed and ranged as the registry says."""

    actions = None

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with a page a setting and the history of all."""
        own = [
            address(self, "setting/<str:key>/", self.setting_view, "setting"),
            address(self, "changes/", self.changes_view, "changes"),
            address(self, "changes/return/", self.return_view, "return"),
        ]
        return [*own, *self.transfer_urls(), *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Settings go back to their default; their history stays."""
        return False

    # --- The overview ----------------------------------------------------------------------
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show every setting that is declared, not only those that have a row.

        Raises:
            PermissionDenied: this person may not see it, or sent a form.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        return show(
            self,
            request,
            "admin/configs/config/change_list.html",
            title=gettext("Settings"),
            subjects=list(overview.subjects()),
            may_change=self.has_change_permission(request),
            **(extra_context or {}),
        )

    # --- Django's own addresses lead to ours -----------------------------------------------
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Make a key of one's own; `?key=` leads to the page of a declared one.

        Raises:
            PermissionDenied: this person may not make any.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.GET.get("key") in registry.SETTINGS and request.method == "GET":
            return redirect("admin:configs_config_setting", request.GET["key"])
        form = FreeKeyForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                return self._make_key(request, form)
            except ClawError as refusal:
                form.add_error(None, complaints(refusal))
        title = gettext("Add a key of your own")
        return show(self, request, "admin/configs/config/add.html", title=title, form=form)

    def _make_key(self, request: HttpRequest, form: FreeKeyForm) -> HttpResponseBase:
        values = form.cleaned_data
        wish = Wish(
            Change.Kind.SETTING,
            values["key"],
            value=changesets.FreeKey(
                value_type=values["value_type"],
                value=values["typed"],
                description=values["description"],
                is_public=values["is_public"],
            ),
        )
        return self._drafted(request, wish, title=values["key"])

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Lead to the page of the setting.

        Raises:
            PermissionDenied: this person may not see it, or sent a form that is none of ours.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(Config, pk=object_id if object_id.isdecimal() else None)
        return redirect("admin:configs_config_setting", row.key)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Lead to the history of the setting.

        Raises:
            PermissionDenied: this person may not see it.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(Config, pk=object_id if object_id.isdecimal() else None)
        return redirect(history.history_of(Change.Kind.SETTING, row.key))

    # --- One setting -----------------------------------------------------------------------
    def setting_view(self, request: HttpRequest, key: str) -> HttpResponseBase:
        """Show a setting with its exceptions and its history; a form drafts a change of it.

        Raises:
            PermissionDenied: this person may not see it, or may not change it.
            Http404: there is no such setting.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = Config.objects.select_related("updated_by").filter(key=key).first()
        setting = _setting(key, row)
        if request.method == "POST":
            return self._change(request, setting, row)
        return self._page(request, setting, row)

    def _change(
        self, request: HttpRequest, setting: AnySetting, row: Config | None
    ) -> HttpResponseBase:
        """Draft what was sent, or show the form again with what is wrong."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        wish, forms = _wish(request, setting)
        refused: list[str] = []
        if wish is not None:
            try:
                return self._drafted(request, wish, title=setting.key)
            except ClawError as refusal:
                refused = complaints(refusal)
        return self._page(request, setting, row, refused=refused, **forms)

    def _drafted(self, request: HttpRequest, wish: Wish, *, title: str) -> HttpResponseBase:
        change_set = drafting.put(request, [wish], title=title)
        if drafting.TO_DRAFT in request.POST:
            messages.success(request, drafting.gathered(change_set))
        return drafting.onward(request, change_set, overview.link_of(wish.target))

    def _page(
        self, request: HttpRequest, setting: AnySetting, row: Config | None, **given: Any
    ) -> HttpResponseBase:
        snapshot = runtime.build()
        present = _present(setting, row, snapshot)
        locked = runtime.locked_by(setting)
        may = self.has_change_permission(request) and not locked
        context = {
            "form": ValueForm(setting, present=present),
            "exception_form": ExceptionForm(setting, present=present, prefix="exception"),
            **given,
        }
        return show(
            self,
            request,
            "admin/configs/config/setting.html",
            title=setting.key,
            setting=setting,
            row=row,
            present=_seen(setting, row, present),
            default=shown.NOTHING if setting.sensitive else shown.whole(setting, setting.default),
            source=overview.source_of(setting, _source(setting, row, snapshot)),
            locked=locked,
            range=range_of(setting),
            may_change=may,
            confirm=stepup.address(request) if _to_confirm(request, setting) else "",
            exceptions=_exceptions(setting),
            pending=_open_drafts(setting.key),
            entries=list(history.of_setting(setting.key, limit=RECENT)),
            history_link=history.history_of("", setting.key),
            **context,
        )

    # --- The history of everything ---------------------------------------------------------
    def changes_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show who changed what, from what to what, when and why; filtered as the address says.

        Raises:
            PermissionDenied: this person may not see it, or sent a form.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        wanted = _wanted(request)
        found = history.entries(wanted)
        page, more = found[: history.PER_PAGE], found[history.PER_PAGE :]
        query = {k: str(v) for k, v in request.GET.items() if k != "before" and v}
        if more:
            query["before"] = page[-1].when.isoformat()
        return show(
            self,
            request,
            "admin/configs/history/list.html",
            title=gettext("History"),
            wanted=wanted,
            kinds=Change.Kind.choices,
            entries=page,
            next_page=f"?{urlencode(query)}" if more else "",
            may_change=self.has_change_permission(request),
        )

    @deed
    def return_view(self, request: HttpRequest) -> HttpResponseBase:
        """Draft what a row of the history says, and go to the review of that.

        Raises:
            PermissionDenied: this person may not change such a thing.
            Http404: there is no such row.
        """
        kind, pk = request.POST.get("kind", ""), request.POST.get("history", "")
        if kind not in history.MODELS or not pk.isdecimal():
            raise Http404
        past = get_object_or_404(history.MODELS[kind].history, history_id=pk)
        change_set = drafting.put(
            request, [history.way_back(kind, past)], title=history.way_back_title(past)
        )
        return drafting.onward(request, change_set, history.page_of(kind, str(past)))


def _setting(key: str, row: Config | None) -> AnySetting:
    """Return the declaration of a key, also of a free one and of one that nobody claims.

    Raises:
        Http404: there is none.
    """
    if key in registry.SETTINGS:
        return registry.SETTINGS[key]
    if row is None:
        raise Http404
    return registry.free(
        key,
        row.value_type or "json",
        help=row.description,
        sensitive=row.is_sensitive,
        public=row.is_public,
    )


def _wish(request: HttpRequest, setting: AnySetting) -> tuple[Wish | None, dict[str, Any]]:
    """Return the change that was sent, or none and the form with what is wrong."""
    what = request.POST.get("what", "")
    if what == "reset":
        action = Change.Action.DELETE if setting.free else Change.Action.RESET
        return Wish(Change.Kind.SETTING, setting.key, action), {}
    if what == "drop_exception":
        group = get_object_or_404(Group, pk=whole_number(request.POST.get("group")))
        return Wish(Change.Kind.OVERRIDE, setting.key, Change.Action.RESET, group=group), {}
    exception = what == "exception"
    form: ValueForm = (
        ExceptionForm(setting, request.POST, prefix="exception")
        if exception
        else ValueForm(setting, request.POST)
    )
    if not form.is_valid():
        return None, {"exception_form" if exception else "form": form}
    kind = Change.Kind.OVERRIDE if exception else Change.Kind.SETTING
    value, role = form.cleaned_data["value"], form.cleaned_data.get("group")
    return Wish(kind, setting.key, value=value, group=role), {}


def _present(setting: AnySetting, row: Config | None, snapshot: runtime.Snapshot) -> Any:
    """Return the value in force; of a secret nothing."""
    if setting.sensitive:
        return None
    if setting.free:
        return row.plain if row else None
    return snapshot.values[setting.key]


def _seen(setting: AnySetting, row: Config | None, present: Any) -> str:
    if setting.sensitive:
        return crypto.masked(row.value) if row and row.value else shown.NOTHING
    return shown.whole(setting, present)


def _source(setting: AnySetting, row: Config | None, snapshot: runtime.Snapshot) -> str:
    if setting.free:
        return "database" if row and row.value else "default"
    return snapshot.source(setting)


def _exceptions(setting: AnySetting) -> list[Exemption]:
    rows = ConfigOverride.objects.filter(key=setting.key).select_related("group", "updated_by")
    return [Exemption(row, shown.stored(row.key, row.value, sensitive=False)) for row in rows]


def _to_confirm(request: HttpRequest, setting: AnySetting) -> bool:
    """Say whether the password is asked for before the form of a secret is offered."""
    return setting.sensitive and not stepup.fresh(request)


def _open_drafts(key: str) -> Sequence[Any]:
    kinds = [Change.Kind.SETTING, Change.Kind.OVERRIDE]
    found = drafting.drafted(kinds).items()
    return [change_set for (_, target), change_set in found if target == key]


def _wanted(request: HttpRequest) -> history.Wanted:
    """Read what the address asks for; what cannot be read is not asked for."""
    asked = {name: str(value).strip() for name, value in request.GET.items()}
    return history.Wanted(
        kind=asked.get("kind", ""),
        key=asked.get("key", "")[:100],
        exact=asked.get("exact") == "1",
        person=asked.get("person", "")[:100],
        since=_date(asked.get("since", "")),
        until=_date(asked.get("until", "")),
        release=whole_number(asked.get("release")),
        before=_moment(asked.get("before", "")),
    )


def _date(text: str) -> Any:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None
