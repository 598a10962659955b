"""The ground that every admin screen of ours stands on: cheap lists, answered refusals."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin

from configs import audit
from configs.audit import actions
from configs.errors import ClawError, Invalid

EXACT_UP_TO = 10_000
"""Rows that are counted one by one; above, the planner's estimate is good enough for pages."""
MOST_NAMESAKES = 500
"""Rows elsewhere that a word of a search may name."""


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]
    """Counts a big table by its statistics, and a filtered one no further than it is shown."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, about."""
        rows: Any = self.object_list
        if not rows.query.where:
            with connection.cursor() as cursor:
                table = rows.model._meta.db_table
                cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [table])
                estimate = int(cursor.fetchone()[0])
            if estimate > EXACT_UP_TO:
                return estimate
        counted: int = rows.order_by()[:EXACT_UP_TO].count()
        return counted

    def page(self, number: Any) -> Any:
        """Return a page; what lies before it is skipped in an index, without its joins."""
        page = super().page(number)
        if page.number > 1 and isinstance(self.object_list, QuerySet):
            first = (page.number - 1) * self.per_page
            keys = self.object_list.values_list("pk", flat=True)[first : first + self.per_page]
            page.object_list = self.object_list.filter(pk__in=list(keys))
        return page


class ClawAdmin(ModelAdmin):  # type: ignore[misc]
    """What all our admin screens share: refusals are answered, and lists are cheap."""

    show_full_result_count = False
    list_per_page = 50
    warn_unsaved_form = True
    list_filter_submit = False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the list; a forged action is refused instead of ignored.

        Raises:
            PermissionDenied: the action is not one that this person may run.
        """
        if request.method == "POST" and request.POST.get("action", "") not in self.get_actions(
            request
        ):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show or save the form; what a service refuses is shown at the field that it is about."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ClawError as refusal:
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the form, told of what a service refused."""
        form = super().get_form(request, obj, **kwargs)
        return type(form)(form.__name__, (form,), {"refusal": getattr(request, "refusal", None)})

    # --- The audit log: what no service has recorded is recorded here
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Log what was added, also in the audit log."""
        self.audit(request, actions.ADMIN_ADD, obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Log what was changed, also in the audit log."""
        self.audit(request, actions.ADMIN_CHANGE, obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Log what is about to be deleted, also in the audit log."""
        for obj in queryset:
            self.audit(request, actions.ADMIN_DELETE, obj, [{"deleted": {}}])
        return super().log_deletions(request, queryset)

    def audit(self, request: HttpRequest, action: str, obj: Any, message: Any) -> None:
        """Record an act that changed something, unless its service has done so already."""
        if message and not audit.recorded_here():
            audit.record(
                action=action,
                actor=request.user,
                object_type=obj._meta.model_name,
                object_id=obj.pk,
                object_name=str(obj),
                detail={"message": message},
            )

    def may_change(self, request: HttpRequest, obj: Any) -> bool:
        """Return whether the form is more than a view."""
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return bool(may)


class IndexedSearch:
    """Searches a big table by what has an index: its ids, and the rows that names lead to.

    `search_ids` are columns that hold ids. `search_names` maps a relation to the field of its other
    end in which words are looked for.
    """

    search_ids: Sequence[str] = ("pk",)
    search_names: Mapping[str, str] = MappingProxyType({})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that fit; without duplicates."""
        words = search_term.strip()
        if not words:
            return queryset, False
        fits = Q(pk__in=[])
        for name in self.search_ids:
            if (value := _as_id(queryset.model, name, words)) is not None:
                fits |= Q(**{name: value})
        for relation, field in self.search_names.items():
            others = _other_end(queryset.model, relation)._default_manager
            found = others.filter(**{f"{field}__icontains": words}).values_list("pk", flat=True)
            if keys := list(found[:MOST_NAMESAKES]):
                fits |= Q(**{f"{relation}__in": keys})
        return queryset.filter(fits), False


def _as_id(model: type[Model], name: str, words: str) -> Any:
    """Return the words as a value of that column, if they are one."""
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    field = getattr(field, "target_field", field)
    try:
        return field.to_python(words)  # type: ignore[union-attr]
    except ValidationError:
        return None


def _other_end(model: type[Model], relation: str) -> Any:
    for name in relation.split("__"):
        model = model._meta.get_field(name).related_model  # type: ignore[assignment]
    return model


class RecordAdmin(ClawAdmin):
    """A screen of what happened: to be read by those who may, to be changed by nobody."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody makes records by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes records."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes records."""
        return False


class RefusableForm(forms.ModelForm[Any]):
    """A form that shows what a service refused, where the person can mend it."""

    refusal: ClawError | None = None

    def clean(self) -> dict[str, Any] | None:
        """Put the refusal beside its field."""
        cleaned = super().clean()
        if isinstance(self.refusal, Invalid) and self.refusal.errors:
            for name, complaints in self.refusal.errors.items():
                self.add_error(name if name in self.fields else None, complaints)
        elif self.refusal:
            self.add_error(None, self.refusal.detail)
        return cleaned
