"""The chat page: a thin shell with what the browser needs to begin."""

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import limits
from accounts.models import User
from configs import registry, runtime
from conversations.models import Conversation
from knowledge import services as knowledge
from knowledge.models import KnowledgeBase

HANDBOOK = "handbook"
"""Slug of the demo knowledge base, on which the example questions work."""


@require_safe
@never_cache
@login_required
def chat(request: HttpRequest, conversation: uuid.UUID | None = None) -> HttpResponse:
    """Show a conversation of one's own, or the greeting of a new one.

    Raises:
        Http404: there is no such conversation, or it is another person's.
    """
    assert isinstance(request.user, User)  # noqa: S101 - login_required has seen to it
    if conversation is not None:
        get_object_or_404(Conversation.objects.visible_to(request.user), pk=conversation)
    snapshot = runtime.current()
    context = {
        "entry": "chat.js",
        "section": "chat",
        "brand": snapshot.get(registry.BRANDING_NAME),
        "notice": snapshot.get(registry.BRANDING_NOTICE),
        "accept": ",".join(knowledge.accepted()),
        "longest": limits.of_person(request.user, registry.QUESTION_CHARACTERS),
        "chat": _chat_data(request.user, conversation),
    }
    return render(request, "chat.html", context)


def _chat_data(user: User, conversation: uuid.UUID | None) -> dict[str, Any]:
    """Return what `chat.js` starts from."""
    snapshot = runtime.current()
    endpoints = snapshot.endpoints("chat")
    bases = _bases(user)
    megabytes = knowledge.max_bytes(user) >> 20
    return {
        "conversation": conversation,
        "socket": "/ws/chat/",
        "bases": bases,
        "examples": list(snapshot.get(registry.BRANDING_EXAMPLES)) or _examples(bases),
        "features": {
            "feedback": limits.of_person(user, registry.FEEDBACK_ENABLED),
        },
        "traces": _traces(user),
        "welcome": snapshot.get(registry.BRANDING_WELCOME),
        "model": {
            "configured": any(endpoint.provider != "local" for endpoint in endpoints),
            "builtIn": [each.name for each in endpoints if each.provider == "local"],
            "adminUrl": f"{reverse('admin:index')}configs/modelendpoint/",
        },
        "limits": {
            "bytes": megabytes * 1024 * 1024,
            "text": _("The file is larger than %(limit)s MB.") % {"limit": megabytes},
        },
    }


def _traces(user: User) -> str:
    """Return where the admin shows how replies were made, for those who may look there."""
    may = user.is_staff and user.has_perm("conversations.view_message")
    return reverse("admin:conversations_message_changelist") if may else ""


def _bases(user: User) -> list[dict[str, Any]]:
    """Return the bases that `user` may ask, the fullest first."""
    rows = (
        KnowledgeBase.objects.visible_to(user)
        .annotate(count=Count("documents"))
        .order_by("-count", "name", "id")
        .values_list("pk", "name", "slug", "visibility", "owner", "count")
    )
    names = ("id", "name", "slug", "visibility", "documents")
    return [
        dict(zip(names, (*rest, count), strict=True)) | {"mine": owner == user.pk}
        for *rest, owner, count in rows
    ]


def _examples(bases: list[dict[str, Any]]) -> list[str]:
    """Return questions that the demo handbook answers; none when it is not there."""
    if not any(base["slug"].startswith(HANDBOOK) and base["documents"] for base in bases):
        return []
    return [
        _("How do I share a knowledge base?"),
        _("What happens to an answer when the connection breaks?"),
        _("Which files can be uploaded?"),
        _("How do I connect Zhipu GLM-4?"),
    ]
