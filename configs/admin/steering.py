"""Admin forms of rows that are drafted, reviewed and published, with a history that leads back."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext

from configs.admin import drafting, history
from configs.admin.base import ClawAdmin, RefusableForm
from configs.admin.drafting import Wish
from configs.admin.screens import bar

RECENT: Final = 8


class SteeringAdmin(ClawAdmin):
    """Rows whose form drafts a change; what is drafted is reviewed before it is published."""

    kind = ""
    secret_fields: Sequence[str] = ()
    change_form_show_cancel_button = False

    def wishes(self, form: Any, *, adding: bool) -> Iterable[Wish]:
        """Return the changes that a valid form asks for."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Draft what the form asks for."""
        wishes = list(self.wishes(form, adding=not change))
        title = wishes[0].target if wishes else ""
        request.drafted = (  # type: ignore[attr-defined]
            drafting.put(request, wishes, title=title) if wishes else None
        )

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        """Go to the review, or back to the list."""
        return self._onward(request, f"admin:{self.opts.app_label}_{self.opts.model_name}")

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        """Go to the review, or back to the form."""
        return self._onward(request, f"admin:{self.opts.app_label}_{self.opts.model_name}", obj)

    def _onward(self, request: HttpRequest, name: str, obj: Any = None) -> HttpResponseBase:
        place = (f"{name}_change", obj.pk) if obj else (f"{name}_changelist",)
        change_set = request.drafted  # type: ignore[attr-defined]  # save_model put it there
        if change_set is None:
            messages.info(request, gettext("Nothing was changed."))
            return redirect(*place)
        if drafting.TO_DRAFT not in request.POST:
            return redirect(drafting.page_of(change_set))
        messages.success(request, drafting.gathered(change_set))
        return redirect(*place)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Leave the log to the publication: a draft has changed nothing yet."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Leave the log to the publication."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Lead to the history of the row, in the history of everything."""
        row = self.get_object(request, object_id)
        row = row or get_object_or_404(self.model.objects.none())
        return redirect(history.history_of(self.kind, str(row.name)))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add the last changes, and offer our own buttons instead of Django's."""
        row = kwargs.get("obj")
        may = self.may_change(request, row)
        context |= {"may_steer": may, "show_delete": False, "show_close": False, **bar(request)}
        if row:
            wanted = history.Wanted(kind=self.kind, key=row.name, exact=True)
            context["entries"] = history.entries(wanted, limit=RECENT)[:RECENT]
            context["history_link"] = history.history_of(self.kind, row.name)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the subjects of the form; secrets only where something can be written."""
        if self.may_change(request, obj):
            return self.fieldsets
        hidden = set(self.secret_fields)
        return [
            (title, {**rest, "fields": [name for name in rest["fields"] if name not in hidden]})
            for title, rest in self.fieldsets or ()
        ]


class SteeringForm(RefusableForm):
    """A form of a row that is steered; leaving it as it is asks for nothing."""

    def differing(self, names: Iterable[str]) -> dict[str, Any]:
        """Return those of the fields that the person changed, with their new values."""
        return {n: self.cleaned_data[n] for n in self.changed_data if n in set(names)}
