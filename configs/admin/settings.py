"""The admin of settings."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from configs import registry, services
from configs.admin.overview import NOTHING, groups, shown, source_of, text
from configs.admin.steering import SteeringAdmin, SteeringForm, actor_of, masked_setting, way_back
from configs.errors import Invalid
from configs.models import Config


class ConfigForm(SteeringForm):
    """The value of one setting, typed as the registry declares it."""

    value = forms.CharField(label=_("Value"), required=False)
    back_to_default = forms.BooleanField(label=_("Back to the default"), required=False)

    class Meta:
        model = Config
        fields = ["key"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "key" in self.fields:
            self.fields["key"] = _key_field()
        if "value" in self.fields:
            self._prepare_value()

    def _prepare_value(self) -> None:
        """Show the value in force, with the widget that its type asks for."""
        chosen = self.instance.key or (self.data or self.initial).get("key", "")
        setting = registry.SETTINGS.get(chosen)
        field = self.fields["value"]
        self.initial["value"] = ""
        if setting is None:
            field.widget = UnfoldAdminTextInputWidget()
            return
        field.help_text = str(setting.help)
        field.widget = _widget(setting)
        if not setting.sensitive:
            plain = self.instance.plain
            self.initial["value"] = text(setting.default if plain is None else plain)

    def clean(self) -> dict[str, Any] | None:
        """Check the value against its declaration."""
        cleaned = super().clean() or {}
        key = self.instance.key or cleaned.get("key", "")
        setting = registry.SETTINGS.get(key)
        if "value" not in self.fields or setting is None or cleaned.get("back_to_default"):
            return cleaned
        typed = cleaned.get("value", "")
        if setting.sensitive and not typed and not self.instance._state.adding:
            self.add_error("value", gettext("Type the new value."))
            return cleaned
        try:
            cleaned["typed"] = setting.parse(typed)
        except Invalid as error:
            self.add_error("value", error.detail)
        return cleaned


def _key_field() -> forms.ChoiceField:
    """Return the choice among the settings that stand at their defaults."""
    taken = set(Config.objects.values_list("key", flat=True))
    free = [
        (group.label, [(s.key, s.key) for s in registry.SETTINGS.values() if s.group == group])
        for group in registry.Group
    ]
    choices = [(label, [pair for pair in pairs if pair[0] not in taken]) for label, pairs in free]
    return forms.ChoiceField(
        label=_("Key"), choices=[c for c in choices if c[1]], widget=UnfoldAdminSelectWidget()
    )


def _widget(setting: registry.AnySetting) -> Any:
    if setting.sensitive:
        return UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    choices = ("true", "false") if setting.type is bool else tuple(map(str, setting.choices))
    if choices:
        return UnfoldAdminSelectWidget(choices=[(choice, choice) for choice in choices])
    return UnfoldAdminTextareaWidget() if setting.multiline else UnfoldAdminTextInputWidget()


@admin.register(Config)
class ConfigAdmin(SteeringAdmin):
    """Every setting that is declared, typed and ranged as the registry says."""

    form = ConfigForm
    fields = ["key", "shown_value", "default", "source", "value", "back_to_default"]
    secret_fields = ("value", "back_to_default")
    actions = None
    show_full_result_count = True  # else the title counts the rows that there are

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep the key of a row that exists."""
        return ["shown_value", "default", "source", *(["key"] if obj else [])]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Leave out what a new row does not have yet."""
        fields = super().get_fields(request, obj)
        absent = () if obj else ("shown_value", "default", "source", "back_to_default")
        return [name for name in fields if name not in absent]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show every setting that is declared, not only those that have a row."""
        overview = groups(may_set=self.has_add_permission(request))
        return super().changelist_view(request, {**(extra_context or {}), "overview": overview})

    @admin.display(description=_("value"))
    def shown_value(self, row: Config) -> str:
        """Return the value as it may be seen."""
        if row.is_sensitive:
            return masked_setting(row.value)
        return shown(row.plain) if row.value else NOTHING

    @admin.display(description=_("default"))
    def default(self, row: Config) -> str:
        """Return what holds when nothing is set."""
        setting = registry.SETTINGS.get(row.key)
        return shown(setting.default) if setting and not setting.sensitive else NOTHING

    @admin.display(description=_("source"))
    def source(self, row: Config) -> str:
        """Return where the value in force comes from."""
        setting = registry.SETTINGS.get(row.key)
        if setting is None:
            return gettext("unknown to this release")
        return source_of(setting, stored=bool(row.value))

    def save_model(self, request: HttpRequest, obj: Config, form: Any, change: bool) -> None:
        """Publish the value."""
        call = {"key": obj.key, "actor": actor_of(request), **form.grounds()}
        if form.cleaned_data.get("back_to_default"):
            row = services.reset_setting(**call)
        else:
            row = services.change_setting(value=form.cleaned_data["typed"], **call)
        obj.pk = row.pk

    def roll_back(self, request: HttpRequest, past: Any) -> None:
        """Write the value of then as a new version."""
        services.roll_back(
            key=past.key, version=past.version, actor=actor_of(request), reason=way_back(past)
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Settings go back to their default; their history stays."""
        return False
