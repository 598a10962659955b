"""Signing in and out, invitations, passwords, preferences: from the outside, as a browser."""

import time

import pytest
from django.conf import settings
from django.contrib.auth.hashers import get_hasher
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts import limits, services
from accounts.models import Role, User
from configs.errors import Conflict, Forbidden
from tests.cast import person
from tests.factories import PASSWORD

LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def uncounted():
    """Begin with no attempt on record."""
    cache.clear()
    yield
    cache.clear()


def sign_in(client, username, password=PASSWORD, **extra):
    return client.post(LOGIN, {"username": username, "password": password, **extra})


def is_signed_in(client):
    return client.get("/api/v1/me/").status_code == 200


def test_login__right_password__opens_a_fresh_session(alice):
    client = Client()
    client.get(LOGIN)
    response = sign_in(client, "alice")
    assert response.status_code == 302
    assert response["Location"] == "/"
    cookie = response.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert is_signed_in(client)


def test_login__session_id_planted_before__is_replaced(alice):
    client = Client()
    session = client.session
    session.save()
    planted = session.session_key
    sign_in(client, "alice")
    assert client.session.session_key != planted


@pytest.mark.parametrize("name", ["ALICE", "alice ", "\uff41lice"])
def test_login__name_in_other_clothes__is_the_same_person(alice, name):
    client = Client()
    sign_in(client, name)
    assert is_signed_in(client)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example/",
        "\\\\evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "http:///evil.example",
        "///evil.example",
    ],
)
def test_login__next_elsewhere__stays_here(alice, target):
    assert sign_in(Client(), "alice", next=target)["Location"] == "/"
    assert target not in Client().get(LOGIN, {"next": target}).content.decode()


def test_login__next_of_ours__is_followed(alice):
    assert sign_in(Client(), "alice", next="/knowledge/?a=1")["Location"] == "/knowledge/?a=1"


def bodies(usernames):
    for name in usernames:
        response = sign_in(Client(), name, "wrong")
        assert response.status_code == 200
        yield response.content.decode().replace(name, "NAME")


def without_token(page):
    return [line for line in page.splitlines() if "csrf" not in line and "nonce" not in line]


def test_login__unknown_inactive_or_wrong__gets_the_same_page(alice, bob):
    bob.is_active = False
    bob.save()
    pages = [without_token(page) for page in bodies(["alice", "nobody", "bob"])]
    assert pages[0] == pages[1] == pages[2]
    assert not is_signed_in(Client())


def test_login__inactive_person_with_right_password__is_refused(bob):
    bob.is_active = False
    bob.save()
    client = Client()
    assert sign_in(client, "bob").status_code == 200
    assert not is_signed_in(client)


def test_login__unknown_name__works_as_hard_as_for_a_known_one(alice, monkeypatch):
    hasher = type(get_hasher())
    hashed = []
    encode = hasher.encode
    monkeypatch.setattr(hasher, "encode", lambda *a, **k: hashed.append(a[1]) or encode(*a, **k))
    sign_in(Client(), "alice", "wrong")
    known = len(hashed)
    sign_in(Client(), "nobody", "wrong")
    assert known == len(hashed) - known > 0


@pytest.fixture
def stopped_clock(monkeypatch):
    """Time that stands still, so that no window of the limits ends in mid-test."""
    now = time.time()
    monkeypatch.setattr("django_ratelimit.core.time.time", lambda: now)


@pytest.mark.usefixtures("stopped_clock")
def test_login__too_many_for_an_account__waits_and_says_how_long(alice, bob):
    for _ in range(10):
        assert sign_in(Client(), "Alice", "wrong").status_code == 200
    refused = sign_in(Client(), "alice")
    assert refused.status_code == 429
    seconds = int(refused["Retry-After"])
    assert 0 < seconds <= 300
    assert str(seconds) in refused.content.decode()
    client = Client()
    sign_in(client, "bob")
    assert is_signed_in(client)


@pytest.mark.usefixtures("stopped_clock")
def test_login__after_the_wait__opens_by_itself(alice, monkeypatch):
    for _ in range(11):
        last = sign_in(Client(), "alice", "wrong")
    later = time.time() + int(last["Retry-After"]) + 1
    monkeypatch.setattr("django_ratelimit.core.time.time", lambda: later)
    client = Client()
    sign_in(client, "alice")
    assert is_signed_in(client)


@pytest.mark.usefixtures("stopped_clock")
def test_login__too_many_from_an_address__forwarded_for_does_not_help(db):
    for number in range(100):
        limits.count_login(_request(f"10.0.0.{number}"), f"someone{number}")
    response = Client().post(
        LOGIN, {"username": "x", "password": "y"}, headers={"X-Forwarded-For": "10.9.9.9"}
    )
    assert response.status_code == 429
    other = Client().post(LOGIN, {"username": "x", "password": "y"}, REMOTE_ADDR="127.0.0.2")
    assert other.status_code == 200


