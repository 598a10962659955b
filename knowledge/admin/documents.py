"""The admin of documents and of what was read from them."""

from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs.admin.base import (
    EstimatingPaginator,
    IndexedSearch,
    RecordAdmin,
)
from configs.admin.screens import actor_of, address, show
from configs.errors import ClawError
from knowledge import services
from knowledge.models import Chunk, Document, DocumentVersion
from knowledge.services import records

PASSAGES_A_PAGE: Final = 50


@admin.register(Document)
class DocumentAdmin(RecordAdmin):
    """Documents and the state of their indexing."""

    list_display = ["name", "base", "status", "progress", "uploaded_by", "attempts", "created_at"]
    list_select_related = ["base", "uploaded_by"]
    list_filter = ["status", "base"]
    search_fields = ["name", "source", "base__name", "uploaded_by__username"]
    paginator = EstimatingPaginator
    actions = ["reindex", "remove"]

    def has_edit_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may re-index documents."""
        return bool(request.user.has_perm("knowledge.change_document"))

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may delete documents."""
        return bool(request.user.has_perm("knowledge.delete_document"))

    @admin.action(description=_("Index again"), permissions=["edit"])
    def reindex(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        """Queue documents to be read and embedded once more."""
        self._each(request, documents, services.reindex, gettext("Index again."))

    @admin.action(description=_("Delete"), permissions=["remove"])
    def remove(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        """Delete documents with their files; answers keep what they quoted."""
        self._each(request, documents, services.delete_document, gettext("Deleted."))

    def _each(
        self, request: HttpRequest, documents: QuerySet[Document], act: Any, said: str
    ) -> None:
        done = 0
        for document in documents:
            try:
                act(actor=actor_of(request), document_id=document.pk)
            except ClawError as refusal:
                self.message_user(request, f"{document}: {refusal.detail}", messages.ERROR)
            else:
                done += 1
                self.log_change(request, document, said)
        if done:
            self.message_user(request, f"{said} ({done})", messages.SUCCESS)


class TextAdmin(RecordAdmin):
    """Texts of documents: those of the bases that the person may read, as everywhere."""

    paginator = EstimatingPaginator

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the list; texts that only all rights open are read in the log's sight."""
        page = super().changelist_view(request, extra_context)
        shown = getattr(page, "context_data", {}).get("cl")
        if shown is not None:
            self._record_reading(request, [row.document_id for row in shown.result_list])
        return page

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Return the row, noting it where only all rights open it."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self._record_reading(request, [row.document_id])
        return row

    def _record_reading(self, request: HttpRequest, documents: list[Any]) -> None:
        """Record the reading of documents that are not shared with the person."""
        actor, wanted = actor_of(request), set(documents)
        own = Document.objects.visible_to(actor).filter(pk__in=wanted)
        others = Document.objects.filter(pk__in=wanted).exclude(pk__in=own.values("pk"))
        records.reading(list(others), actor=actor)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows whose documents the person may read."""
        rows: QuerySet[Any] = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(document__in=Document.objects.visible_to(actor_of(request)))


@admin.register(DocumentVersion)
class DocumentVersionAdmin(IndexedSearch, TextAdmin):
    """The bytes of documents, and the text that was read from them."""

    fields = ["document", "number", "content_type", "bytes", "sha256", "created_at", "beginning"]
    readonly_fields = ["bytes", "beginning"]
    list_display = ["document", "number", "content_type", "bytes", "created_at", "cut"]
    list_select_related = ["document"]
    list_filter = ["content_type"]
    search_fields = ["document__name", "sha256"]
    search_ids = ["pk", "document", "sha256"]
    search_names = {"document": "name"}

    def get_urls(self) -> list[URLPattern]:
        """Add the page of a version's passages."""
        return [
            address(self, "<uuid:pk>/passages/", self.passages_view, "passages"),
            *super().get_urls(),
        ]

    def passages_view(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        """Show how a version was cut into passages, in the order of its text.

        Raises:
            PermissionDenied: this person may not see passages.
            Http404: there is no such version, or not for this person.
        """
        if not request.user.has_perm("knowledge.view_chunk"):
            raise PermissionDenied
        rows = self.get_queryset(request).select_related("document__base__active_generation")
        version = rows.filter(pk=pk).first()
        if version is None:
            raise Http404
        self._record_reading(request, [version.document_id])
        generation = version.document.base.active_generation
        chunks = version.chunks.filter(generation=generation).order_by("ordinal")
        return show(
            self,
            request,
            "admin/knowledge/passages.html",
            title=str(version),
            version=version,
            generation=generation,
            passages=Paginator(
                chunks.defer("embedding", "bm25", "terms"), PASSAGES_A_PAGE
            ).get_page(request.GET.get("page")),
        )

    @admin.display(description=_("passages"))
    def cut(self, version: DocumentVersion) -> str:
        """Lead to the version's passages."""
        to = reverse("admin:knowledge_documentversion_passages", args=[version.pk])
        return format_html('<a href="{}">{}</a>', to, gettext("Look"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows; lists do not load whole books."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        one = match is not None and str(match.url_name).endswith("_change")
        return rows if one else rows.defer("text", "outline")

    @admin.display(description=_("size"), ordering="size")
    def bytes(self, version: DocumentVersion) -> str:
        """Return the size for people."""
        return str(filesizeformat(version.size))

    @admin.display(description=_("text"))
    def beginning(self, version: DocumentVersion) -> str:
        """Return the beginning of the text."""
        return Truncator(version.text).chars(5000)


@admin.register(Chunk)
class ChunkAdmin(IndexedSearch, TextAdmin):
    """Passages as they are searched."""

    fields = ["document", "version", "generation", "ordinal", "heading_path", "page", "text"]
    list_display = ["document", "ordinal", "heading_path", "page", "excerpt"]
    list_select_related = ["document"]
    search_fields = ["document__name"]
    search_ids = ["pk", "document"]
    search_names = {"document": "name"}
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows without their vectors."""
        return super().get_queryset(request).defer("embedding", "bm25", "terms")

    @admin.display(description=_("text"))
    def excerpt(self, chunk: Chunk) -> str:
        """Return the beginning of the passage."""
        return Truncator(chunk.text).chars(120)
