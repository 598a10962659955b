"""The admin of model endpoints, prompts and releases."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminURLInputWidget,
)

from configs import crypto, services
from configs.admin.base import EstimatingPaginator, RecordAdmin
from configs.admin.steering import SteeringAdmin, SteeringForm, actor_of, way_back
from configs.errors import Conflict
from configs.models import ModelEndpoint, PromptTemplate, Release


class EndpointForm(SteeringForm):
    """An endpoint; its key can be written, never read."""

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

    def clean_api_key(self) -> str:
        """Return the new key, or the stored one."""
        typed: str = self.cleaned_data["api_key"]
        return typed or self.instance.api_key

    def changes(self) -> dict[str, Any]:
        """Return the fields that the person changed."""
        ours = services.ENDPOINT_FIELDS
        changed = {name: self.cleaned_data[name] for name in self.changed_data if name in ours}
        return {**changed, "api_key": ""} if self.cleaned_data.get("forget_key") else changed


@admin.register(ModelEndpoint)
class ModelEndpointAdmin(SteeringAdmin):
    """Model endpoints; keys are written and never shown."""

    form = EndpointForm
    fields = [
        "name",
        "kind",
        "provider",
        "model",
        "base_url",
        "stored_key",
        "api_key",
        "forget_key",
        "parameters",
        "context_tokens",
        "first_byte_timeout_seconds",
        "idle_timeout_seconds",
        "input_price",
        "output_price",
        "position",
        "enabled",
    ]
    secret_fields = ("api_key", "forget_key")
    formfield_overrides = {
        models.URLField: {"assume_scheme": "https", "widget": UnfoldAdminURLInputWidget}
    }
    readonly_fields = ["stored_key"]
    list_display = ["name", "kind", "provider", "model", "stored_key", "position", "enabled"]
    list_filter = ["kind", "provider", "enabled"]
    search_fields = ["name", "model", "base_url"]
    actions = None

    @admin.display(description=_("stored key"))
    def stored_key(self, row: ModelEndpoint) -> str:
        """Return the last four characters of the key."""
        return crypto.mask(row.api_key) or "–"

    def save_model(self, request: HttpRequest, obj: ModelEndpoint, form: Any, change: bool) -> None:
        """Publish the endpoint."""
        grounds = form.grounds()
        if not change:
            values = {n: v for n, v in form.cleaned_data.items() if n in services.ENDPOINT_FIELDS}
            row = services.create_endpoint(
                actor=actor_of(request), reason=grounds["reason"], values=values
            )
            obj.pk = row.pk
            return
        stored = ModelEndpoint.objects.only("name").get(pk=obj.pk)
        services.change_endpoint(
            name=stored.name, changes=form.changes(), actor=actor_of(request), **grounds
        )

    def delete_model(self, request: HttpRequest, obj: ModelEndpoint) -> None:
        """Remove the endpoint and publish that."""
        services.delete_endpoint(name=obj.name, actor=actor_of(request))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Ask, then delete; say why where it cannot be."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except Conflict as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return redirect("admin:configs_modelendpoint_changelist")

    def roll_back(self, request: HttpRequest, past: Any) -> None:
        """Write the fields of then as a new version; the key stays the present one."""
        kept = services.ENDPOINT_FIELDS - {"api_key"}
        present = get_object_or_404(ModelEndpoint, pk=past.id)
        services.change_endpoint(
            name=present.name,
            changes={name: getattr(past, name) for name in kept},
            actor=actor_of(request),
            reason=way_back(past),
        )


class PromptForm(SteeringForm):
    """The words of a template."""

    class Meta:
        model = PromptTemplate
        fields = ["text"]


@admin.register(PromptTemplate)
class PromptTemplateAdmin(SteeringAdmin):
    """The words that are sent to models."""

    form = PromptForm
    fields = ["name", "description", "version", "text"]
    readonly_fields = ["name", "description", "version"]
    list_display = ["name", "description", "version", "updated_at"]
    search_fields = ["name", "description", "text"]
    actions = None

    def save_model(
        self, request: HttpRequest, obj: PromptTemplate, form: Any, change: bool
    ) -> None:
        """Publish the words."""
        services.change_prompt(
            name=obj.name, text=form.cleaned_data["text"], actor=actor_of(request), **form.grounds()
        )

    def roll_back(self, request: HttpRequest, past: Any) -> None:
        """Write the words of then as a new version."""
        services.change_prompt(
            name=past.name, text=past.text, actor=actor_of(request), reason=way_back(past)
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The code knows which templates there are."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The code needs each of them."""
        return False


@admin.register(Release)
class ReleaseAdmin(RecordAdmin):
    """What was published, when, by whom and why."""

    list_display = ["version", "summary", "author", "reason", "created_at"]
    list_select_related = ["author"]
    list_filter: Sequence[Any] = ["created_at"]
    search_fields = ["summary", "reason", "author__username"]
    paginator = EstimatingPaginator