def _request(forwarded, peer="127.0.0.1"):
    from django.test import RequestFactory

    return RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR=peer)


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "client"),
    [
        ("203.0.113.9", "10.0.0.1", [], "203.0.113.9"),
        ("10.1.0.1", "6.6.6.6, 203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.1.0.1", "6.6.6.6, 203.0.113.9, 10.2.0.1", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.1.0.1", "", ["10.0.0.0/8"], "10.1.0.1"),
        ("10.1.0.1", "6.6.6.6, rubbish", ["10.0.0.0/8"], "10.1.0.1"),
        ("::ffff:10.1.0.1", "203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("2001:db8::1", "", [], "2001:db8::/64"),
        ("", "203.0.113.9", ["10.0.0.0/8"], "unknown"),
    ],
)
def test_client_address__behind_proxies__is_the_last_one_not_ours(
    settings, peer, forwarded, proxies, client
):
    settings.TRUSTED_PROXIES = proxies
    assert limits.client_address(_request(forwarded, peer)) == client


@pytest.fixture
def no_redis(settings):
    """Point the cache at a port where nobody listens."""
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/1"},
    }


def test_login__redis_down__is_refused_politely(alice, no_redis):
    client = Client()
    response = sign_in(client, "alice")
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert 'name="username"' in response.content.decode()
    assert not is_signed_in(client)


def test_logout__by_link__does_nothing(alice):
    client = Client()
    sign_in(client, "alice")
    assert client.get("/accounts/logout/").status_code == 405
    assert is_signed_in(client)
    assert client.post("/accounts/logout/").status_code == 302
    assert not is_signed_in(client)


def test_login_form__without_csrf_token__is_refused(alice):
    client = Client(enforce_csrf_checks=True)
    assert sign_in(client, "alice").status_code == 403


def test_password_change__ends_other_sessions_only(alice):
    here, elsewhere = Client(), Client()
    sign_in(here, "alice")
    sign_in(elsewhere, "alice")
    new = "another battery staple 7"
    response = here.post(
        "/accounts/password/",
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )
    assert response.status_code == 302
    assert is_signed_in(here)
    assert not is_signed_in(elsewhere)
    assert not is_signed_in(_signed_in_with(PASSWORD))


def _signed_in_with(password):
    client = Client()
    sign_in(client, "alice", password)
    return client


def test_password_change__wrong_old_or_weak_new__changes_nothing(alice):
    client = _signed_in_with(PASSWORD)
    for old, new in (
        (PASSWORD, "alice"),
        ("wrong", "another battery staple 7"),
        (PASSWORD, "x" * 3000),
    ):
        fields = {"old_password": old, "new_password1": new, "new_password2": new}
        assert client.post("/accounts/password/", fields).status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_password_change__anonymous__goes_to_login(db):
    assert Client().get("/accounts/password/")["Location"].startswith(LOGIN)


@pytest.fixture
def invitation(administrator):
    user = services.invite(actor=administrator, username="nina", email="n@example.com")
    return user, services.invitation_path(actor=administrator, target=user)


def accept(client, path, password="another battery staple 7"):
    return client.post(
        path, {"display_name": "Nina", "new_password1": password, "new_password2": password}
    )


def test_invitation__accepted__lets_in_once(invitation):
    _, path = invitation
    client = Client()
    assert client.get(path).status_code == 200
    assert accept(client, path).status_code == 302
    assert client.get("/api/v1/me/").json()["display_name"] == "Nina"
    assert client.get("/api/v1/me/").json()["roles"] == [Role.MEMBER]
    assert Client().get(path).status_code == 404
    assert accept(Client(), path).status_code == 404


def test_invitation__weak_password__stays_open(invitation):
    _, path = invitation
    assert accept(Client(), path, "nina").status_code == 200
    assert Client().get(path).status_code == 200


def test_invitation__after_three_days_or_shut_out__is_over(invitation, monkeypatch, administrator):
    user, path = invitation
    services.deactivate(actor=administrator, target=user)
    assert Client().get(path).status_code == 404
    User.objects.filter(pk=user.pk).update(is_active=True)
    monkeypatch.setattr(services.tokens, "_num_seconds", lambda _when: 10**10)
    assert Client().get(path).status_code == 404


@pytest.mark.parametrize("uid", ["x", "AAAA", "%00", "w6k"])
def test_invitation__forged__is_not_found(invitation, uid):
    _, path = invitation
    token = path.rstrip("/").rpartition("/")[2]
    assert Client().get(f"/accounts/invitation/{uid}/{token}/").status_code in {400, 404}


def test_accept__token_used_meanwhile__conflicts(invitation):
    user, path = invitation
    token = path.rstrip("/").rpartition("/")[2]
    services.accept_invitation(target=user, token=token, password=PASSWORD)
    with pytest.raises(Conflict):
        services.accept_invitation(target=user, token=token, password="x")


@pytest.mark.parametrize("name", ["ADMIN", "\uff41dmin", "admin ", "Admin"])
def test_invite__look_alike_of_a_name__is_refused(administrator, name):
    person("admin", Role.MEMBER)
    with pytest.raises(Exception, match="already exists"):
        services.invite(actor=administrator, username=name)


