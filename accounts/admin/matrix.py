"""The admin of roles: the matrix of who may do what, and the page of each role."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import rights, roles
from accounts.admin import holding
from accounts.models import User
from accounts.rights import Right
from accounts.roles import Cell
from configs.admin.base import RecordAdmin
from configs.admin.screens import actor_of, address, complaints, show, whole_number
from configs.errors import ClawError, Forbidden
from configs.models import AuditEntry

admin.site.unregister(Group)
PER_PAGE: Final = 6
"""Roles side by side: more do not fit a screen, nor a form into its bounds."""
MOST_PEOPLE: Final = 100
MOST_ENTRIES: Final = 50


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=roles.LONGEST_REASON,
        help_text=_("Why: it is kept in the audit log for ever."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class RoleForm(ReasonForm):
    """What a role is called and for."""

    name = forms.CharField(label=_("Name"), max_length=roles.LONGEST_NAME, required=False)
    description = forms.CharField(
        label=_("What it is for"), max_length=300, required=False, widget=forms.TextInput
    )
    field_order = ["name", "description", "like", "reason"]


class NewRoleForm(RoleForm):
    """A new role, perhaps like one that there is."""

    like = forms.ModelChoiceField(
        Group.objects.order_by("name"),
        label=_("With the rights of"),
        required=False,
        empty_label=_("no rights at first"),
        help_text=_("Rights that you do not have yourself are left out."),
    )


@dataclass(frozen=True, slots=True)
class RoleChange:
    """What a form would change of one role."""

    group: Group
    name: str
    people: int
    own: bool
    granted: list[Right]
    revoked: list[Right]


@admin.register(Group)
class RoleAdmin(RecordAdmin):
    """Roles: a matrix to read for all who may see it, to change for those who give roles."""

    search_fields = ["name"]

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with the review of a changed matrix."""
        return [address(self, "review/", self.review_view, "review"), *super().get_urls()]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those make roles who also may give them rights."""
        return bool(request.user.has_perms(["auth.add_group", rights.MANAGE_ROLES]))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave the administrator's role to administrators."""
        if obj is None:
            return bool(request.user.has_perm(rights.MANAGE_ROLES))
        return roles.may_touch(actor=actor_of(request), group=obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep the system's roles."""
        if not request.user.has_perms(["auth.delete_group", rights.MANAGE_ROLES]):
            return False
        return obj is None or obj.name not in roles.NAMES

    # --- The matrix ----------------------------------------------------------------------------
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show who may do what.

        Raises:
            PermissionDenied: this person may not see roles, or sent a form.
        """
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        system = request.GET.get("own") != "1"
        every = rights.every()
        found = holding.columns(actor_of(request), system=system, every=every)
        pages = range(1, (len(found) + PER_PAGE - 1) // PER_PAGE + 1)
        page = min(whole_number(request.GET.get("page")) or 1, max(len(pages), 1))
        shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
        return show(
            self,
            request,
            "admin/accounts/roles/matrix.html",
            title=gettext("Roles and rights"),
            columns=shown,
            subjects=holding.matrix(shown, every),
            system=system,
            pages=pages if len(pages) > 1 else (),
            page=page,
            may_change=any(column.editable for column in shown),
            may_add=self.has_add_permission(request),
            enter=rights.ENTER_ADMIN,
        )

    def review_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show what the form would change; with a reason and a confirmation, change it.

        Raises:
            PermissionDenied: this person may not change roles.
        """
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        confirmed = "confirmed" in request.POST
        granted, revoked = _confirmed(request) if confirmed else _wanted(request)
        form = ReasonForm(request.POST if confirmed else None)
        if confirmed and form.is_valid():
            _change(request, form, granted, revoked)
            if form.is_valid():
                messages.success(request, gettext("The rights are changed."))
                return redirect("admin:auth_group_changelist")
        return show(
            self,
            request,
            "admin/accounts/roles/review.html",
            title=gettext("Review the change of rights"),
            changes=_described(actor_of(request), granted, revoked),
            granted=granted,
            revoked=revoked,
            form=form,
        )

    # --- One role ------------------------------------------------------------------------------
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Make a role.

        Raises:
            PermissionDenied: this person may not.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewRoleForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                made = roles.make(actor=actor_of(request), **form.cleaned_data)
            except ClawError as refusal:
                _complain(form, refusal)
            else:
                messages.success(request, gettext("The role is made."))
                return redirect(reverse("admin:auth_group_change", args=[made.pk]))
        return show(
            self,
            request,
            "admin/accounts/roles/add.html",
            title=gettext("New role"),
            form=form,
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show a role: its people, its rights, its history; POST renames or describes it.

        Raises:
            PermissionDenied: this person may not see it, or not change it.
        """
        role = self._role(request, object_id)
        may_change = self.has_change_permission(request, role)
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        about = {"name": role.name, "description": roles.description_of(role)}
        form = RoleForm(request.POST or None, initial=about)
        if request.method == "POST" and form.is_valid():
            try:
                roles.describe(actor=actor_of(request), role=role, **form.cleaned_data)
            except ClawError as refusal:
                _complain(form, refusal)
            else:
                messages.success(request, gettext("Saved."))
                return redirect(request.path)
        return self._page(request, role, form, may_change=may_change)

    def _page(
        self, request: HttpRequest, role: Group, form: RoleForm, *, may_change: bool
    ) -> HttpResponseBase:
        people = User.objects.filter(groups=role).order_by("username")
        return show(
            self,
            request,
            "admin/accounts/roles/page.html",
            title=holding.role_words(role),
            role=role,
            system=role.name in roles.NAMES,
            description=roles.description_of(role),
            rights=holding.words_of(role.permissions.values_list("pk", flat=True)),
            subjects=rights.SUBJECTS,
            count=people.count(),
            people=people[:MOST_PEOPLE],
            entries=entries_of("group", role.pk),
            form=form,
            may_change=may_change,
            may_delete=self.has_delete_permission(request, role),
        )

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Ask why, then delete a role that nobody holds.

        Raises:
            PermissionDenied: this person may not, or it is one of the system's.
        """
        role = self._role(request, object_id)
        if not self.has_delete_permission(request, role):
            raise PermissionDenied
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                roles.delete(actor=actor_of(request), role=role, **form.cleaned_data)
            except ClawError as refusal:
                _complain(form, refusal)
            else:
                messages.success(request, gettext("The role is deleted."))
                return redirect("admin:auth_group_changelist")
        return show(
            self,
            request,
            "admin/accounts/confirm.html",
            title=gettext("Delete the role “%(name)s”") % {"name": holding.role_words(role)},
            explanation=gettext("Only a role that nobody holds can be deleted."),
            verb=gettext("Delete"),
            form=form,
            back=reverse("admin:auth_group_change", args=[role.pk]),
        )

    def _role(self, request: HttpRequest, object_id: str) -> Group:
        if not self.has_view_permission(request):
            raise PermissionDenied
        number = whole_number(object_id)
        role = Group.objects.filter(pk=number).first() if number is not None else None
        if role is None:
            raise Http404
        return role


def entries_of(kind: str, pk: object) -> list[AuditEntry]:
    """Return what the audit log says of a person or a role, the newest first."""
    rows = AuditEntry.objects.filter(object_type=kind, object_id=str(pk)).select_related("actor")
    found = list(rows.order_by("-id")[:MOST_ENTRIES])
    for row in found:
        row.words = in_words(row)  # type: ignore[attr-defined]
    return found


def in_words(entry: AuditEntry) -> list[str]:
    """Return what an entry about roles and rights names: rights in words, or a role."""
    new = entry.new if isinstance(entry.new, dict) else {"rights": entry.new}
    codes = new.get("rights")
    if isinstance(codes, list):
        named = holding.codes_in_words([str(code) for code in codes])
        return sorted(named.values())
    role = (entry.detail or {}).get("role")
    return [str(role)] if role else []


def _complain(form: forms.Form, refusal: ClawError) -> None:
    """Put a refusal beside the field that it is about."""
    for name, texts in (getattr(refusal, "errors", None) or {}).items():
        form.add_error(name if name in form.fields else None, texts)
    if not form.errors:
        form.add_error(None, refusal.detail)


def _change(
    request: HttpRequest, form: ReasonForm, granted: list[Cell], revoked: list[Cell]
) -> None:
    """Store the change, or put what speaks against it into the form.

    Raises:
        PermissionDenied: it would give somebody more than the actor has.
    """
    reason = form.cleaned_data["reason"]
    try:
        roles.change_rights(
            actor=actor_of(request), granted=granted, revoked=revoked, reason=reason
        )
    except Forbidden as refusal:
        raise PermissionDenied(refusal.detail) from refusal
    except ClawError as refusal:
        form.add_error(None, complaints(refusal))


def _cells(texts: Sequence[str]) -> list[Cell]:
    """Return the cells that a form names; what is no cell is left out."""
    found = []
    for text in texts:
        first, _colon, second = text.partition(":")
        role, right = whole_number(first), whole_number(second)
        if role is not None and right is not None:
            found.append((role, right))
    return found


def _confirmed(request: HttpRequest) -> tuple[list[Cell], list[Cell]]:
    return _cells(request.POST.getlist("grant")), _cells(request.POST.getlist("revoke"))


def _wanted(request: HttpRequest) -> tuple[list[Cell], list[Cell]]:
    """Return the difference between the boxes of the form and what is stored.

    Only cells that this person may change count, so that a box which was not on their page is
    neither given nor taken.
    """
    ids = {whole_number(text) for text in request.POST.getlist("role")}
    checked = set(_cells(request.POST.getlist("cell")))
    granted, revoked = [], []
    every = rights.every()
    for system in (True, False):
        for column in holding.columns(actor_of(request), system=system, every=every):
            if column.group.pk not in ids:
                continue
            for right in sorted(column.editable):
                cell, held = (column.group.pk, right), right in column.held
                if cell in checked and not held:
                    granted.append(cell)
                elif cell not in checked and held:
                    revoked.append(cell)
    return granted, revoked


def _described(reader: User, granted: Sequence[Cell], revoked: Sequence[Cell]) -> list[RoleChange]:
    ids = {role for role, _right in [*granted, *revoked]}
    return [
        RoleChange(
            group=group,
            name=holding.role_words(group),
            people=group.user_set.count(),
            own=group.user_set.filter(pk=reader.pk).exists(),
            granted=holding.words_of(r for g, r in granted if g == group.pk),
            revoked=holding.words_of(r for g, r in revoked if g == group.pk),
        )
        for group in Group.objects.filter(pk__in=ids).order_by("name")
    ]
