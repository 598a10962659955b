"""Name new conversations."""

from uuid import UUID

from django.db import close_old_connections

from configs import prompts as templates
from configs import providers, registry, runtime
from configs.errors import ClawError
from configs.models import ModelEndpoint
from configs.providers.base import Turn
from conversations import prompts
from conversations.answering import engine
from conversations.models import Conversation, Message
from conversations.streams import doorbell

LONGEST_MATERIAL = 2000


def give(conversation: UUID) -> None:
    """Name a conversation after its first question and reply, unless it has a name."""
    first = (
        Message.objects.filter(
            conversation=conversation,
            role=Message.Role.ASSISTANT,
            parent__parent=None,
            conversation__title="",
        )
        .select_related("parent", "conversation")
        .order_by("created_at", "pk")
        .first()
    )
    if first is None or first.parent is None:
        return
    title = _compose(first.parent.content, first.content)
    unnamed = Conversation.objects.filter(pk=conversation, title="", titled_by_owner=False)
    if title and unnamed.update(title=title):
        message = {"type": "conversation.updated", "conversation": str(conversation)}
        engine.current().run(doorbell.ring(first.conversation.owner_id, message))


def _compose(question: str, answer: str) -> str:
    """Return what the model calls it, or the first words of the question."""
    snapshot = runtime.current()
    endpoints = snapshot.endpoints("chat")
    built_in = not endpoints or endpoints[0].provider == ModelEndpoint.Provider.LOCAL
    if built_in or not answer or not snapshot.get(registry.TITLES_ENABLED):
        return prompts.first_words(question)
    text = templates.render(
        snapshot.prompt("title").text,
        question=question[:LONGEST_MATERIAL],
        answer=answer[:LONGEST_MATERIAL],
    )
    close_old_connections()  # the connection goes back to the pool while the model speaks
    try:
        said = engine.current().run(providers.complete((Turn("user", text),), endpoints=endpoints))
    except ClawError:
        return prompts.first_words(question)
    return prompts.clean_title(said) or prompts.first_words(question)
