"""From a form to a drafted change: into the open draft, or into a change set of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext

from configs import changesets, registry, stepup
from configs.admin.screens import RIGHT_FOR, actor_of, drafts_of, require
from configs.models import Change, ChangeSet, Config, ModelEndpoint

TO_DRAFT = "_draft"
"""Name of the button that gathers a change instead of reviewing it at once."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A change that a form asks for."""

    kind: str
    target: str
    action: str = Change.Action.SET
    value: Any = None
    group: Group | None = None


def drafted(kinds: Iterable[str]) -> Mapping[tuple[str, str], ChangeSet]:
    """Return which open change set is about which target, by kind and target."""
    rows = Change.objects.filter(kind__in=list(kinds), change_set__state__in=ChangeSet.OPEN)
    return {(row.kind, row.target): row.change_set for row in rows.select_related("change_set")}


def touches_secret(wish: Wish) -> bool:
    """Say whether the password is asked for again before this change is drafted."""
    if wish.kind == Change.Kind.ENDPOINT:
        return isinstance(wish.value, Mapping) and _touches_key(wish.target, wish.value)
    if wish.kind != Change.Kind.SETTING:
        return False
    if isinstance(wish.value, changesets.FreeKey) and wish.value.is_sensitive:
        return True
    setting = registry.SETTINGS.get(wish.target)
    stored = Config.objects.filter(key=wish.target, is_sensitive=True)
    return bool(setting and setting.sensitive) or stored.exists()


def _touches_key(name: str, values: Mapping[str, Any]) -> bool:
    """Say whether an endpoint's key changes, or who is sent the stored one."""
    if values.get("api_key") is not None:
        return True
    keyed = ModelEndpoint.objects.filter(name=name).exclude(api_key="")
    return "base_url" in values and keyed.exclude(base_url=values["base_url"]).exists()


def require_for(request: HttpRequest, change_set: ChangeSet) -> None:
    """Let a change set that holds a secret be published or approved after the password only.

    Raises:
        ConfirmationNeeded: it holds one, and the password was not typed a moment ago.
    """
    if change_set.changes.filter(is_sensitive=True).exists():
        stepup.require(request)


def require_for_way_back(request: HttpRequest, version: int) -> None:
    """Let a return to a release before which a secret was changed be made after the password only.

    Raises:
        ConfirmationNeeded: one was changed since, and the password was not typed a moment ago.
    """
    keys = Config.history.filter(release_version__gt=version, is_sensitive=True)
    endpoints = ModelEndpoint.history.filter(release_version__gt=version).exclude(api_key="")
    if keys.exists() or endpoints.exists():
        stepup.require(request)


def put(request: HttpRequest, wishes: Iterable[Wish], *, title: str) -> ChangeSet:
    """Draft what a form asks for: in the open draft, or in a change set of its own.

    Raises:
        PermissionDenied: the person may not change such a thing.
        ConfirmationNeeded: it touches a secret, and the password was not typed a moment ago.
        ClawError: a value is not valid, or cannot be changed now.
    """
    wishes = list(wishes)
    if any(map(touches_secret, wishes)):
        stepup.require(request)
    require(request, *{RIGHT_FOR[Change.Kind(wish.kind)] for wish in wishes})
    actor = actor_of(request)
    with transaction.atomic():
        change_set = _open(request, title)
        for wish in wishes:
            changesets.draft(
                change_set=change_set,
                kind=wish.kind,
                target=wish.target,
                action=wish.action,
                value=wish.value,
                group=wish.group,
                actor=actor,
            )
    return change_set


def _open(request: HttpRequest, title: str) -> ChangeSet:
    actor = actor_of(request)
    mine = drafts_of(actor) if TO_DRAFT in request.POST else ()
    return mine[0] if mine else changesets.open_draft(title=title[:200], actor=actor)


def onward(request: HttpRequest, change_set: ChangeSet, back: str) -> HttpResponseBase:
    """Go to the review of the change, or back with word that it is gathered."""
    if TO_DRAFT not in request.POST:
        return redirect("admin:configs_changeset_change", change_set.pk)
    return redirect(f"{back}")


def gathered(change_set: ChangeSet) -> str:
    """Say that the change now waits in the draft."""
    return gettext("Added to the draft “%(title)s”. Nothing is published yet.") % {
        "title": change_set.title
    }


def page_of(change_set: ChangeSet) -> str:
    """Return the address of a change set's page."""
    return reverse("admin:configs_changeset_change", args=[change_set.pk])
