"""Gives the role groups their permissions after each migration, as Django makes permissions."""

from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig
from django.apps import apps as global_apps
from django.apps.registry import Apps
from django.db import DEFAULT_DB_ALIAS, router

from accounts.models import Role

OURS = frozenset({"accounts", "configs", "conversations", "knowledge"})
KEPT_BACK = frozenset({("accounts", "read_conversations")})
STEERED = frozenset(
    {"config", "configoverride", "modelendpoint", "prompttemplate", "changeset", "job"}
)
ENTER = ("accounts", "enter_admin")
CHAT = frozenset({"add_conversation", "change_conversation", "delete_conversation", "add_message"})
OWN_KNOWLEDGE = frozenset({"add_knowledgebase", "add_document"})


def _views(app: str, codename: str) -> bool:
    return codename.startswith("view_")


def _audits(app: str, codename: str) -> bool:
    return _views(app, codename) or codename.startswith("export_") or (app, codename) == ENTER


def _administers(app: str, codename: str) -> bool:
    if app in OURS:
        return (app, codename) not in KEPT_BACK
    return _views(app, codename) or (app == "auth" and codename.endswith("_group"))


def _operates(app: str, codename: str) -> bool:
    steers = app == "configs" and codename.partition("_")[2] in STEERED
    named = (app, codename) in {ENTER, ("accounts", "change_user")}
    return _views(app, codename) or steers or named


def _edits_knowledge(app: str, codename: str) -> bool:
    return app == "knowledge" or _chats(app, codename) or (app, codename) == ENTER


def _chats(app: str, codename: str) -> bool:
    talks = app == "conversations" and codename in CHAT
    return talks or (app == "knowledge" and codename in OWN_KNOWLEDGE)


def _integrates(app: str, codename: str) -> bool:
    return _chats(app, codename) or (app == "configs" and codename == "view_config")


GRANTED = {
    Role.ADMINISTRATOR: _administers,
    Role.OPERATOR: _operates,
    Role.AUDITOR: _audits,
    Role.KNOWLEDGE_EDITOR: _edits_knowledge,
    Role.INTEGRATOR: _integrates,
    Role.MEMBER: _chats,
}
"""Which permission, by app label and codename, a role has from the start."""


def grant_role_defaults(
    app_config: AppConfig,
    using: str = DEFAULT_DB_ALIAS,
    apps: Apps = global_apps,
    **_kwargs: Any,
) -> None:
    """Make the role groups, and grant each the permissions of `app_config` that it never had.

    What was granted once is remembered, so what an administrator took away stays away, and what
    an administrator added is left alone. New models get their permissions with their migration.
    """
    try:
        grants = apps.get_model("accounts", "RoleGrant")
        group_model = apps.get_model("auth", "Group")
        permission_model = apps.get_model("auth", "Permission")
    except LookupError:
        return
    if not router.allow_migrate_model(using, grants):
        return
    permissions = list(
        permission_model.objects.using(using)
        .filter(content_type__app_label=app_config.label)
        .select_related("content_type")
    )
    for role, granted in GRANTED.items():
        group, _ = group_model.objects.using(using).get_or_create(name=role.value)
        wanted = [p for p in permissions if granted(p.content_type.app_label, p.codename)]
        _grant_once(grants, group, wanted, using)


def _grant_once(grants: Any, group: Any, permissions: Iterable[Any], using: str) -> None:
    """Add to `group` those of `permissions` that were never granted by default before."""
    known = grants.objects.using(using).filter(group=group).values_list("permission_id", flat=True)
    new = [p for p in permissions if p.pk not in set(known)]
    group.permissions.add(*new)
    grants.objects.using(using).bulk_create(
        [grants(group=group, permission=p) for p in new], ignore_conflicts=True
    )
