"""Who may see which conversations and messages: every door starts here."""

from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from accounts.models import User
    from conversations.models import Conversation, Message  # noqa: F401  # in the generic bases


class ConversationQuerySet(models.QuerySet["Conversation"]):
    """Conversations, by whose they are."""

    def visible_to(self, user: "User") -> Self:
        """Return the conversations that are `user`'s own and not deleted."""
        return self.filter(owner=user, deleted_at=None)


class MessageQuerySet(models.QuerySet["Message"]):
    """Messages, by whose conversation they stand in."""

    def visible_to(self, user: "User") -> Self:
        """Return the messages of `user`'s own conversations."""
        return self.filter(conversation__owner=user, conversation__deleted_at=None)
