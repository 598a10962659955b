"""The admin of prompt templates: the words, what their placeholders mean, and how they fare."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs import prompts
from configs.admin import drafting
from configs.admin.drafting import Wish
from configs.admin.screens import show
from configs.admin.steering import SteeringAdmin, SteeringForm
from configs.errors import Invalid
from configs.models import Change, PromptTemplate

MEANINGS: Final[Mapping[str, str | Promise]] = {
    "name": _("the name of this assistant, from the settings"),
    "date": _("today's date and day of the week"),
    "passages": _("the passages that were found, numbered, between <passages> and </passages>"),
    "question": _("the first question of the conversation"),
    "answer": _("the first reply of the conversation"),
}


class PromptForm(SteeringForm):
    """The words of a template."""

    class Meta:
        model = PromptTemplate
        fields = ["text"]
        widgets = {"text": forms.Textarea(attrs={"class": "st-code st-input", "rows": 24})}

    def clean_text(self) -> str:
        """Refuse words that cannot be filled."""
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        try:
            prompts.check(self.instance.name, text)
        except Invalid as refusal:
            raise forms.ValidationError(refusal.detail) from None
        return text


@admin.register(PromptTemplate)
class PromptTemplateAdmin(SteeringAdmin):
    """The words that are sent to models."""

    form = PromptForm
    kind = Change.Kind.PROMPT
    fieldsets = [(None, {"fields": ["text"]})]
    actions = None

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the templates.

        Raises:
            PermissionDenied: this person may not see them, or sent a form.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        drafts = drafting.drafted([self.kind])
        rows = list(PromptTemplate.objects.all())
        for row in rows:
            row.draft = drafts.get((self.kind, row.name))  # type: ignore[attr-defined]
        return show(
            self,
            request,
            "admin/configs/prompttemplate/list.html",
            title=_("Prompt templates"),
            rows=rows,
            **(extra_context or {}),
        )

    def wishes(self, form: PromptForm, *, adding: bool) -> Iterable[Wish]:
        """Return the new words, if they are new."""
        if "text" not in form.changed_data:
            return []
        return [Wish(self.kind, form.instance.name, value=form.cleaned_data["text"])]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Explain the placeholders that this template has."""
        row = kwargs.get("obj")
        if row:
            needed = prompts.NEEDED.get(row.name, frozenset())
            context["title"] = row.name
            context["subtitle"] = None
            context["brace_hint"] = gettext(
                "They are filled in when the words are sent; {{ and }} stand for braces."
            )
            context["placeholders"] = [
                (f"{{{name}}}", MEANINGS.get(name, ""), name in needed)
                for name in sorted(prompts.PLACEHOLDERS.get(row.name, ()))
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The code knows which templates there are."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The code needs each of them."""
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Keep our own field for the words: the theme's is made for short texts."""
        if db_field.name == "text":
            label = gettext("Text")
            return db_field.formfield(widget=PromptForm.Meta.widgets["text"], label=label)
        return super().formfield_for_dbfield(db_field, request, **kwargs)
