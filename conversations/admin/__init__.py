"""The admin of conversations: records, whose texts a right and a reason open; and the trace."""

from conversations.admin.records import (
    CitationAdmin,
    ConversationAdmin,
    FeedbackAdmin,
    MessageAdmin,
)

__all__ = ["CitationAdmin", "ConversationAdmin", "FeedbackAdmin", "MessageAdmin"]
