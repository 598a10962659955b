"""The admin of people, roles and the log of what was done in the admin."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm

from accounts import records, services
from accounts.models import Role, User
from configs.admin.base import ClawAdmin, EstimatingPaginator, RecordAdmin, RefusableForm
from configs.audit import actions
from configs.errors import ClawError

admin.site.unregister(Group)
ROLE_NAMES = frozenset(role.value for role in Role)


class InviteForm(RefusableForm):
    """Whom to invite, and as what; the person chooses the password."""

    class Meta:
        model = User
        fields = ["username", "email", "display_name", "groups"]


class PersonForm(UserChangeForm):  # type: ignore[misc]
    """An account; nobody shuts out or demotes themselves by accident."""

    actor: User | None = None

    def clean_is_active(self) -> bool:
        """Refuse to shut out oneself."""
        active: bool = self.cleaned_data["is_active"]
        if not active and self.instance == self.actor:
            raise forms.ValidationError(gettext("You cannot shut out yourself."))
        return active


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ClawAdmin):  # type: ignore[type-arg]
    """People: operators keep their data, administrators their roles, superusers their rights."""

    form = PersonForm
    add_form = InviteForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "display_name", "email", "roles", "is_active", "last_login"]
    list_filter = ["is_active", "is_staff", "groups"]
    search_fields = ["username", "display_name", "email"]
    ordering = ["username"]
    readonly_fields = ["last_login", "date_joined", "is_staff"]
    filter_horizontal = ["groups", "user_permissions"]
    actions = ["shut_out", "make_invitations"]
    add_fieldsets = [(None, {"fields": ["username", "email", "display_name", "groups"]})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return people with their roles."""
        people: QuerySet[User] = super().get_queryset(request)
        return people.prefetch_related("groups")

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        """Return the names of the groups."""
        return ", ".join(sorted(group.name for group in user.groups.all()))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show each actor what they may set, and no field more."""
        if obj is None:
            return self.add_fieldsets
        profile = ["username", "display_name", "email", "language", "theme", "is_active"]
        sets: list[Any] = [(None, {"fields": profile})]
        rights = self._rights(request)
        if rights:
            sets.append((_("Roles and rights"), {"fields": rights}))
        sets.append((_("Dates"), {"fields": ["last_login", "date_joined"]}))
        return sets

    def _rights(self, request: HttpRequest) -> list[str]:
        if request.user.is_superuser:
            return ["groups", "is_staff", "is_superuser", "user_permissions"]
        return ["groups", "is_staff"] if request.user.has_perm("auth.change_group") else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form, told who uses it."""
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.actor = request.user
        return form

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Let people be found by those who may see them."""
        return self.search_fields

    # --- Who may touch whom
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the actor may change this account."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or services.may_manage(actor=_actor(request), target=obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Accounts are shut out, never deleted: what they made stays."""
        return False

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Set another's password, where that gives nobody a right they lack.

        Raises:
            PermissionDenied: it would.
        """
        target = self.get_object(request, id)
        if target and not services.may_set_credentials(actor=_actor(request), target=target):
            raise PermissionDenied
        answer: HttpResponse = super().user_change_password(request, id, form_url)
        after = self.get_object(request, id)
        if target and after and target.password != after.password:
            records.account(actions.PASSWORD_SET, actor=_actor(request), target=target)
        return answer

    # --- Saving
    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Invite the person, or store what was changed."""
        if change:
            super().save_model(request, obj, form, change)
            _record_fields(_actor(request), obj, form)
            return
        groups = form.cleaned_data["groups"]
        invited = services.invite(
            actor=_actor(request),
            username=obj.username,
            email=obj.email,
            display_name=obj.display_name,
            roles=[group.name for group in groups],
        )
        obj.__dict__.update(invited.__dict__)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store roles, and open or close the admin with them."""
        if change:
            before = _roles(form.instance), records.permissions_of(form.instance)
            super().save_related(request, form, formsets, change)
            services.sync_staff(target=form.instance)
            _record_rights(_actor(request), form.instance, *before)
        else:
            self._show_link(request, form.instance)

    # --- Actions
    @admin.action(description=_("Shut out"), permissions=["change"])
    def shut_out(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """Deactivate accounts at once."""
        for person in people:
            try:
                services.deactivate(actor=_actor(request), target=person)
            except ClawError as refusal:
                self.message_user(request, f"{person}: {refusal.detail}", messages.ERROR)
            else:
                self.log_change(request, person, gettext("Shut out."))

    @admin.action(description=_("Make invitation links"), permissions=["add"])
    def make_invitations(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """Show links at which people choose a new password."""
        for person in people:
            self._show_link(request, person)

    def _show_link(self, request: HttpRequest, person: User) -> None:
        """Show the link to the actor: mail may not be set up, and nothing stores it."""
        try:
            path = services.invitation_path(actor=_actor(request), target=person)
        except ClawError as refusal:
            self.message_user(request, f"{person}: {refusal.detail}", messages.ERROR)
            return
        self.log_change(request, person, gettext("Invitation link made."))
        said = gettext("Give this link to {}; it is shown once and good for three days: {}")
        link = settings.PUBLIC_URL.rstrip("/") + path
        self.message_user(request, format_html(said, person.username, link), messages.SUCCESS)


def _roles(person: User) -> list[str]:
    return list(person.groups.order_by("name").values_list("name", flat=True))


def _record_fields(actor: User, person: User, form: Any) -> None:
    """Record which fields of an account were changed, from what to what."""
    names = [name for name in form.changed_data if name not in {"groups", "user_permissions"}]
    if not names:
        return
    action = actions.USER_CHANGE
    if "is_active" in names:
        action = actions.USER_ACTIVATE if person.is_active else actions.USER_DEACTIVATE
    records.account(
        action,
        actor=actor,
        target=person,
        old={name: form.initial.get(name) for name in names},
        new={name: form.cleaned_data[name] for name in names},
    )


def _record_rights(actor: User, person: User, roles: list[str], permissions: list[str]) -> None:
    records.roles(actor=actor, target=person, before=roles, after=_roles(person))
    held = records.permissions_of(person)
    records.permissions(actor=actor, holder=person, before=permissions, after=held)


def _actor(request: HttpRequest) -> User:
    """Return who is at the screen; the admin lets nobody else in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ClawAdmin):
    """Roles and other groups: the names of the roles stay, their permissions may change."""

    list_display = ["name"]
    filter_horizontal = ["permissions"]
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep the name of a role."""
        return ["name"] if obj and obj.name in ROLE_NAMES else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave groups with rights that the actor lacks to those who have them."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or _holds(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep the roles."""
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and (obj is None or (obj.name not in ROLE_NAMES and _holds(request, obj)))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store the permissions, if the actor holds each of them.

        Raises:
            PermissionDenied: one of them would be a right that the actor lacks.
        """
        before = records.permissions_of(form.instance)
        super().save_related(request, form, formsets, change)
        if not _holds(request, form.instance):
            raise PermissionDenied
        held = records.permissions_of(form.instance)
        records.permissions(actor=_actor(request), holder=form.instance, before=before, after=held)


def _holds(request: HttpRequest, group: Group) -> bool:
    """Return whether the actor holds all permissions of `group`."""
    given = group.permissions.values_list("content_type__app_label", "codename")
    return request.user.has_perms([f"{app}.{name}" for app, name in given])


@admin.register(LogEntry)
class LogEntryAdmin(RecordAdmin):
    """What was done in the admin, by whom."""

    list_display = ["action_time", "user", "content_type", "object_repr", "what", "change_message"]
    list_select_related = ["user", "content_type"]
    list_filter = ["action_flag", "content_type"]
    search_fields = ["user__username", "object_repr", "change_message"]
    paginator = EstimatingPaginator
    date_hierarchy = None

    @admin.display(description=_("action"), ordering="action_flag")
    def what(self, entry: LogEntry) -> str:
        """Return the kind of action."""
        return str(entry.get_action_flag_display())
