"""The screens of roles and people: what they show, what they let nobody do, by forged forms too."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from accounts import roles
from accounts.models import Role, User
from configs.models import AuditEntry
from tests import factories
from tests.accounts.test_role_rules import cell, right, role

MATRIX = "admin:auth_group_changelist"
REVIEW = "admin:auth_group_review"
WHY = {"confirmed": "1", "reason": "because"}


@pytest.fixture
def readers(db):
    group = Group.objects.create(name="readers")
    group.permissions.add(right("accounts.read_conversations"))
    return group


@pytest.fixture
def helpers(db):
    group = Group.objects.create(name="helpers")
    group.permissions.add(right("knowledge.view_document"))
    return group


def text_of(response):
    return response.content.decode()


def written(pair):
    return f"{pair[0]}:{pair[1]}"


def held_by(group):
    return set(group.permissions.values_list("pk", flat=True))


def form_of(browser, own="1"):
    """Return what a browser would send of the matrix, untouched."""
    page = browser.get(reverse(MATRIX), {"own": own}).context
    boxes = [box for subject in page["subjects"] for row in subject.rows for box in row.boxes]
    return {
        "role": [column.group.pk for column in page["columns"]],
        "cell": [box.name for box in boxes if box.open and box.held],
    }


# --- The matrix --------------------------------------------------------------------------------
@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("who", ["aidan", "olga"])
def test_matrix__reader__sees_every_right_and_no_control(request, browser_of, who, language):
    browser = browser_of(request.getfixturevalue(who))
    page = text_of(browser.get(reverse(MATRIX), headers={"Accept-Language": language}))
    rows = page.count('class="ro-right')
    assert rows == Permission.objects.count()
    assert 'type="checkbox" name="cell"' not in page
    assert reverse("admin:auth_group_add") not in page
    assert "can_add" not in page.lower()


def test_matrix__roles__are_those_of_the_system_or_ones_own(browser_of, administrator, helpers):
    browser = browser_of(administrator)
    system = browser.get(reverse(MATRIX)).context["columns"]
    assert [column.group.name for column in system] == [each.value for each in Role]
    own = browser.get(reverse(MATRIX), {"own": "1"}).context["columns"]
    assert [column.group.name for column in own] == ["helpers"]


def test_matrix__many_roles__are_paged(browser_of, administrator):
    for number in range(8):
        Group.objects.create(name=f"group {number}")
    browser = browser_of(administrator)
    pages = [browser.get(reverse(MATRIX), {"own": "1", "page": n}) for n in ("1", "2", "99", "x")]
    assert [len(page.context["columns"]) for page in pages] == [6, 2, 2, 6]


def test_matrix__rights_that_the_reader_lacks__are_locked(browser_of, administrator, helpers):
    page = browser_of(administrator).get(reverse(MATRIX), {"own": "1"})
    locked = written(cell(helpers, "accounts.read_conversations"))
    boxes = {
        box.name: box
        for subject in page.context["subjects"]
        for row in subject.rows
        for box in row.boxes
    }
    assert not boxes[locked].open
    assert boxes[written(cell(helpers, "accounts.view_user"))].open


# --- Review, then save --------------------------------------------------------------------------
def test_review__changed_boxes__are_shown_and_nothing_is_stored(browser_of, administrator, helpers):
    browser = browser_of(administrator)
    sent = form_of(browser)
    sent["cell"] = [written(cell(helpers, "accounts.view_user"))]
    page = browser.post(reverse(REVIEW), sent)
    (change,) = page.context["changes"]
    assert [each.code for each in change.granted] == ["accounts.view_user"]
    assert [each.code for each in change.revoked] == ["knowledge.view_document"]
    assert roles.codes_of(helpers) == {"knowledge.view_document"}


def test_review__untouched__is_no_change(browser_of, administrator, readers, helpers):
    browser = browser_of(administrator)
    page = browser.post(reverse(REVIEW), form_of(browser))
    assert page.context["changes"] == []


def test_review__confirmed__is_stored_with_its_reason(browser_of, administrator, helpers):
    grant, revoke = cell(helpers, "accounts.view_user"), cell(helpers, "knowledge.view_document")
    body = {**WHY, "grant": written(grant), "revoke": written(revoke)}
    browser = browser_of(administrator)
    without = browser.post(reverse(REVIEW), body | {"reason": " "})
    assert without.status_code == 200
    assert roles.codes_of(helpers) == {"knowledge.view_document"}
    assert browser.post(reverse(REVIEW), body).status_code == 302
    assert roles.codes_of(helpers) == {"accounts.view_user"}
    assert AuditEntry.objects.filter(action="permission.grant", reason="because").exists()
    assert "because" in text_of(browser.get(reverse("admin:auth_group_change", args=[helpers.pk])))


@pytest.mark.parametrize("name", ["administrator", "member", "readers"])
def test_review__forged_right_beyond_ones_own__is_refused(browser_of, administrator, readers, name):
    group = role(name)
    before = held_by(group)
    body = {**WHY, "grant": written(cell(group, "accounts.read_conversations"))}
    assert browser_of(administrator).post(reverse(REVIEW), body).status_code == 403
    assert held_by(group) == before


def test_review__forged_box_beyond_ones_own__is_left_out(browser_of, administrator, readers):
    browser = browser_of(administrator)
    sent = form_of(browser)
    sent["cell"] = [written(cell(readers, "accounts.read_conversations"))]
    assert browser.post(reverse(REVIEW), sent).context["changes"] == []
    sent["cell"] = []
    assert browser.post(reverse(REVIEW), sent).context["changes"] == []


@pytest.mark.parametrize("who", ["aidan", "olga"])
def test_review__without_the_right__is_refused(request, browser_of, helpers, who):
    browser = browser_of(request.getfixturevalue(who))
    body = {**WHY, "grant": written(cell(helpers, "conversations.add_message"))}
    assert browser.post(reverse(REVIEW), body).status_code == 403
    assert browser.get(reverse(REVIEW)).status_code == 403
    assert roles.codes_of(helpers) == {"knowledge.view_document"}


@pytest.mark.parametrize("cells", ["", "x", "1", "1:", ":1", "1:x", "9" * 30 + ":1", "١:١"])
def test_review__nonsense__is_answered(browser_of, administrator, helpers, cells):
    browser = browser_of(administrator)
    for body in ({"role": cells, "cell": cells}, {**WHY, "grant": cells, "revoke": cells}):
        assert browser.post(reverse(REVIEW), body).status_code == 200


# --- Roles of one's own ---------------------------------------------------------------------------
def test_role__made_described_deleted__by_forms(browser_of, administrator):
    browser = browser_of(administrator)
    body = {"name": "Night", "description": "At night", "like": role("auditor").pk, "reason": "x"}
    assert browser.post(reverse("admin:auth_group_add"), body).status_code == 302
    made = Group.objects.get(name="Night")
    assert "accounts.view_user" in roles.codes_of(made)
    page = reverse("admin:auth_group_change", args=[made.pk])
    body = {"name": "Day", "description": "By day", "reason": "later", "permissions": "1"}
    assert browser.post(page, body).status_code == 302
    made.refresh_from_db()
    assert made.name == "Day"
    gone = reverse("admin:auth_group_delete", args=[made.pk])
    assert "Delete" in text_of(browser.get(gone))
    assert Group.objects.filter(pk=made.pk).exists()
    assert browser.post(gone, {"post": "yes"}).status_code == 200
    assert browser.post(gone, {"reason": "not needed"}).status_code == 302
    assert not Group.objects.filter(pk=made.pk).exists()


def test_role__bad_name_or_no_reason__is_told_at_the_field(browser_of, administrator, helpers):
    browser = browser_of(administrator)
    for body, field in (
        ({"name": "HELPERS", "reason": "x"}, "name"),
        ({"name": "Fine", "reason": ""}, "reason"),
        ({"name": "Fine", "reason": "x", "like": "999999"}, "like"),
    ):
        page = browser.post(reverse("admin:auth_group_add"), body)
        assert page.context["form"].errors[field]


def test_role__of_the_system__cannot_be_renamed_or_deleted(browser_of, superuser):
    browser = browser_of(superuser)
    member = role("member")
    page = reverse("admin:auth_group_change", args=[member.pk])
    browser.post(page, {"name": "renamed", "description": "d", "reason": "x"})
    member.refresh_from_db()
    assert member.name == "member"
    gone = reverse("admin:auth_group_delete", args=[member.pk])
    assert browser.post(gone, {"reason": "x"}).status_code == 403


@pytest.mark.parametrize("pk", ["0", "x", "9" * 18, "1" * 40])
def test_role__that_is_not_there__is_404(browser_of, superuser, pk):
    assert browser_of(superuser).get(f"/admin/auth/group/{pk}/change/").status_code == 404


# --- People --------------------------------------------------------------------------------------
def roles_page(person):
    return reverse("admin:accounts_user_roles", args=[person.pk])


def deed(person, what):
    return reverse("admin:accounts_user_deed", args=[person.pk, what])


def test_roles_of_a_person__reviewed_then_saved(browser_of, administrator, alice):
    browser = browser_of(administrator)
    wanted = {"role": [role("member").pk, role("auditor").pk]}
    page = browser.post(roles_page(alice), wanted)
    assert (page.context["added"], page.context["removed"]) == (["auditor"], ["research"])
    assert not alice.groups.filter(name="auditor").exists()
    assert browser.post(roles_page(alice), {**wanted, **WHY}).status_code == 302
    assert {group.name for group in alice.groups.all()} == {"member", "auditor"}
    alice.refresh_from_db()
    assert alice.is_staff
    entry = AuditEntry.objects.filter(action="role.grant").latest("id")
    assert (entry.reason, entry.actor) == ("because", administrator)


def test_roles_of_a_person__beyond_ones_own__are_refused(browser_of, administrator, alice, readers):
    browser = browser_of(administrator)
    for person in (alice, administrator):
        before = set(person.groups.all())
        kept = [group.pk for group in before]
        body = {"role": [*kept, readers.pk], **WHY, "all_rights": "on", "is_superuser": "on"}
        assert browser.post(roles_page(person), body).status_code == 403
        assert set(person.groups.all()) == before
        body = {"role": kept, **WHY, "all_rights": "on", "user_permissions": "1"}
        browser.post(roles_page(person), body)
        person.refresh_from_db()
        assert not person.is_superuser
        assert not person.user_permissions.exists()


def test_roles_of_the_last_administrator__stay(browser_of, administrator):
    page = browser_of(administrator).post(
        roles_page(administrator), {"role": [role("member").pk], **WHY}
    )
    assert page.status_code == 200
    assert "Nobody would be left" in text_of(page)
    assert administrator.groups.filter(name="administrator").exists()


def test_all_rights__given_by_a_superuser(browser_of, superuser, alice):
    kept = [group.pk for group in alice.groups.all()]
    body = {"role": kept, "all_rights": "on", **WHY}
    assert browser_of(superuser).post(roles_page(alice), body).status_code == 302
    alice.refresh_from_db()
    assert alice.is_superuser


@pytest.mark.parametrize("who", ["olga", "aidan"])
def test_roles_of_a_person__without_the_right__are_closed(request, browser_of, alice, who):
    actor = request.getfixturevalue(who)
    browser = browser_of(actor)
    for person in (alice, actor):
        body = {"role": [role("administrator").pk], **WHY}
        assert browser.post(roles_page(person), body).status_code == 403
        assert browser.get(roles_page(person)).status_code == 403


@pytest.mark.parametrize("what", ["sign-out", "shut-out", "let-in", "link"])
@pytest.mark.parametrize("who", ["aidan", "olga"])
def test_deed__on_an_administrator_by_somebody_weaker__is_refused(
    request, browser_of, administrator, superuser, what, who
):
    browser = browser_of(request.getfixturevalue(who))
    for person in (administrator, superuser):
        before = (person.password, person.sign_ins_ended)
        assert browser.get(deed(person, what)).status_code == 403
        assert browser.post(deed(person, what), {"reason": "x"}).status_code == 403
        person.refresh_from_db()
        assert (person.password, person.sign_ins_ended, person.is_active) == (*before, True)


def test_deeds__by_an_operator_on_a_member__ask_why_and_are_recorded(browser_of, olga, alice):
    olga.groups.add(role("member"), *alice.groups.all())
    browser = browser_of(olga)
    asked = browser.get(deed(alice, "shut-out"))
    alice.refresh_from_db()
    assert asked.status_code == 200
    assert alice.is_active
    assert browser.post(deed(alice, "shut-out"), {"reason": ""}).status_code == 200
    assert browser.post(deed(alice, "shut-out"), {"reason": "left"}).status_code == 302
    alice.refresh_from_db()
    assert not alice.is_active
    assert AuditEntry.objects.get(action="user.deactivate").reason == "left"
    assert browser.post(deed(alice, "let-in"), {"reason": "back"}).status_code == 302
    link = browser.post(deed(alice, "link"), {"reason": "forgot"}, follow=True)
    assert "/accounts/invitation/" in text_of(link)
    again = browser.get(reverse("admin:accounts_user_change", args=[alice.pk]))
    assert "/accounts/invitation/" not in text_of(again)


def test_sign_out__everywhere__ends_the_sessions(browser_of, olga, alice):
    theirs = browser_of(alice)
    assert theirs.get("/api/v1/me/").status_code == 200
    browser_of(olga).post(deed(alice, "sign-out"), {"reason": "laptop lost"})
    assert theirs.get("/api/v1/me/").status_code == 401


def test_person__page__shows_roles_rights_and_where_they_come_from(browser_of, aidan, olga):
    page = browser_of(aidan).get(reverse("admin:accounts_user_change", args=[olga.pk]))
    held = {each.right.code: each.sources for _title, rows in page.context["held"] for each in rows}
    assert set(held) == olga.get_all_permissions()
    assert held["configs.change_config"] == ("operator",)
    assert page.context["deeds"] == []
    assert not page.context["may_give"]


def test_person__with_open_session_and_key__shows_them(browser_of, olga, alice):
    browser_of(alice)
    factories.ApiKeyFactory(owner=alice)
    page = browser_of(olga).get(reverse("admin:accounts_user_change", args=[alice.pk]))
    signed_in = page.context["signed_in"]
    assert (len(signed_in.sessions), len(signed_in.keys)) == (1, 1)


def test_person__form_of_anybody__sets_no_role_or_right(
    browser_of, superuser, administrator, alice
):
    forged = {
        "username": "alice", "theme": "dark", "language": "", "display_name": "A", "email": "",
        "is_staff": "on", "is_superuser": "on", "groups": [role("administrator").pk],
        "user_permissions": [right("accounts.read_conversations").pk], "is_active": "",
        "sign_ins_ended": "7", "password": "x",
    }  # fmt: skip
    before = User.objects.values("password", "is_active", "sign_ins_ended").get(pk=alice.pk)
    groups = set(alice.groups.all())
    for actor in (administrator, superuser):
        address = reverse("admin:accounts_user_change", args=[alice.pk])
        assert browser_of(actor).post(address, forged).status_code == 302
        alice.refresh_from_db()
        assert alice.theme == "dark"
        assert (alice.is_superuser, alice.is_staff) == (False, False)
        assert not alice.user_permissions.exists()
        assert set(alice.groups.all()) == groups
        after = User.objects.values("password", "is_active", "sign_ins_ended").get(pk=alice.pk)
        assert after == before


def test_invitation__with_a_role_beyond_ones_own__is_refused(browser_of, administrator, readers):
    body = {"username": "nina", "email": "n@example.com", "groups": [readers.pk]}
    page = browser_of(administrator).post(reverse("admin:accounts_user_add"), body)
    assert page.status_code == 200
    assert not User.objects.filter(username="nina").exists()
