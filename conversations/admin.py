"""The admin of conversations: records, whose texts only a right of its own opens."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin
from django.http import Http404, HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from configs.admin.base import EstimatingPaginator, RecordAdmin
from conversations import services
from conversations.models import Citation, Conversation, Feedback, Message


class PrivateAdmin(RecordAdmin):
    """Records whose `private_fields` are other people's words."""

    private_fields: Sequence[str] = ()
    private_search: Sequence[str] = ()
    paginator = EstimatingPaginator

    def may_read(self, request: HttpRequest) -> bool:
        """Return whether the person holds the right to read others' conversations."""
        return bool(request.user.has_perm("accounts.read_conversations"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return the fields, with the words only for those who may read them."""
        words = self.private_fields if self.may_read(request) else ()
        return [*(self.fields or ()), *words]

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Return the columns, with the words only for those who may read them."""
        words = self.private_fields if self.may_read(request) else ()
        return [*self.list_display, *words]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Search in words only for those who may read them.

        Raises:
            Http404: an autocomplete asks; it would answer with titles.
        """
        if request.path.endswith("/autocomplete/"):
            raise Http404
        words = self.private_search if self.may_read(request) else ()
        return [*self.search_fields, *words]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the list; who reads others' words in it does so in the log's sight."""
        page = super().changelist_view(request, extra_context)
        shown = getattr(page, "context_data", {}).get("cl")
        if shown is not None and self.private_fields and self.may_read(request):
            self.record_reading(request, shown.result_list)
        return page

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Return the row, with its words blanked for those who may not read them."""
        row = super().get_object(request, object_id, from_field)
        if row is None or not self.private_fields:
            return row
        if self.may_read(request):
            self.record_reading(request, [row])
        else:
            for name in self.private_fields:
                blank(row, name)
        return row

    def record_reading(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Record whose conversations were read, where they are not one's own."""
        talks = Conversation.objects.filter(pk__in={self.conversation_of(row) for row in rows})
        services.note_reading(
            actor=cast(User, request.user),
            conversations=list(talks.exclude(owner=request.user.pk).select_related("owner")),
        )

    def conversation_of(self, row: Any) -> Any:
        """Return the id of the conversation whose words a row holds."""
        return row.conversation_id


def blank(row: Any, name: str) -> None:
    """Empty a text in memory; these rows are never saved here."""
    if name in row.__dict__:
        setattr(row, name, "")


@admin.register(Conversation)
class ConversationAdmin(PrivateAdmin):
    """Whose conversation, and when; its title is made of its words."""

    fields = ["id", "owner", "pinned", "archived", "created_at", "updated_at", "deleted_at"]
    private_fields = ["title"]
    private_search = ["title"]
    list_display = ["id", "owner", "updated_at", "archived", "deleted_at"]
    list_select_related = ["owner"]
    list_filter = ["archived", "pinned"]
    search_fields = ["owner__username", "id__exact"]

    def conversation_of(self, row: Any) -> Any:
        """Return the row's own id."""
        return row.pk


@admin.register(Message)
class MessageAdmin(PrivateAdmin):
    """Questions and replies: which model, prompt and configuration made an answer, and how fast."""

    fields = [
        "id",
        "conversation_id",
        "parent_id",
        "role",
        "author",
        "status",
        "epoch",
        "attempts",
        "error_code",
        "endpoint_name",
        "model",
        "config_version",
        "prompt_version",
        "prompt_tokens",
        "completion_tokens",
        "usage_exact",
        "created_at",
        "started_at",
        "first_token_at",
        "finished_at",
    ]
    private_fields = ["excerpt"]
    list_display = ["id", "role", "status", "person", "model", "config_version", "created_at"]
    list_select_related = ["conversation__owner"]
    list_filter = ["status", "role", "endpoint_name"]
    search_fields = ["id__exact", "conversation__id__exact", "conversation__owner__username"]
    private_search = ["content"]
    ordering = ["-created_at", "id"]

    @admin.display(description=_("person"), ordering="conversation__owner__username")
    def person(self, message: Message) -> str:
        """Return whose conversation it is."""
        return str(message.conversation.owner)

    @admin.display(description=_("conversation"))
    def conversation_id(self, message: Message) -> str:
        """Return the conversation's id: its title is private."""
        return str(message.conversation_id)

    @admin.display(description=_("answers"))
    def parent_id(self, message: Message) -> str:
        """Return the id of what it answers."""
        return str(message.parent_id or "–")

    @admin.display(description=_("text"))
    def excerpt(self, message: Message) -> str:
        """Return the text, or the beginning of a very long one."""
        return Truncator(message.content).chars(20_000)


@admin.register(Citation)
class CitationAdmin(RecordAdmin):
    """Which passage of which version an answer rests on."""

    fields = [
        "message_id",
        "number",
        "document",
        "document_name",
        "version_number",
        "start",
        "end",
        "page",
        "heading_path",
        "quote_sha256",
        "score",
        "rank_vector",
        "rank_text",
    ]
    readonly_fields = ["message_id"]
    list_display = ["message_id", "number", "document_name", "version_number", "score"]
    search_fields = ["message__id__exact", "document_name", "quote_sha256"]
    ordering = ["-id"]
    paginator = EstimatingPaginator

    @admin.display(description=_("message"))
    def message_id(self, citation: Citation) -> str:
        """Return the id of the reply."""
        return str(citation.message_id)


@admin.register(Feedback)
class FeedbackAdmin(PrivateAdmin):
    """What people thought of replies."""

    fields = ["message_id", "rating", "created_at", "updated_at"]
    private_fields = ["comment"]
    private_search = ["comment"]
    list_display = ["message_id", "rating", "created_at"]
    list_filter = ["rating"]
    search_fields = ["message__id__exact", "message__conversation__owner__username"]
    list_select_related = ["message"]

    def conversation_of(self, row: Any) -> Any:
        """Return the conversation of the reply that was judged."""
        return row.message.conversation_id

    @admin.display(description=_("message"))
    def message_id(self, feedback: Feedback) -> str:
        """Return the id of the reply."""
        return str(feedback.message_id)
