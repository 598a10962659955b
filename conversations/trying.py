"""The page on which an operator tries the words of a prompt before they are published."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.models import User
from configs import prompts as templates
from configs.errors import Invalid
from configs.models import PromptTemplate
from conversations import trials
from knowledge.models import KnowledgeBase

LONGEST_QUESTION = 4000
FIRST_OPENED = "_open"


class TrialForm(forms.Form):
    """The words, and what they are tried on."""

    text = forms.CharField(label=_("Text"), max_length=20_000, strip=False)
    question = forms.CharField(label=_("Question"), max_length=LONGEST_QUESTION)
    answer = forms.CharField(label=_("Answer given before"), max_length=20_000, required=False)
    bases = forms.ModelMultipleChoiceField(
        KnowledgeBase.objects.none(), label=_("Knowledge bases to search"), required=False
    )

    def __init__(self, name: str, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name
        self.fields["text"].widget = forms.Textarea(attrs={"class": "st-code", "rows": 16})
        self.fields["question"].widget = forms.Textarea(attrs={"rows": 2})
        self.fields["answer"].widget = forms.Textarea(attrs={"rows": 4})
        if name == "answer":
            del self.fields["answer"]
            self.fields["bases"].queryset = KnowledgeBase.objects.visible_to(user)  # type: ignore[attr-defined]
            self.fields["bases"].widget = forms.CheckboxSelectMultiple(
                choices=self.fields["bases"].choices  # type: ignore[attr-defined]
            )
        else:
            del self.fields["bases"]

    def clean_text(self) -> str:
        """Refuse words that cannot be filled."""
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        try:
            templates.check(self.name, text)
        except Invalid as refusal:
            raise forms.ValidationError(refusal.detail) from None
        return text

    def material(self) -> trials.Material:
        """Return what the words are tried on."""
        values = self.cleaned_data
        return trials.Material(
            question=values["question"],
            bases=tuple(values.get("bases", ())),
            answer=values.get("answer", ""),
        )


@require_POST
@permission_required("configs.change_prompttemplate", raise_exception=True)
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the form, and, once a question was asked, what was sent and what came back.

    Raises:
        PermissionDenied: this person may not change prompts.
        Http404: there is no such template.
    """
    assert isinstance(request.user, User)  # noqa: S101 - the right has seen to it
    row = get_object_or_404(PromptTemplate, pk=pk)
    opened = FIRST_OPENED in request.POST
    given = {"initial": {"text": request.POST.get("text", row.text)}} if opened else {}
    form = TrialForm(row.name, request.user, *([] if opened else [request.POST]), **given)
    trial = None
    if not opened and form.is_valid():
        text = form.cleaned_data["text"]
        trial = trials.run(row.name, text, form.material(), user=request.user)
    context = {
        "title": gettext("Try “%(name)s”") % {"name": row.name},
        "form": form,
        "row": row,
        "trial": trial,
        "opts": PromptTemplate._meta,
    }
    frame = admin.site.each_context(request)
    return TemplateResponse(request, "admin/configs/prompttemplate/try.html", {**frame, **context})
