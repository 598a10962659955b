"""The admin of knowledge bases: what they are called, who reads them, and how they are."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.models import Role
from configs.admin.base import ClawAdmin, EstimatingPaginator, RecordAdmin, RefusableForm
from configs.admin.screens import actor_of, address, deed, show
from knowledge import services
from knowledge.admin import health, trying
from knowledge.models import Document, IndexedVersion, IndexGeneration, KnowledgeBase


class BaseForm(RefusableForm):
    """What a base is called, and who may read it."""

    class Meta:
        model = KnowledgeBase
        fields = ["name", "description", "visibility", "shared_users", "shared_groups"]
        widgets = {"shared_groups": UnfoldAdminCheckboxSelectMultipleWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups: Any = self.fields.get("shared_groups")
        if groups is not None:
            groups.label_from_instance = _called


def _called(group: Group) -> str:
    """Return a role in the reader's language, and any other group by its own name."""
    return str(Role(group.name).label) if group.name in Role.values else group.name


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
    list_display = ["name", "owner", "visibility", "active_generation", "updated_at", "condition"]
    list_select_related = ["owner", "active_generation__base"]
    list_filter = ["visibility"]
    search_fields = ["name", "slug", "description", "owner__username"]
    autocomplete_fields = ["shared_users"]
    actions = None

    @admin.display(description=_("health"))
    def condition(self, base: KnowledgeBase) -> str:
        """Lead to the base's health page."""
        to = reverse("admin:knowledge_knowledgebase_health", args=[base.pk])
        return format_html('<a href="{}">{}</a>', to, gettext("Look"))

    def get_urls(self) -> list[URLPattern]:
        """Add the health page with its deeds, and the search test."""
        return [
            address(self, "search-test/", self.search_view, "search"),
            address(self, "<uuid:pk>/health/", self.health_view, "health"),
            address(self, "<uuid:pk>/reindex/", self.reindex_view, "reindex"),
            address(self, "<uuid:pk>/retry/<uuid:document>/", self.retry_view, "retry"),
            *super().get_urls(),
        ]

    def health_view(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        """Show how a base is: its documents, its index, and what is wrong with either.

        Raises:
            PermissionDenied: this person may not see bases.
            Http404: there is no such base.
        """
        base = self._base(request, pk)
        return show(
            self,
            request,
            "admin/knowledge/health.html",
            title=base.name,
            base=base,
            health=health.of(base),
            may_edit=self.has_change_permission(request, base),
        )

    def _base(self, request: HttpRequest, pk: UUID) -> KnowledgeBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        base = KnowledgeBase.objects.select_related("owner", "active_generation").filter(pk=pk)
        found = base.first()
        if found is None:
            raise Http404
        return found

    def search_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show which passages a question finds, and why others are left out.

        Raises:
            PermissionDenied: this person may not see bases.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = trying.SearchForm(request.GET or None, actor=actor_of(request))
        trial = trying.search(form, actor_of(request)) if form.is_valid() else None
        return show(
            self,
            request,
            "admin/knowledge/search_test.html",
            title=_("Search test"),
            form=form,
            trial=trial,
        )

    @deed
    def reindex_view(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        """Start to index the whole base anew, as a job."""
        job = services.start_reindex(actor=actor_of(request), base_id=pk)
        messages.success(request, gettext("Started: %s") % job.title)
        return redirect(reverse("admin:configs_job_changelist") + f"#job-{job.pk}")

    @deed
    def retry_view(self, request: HttpRequest, pk: UUID, document: UUID) -> HttpResponseBase:
        """Let a document that failed be tried again."""
        services.retry(actor=actor_of(request), document_id=document)
        messages.success(request, gettext("The document waits in the queue again."))
        return redirect("admin:knowledge_knowledgebase_health", pk)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may edit bases, and this one."""
        if not super().has_change_permission(request, obj):
            return False
        rows = KnowledgeBase.objects.editable_by(actor_of(request))
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
            obj.__dict__.update(services.create_base(actor=actor_of(request), **named).__dict__)
            return
        services.change_base(
            actor=actor_of(request),
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
        services.delete_base(actor=actor_of(request), base_id=obj.pk)


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
