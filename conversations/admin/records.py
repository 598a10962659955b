"""The screens of conversations, messages, citations and feedback: read by a right, and a reason."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from configs.admin.base import EstimatingPaginator, IndexedSearch, RecordAdmin
from configs.admin.screens import actor_of, address, whole_number
from conversations import trace
from conversations.admin import gate, tracing
from conversations.models import Citation, Conversation, Feedback, Message

LONGEST_EXCERPT: Final = 20_000


class PrivateAdmin(RecordAdmin):
    """Records whose `private_fields` are people's words: on their own pages only, never in lists.

    Whoever may not read a row sees it without the words. Who may, says why first.
    """

    private_fields: Sequence[str] = ()
    paginator = EstimatingPaginator
    show_facets = admin.ShowFacets.NEVER
    date_hierarchy = None

    def conversation_of(self, row: Any) -> Conversation:
        """Return the conversation whose words a row holds."""
        found: Conversation = row.conversation
        return found

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Search by person and id; words are found by nobody.

        Raises:
            Http404: an autocomplete asks; it would answer with titles.
        """
        if request.path.endswith("/autocomplete/"):
            raise Http404
        return list(self.search_fields)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Return the row; its words are blank until this person may read them, and said why."""
        row = super().get_object(request, object_id, from_field)
        if row is not None and not self._is_open(request, row):
            for name in self.private_fields:
                if name in row.__dict__:
                    setattr(row, name, "")  # in memory: these rows are never saved here
        return row

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return the fields, with the words only for those who may read them."""
        words = self.private_fields if obj is not None and self._may_read(request, obj) else ()
        return [*(self.fields or ()), *words]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show a row: with its words to those who may read them, after they said why.

        Raises:
            PermissionDenied: a form was sent, and not that of the reason.
        """
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            return super().change_view(request, object_id, form_url, extra_context)
        if not self._may_read(request, row):
            return super().change_view(request, object_id, form_url, extra_context)
        conversation = self.conversation_of(row)
        asked = trace.must_explain(actor=actor_of(request), conversation=conversation)
        if request.method == "POST" and (not asked or "reason" not in request.POST):
            raise PermissionDenied
        extra = {**self.more(request, row), **(extra_context or {})}
        return gate.opened(
            self,
            request,
            conversation,
            lambda: super(PrivateAdmin, self).change_view(request, object_id, form_url, extra),
        )

    def more(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page of a row shows besides its fields."""
        return {}

    def _is_open(self, request: HttpRequest, row: Any) -> bool:
        conversation = self.conversation_of(row)
        asked = trace.must_explain(actor=actor_of(request), conversation=conversation)
        return self._may_read(request, row) and not asked

    def _may_read(self, request: HttpRequest, row: Any) -> bool:
        conversation = self.conversation_of(row)
        return trace.may_read(actor=actor_of(request), conversation=conversation)


@admin.register(Conversation)
class ConversationAdmin(IndexedSearch, PrivateAdmin):
    """Whose conversation, and when; its title is made of its words."""

    change_form_template = "admin/conversations/conversation/change_form.html"
    fields = ["id", "owner", "pinned", "archived", "created_at", "updated_at", "deleted_at"]
    private_fields = ["title"]
    list_display = ["id", "owner", "updated_at", "archived", "deleted_at"]
    list_select_related = ["owner"]
    list_filter = ["archived", "pinned", ("deleted_at", admin.EmptyFieldListFilter)]
    search_fields = ["owner__username", "id__exact"]
    search_names = {"owner": "username"}
    ordering = ["-updated_at", "id"]

    def conversation_of(self, row: Any) -> Conversation:
        """Return the row itself."""
        conversation: Conversation = row
        return conversation

    def more(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return a page of the messages, the newest first."""
        return {"talk": tracing.messages_of(row, before=request.GET.get("before", ""))}


@admin.register(Message)
class MessageAdmin(IndexedSearch, PrivateAdmin):
    """Questions and replies: which model, prompt and configuration made an answer, and how fast."""

    change_form_template = "admin/conversations/message/change_form.html"
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
    list_filter = ["status", "role"]
    search_fields = ["id__exact", "conversation__id__exact", "conversation__owner__username"]
    search_ids = ["pk", "conversation"]
    search_names = {"conversation__owner": "username"}
    ordering = ["-created_at", "id"]

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with the trace."""
        return [address(self, "<uuid:pk>/trace/", self.trace_view, "trace"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Return the rows; lists do not load what was said."""
        rows: QuerySet[Message] = super().get_queryset(request)
        match = request.resolver_match
        lists = match is not None and str(match.url_name).endswith("_changelist")
        return rows.defer("content", "error", "conversation__title") if lists else rows

    def trace_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Show how a reply came about.

        Raises:
            Http404: there is no such reply.
            PermissionDenied: this person may not see messages, or not this one's words.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = Message.objects.select_related("conversation__owner", "parent")
        reply = rows.filter(pk=pk, role=Message.Role.ASSISTANT).first()
        if reply is None:
            raise Http404
        return gate.opened(
            self, request, reply.conversation, lambda: tracing.page(self, request, reply)
        )

    @admin.display(description=_("person"))
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
        return Truncator(message.content).chars(LONGEST_EXCERPT)


@admin.register(Citation)
class CitationAdmin(IndexedSearch, RecordAdmin):
    """Which passage of which version an answer rests on, and which answers used it."""

    fields = [
        "reply",
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
    readonly_fields = ["reply"]
    list_display = ["reply", "number", "document_name", "version_number", "score"]
    search_fields = ["message__id__exact", "document__name"]
    search_ids = ["pk", "message", "document"]
    search_names = {"document": "name"}
    ordering = ["-id"]
    paginator = EstimatingPaginator

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with the uses of a document and their export."""
        own = [
            address(self, "uses/", self.uses_view, "uses"),
            address(self, "uses/export/", self.export_view, "uses_export"),
        ]
        return [*own, *super().get_urls()]

    def uses_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show which answers used a document, a version or a passage.

        Raises:
            Http404: none is named.
            PermissionDenied: this person may not see citations.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        before = whole_number(request.GET.get("before"))
        return tracing.uses_page(self, request, tracing.named(request.GET), before)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Return all uses as a CSV file.

        Raises:
            Http404: nothing is named.
            PermissionDenied: this person may not see citations.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        return tracing.export(request)

    @admin.display(description=_("message"))
    def reply(self, citation: Citation) -> str:
        """Return the id of the reply."""
        return str(citation.message_id)


@admin.register(Feedback)
class FeedbackAdmin(PrivateAdmin):
    """What people thought of replies."""

    fields = ["reply", "rating", "created_at", "updated_at"]
    private_fields = ["comment"]
    list_display = ["reply", "rating", "created_at"]
    list_filter = ["rating"]
    search_fields = ["message__id__exact", "message__conversation__owner__username"]

    def conversation_of(self, row: Any) -> Conversation:
        """Return the conversation of the reply that was judged."""
        conversation: Conversation = row.message.conversation
        return conversation

    @admin.display(description=_("message"))
    def reply(self, feedback: Feedback) -> str:
        """Return the id of the reply."""
        return str(feedback.message_id)
