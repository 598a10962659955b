"""The admin of bases, documents and what was read from them."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from configs.admin.base import ClawAdmin, EstimatingPaginator, RecordAdmin, RefusableForm
from configs.errors import ClawError
from knowledge import services
from knowledge.models import (
    Chunk,
    Document,
    DocumentVersion,
    IndexedVersion,
    IndexGeneration,
    KnowledgeBase,
)
from knowledge.services import records


def _actor(request: HttpRequest) -> User:
    return cast(User, request.user)


class BaseForm(RefusableForm):
    """What a base is called, and who may read it."""

    class Meta:
        model = KnowledgeBase
        fields = ["name", "description", "visibility", "shared_users", "shared_groups"]


@admin.register(KnowledgeBase)
class KnowledgeBaseAdmin(ClawAdmin):
    """Bases; changing one takes the right to it besides the role."""

    form = BaseForm
    fields = [
        "name",
        "slug",
        "description",
        "owner",
        "visibility",
        "shared_users",
        "shared_groups",
        "active_generation",
        "created_at",
        "updated_at",
    ]
    readonly_fields = ["slug", "owner", "active_generation", "created_at", "updated_at"]
    list_display = ["name", "owner", "visibility", "active_generation", "updated_at"]
    list_select_related = ["owner", "active_generation__base"]
    list_filter = ["visibility"]
    search_fields = ["name", "slug", "description", "owner__username"]
    autocomplete_fields = ["shared_users"]
    filter_horizontal = ["shared_groups"]
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may edit bases, and this one."""
        if not super().has_change_permission(request, obj):
            return False
        rows = KnowledgeBase.objects.editable_by(_actor(request))
        return obj is None or rows.filter(pk=obj.pk).exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may delete bases, and this one."""
        if not super().has_delete_permission(request, obj):
            return False
        return obj is None or self.has_change_permission(request, obj)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Ask for a new base only what is needed."""
        return list(self.fields) if obj else ["name", "description", "visibility"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep what the system writes."""
        return list(self.readonly_fields) if obj else []

    def save_model(self, request: HttpRequest, obj: KnowledgeBase, form: Any, change: bool) -> None:
        """Make the base, or store what was changed."""
        named = {name: form.cleaned_data[name] for name in ("name", "description", "visibility")}
        if not change:
            obj.__dict__.update(services.create_base(actor=_actor(request), **named).__dict__)
            return
        services.change_base(
            actor=_actor(request),
            base_id=obj.pk,
            shared_users=[user.pk for user in form.cleaned_data["shared_users"]],
            shared_groups=[group.pk for group in form.cleaned_data["shared_groups"]],
            **named,
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store nothing more: the service has shared the base."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what goes with the bases as numbers: the passages may be millions."""
        counts = {
            str(_("documents")): Document.objects.filter(base__in=list(objs)).count(),
        }
        return [str(base) for base in objs], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: KnowledgeBase) -> None:
        """Delete the base with its documents and files."""
        services.delete_base(actor=_actor(request), base_id=obj.pk)


@admin.register(IndexGeneration)
class IndexGenerationAdmin(RecordAdmin):
    """How bases were cut and embedded."""

    list_display = ["id", "base", "state", "endpoint_name", "dimensions", "chunk_count"]
    list_select_related = ["base"]
    list_filter = ["state", "endpoint_name"]
    search_fields = ["base__name", "endpoint_name"]


@admin.register(IndexedVersion)
class IndexedVersionAdmin(RecordAdmin):
    """Which versions stand complete in which index."""

    list_display = ["version", "generation", "chunks"]
    list_select_related = ["version__document", "generation__base"]
    search_fields = ["version__document__name"]
    paginator = EstimatingPaginator


@admin.register(Document)
class DocumentAdmin(RecordAdmin):
    """Documents and the state of their indexing."""

    list_display = ["name", "base", "status", "progress", "uploaded_by", "attempts", "created_at"]
    list_select_related = ["base", "uploaded_by", "current_version__document"]
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
                act(actor=_actor(request), document_id=document.pk)
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
        actor, wanted = _actor(request), set(documents)
        own = Document.objects.visible_to(actor).filter(pk__in=wanted)
        others = Document.objects.filter(pk__in=wanted).exclude(pk__in=own.values("pk"))
        records.reading(list(others), actor=actor)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows whose documents the person may read."""
        rows: QuerySet[Any] = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(document__in=Document.objects.visible_to(_actor(request)))


@admin.register(DocumentVersion)
class DocumentVersionAdmin(TextAdmin):
    """The bytes of documents, and the text that was read from them."""

    fields = ["document", "number", "content_type", "bytes", "sha256", "created_at", "beginning"]
    readonly_fields = ["bytes", "beginning"]
    list_display = ["document", "number", "content_type", "bytes", "created_at"]
    list_select_related = ["document"]
    list_filter = ["content_type"]
    search_fields = ["document__name", "sha256"]

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
class ChunkAdmin(TextAdmin):
    """Passages as they are searched."""

    fields = ["document", "version", "generation", "ordinal", "heading_path", "page", "text"]
    list_display = ["document", "ordinal", "heading_path", "page", "excerpt"]
    list_select_related = ["document"]
    search_fields = ["document__name", "heading_path"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows without their vectors."""
        return super().get_queryset(request).defer("embedding", "bm25", "terms")

    @admin.display(description=_("text"))
    def excerpt(self, chunk: Chunk) -> str:
        """Return the beginning of the passage."""
        return Truncator(chunk.text).chars(120)
