"""The admin of model endpoints: subjects, a write-only key, their order, and a test call."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminURLInputWidget

from configs import services, stepup
from configs.admin import drafting, shown
from configs.admin.drafting import Wish
from configs.admin.probing import probe
from configs.admin.screens import address, complaints, deed, require, show
from configs.admin.steering import SteeringAdmin, SteeringForm
from configs.errors import Invalid
from configs.models import Change, ModelEndpoint

STEP: Final = 10
MAY: Final = "configs.change_modelendpoint"


class EndpointForm(SteeringForm):
    """An endpoint; its key can be written, never read.

    `hint` says how the password is confirmed before that, where it has to be.
    """

    hint: SafeString = SafeString("")

    api_key = forms.CharField(
        label=_("API key"),
        required=False,
        strip=True,
        max_length=2000,
        help_text=_("Write-only. Empty: stays as it is."),
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    forget_key = forms.BooleanField(label=_("Forget the stored key"), required=False)

    class Meta:
        model = ModelEndpoint
        fields = sorted(
            services.ENDPOINT_FIELDS - {"api_key", "base_url"}
        )  # the admin adds the address

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["api_key"] = ""
        if "api_key" in self.fields:
            words = self.fields["api_key"].help_text
            self.fields["api_key"].help_text = format_html("{} {}", words, self.hint)

    def clean_api_key(self) -> str:
        """Return the new key, or the stored one as it is sealed."""
        typed: str = self.cleaned_data["api_key"]
        return typed or self.stored_key

    def clean_model(self) -> str:
        """Refuse a name that could break out of a line."""
        model: str = self.cleaned_data["model"]
        if not model.isprintable():
            raise forms.ValidationError(gettext("This may not hold control characters."))
        return model

    @property
    def stored_key(self) -> str:
        """Return the key as the database holds it, never opened here."""
        return str(self.instance.__dict__.get("api_key") or "")

    def clean(self) -> dict[str, Any] | None:
        """Send a stored key to no other address than the one that it was written for."""
        cleaned = super().clean() or {}
        moved = {"base_url", "provider"} & set(self.changed_data)
        kept = self.stored_key and "api_key" not in self.changed_data
        if moved and kept and not cleaned.get("forget_key"):
            complaint = gettext(
                "The address changed: type the key that belongs to it, or forget it."
            )
            self.add_error("api_key", complaint)
        return cleaned

    def values(self) -> dict[str, Any]:
        """Return every field as the person left it; no key is none."""
        values = {n: v for n, v in self.cleaned_data.items() if n in services.ENDPOINT_FIELDS}
        return values if values["api_key"] else {n: values[n] for n in values if n != "api_key"}

    def changes(self) -> dict[str, Any]:
        """Return the fields that the person changed."""
        changed = self.differing(services.ENDPOINT_FIELDS)
        return {**changed, "api_key": ""} if self.cleaned_data.get("forget_key") else changed


@admin.register(ModelEndpoint)
class ModelEndpointAdmin(SteeringAdmin):
    """Model endpoints; keys are written and never shown."""

    form = EndpointForm
    kind = Change.Kind.ENDPOINT
    fieldsets = [
        (_("What it is"), {"fields": ["name", "kind", "enabled", "position"]}),
        (
            _("Where it answers"),
            {"fields": ["provider", "model", "base_url", "stored_key", "api_key", "forget_key"]},
        ),
        (_("How it is asked"), {"fields": ["parameters", "context_tokens"]}),
        (_("Patience"), {"fields": ["first_byte_timeout_seconds", "idle_timeout_seconds"]}),
        (_("What it costs"), {"fields": ["input_price", "output_price"]}),
    ]
    secret_fields = ("api_key", "forget_key")
    formfield_overrides = {
        models.URLField: {"assume_scheme": "https", "widget": UnfoldAdminURLInputWidget}
    }
    readonly_fields = ["stored_key"]
    actions = None

    @admin.display(description=_("stored key"))
    def stored_key(self, row: ModelEndpoint) -> str:
        """Return the last four characters of the key."""
        return shown.key_of(row) or shown.NOTHING

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the form; beside the key stands how to confirm one's password first."""
        form = super().get_form(request, obj, **kwargs)
        return type(form)(form.__name__, (form,), {"hint": stepup.hint(request)})

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with those of the deeds."""
        own = [
            address(self, "test/", self.test_new_view, "test_new"),
            address(self, "order/", self.order_view, "order"),
            address(self, "<uuid:pk>/test/", self.test_view, "test"),
            address(self, "<uuid:pk>/switch/", self.switch_view, "switch"),
            address(self, "<uuid:pk>/remove/", self.remove_view, "remove"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the endpoints by kind, in the order in which they are tried.

        Raises:
            PermissionDenied: this person may not see them, or sent a form.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        drafts = drafting.drafted([self.kind])
        rows = list(ModelEndpoint.objects.all())
        for row in rows:
            row.draft = drafts.get((self.kind, row.name))  # type: ignore[attr-defined]
            row.masked = shown.key_of(row)  # type: ignore[attr-defined]
        kinds = [
            (kind, [row for row in rows if row.kind == kind.value]) for kind in ModelEndpoint.Kind
        ]
        return show(
            self,
            request,
            "admin/configs/modelendpoint/list.html",
            title=_("Model endpoints"),
            kinds=kinds,
            may_change=request.user.has_perm(MAY),
            has_add_permission=self.has_add_permission(request),
            **(extra_context or {}),
        )

    def wishes(self, form: EndpointForm, *, adding: bool) -> Iterable[Wish]:
        """Return the endpoint that is to be added, or the fields that are to change."""
        if adding:
            name = form.cleaned_data["name"]
            return [Wish(self.kind, name, Change.Action.CREATE, form.values())]
        changes = form.changes()
        name = ModelEndpoint.objects.values_list("name", flat=True).get(pk=form.instance.pk)
        return [Wish(self.kind, name, value=changes)] if changes else []

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Lead to the form, whose button drafts the removal.

        Raises:
            PermissionDenied: this person may not remove it, or sent a form.
        """
        row = self.get_object(request, object_id)
        if request.method == "POST" or row is None or not self.has_delete_permission(request, row):
            raise PermissionDenied
        return redirect("admin:configs_modelendpoint_change", row.pk)

    # --- Deeds -------------------------------------------------------------------------------
    @deed
    def remove_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Draft the removal of an endpoint."""
        require(request, "configs.delete_modelendpoint")
        row = get_object_or_404(ModelEndpoint, pk=pk)
        title = gettext("Remove %(name)s") % {"name": row.name}
        return self._one(request, [Wish(self.kind, row.name, Change.Action.DELETE)], title)

    @deed
    def switch_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Draft that an endpoint is used, or is not."""
        require(request, MAY)
        row = get_object_or_404(ModelEndpoint, pk=pk)
        words = gettext("Switch %(name)s off") if row.enabled else gettext("Switch %(name)s on")
        wish = Wish(self.kind, row.name, value={"enabled": not row.enabled})
        return self._one(request, [wish], words % {"name": row.name})

    @deed
    def order_view(self, request: HttpRequest) -> HttpResponseBase:
        """Draft the order of the endpoints of a kind, as their ids stand in `order`."""
        require(request, MAY)
        found = {
            str(row.pk): row
            for row in ModelEndpoint.objects.filter(kind=request.POST.get("kind", ""))
        }
        rows = [found[pk] for pk in dict.fromkeys(request.POST.getlist("order")) if pk in found]
        wishes = list(_in_order(rows))
        if not wishes or len(rows) != len(found):
            messages.info(request, gettext("Nothing was changed."))
            return redirect("admin:configs_modelendpoint_changelist")
        return self._one(request, wishes, gettext("Order of the endpoints"))

    def _one(self, request: HttpRequest, wishes: Iterable[Wish], title: str) -> HttpResponseBase:
        require(request, MAY)
        change_set = drafting.put(request, wishes, title=title)
        return drafting.onward(request, change_set, "admin:configs_modelendpoint_changelist")

    # --- The test call -----------------------------------------------------------------------
    @deed
    def test_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Call the endpoint as the form describes it, and say how it went, as JSON."""
        return self._try(request, get_object_or_404(ModelEndpoint, pk=pk))

    @deed
    def test_new_view(self, request: HttpRequest) -> HttpResponseBase:
        """Call an endpoint that the form describes and nobody has added yet."""
        return self._try(request, None)

    def _try(self, request: HttpRequest, row: ModelEndpoint | None) -> HttpResponseBase:
        require(request, MAY)
        form = self.get_form(request, row, change=row is not None)(request.POST, instance=row)
        if not form.is_valid():
            said = _said(form.errors, form)
            return JsonResponse({"ok": False, "text": said})
        try:
            services.check_endpoint(form.values() | form.changes())
        except Invalid as refusal:
            return JsonResponse({"ok": False, "text": " ".join(complaints(refusal))})
        outcome = probe(form.instance)
        return JsonResponse({"ok": outcome.ok, "text": outcome.text})


def _in_order(rows: list[ModelEndpoint]) -> Iterable[Wish]:
    """Yield what gives the rows this order: the numbers that they have, or new ones in tens."""
    numbers = sorted(row.position for row in rows)
    if len(set(numbers)) < len(numbers):
        numbers = [STEP * n for n in range(1, len(rows) + 1)]
    for row, number in zip(rows, numbers, strict=True):
        if row.position != number:
            yield Wish(Change.Kind.ENDPOINT, row.name, value={"position": number})


def _said(errors: Mapping[str, Iterable[str]], form: forms.ModelForm[Any]) -> str:
    """Return what is wrong with a form in one line, each complaint behind its field's name."""
    return " ".join(
        f"{form.fields[name].label}: {' '.join(texts)}" if name in form.fields else " ".join(texts)
        for name, texts in errors.items()
    )
