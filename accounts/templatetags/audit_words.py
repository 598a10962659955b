"""Words for what the audit log names."""

from django import template

from configs.audit import actions

register = template.Library()


@register.filter
def act(action: str) -> str:
    """Return an act in words."""
    return actions.label(action)
