"""Admin screens of rows that are changed through services, with a history that leads back."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from simple_history.admin import SimpleHistoryAdmin
from simple_history.template_utils import HistoricalRecordContextHelper
from unfold.widgets import (
    UnfoldAdminTextInputWidget,
)

from configs import crypto
from configs.admin.base import ClawAdmin, RefusableForm
from configs.errors import ClawError, SecretUnreadable

if TYPE_CHECKING:
    from accounts.models import User


class SteeringForm(RefusableForm):
    """A form whose changes have a reason and know which version they are based on."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        required=False,
        help_text=_("Why: it is kept in the history for ever."),
        widget=UnfoldAdminTextInputWidget(),
    )
    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "seen_version" in self.fields and not self.instance._state.adding:
            self.fields["seen_version"].initial = self.instance.version

    def grounds(self) -> dict[str, Any]:
        """Return what every change is called with besides the change itself."""
        return {
            "reason": self.cleaned_data.get("reason", ""),
            "expected_version": self.cleaned_data.get("seen_version"),
        }


class MaskingHelper(HistoricalRecordContextHelper):  # type: ignore[misc]
    """Shows of secrets in a history that they changed, and their last four characters."""

    def prepare_delta_change_value(self, change: Any, value: Any) -> Any:
        """Return the value as it may be seen."""
        if change.field == "api_key":
            return crypto.mask(value or "")
        if change.field == "value" and self.record.is_sensitive:
            return masked_setting(value)
        return super().prepare_delta_change_value(change, value)


def masked_setting(sealed: str) -> str:
    """Return of an encrypted JSON text what may be seen: dots and the last four characters."""
    try:
        plain = crypto.decrypt(sealed)
        return crypto.mask(str(json.loads(plain))) if plain else ""
    except (SecretUnreadable, ValueError):
        return "••••"


class SteeringAdmin(SimpleHistoryAdmin, ClawAdmin):  # type: ignore[misc]
    """Rows that are changed through services, with a history that leads back."""

    secret_fields: Sequence[str] = ()
    history_list_display = ["version"]

    def get_historical_record_context_helper(self, request: HttpRequest, record: Any) -> Any:
        """Return what writes the differences of the history page."""
        return MaskingHelper(self.model, record)

    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        """Show a past version; POST goes back to it, as a new version.

        Raises:
            PermissionDenied: this person may not change the row.
        """
        if request.method == "POST":
            return self._roll_back(request, object_id, version_id)
        page: HttpResponseBase = super().history_form_view(
            request, object_id, version_id, extra_context
        )
        return page

    def _roll_back(self, request: HttpRequest, object_id: str, version_id: str) -> HttpResponseBase:
        if not self.has_change_permission(request):
            raise PermissionDenied
        past = get_object_or_404(self.model.history, id=object_id, history_id=version_id)
        try:
            self.roll_back(request, past)
        except ClawError as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
        else:
            said = gettext("Back to what version %(version)d was.") % {"version": past.version}
            self.message_user(request, said, messages.SUCCESS)
            self.log_change(request, past.instance, said)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return redirect(reverse(name, args=[object_id]))

    def roll_back(self, request: HttpRequest, past: Any) -> None:
        """Write what `past` was as a new version."""
        raise NotImplementedError

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        """Offer the way back to those who may change the row."""
        return not self.has_change_permission(request, obj)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return the fields; secrets and the reason only where something can be written."""
        fields = [str(name) for name in self.fields or ()]
        if self.may_change(request, obj):
            return [*fields, "reason", "seen_version"]
        return [name for name in fields if name not in self.secret_fields]


def actor_of(request: HttpRequest) -> "User":
    """Return who is at the screen; the admin lets nobody in who has not signed in."""
    return cast("User", request.user)


def way_back(past: Any) -> str:
    """Return the reason that a return to `past` is given."""
    return gettext("Back to version %(version)d") % {"version": past.version}
