"""Forms of the entrance: sign in, choose a password, choose a language and a theme."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.contrib.auth.forms import PasswordChangeForm as DjangoPasswordChangeForm
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy as _

from accounts.models import User

LONGEST_PASSWORD = 1024
"""Hashing time grows with the length of what is typed."""


def _bound_passwords(form: forms.Form) -> None:
    """Refuse passwords that are longer than anybody types."""
    for name, field in form.fields.items():
        if "password" in name:
            field.validators.append(MaxLengthValidator(LONGEST_PASSWORD))


class LoginForm(AuthenticationForm):
    """Name and password; a wrong name and a wrong password get the same answer."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class PasswordChangeForm(DjangoPasswordChangeForm):
    """The old password, and the new one twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _bound_passwords(self)


class InvitationForm(SetPasswordForm):  # type: ignore[type-arg]
    """The first password, twice, and how one wants to be called."""

    display_name = forms.CharField(label=_("Your name"), max_length=100, required=False)

    field_order = ["display_name", "new_password1", "new_password2"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _bound_passwords(self)


class ConfirmForm(forms.Form):
    """The password once more."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )


class PreferencesForm(forms.Form):
    """Language and theme; what is left out stays as it is."""

    language = forms.ChoiceField(choices=settings.LANGUAGES, required=False)
    theme = forms.ChoiceField(choices=User.Theme.choices, required=False)