def test_invite__by_others__is_forbidden(olga, aidan, alice):
    for actor in (olga, aidan, alice):
        with pytest.raises(Forbidden):
            services.invite(actor=actor, username="nina")
    assert not User.objects.filter(username="nina").exists()


def test_invite__unknown_role__makes_nobody(administrator):
    with pytest.raises(Exception, match="no such role"):
        services.invite(actor=administrator, username="nina", roles=["emperor"])
    assert not User.objects.filter(username="nina").exists()


def test_roles__given_and_taken__open_and_close_the_admin(administrator, alice):
    services.set_roles(actor=administrator, target=alice, roles=[Role.AUDITOR])
    alice.refresh_from_db()
    assert alice.is_staff
    services.set_roles(actor=administrator, target=alice, roles=[Role.MEMBER])
    alice.refresh_from_db()
    assert not alice.is_staff


def test_deactivate__ends_sessions_at_once(administrator, alice):
    client = _signed_in_with(PASSWORD)
    services.deactivate(actor=administrator, target=alice)
    assert not is_signed_in(client)


def test_deactivate__stronger_or_oneself__is_refused(administrator, superuser, olga):
    for actor, target in ((olga, administrator), (olga, superuser), (administrator, superuser)):
        with pytest.raises(Forbidden):
            services.deactivate(actor=actor, target=target)
    with pytest.raises(Conflict):
        services.deactivate(actor=administrator, target=administrator)


def test_credentials__of_someone_with_more_rights__cannot_be_set(administrator, aidan, alice):
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    operator = person("oscar", Role.OPERATOR, Role.MEMBER)
    for stronger in (editor, administrator, aidan):  # an auditor exports what operators only see
        assert not services.may_set_credentials(actor=operator, target=stronger)
    assert services.may_set_credentials(actor=operator, target=alice)
    assert services.may_set_credentials(actor=administrator, target=editor)


def test_preferences__of_a_person__are_remembered_on_other_machines(alice):
    client = _signed_in_with(PASSWORD)
    response = client.post(
        "/accounts/preferences/", {"language": "zh-hans", "theme": "dark", "next": "/x/"}
    )
    assert response["Location"] == "/x/"
    alice.refresh_from_db()
    assert (alice.language, alice.theme) == ("zh-hans", "dark")
    elsewhere = sign_in(Client(), "alice")
    assert elsewhere.cookies[settings.LANGUAGE_COOKIE_NAME].value == "zh-hans"


def test_preferences__of_a_visitor__live_in_a_cookie(db):
    client = Client()
    response = client.post(
        reverse("set_language"), {"language": "zh-hans", "next": "//evil.example"}
    )
    assert response["Location"] == "/"
    assert client.get(LOGIN)["Content-Language"] == "zh-hans"
    assert client.get("/accounts/preferences/").status_code == 405
    assert client.post("/accounts/preferences/", {"language": "xx"})["Location"] == "/"


def test_me__get_and_patch__profile_only(api_of, alice):
    api = api_of(alice)
    me = api.get("/api/v1/me/").json()
    assert me["id"] == str(alice.pk)
    assert me["roles"] == [Role.MEMBER, "research"]
    assert "conversations.add_conversation" in me["permissions"]
    assert "password" not in me
    changed = api.patch(
        "/api/v1/me/", {"display_name": "Alice 李", "theme": "dark", "language": "zh-hans"}
    )
    assert changed.status_code == 200
    assert changed.json()["display_name"] == "Alice 李"


@pytest.mark.parametrize(
    "field",
    [
        "id",
        "username",
        "is_staff",
        "is_superuser",
        "roles",
        "groups",
        "permissions",
        "password",
        "date_joined",
    ],
)
def test_me__field_that_is_not_mine__is_named_and_refused(api_of, alice, field):
    response = api_of(alice).patch("/api/v1/me/", {field: True, "theme": "dark"})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [field]
    alice.refresh_from_db()
    assert alice.theme == "system"
    assert not alice.is_superuser


@pytest.mark.parametrize("value", ["plaid", None, 7, ["dark"], {"a": 1}])
def test_me__bad_value__is_refused(api_of, alice, value):
    assert api_of(alice).patch("/api/v1/me/", {"theme": value}).status_code == 400


def test_me__language_unknown__is_refused(api_of, alice):
    assert api_of(alice).patch("/api/v1/me/", {"language": "tlh"}).status_code == 400


def test_admin__visitor_and_member__have_no_second_login(alice, browser_of):
    visitor = Client().get("/admin/", follow=True)
    assert visitor.redirect_chain[-1][0].startswith(LOGIN)
    assert "next=/admin/" in visitor.redirect_chain[-1][0]
    assert browser_of(alice).get("/admin/", follow=True).status_code == 403
    assert (
        Client().post("/admin/login/", {"username": "alice", "password": PASSWORD}).status_code
        == 302
    )
