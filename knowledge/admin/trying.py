"""The search test of the admin: what a question finds, and why the rest is left out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from configs import registry, runtime
from configs.errors import ProviderError
from configs.providers.tokens import estimate_tokens
from knowledge import retrieval
from knowledge.models import KnowledgeBase
from knowledge.retrieval import Passage

LOOKED_AT: Final = 30
LONGEST: Final = 2000
MODES: Final = [
    ("hybrid", gettext_lazy("Both")),
    ("vector", gettext_lazy("Meaning")),
    ("text", gettext_lazy("Words")),
]


class SearchForm(forms.Form):
    """What is asked of which base, how, and for how many passages."""

    query = forms.CharField(label=gettext_lazy("Question"), max_length=LONGEST)
    base = forms.ModelChoiceField(
        label=gettext_lazy("Knowledge base"),
        queryset=KnowledgeBase.objects.none(),
        required=False,
        empty_label=gettext_lazy("All that I may read"),
    )
    mode = forms.ChoiceField(label=gettext_lazy("Mode"), choices=MODES, initial="hybrid")
    top_k = forms.IntegerField(
        label=gettext_lazy("Passages"), min_value=1, max_value=LOOKED_AT, required=False
    )

    def __init__(self, data: Any, *, actor: User) -> None:
        super().__init__(data)
        bases: Any = self.fields["base"]
        bases.queryset = KnowledgeBase.objects.visible_to(actor)
        self.fields["top_k"].widget.attrs["placeholder"] = self.usual

    @property
    def usual(self) -> int:
        """Return the number that the settings give."""
        return runtime.current().get(registry.RETRIEVAL_TOP_K)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was looked at; `left_out` says why the model would not get it, if so."""

    place: int
    passage: Passage
    tokens: int
    left_out: str

    @property
    def width(self) -> int:
        """Return the length of the score's bar in percent; a reranker's may be out of bounds."""
        return round(min(max(self.passage.score, 0), 1) * 100)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a search found, and how."""

    hits: Sequence[Hit]
    top_k: int
    milliseconds: int
    degraded: bool = False
    reranked: bool = False
    plan: str = "none"
    error: str = ""

    @property
    def given(self) -> int:
        """Return how many of the passages the model would get."""
        return sum(not hit.left_out for hit in self.hits)


def search(form: SearchForm, actor: User) -> Trial:
    """Run the search of a valid form, for what its reader may read."""
    asked = form.cleaned_data
    top_k = asked["top_k"] or form.usual
    bases = [asked["base"].pk] if asked["base"] else None
    began = time.perf_counter()
    try:
        found = retrieval.retrieve(
            asked["query"], user=actor, bases=bases, limit=LOOKED_AT, mode=asked["mode"]
        )
    except ProviderError as refusal:
        return Trial((), top_k, 0, error=refusal.detail)
    taken = round((time.perf_counter() - began) * 1000)
    budget = runtime.current().get(registry.RETRIEVAL_CONTEXT_TOKENS)
    hits = explained(found.passages, top_k=top_k, budget=budget)
    return Trial(hits, top_k, taken, found.degraded, found.reranked, found.plan)


def explained(passages: Sequence[Passage], *, top_k: int, budget: int) -> list[Hit]:
    """Return the passages with the reason for which each would not reach the model, if any."""
    hits: list[Hit] = []
    used, is_full = 0, False
    for place, passage in enumerate(passages, 1):
        tokens = estimate_tokens(passage.text)
        used += tokens
        is_full = is_full or (used > budget and place > 1)
        if place > top_k:
            why = _("below the best %(count)d") % {"count": top_k}
        elif is_full:
            why = _("over the budget of %(count)d tokens") % {"count": budget}
        else:
            why = ""
        hits.append(Hit(place, passage, tokens, why))
    return hits
