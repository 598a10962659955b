"""Which role may do what, from the first migration on."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission

from accounts.management import grant_role_defaults
from accounts.models import Role, User


def held(user: User) -> set[str]:
    return user.get_all_permissions()


def test_roles__fresh_database__all_groups_exist(db):
    assert set(Group.objects.values_list("name", flat=True)) >= {role.value for role in Role}


def test_auditor__permissions__every_view_and_export_and_nothing_else(aidan):
    views = {
        f"{p.content_type.app_label}.{p.codename}"
        for p in Permission.objects.filter(codename__startswith="view_").select_related(
            "content_type"
        )
    }
    exports = {"configs.export_auditentry"}
    assert held(aidan) == views | exports | {"accounts.enter_admin"}
    assert "configs.view_historicalconfig" in views


def test_operator__permissions__steers_but_cannot_make_roles(olga):
    assert {"configs.change_config", "configs.add_modelendpoint", "accounts.change_user"} <= held(
        olga
    )
    assert not held(olga) & {
        "accounts.add_user",
        "accounts.delete_user",
        "auth.change_group",
        "configs.change_release",
        "configs.delete_historicalconfig",
        "knowledge.change_knowledgebase",
        "accounts.read_conversations",
    }


def test_administrator__permissions__all_but_private_texts(administrator):
    assert {"accounts.add_user", "auth.change_group", "knowledge.delete_document"} <= held(
        administrator
    )
    assert "accounts.read_conversations" not in held(administrator)


def test_create_user__without_role__is_member(db):
    user = User.objects.create_user("newcomer")
    assert [group.name for group in user.groups.all()] == [Role.MEMBER]
    assert user.has_perm("conversations.add_conversation")
    assert not user.has_perm("knowledge.change_knowledgebase")


def test_grant__repeated__neither_takes_nor_gives_back(db):
    operator = Group.objects.get(name=Role.OPERATOR)
    added = Permission.objects.get(codename="add_user")
    taken = Permission.objects.get(codename="change_config")
    operator.permissions.add(added)
    operator.permissions.remove(taken)
    for app in apps.get_app_configs():
        grant_role_defaults(app)
    names = set(operator.permissions.values_list("codename", flat=True))
    assert "add_user" in names
    assert "change_config" not in names


def test_grant__role_deleted__comes_back_whole(db):
    Group.objects.get(name=Role.AUDITOR).delete()
    for app in apps.get_app_configs():
        grant_role_defaults(app)
    assert Group.objects.get(name=Role.AUDITOR).permissions.filter(codename="view_user").exists()


@pytest.mark.django_db(transaction=True)
def test_roles__after_flush__are_there_again():
    assert Group.objects.filter(name=Role.OPERATOR).exists()
