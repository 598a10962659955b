"""Forms of settings: the right widget for each kind, checked as the registry declares."""

from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs import registry
from configs.errors import Invalid
from configs.models import Config, ModelEndpoint
from configs.registry import AnySetting, Kind

SWITCH = "switch"
HIDE = {"autocomplete": "off", "spellcheck": "false"}


def widget(setting: AnySetting) -> forms.Widget:
    """Return what edits a value of this setting."""
    if setting.sensitive:
        return forms.PasswordInput(attrs={"autocomplete": "new-password"})
    if setting.kind == Kind.LIST and setting.choices:
        return forms.CheckboxSelectMultiple(choices=[(each, each) for each in setting.choices])
    if choices := _choices(setting):
        return forms.Select(choices=choices)
    return _widget_of_kind(setting)


def _choices(setting: AnySetting) -> list[tuple[str, str]]:
    if setting.key == registry.EMBEDDING_ENDPOINT.key:
        rows = ModelEndpoint.objects.filter(kind=ModelEndpoint.Kind.EMBEDDING, enabled=True)
        return [(row.name, f"{row.name} ({row.model})" if row.model else row.name) for row in rows]
    return [(str(each), str(each)) for each in setting.choices]


def _widget_of_kind(setting: AnySetting) -> forms.Widget:
    if setting.kind == Kind.BOOLEAN:
        return forms.CheckboxInput(attrs={"role": SWITCH})
    if setting.kind in {Kind.INTEGER, Kind.NUMBER}:
        step = "1" if setting.kind == Kind.INTEGER else "any"
        bounds = {"min": setting.minimum, "max": setting.maximum}
        attrs = {"step": step, **{k: v for k, v in bounds.items() if v is not None}}
        return forms.NumberInput(attrs=attrs)
    if setting.kind in {Kind.LINES, Kind.LIST, Kind.JSON}:
        code = "" if setting.kind == Kind.LINES else "st-code"
        return forms.Textarea(attrs={**HIDE, "class": code, "rows": 4})
    return forms.TextInput(attrs=HIDE)


def range_of(setting: AnySetting) -> str:
    """Say in words what values there may be."""
    low, high = setting.minimum, setting.maximum
    if setting.choices:
        return gettext("One of: %(choices)s") % {"choices": ", ".join(map(str, setting.choices))}
    if low is not None and high is not None:
        return gettext("%(low)s to %(high)s") % {"low": f"{low:,}", "high": f"{high:,}"}
    if low is not None:
        return gettext("at least %(low)s") % {"low": f"{low:,}"}
    if high is not None:
        return gettext("at most %(high)s") % {"high": f"{high:,}"}
    return _hints().get(setting.kind, "")


def _hints() -> dict[Kind, str]:
    return {
        Kind.LIST: gettext("One entry a line."),
        Kind.JSON: gettext("JSON: an object, a list, a text, a number, true, false or null."),
        Kind.URL: gettext("An http or https address, or a path that begins with /."),
    }


class ValueForm(forms.Form):
    """The value of one setting; `cleaned_data["value"]` is of the setting's type."""

    def __init__(self, setting: AnySetting, *args: Any, present: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.setting = setting
        self.fields["value"] = field = _field(setting)
        field.widget.attrs["id"] = self.add_prefix("id_value")
        if not setting.sensitive and present is not None:
            field.initial = _initial(setting, present)

    @property
    def is_switch(self) -> bool:
        """Say whether the value is on or off."""
        return bool(self.setting.kind == Kind.BOOLEAN and not self.setting.sensitive)

    def clean_value(self) -> Any:
        """Check the value against its declaration."""
        typed = self.cleaned_data["value"]
        if self.setting.sensitive and not typed:
            raise forms.ValidationError(gettext("Type the new value."))
        try:
            if isinstance(typed, str):
                return self.setting.parse(typed.replace("\r\n", "\n"))
            return self.setting.check(typed)
        except Invalid as refusal:
            raise forms.ValidationError(refusal.detail) from None


def _field(setting: AnySetting) -> forms.Field:
    shape = widget(setting)
    if isinstance(shape, forms.CheckboxInput):
        return forms.BooleanField(label=_("Value"), required=False, widget=shape)
    if isinstance(shape, forms.CheckboxSelectMultiple):
        return forms.MultipleChoiceField(
            label=_("Value"), required=False, widget=shape, choices=shape.choices
        )
    return forms.CharField(label=_("Value"), required=False, strip=False, widget=shape)


def _initial(setting: AnySetting, present: Any) -> Any:
    if setting.kind == Kind.BOOLEAN or (setting.kind == Kind.LIST and setting.choices):
        return present
    return setting.text(present)


class ExceptionForm(ValueForm):
    """The value that a setting has for the people of one role."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roles = Group.objects.order_by("name")
        self.fields["group"] = forms.ModelChoiceField(roles, label=_("Role"), empty_label=None)
        self.order_fields(["group", "value"])


class FreeKeyForm(forms.Form):
    """A key of the operator's own, with its type and first value."""

    key = forms.CharField(
        label=_("Key"),
        max_length=100,
        help_text=_("a-z, 0-9, dot, dash and underscore; for example team.contact"),
        widget=forms.TextInput(attrs=HIDE),
    )
    value_type = forms.ChoiceField(label=_("Type"), choices=Config.ValueType.choices)
    value = forms.CharField(
        label=_("Value"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={**HIDE, "rows": 3}),
        help_text=_("Yes or no is written true or false."),
    )
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=500,
        help_text=_("What it is for, and who reads it."),
        widget=forms.TextInput(attrs={}),
    )
    is_public = forms.BooleanField(
        label=_("Public: anybody may read it without signing in"), required=False
    )

    def clean_key(self) -> str:
        """Refuse a key that cannot be made, or that there is."""
        key: str = self.cleaned_data["key"]
        try:
            registry.check_free_key(key)
        except Invalid as refusal:
            raise forms.ValidationError(refusal.detail) from None
        if key in registry.SETTINGS or Config.objects.filter(key=key).exclude(value="").exists():
            raise forms.ValidationError(gettext("There is a setting of this name already."))
        return key

    def clean(self) -> dict[str, Any]:
        """Check the value against its type."""
        cleaned = super().clean() or {}
        if "key" not in cleaned or "value_type" not in cleaned:
            return cleaned
        setting = registry.free(cleaned["key"], cleaned["value_type"])
        try:
            cleaned["typed"] = setting.parse(cleaned.get("value", "").replace("\r\n", "\n"))
        except Invalid as refusal:
            self.add_error("value", refusal.detail)
        return cleaned
