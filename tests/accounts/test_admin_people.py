"""The admin of people: operators keep data, never rights; nobody touches those above them."""

from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from accounts.models import Role, User
from tests.accounts.admin_world import url
from tests.cast import person


def person_form(user, **changes):
    fields = {
        "username": user.username, "email": user.email, "language": "", "theme": "system",
        "is_active": "on", "display_name": user.display_name,
    }  # fmt: skip
    return {**fields, **changes}


def test_operator__person__changes_data_and_no_rights(browser_of, olga, alice):
    permission = Permission.objects.first()
    forged = person_form(
        alice, display_name="Alice L", is_superuser="on", is_staff="on",
        groups=[str(group.pk) for group in Group.objects.all()],
        user_permissions=[str(permission.pk)],
    )  # fmt: skip
    before = set(alice.groups.all())
    response = browser_of(olga).post(url(User, "change", alice.pk), forged)
    assert response.status_code == 302
    alice.refresh_from_db()
    assert alice.display_name == "Alice L"
    assert not alice.is_superuser
    assert not alice.is_staff
    assert set(alice.groups.all()) == before
    assert not alice.user_permissions.exists()


def test_operator__superuser_or_administrator__cannot_be_touched(
    browser_of, olga, superuser, administrator
):
    browser = browser_of(olga)
    for target in (superuser, administrator):
        hashed = target.password
        assert (
            browser.post(
                url(User, "change", target.pk), person_form(target, email="x@y.example")
            ).status_code
            == 403
        )
        password = {
            "password1": "another battery staple 7",
            "password2": "another battery staple 7",
        }
        address = reverse("admin:auth_user_password_change", args=[target.pk])
        assert browser.post(address, password).status_code == 403
        browser.post(
            url(User, "changelist"), {"action": "shut_out", "_selected_action": [str(target.pk)]}
        )
        target.refresh_from_db()
        assert (target.password, target.is_active) == (hashed, True)
        assert target.email != "x@y.example"


def test_operator__password_of_a_stronger_role__cannot_be_set(browser_of, olga):
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    address = reverse("admin:auth_user_password_change", args=[editor.pk])
    assert browser_of(olga).post(address, {"password1": "another battery 77"}).status_code == 403


def test_operator__people_and_groups__cannot_be_made(browser_of, olga):
    browser = browser_of(olga)
    assert browser.post(url(User, "add"), {"username": "mallory"}).status_code == 403
    assert browser.post(url(Group, "add"), {"name": "mallory"}).status_code == 403
    group = Group.objects.get(name=Role.OPERATOR)
    assert browser.post(url(Group, "change", group.pk), {"name": "x"}).status_code == 403
    links = {"action": "make_invitations", "_selected_action": [str(olga.pk)]}
    assert browser.post(url(User, "changelist"), links).status_code == 403


def test_administrator__adds_a_person__gets_a_link_once(browser_of, administrator):
    browser = browser_of(administrator)
    role = Group.objects.get(name=Role.AUDITOR)
    body = {
        "username": "nina",
        "email": "n@example.com",
        "display_name": "Nina",
        "groups": [role.pk],
    }
    page = browser.post(url(User, "add"), body, follow=True)
    nina = User.objects.get(username="nina")
    assert nina.is_staff
    assert not nina.has_usable_password()
    assert "/accounts/invitation/" in page.content.decode()
    assert "/accounts/invitation/" not in browser.get(url(User, "change", nina.pk)).content.decode()


def test_administrator__look_alike_name__is_told_at_the_field(browser_of, administrator, alice):
    page = browser_of(administrator).post(url(User, "add"), {"username": "\uff21LICE"})
    assert page.status_code == 200
    assert "already exists" in page.content.decode()
