"""Tags of the steering screens: a difference side by side, and words in the reader's language."""

from typing import Any

from django import template
from django.utils.translation import gettext

from configs.models import Change
from configs.templatetags.differences import compare

register = template.Library()


@register.inclusion_tag("admin/configs/difference.html")
def difference(old: str, new: str, before: str = "", after: str = "") -> dict[str, Any]:
    """Show two texts side by side with what changed marked; `before` and `after` head them."""
    rows = compare(old or "", new or "")
    numbered = "\n" in (old or "") or "\n" in (new or "")
    return {"rows": rows, "numbered": numbered, "before": before, "after": after}


@register.filter
def role_name(group: Any) -> str:
    """Return a role's name in the reader's language; a group of your own keeps its name."""
    return gettext(str(group))


@register.filter
def spoken(text: str) -> str:
    """Return a description that the installation brought along in the reader's language."""
    return gettext(text) if text else ""


@register.filter
def kind_name(kind: str) -> str:
    """Return what kind of thing a change is about."""
    return str(Change.Kind(kind).label) if kind in Change.Kind.values else kind
