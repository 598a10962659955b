"""The admin of people: their data, their roles, their sign-ins; each change with its reason."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm

from accounts import records, roles, services
from accounts.admin import holding, signing
from accounts.admin.matrix import ReasonForm, entries_of
from accounts.models import Role, User
from configs.admin.base import ClawAdmin, RefusableForm
from configs.admin.screens import actor_of, address, complaints, show, whole_number
from configs.audit import actions
from configs.errors import ClawError, Forbidden

PROFILE: Final = ["username", "display_name", "email", "language", "theme"]


class InviteForm(RefusableForm):
    """Whom to invite, and as what; the person chooses the password."""

    class Meta:
        model = User
        fields = ["username", "email", "display_name", "groups"]


class PersonForm(RefusableForm):
    """What is known of a person; roles, rights and the password have pages of their own."""

    class Meta:
        model = User
        fields = PROFILE


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that is done to an account after a confirmation and a reason."""

    title: str | Promise
    explanation: str | Promise
    verb: str | Promise
    act: Callable[..., Any]
    credentials: bool = False


DEEDS: Final[dict[str, Deed]] = {
    "sign-out": Deed(
        _("End all sign-ins"),
        _("Every browser, token and open chat of this person is signed out within seconds."),
        _("End all sign-ins"),
        services.end_sign_ins,
    ),
    "shut-out": Deed(
        _("Shut out"),
        _("The account is closed at once. What it made stays; it can be let in again."),
        _("Shut out"),
        services.deactivate,
    ),
    "let-in": Deed(
        _("Let in again"),
        _("The account is open again, with the roles that it has."),
        _("Let in"),
        services.activate,
        credentials=True,
    ),
    "link": Deed(
        _("Make a link to choose a password"),
        _(
            "Whoever has the link sets the password of this account and comes in; it is shown once "
            "and good for three days. Give it to nobody else."
        ),
        _("Make the link"),
        services.invitation_path,
        credentials=True,
    ),
}


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ClawAdmin):  # type: ignore[type-arg]
    """People: no form of theirs holds a role or a right, so that none can be slipped in."""

    form = PersonForm
    add_form = InviteForm
    change_password_form = AdminPasswordChangeForm
    change_form_template = "admin/accounts/people/change_form.html"
    list_display = ["username", "display_name", "email", "roles", "is_active", "last_login"]
    list_filter = ["is_active", "is_staff", "groups"]
    search_fields = ["username", "display_name", "email"]
    ordering = ["username"]
    readonly_fields = ["last_login", "date_joined"]
    filter_horizontal: ClassVar[Any] = []
    actions = None
    fieldsets: ClassVar[Any] = [
        (None, {"fields": PROFILE}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"fields": ["username", "email", "display_name", "groups"]})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return people with their roles."""
        people: QuerySet[User] = super().get_queryset(request)
        return people.prefetch_related("groups")

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        """Return what the roles are called."""
        names = sorted(map(holding.role_words, user.groups.all()))
        return ", ".join([*([gettext("all rights")] if user.is_superuser else []), *names])

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Let people be found by those who may see them."""
        return self.search_fields

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with those of roles and deeds."""
        own = [
            address(self, "<uuid:pk>/roles/", self.roles_view, "roles"),
            address(self, "<uuid:pk>/do/<slug:what>/", self.deed_view, "deed"),
        ]
        return [*own, *super().get_urls()]

    # --- Who may touch whom
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the actor may change this account."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or services.may_manage(actor=actor_of(request), target=obj))

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
        if target and not services.may_set_credentials(actor=actor_of(request), target=target):
            raise PermissionDenied
        answer: HttpResponse = super().user_change_password(request, id, form_url)
        after = self.get_object(request, id)
        if target and after and target.password != after.password:
            records.account(actions.PASSWORD_SET, actor=actor_of(request), target=target)
        return answer

    # --- One person
    def render_change_form(  # type: ignore[override]  # Django itself passes all by name
        self, request: HttpRequest, context: Any, **kwargs: Any
    ) -> Any:
        """Show the person with roles, rights, sign-ins and what may be done."""
        person = kwargs.get("obj")
        if person is not None:
            context |= self._about(request, person)
        return super().render_change_form(request, context, **kwargs)

    def _about(self, request: HttpRequest, person: User) -> dict[str, Any]:
        actor = actor_of(request)
        return {
            "person": person,
            "person_roles": [(g, holding.role_words(g)) for g in person.groups.order_by("name")],
            "held": holding.held_by(person),
            "signed_in": signing.of(person),
            "entries": entries_of("user", person.pk),
            "deeds": [(what, DEEDS[what]) for what in _deeds(actor, person)],
            "may_give": _may_give(actor, person),
            "may_set_password": self.has_change_permission(request, person)
            and services.may_set_credentials(actor=actor, target=person),
        }

    def deed_view(self, request: HttpRequest, pk: Any, what: str) -> HttpResponseBase:
        """Ask why, then do it to an account.

        Raises:
            Http404: there is no such person, or deed.
            PermissionDenied: this person may not do it, or not now.
        """
        person, actor = self._person(request, pk), actor_of(request)
        if what not in DEEDS:
            raise Http404
        if what not in _deeds(actor, person):
            raise PermissionDenied
        deed, form = DEEDS[what], ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            done = _do(deed, actor, person, form)
            if form.is_valid():
                self._say(request, what, person, done)
                return redirect(_page_of(person))
        return show(
            self,
            request,
            "admin/accounts/confirm.html",
            title=f"{deed.title}: {person}",
            explanation=deed.explanation,
            verb=deed.verb,
            form=form,
            back=_page_of(person),
        )

    def _say(self, request: HttpRequest, what: str, person: User, done: Any) -> None:
        """Say that it is done; a link is shown to the actor alone, and nothing stores it."""
        if what != "link":
            messages.success(request, gettext("Done."))
            return
        said = gettext("Give this link to {}; it is shown once and good for three days: {}")
        link = settings.PUBLIC_URL.rstrip("/") + done
        messages.success(request, format_html(said, person.username, link))

    def roles_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Choose the roles of a person, look at the difference, give a reason, save.

        Raises:
            Http404: there is no such person.
            PermissionDenied: this person may not give roles, or not to them.
        """
        person, actor = self._person(request, pk), actor_of(request)
        if not _may_give(actor, person):
            raise PermissionDenied
        chosen = _chosen(request, person)
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_bound and form.is_valid():
            _give(actor, person, chosen, form)
            if form.is_valid():
                messages.success(request, gettext("The roles are changed."))
                return redirect(_page_of(person))
        before = {group.pk for group in person.groups.all()}
        return show(
            self,
            request,
            "admin/accounts/people/roles.html",
            title=gettext("Roles of %(name)s") % {"name": person},
            person=person,
            choices=_choices(actor, chosen.groups),
            superuser=actor.is_superuser,
            all_rights=chosen.superuser,
            reviewing=request.method == "POST",
            added=_words(chosen.groups - before),
            removed=_words(before - chosen.groups),
            all_rights_changed=chosen.superuser != person.is_superuser,
            form=form,
            back=_page_of(person),
        )

    def _person(self, request: HttpRequest, pk: Any) -> User:
        if not self.has_view_permission(request):
            raise PermissionDenied
        person = User.objects.filter(pk=pk).first()
        if person is None:
            raise Http404
        return person

    # --- Saving
    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Invite the person, or store what was changed."""
        if change:
            super().save_model(request, obj, form, change)
            _record_fields(actor_of(request), obj, form)
            return
        invited = services.invite(
            actor=actor_of(request),
            username=obj.username,
            email=obj.email,
            display_name=obj.display_name,
            roles=[group.name for group in form.cleaned_data["groups"]],
        )
        obj.__dict__.update(invited.__dict__)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Show a new person's link once; roles are stored by the services alone."""
        if not change:
            path = services.invitation_path(actor=actor_of(request), target=form.instance)
            self._say(request, "link", form.instance, path)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The roles that a form names, and whether it gives all rights."""

    groups: frozenset[int]
    superuser: bool


def _chosen(request: HttpRequest, person: User) -> Chosen:
    if request.method != "POST":
        return Chosen(frozenset(g.pk for g in person.groups.all()), person.is_superuser)
    ids = {whole_number(text) for text in request.POST.getlist("role")}
    superuser = person.is_superuser
    if actor_of(request).is_superuser:
        superuser = "all_rights" in request.POST
    return Chosen(frozenset(each for each in ids if each is not None), superuser)


def _give(actor: User, person: User, chosen: Chosen, form: ReasonForm) -> None:
    """Store the roles, or put what speaks against it into the form.

    Raises:
        PermissionDenied: it would give somebody more than the actor has.
    """
    reason = form.cleaned_data["reason"]
    names = list(Group.objects.filter(pk__in=chosen.groups).values_list("name", flat=True))
    try:
        services.set_roles(actor=actor, target=person, roles=names, reason=reason)
        if chosen.superuser != person.is_superuser:
            services.set_superuser(actor=actor, target=person, on=chosen.superuser, reason=reason)
    except Forbidden as refusal:
        raise PermissionDenied(refusal.detail) from refusal
    except ClawError as refusal:
        form.add_error(None, complaints(refusal))


def _do(deed: Deed, actor: User, person: User, form: ReasonForm) -> Any:
    try:
        return deed.act(actor=actor, target=person, reason=form.cleaned_data["reason"])
    except Forbidden as refusal:
        raise PermissionDenied(refusal.detail) from refusal
    except ClawError as refusal:
        form.add_error(None, complaints(refusal))
        return None


def _deeds(actor: User, person: User) -> list[str]:
    """Return what `actor` may do to the account as it stands."""
    if not (
        actor.has_perm("accounts.change_user") and services.may_manage(actor=actor, target=person)
    ):
        return []
    trusted = services.may_set_credentials(actor=actor, target=person)
    fitting = ["sign-out", "link"] if person.is_active else ["let-in"]
    if person.is_active and person.pk != actor.pk:
        fitting.append("shut-out")
    return [what for what in fitting if trusted or not DEEDS[what].credentials]


def _may_give(actor: User, person: User) -> bool:
    return actor.has_perm("auth.change_group") and services.may_manage(actor=actor, target=person)


def _choices(actor: User, chosen: frozenset[int]) -> list[dict[str, Any]]:
    """Return every role, the system's first, and whether the actor may give it."""
    order = [role.value for role in Role]
    found = Group.objects.select_related("note").order_by("name")
    system = sorted((g for g in found if g.name in order), key=lambda g: order.index(g.name))
    return [
        {
            "group": group,
            "name": holding.role_words(group),
            "about": holding.about(group),
            "chosen": group.pk in chosen,
            "open": roles.may_give(actor=actor, group=group),
        }
        for group in [*system, *(g for g in found if g.name not in order)]
    ]


def _words(ids: frozenset[int] | set[int]) -> list[str]:
    return sorted(map(holding.role_words, Group.objects.filter(pk__in=ids)))


def _page_of(person: User) -> str:
    return reverse("admin:accounts_user_change", args=[person.pk])


def _record_fields(actor: User, person: User, form: Any) -> None:
    """Record which fields of an account were changed, from what to what."""
    if form.changed_data:
        records.account(
            actions.USER_CHANGE,
            actor=actor,
            target=person,
            old={name: form.initial.get(name) for name in form.changed_data},
            new={name: form.cleaned_data[name] for name in form.changed_data},
        )
