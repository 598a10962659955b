"""Who may give what to whom: nobody more than they have, and never so that nobody administers."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError

from accounts import roles, services, tokens
from accounts.models import Role, User
from configs.errors import Conflict, Forbidden, Invalid, NotFound
from configs.models import AuditEntry, ConfigOverride
from conversations.authentication import Credential, _ended, valid_sessions
from tests import factories
from tests.cast import person
from tests.factories import PASSWORD

WHY = "because"


def right(code):
    app, name = code.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=name)


def role(name):
    return Group.objects.get(name=name)


def cell(group, code):
    return (group.pk, right(code).pk)


@pytest.fixture
def readers(db):
    """A role with a right that no administrator has."""
    group = Group.objects.create(name="readers")
    group.permissions.add(right("accounts.read_conversations"))
    return group


def change(actor, granted=(), revoked=(), reason=WHY):
    roles.change_rights(actor=actor, granted=granted, revoked=revoked, reason=reason)


# --- Rights of roles ----------------------------------------------------------------------------
def test_change_rights__held__given_taken_and_recorded(administrator):
    group = Group.objects.create(name="helpers")
    group.permissions.add(right("knowledge.view_document"))
    change(
        administrator,
        [cell(group, "accounts.view_user")],
        [cell(group, "knowledge.view_document")],
    )
    assert roles.codes_of(group) == {"accounts.view_user"}
    given, taken = AuditEntry.objects.filter(object_id=str(group.pk)).order_by("pk")
    assert (given.action, taken.action) == ("permission.grant", "permission.revoke")
    assert (given.actor, given.reason) == (administrator, WHY)
    assert taken.new == {"rights": ["knowledge.view_document"]}


@pytest.mark.parametrize("who", ["alice", "olga", "aidan"])
def test_change_rights__without_the_right__is_refused(request, who):
    actor = request.getfixturevalue(who)
    group = Group.objects.create(name="helpers")
    with pytest.raises(Forbidden):
        change(actor, [cell(group, "conversations.add_message")])
    assert not group.permissions.exists()


@pytest.mark.parametrize("name", ["member", "administrator", "helpers", "readers"])
def test_change_rights__right_not_held__cannot_be_given_to_any_role(administrator, readers, name):
    group = Group.objects.get_or_create(name=name)[0]
    before = roles.codes_of(group)
    for granted, revoked in (
        ([cell(group, "accounts.read_conversations")], []),
        ([], [cell(group, "accounts.read_conversations")]),
        (
            [cell(group, "accounts.view_user"), cell(group, "accounts.read_conversations")],
            [],
        ),
    ):
        with pytest.raises(Forbidden):
            change(administrator, granted, revoked)
    assert roles.codes_of(group) == before


def test_change_rights__manager_who_is_no_administrator__leaves_the_administrators_role(db):
    managers = Group.objects.create(name="managers")
    managers.permissions.add(right("auth.change_group"), right("accounts.view_user"))
    manager = factories.UserFactory()
    manager.groups.set([managers])
    helpers = Group.objects.create(name="helpers")
    change(manager, [cell(helpers, "accounts.view_user")])
    with pytest.raises(Forbidden):
        change(manager, [], [cell(role(Role.ADMINISTRATOR), "accounts.view_user")])
    with pytest.raises(Forbidden):
        change(manager, [cell(managers, "accounts.change_user")])


def test_change_rights__anchors_of_the_administrator__stay(superuser):
    for code in roles.ANCHORS:
        with pytest.raises(Conflict):
            change(superuser, [], [cell(role(Role.ADMINISTRATOR), code)])


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_change_rights__without_a_reason__is_refused(administrator, reason):
    group = Group.objects.create(name="helpers")
    with pytest.raises(Invalid):
        change(administrator, [cell(group, "accounts.view_user")], reason=reason)


def test_change_rights__what_is_not_there__is_not_found(administrator):
    group = Group.objects.create(name="helpers")
    for cells in ([(group.pk, 10**8)], [(10**8, right("accounts.view_user").pk)], []):
        with pytest.raises(NotFound):
            change(administrator, cells)


def test_change_rights__remembered_rights__do_not_count(administrator):
    """Rights that were read before they were taken away give nothing."""
    assert administrator.has_perm("auth.change_group")
    administrator.groups.clear()
    with pytest.raises(Forbidden):
        change(administrator, [cell(role(Role.MEMBER), "accounts.view_user")])


def test_change_rights__way_into_the_admin__opens_and_closes_it_for_all(administrator):
    group = Group.objects.create(name="helpers")
    people = factories.UserFactory.create_batch(2)
    for each in people:
        each.groups.add(group)
    change(administrator, [cell(group, "accounts.enter_admin")])
    assert all(
        User.objects.filter(pk__in=[p.pk for p in people]).values_list("is_staff", flat=True)
    )
    change(administrator, [], [cell(group, "accounts.enter_admin")])
    assert not User.objects.filter(pk__in=[p.pk for p in people], is_staff=True).exists()


# --- Roles of people ----------------------------------------------------------------------------
def test_set_roles__role_with_more_than_one_has__is_refused_for_oneself_and_others(
    administrator, alice, readers
):
    for target in (administrator, alice):
        before = set(target.groups.all())
        names = [group.name for group in before] + ["readers"]
        with pytest.raises(Forbidden):
            services.set_roles(actor=administrator, target=target, roles=names, reason=WHY)
        assert set(target.groups.all()) == before


def test_set_roles__by_a_superuser__gives_what_others_cannot(superuser, alice, readers):
    services.set_roles(actor=superuser, target=alice, roles=["member", "readers"], reason=WHY)
    assert User.objects.get(pk=alice.pk).has_perm("accounts.read_conversations")


@pytest.mark.parametrize("who", ["alice", "olga", "aidan"])
def test_set_roles__without_the_right__is_refused(request, who, bob):
    actor = request.getfixturevalue(who)
    for target in (bob, actor):
        with pytest.raises(Forbidden):
            services.set_roles(actor=actor, target=target, roles=[Role.ADMINISTRATOR], reason=WHY)


def test_set_roles__unknown__is_told(administrator, bob):
    with pytest.raises(ValidationError):
        services.set_roles(actor=administrator, target=bob, roles=["emperor"], reason=WHY)


def test_last_administrator__by_any_verb__stays(administrator, olga):
    with pytest.raises(Conflict):
        services.set_roles(actor=administrator, target=administrator, roles=["member"], reason=WHY)
    with pytest.raises(Conflict):
        services.deactivate(actor=administrator, target=administrator, reason=WHY)
    second = person("second", Role.ADMINISTRATOR)
    services.set_roles(actor=administrator, target=administrator, roles=["member"], reason=WHY)
    with pytest.raises(Conflict):
        services.set_roles(actor=second, target=second, roles=["member"], reason=WHY)


def test_last_administrator__invited_and_never_joined__does_not_count(administrator):
    services.invite(actor=administrator, username="nina", roles=[Role.ADMINISTRATOR])
    with pytest.raises(Conflict):
        services.set_roles(actor=administrator, target=administrator, roles=["member"], reason=WHY)


def test_superuser__made_and_unmade__only_by_one_and_never_the_last(
    superuser, administrator, alice
):
    with pytest.raises(Forbidden):
        services.set_superuser(actor=administrator, target=alice, on=True, reason=WHY)
    services.set_superuser(actor=superuser, target=alice, on=True, reason=WHY)
    assert User.objects.get(pk=alice.pk).is_staff
    services.set_superuser(actor=superuser, target=alice, on=False, reason=WHY)
    administrator.groups.clear()
    with pytest.raises(Conflict):
        services.set_superuser(actor=superuser, target=superuser, on=False, reason=WHY)


def test_activate__account_with_more_rights__is_refused(olga, alice):
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    for target in (alice, editor):
        services.deactivate(actor=olga, target=target, reason=WHY)
    with pytest.raises(Forbidden):
        services.activate(actor=olga, target=editor, reason=WHY)
    assert not User.objects.get(pk=editor.pk).is_active


# --- Roles of one's own -------------------------------------------------------------------------
def test_make__like_another__copies_what_the_maker_has(administrator, readers):
    readers.permissions.add(right("accounts.view_user"))
    made = roles.make(
        actor=administrator,
        name=" Night  shift ",
        description="At night.",
        like=readers,
        reason=WHY,
    )
    assert made.name == "Night shift"
    assert roles.description_of(made) == "At night."
    assert roles.codes_of(made) == {"accounts.view_user"}


@pytest.mark.parametrize("name", ["", " ", "MEMBER", "readers", "Readers", "a\nb\0", "x" * 151])
def test_make__bad_name__is_told(administrator, readers, name):
    with pytest.raises(Invalid) as refusal:
        roles.make(actor=administrator, name=name, reason=WHY)
    assert "name" in refusal.value.errors


@pytest.mark.parametrize("who", ["alice", "olga", "aidan"])
def test_own_roles__without_the_right__are_closed(request, who, readers):
    actor = request.getfixturevalue(who)
    with pytest.raises(Forbidden):
        roles.make(actor=actor, name="mine", reason=WHY)
    with pytest.raises(Forbidden):
        roles.describe(actor=actor, role=readers, name="mine", description="", reason=WHY)
    with pytest.raises(Forbidden):
        roles.delete(actor=actor, role=readers, reason=WHY)


def test_describe__role_of_the_system__keeps_its_name(administrator):
    member = role(Role.MEMBER)
    roles.describe(actor=administrator, role=member, name="x", description="All.", reason=WHY)
    member.refresh_from_db()
    assert (member.name, roles.description_of(member)) == (Role.MEMBER, "All.")


def test_delete__only_when_empty_and_ones_own(administrator, alice, readers):
    alice.groups.add(readers)
    with pytest.raises(Conflict):
        roles.delete(actor=administrator, role=readers, reason=WHY)
    alice.groups.remove(readers)
    base = factories.KnowledgeBaseFactory()
    base.shared_groups.add(readers)
    with pytest.raises(Conflict):
        roles.delete(actor=administrator, role=readers, reason=WHY)
    base.shared_groups.clear()
    roles.delete(actor=administrator, role=readers, reason=WHY)
    assert not Group.objects.filter(name="readers").exists()
    with pytest.raises(Forbidden):
        roles.delete(actor=administrator, role=role(Role.MEMBER), reason=WHY)


def test_delete__role_with_an_exception_of_settings__is_refused(administrator, readers):
    ConfigOverride.objects.create(key="limits.questions_per_day", group=readers, value="1")
    with pytest.raises(Conflict):
        roles.delete(actor=administrator, role=readers, reason=WHY)


# --- What ends with a role ------------------------------------------------------------------------
def test_role_taken__sessions_tokens_and_sockets_end(administrator, olga, browser_of, rf):
    browser = browser_of(olga)
    key = browser.session.session_key
    pair = tokens.obtain(request=rf.post("/"), username="olga", password=PASSWORD)
    assert tokens.recognise(pair.access)
    held = Credential(key, None, lambda: None, User.objects.get(pk=olga.pk))
    assert _ended((held,)) == []
    services.set_roles(actor=administrator, target=olga, roles=["member"], reason=WHY)
    assert valid_sessions({key}) == set()
    assert tokens.recognise(pair.access) is None
    assert _ended((held,)) == [held]
    assert browser.get("/api/v1/me/").status_code == 401


def test_role_given__tokens_end_and_the_session_goes_on(administrator, alice, browser_of, rf):
    browser = browser_of(alice)
    pair = tokens.obtain(request=rf.post("/"), username="alice", password=PASSWORD)
    services.set_roles(
        actor=administrator, target=alice, roles=["member", "research", "auditor"], reason=WHY
    )
    assert tokens.recognise(pair.access) is None
    assert browser.get("/api/v1/me/").status_code == 200


def test_right_taken_from_a_role__sockets_of_its_people_close_and_sessions_go_on(
    administrator, olga, alice, browser_of
):
    operators, members = (browser_of(each) for each in (olga, alice))
    held = [
        Credential(b.session.session_key, None, lambda: None, User.objects.get(pk=u.pk))
        for b, u in ((operators, olga), (members, alice))
    ]
    change(administrator, [], [cell(role(Role.OPERATOR), "accounts.change_user")])
    assert _ended(tuple(held)) == held[:1]
    assert operators.get("/api/v1/me/").status_code == 200


def test_end_sign_ins__by_an_operator__not_of_an_administrator(olga, alice, administrator):
    services.end_sign_ins(actor=olga, target=alice, reason=WHY)
    with pytest.raises(Forbidden):
        services.end_sign_ins(actor=olga, target=administrator, reason=WHY)
    with pytest.raises(Invalid):
        services.end_sign_ins(actor=olga, target=alice, reason="")
