"""API keys and JWTs: made once, good as long as they should be, and no further than they reach."""

import base64
import json
from datetime import timedelta

import jwt
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import services, tokens
from accounts.models import ApiKey, Scope, TokenFamily
from configs.models import AuditEntry
from tests.factories import PASSWORD

ME = "/api/v1/me/"
KEYS = "/api/v1/api-keys/"


@pytest.fixture(autouse=True)
def uncounted() -> None:
    cache.clear()


def bearer(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def make_key(api: APIClient, *scopes: str, **more: object) -> dict[str, str]:
    answer = api.post(KEYS, {"name": "script", "scopes": scopes or Scope.values, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def sign_in(username: str, password: str = PASSWORD) -> dict[str, str]:
    answer = APIClient().post("/api/v1/auth/token/", {"username": username, "password": password})
    assert answer.status_code == 200, answer.content
    return answer.json()


def renew(refresh: str) -> tuple[int, dict[str, str]]:
    answer = APIClient().post("/api/v1/auth/token/refresh/", {"refresh": refresh})
    return answer.status_code, answer.json()


# --- API keys -----------------------------------------------------------------------------------
def test_key__made__is_shown_once_and_stored_as_a_hash(api_of, alice):
    api = api_of(alice)
    made = make_key(api)

    assert made["key"].startswith("claw_")
    assert made["key"].startswith(made["prefix"])
    listed = api.get(KEYS).json()["results"]
    assert [row["id"] for row in listed] == [made["id"]]
    assert "key" not in listed[0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounts_apikey::text FROM accounts_apikey")
        assert made["key"] not in cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("scope", "method", "path", "expected"),
    [
        ("chat", "get", "/api/v1/conversations/", 200),
        ("knowledge:read", "get", "/api/v1/conversations/", 403),
        ("knowledge:read", "get", "/api/v1/knowledge-bases/", 200),
        ("chat", "get", "/api/v1/knowledge-bases/", 403),
        ("knowledge:read", "post", "/api/v1/knowledge-bases/", 403),
        ("knowledge:write", "get", "/api/v1/knowledge-bases/", 403),
        ("chat", "get", KEYS, 403),
        ("chat", "post", KEYS, 403),
    ],
)
def test_key__scope__is_how_far_it_reaches(api_of, alice, scope, method, path, expected):
    api = bearer(make_key(api_of(alice), scope)["key"])

    assert getattr(api, method)(path).status_code == expected


def test_key__every_scope__cannot_make_another_key(api_of, alice):
    assert bearer(make_key(api_of(alice))["key"]).post(KEYS, {}).status_code == 403


@pytest.mark.parametrize("how", ["revoked", "expired", "deactivated", "changed"])
def test_key__not_good_any_more__is_refused_at_once(api_of, alice, how):
    api = api_of(alice)
    made = make_key(api, "chat")
    secret = made["key"]
    if how == "revoked":
        assert api.delete(f"{KEYS}{made['id']}/").status_code == 204
    elif how == "expired":
        ApiKey.objects.update(expires_at=timezone.now())
    elif how == "deactivated":
        alice.is_active = False
        alice.save()
    else:
        secret += "x"

    answer = bearer(secret).get("/api/v1/conversations/")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_key__used__notes_when_and_not_at_every_call(api_of, alice, django_assert_max_num_queries):
    api = bearer(make_key(api_of(alice), "chat")["key"])
    api.get("/api/v1/conversations/")
    assert ApiKey.objects.get().last_used_at is not None

    with django_assert_max_num_queries(3):
        api.get("/api/v1/conversations/")


def test_key__rotated__both_work_for_the_overlap(api_of, alice):
    api = api_of(alice)
    old = make_key(api, "chat")
    new = api.post(f"{KEYS}{old['id']}/rotate/", {"overlap_seconds": 60}).json()

    assert new["scopes"] == ["chat"]
    for secret in (old["key"], new["key"]):
        assert bearer(secret).get("/api/v1/conversations/").status_code == 200
    ApiKey.objects.filter(pk=old["id"]).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert bearer(old["key"]).get("/api/v1/conversations/").status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["root"]}, "scopes.0"),
        ({"name": "x", "scopes": ["chat"], "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "scopes": ["chat"], "owner": "me"}, "owner"),
        ({"name": "", "scopes": ["chat"]}, "name"),
    ],
)
def test_key__bad_input__names_the_field(api_of, alice, body, field):
    answer = api_of(alice).post(KEYS, body)

    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_key__of_somebody_else__does_not_exist(api_of, alice, bob):
    made = make_key(api_of(alice), "chat")

    assert api_of(bob).delete(f"{KEYS}{made['id']}/").status_code == 404
    assert api_of(bob).post(f"{KEYS}{made['id']}/rotate/", {}).status_code == 404
    assert bearer(made["key"]).get("/api/v1/conversations/").status_code == 200


# --- JWT ----------------------------------------------------------------------------------------
def test_token__name_and_password__opens_the_door(alice):
    pair = sign_in("ALICE")

    assert pair["token_type"] == "Bearer"
    assert pair["expires_in"] == 900
    assert bearer(pair["access"]).get(ME).json()["username"] == "alice"


def test_token__wrong_name_or_password__says_the_same(alice):
    wrong = [("alice", "wrong"), ("nobody", PASSWORD)]
    answers = [
        APIClient().post("/api/v1/auth/token/", {"username": name, "password": password})
        for name, password in wrong
    ]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert all(answer["WWW-Authenticate"].startswith("Bearer") for answer in answers)
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1]


def test_token__renewed__the_next_pair_works(alice):
    pair = sign_in("alice")
    status, renewed = renew(pair["refresh"])

    assert status == 200
    assert bearer(renewed["access"]).get(ME).status_code == 200


def test_token__refresh_used_twice__ends_the_whole_family(alice):
    first = sign_in("alice")
    _status, second = renew(first["refresh"])

    assert renew(first["refresh"])[0] == 401
    assert renew(second["refresh"])[0] == 401, "the thief and the owner are both shut out"
    assert bearer(second["access"]).get(ME).status_code == 401
    assert TokenFamily.objects.get().revoked_at is not None


@pytest.mark.parametrize("how", ["signed out", "password", "deactivated", "ended"])
def test_token__after_it_should_end__neither_works(alice, how):
    pair = sign_in("alice")
    if how == "signed out":
        answer = APIClient().post("/api/v1/auth/token/revoke/", {"refresh": pair["refresh"]})
        assert answer.status_code == 204
    elif how == "password":
        services.change_password(target=alice, password="another-long-password-7")
    elif how == "deactivated":
        alice.is_active = False
        alice.save()
    else:
        tokens.end_all(user=alice, reason="roles changed")

    assert bearer(pair["access"]).get(ME).status_code == 401
    assert renew(pair["refresh"])[0] == 401


def forged(pair: dict[str, str], kind: str) -> str:
    head, body, signature = pair["access"].split(".")
    claims = jwt.decode(pair["access"], options={"verify_signature": False})
    key = settings.SIMPLE_JWT["SIGNING_KEY"]
    if kind == "none":
        none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode())
        return f"{none.decode().rstrip('=')}.{body}."
    if kind == "tampered":
        return f"{head}.{body[:-2]}AA.{signature}"
    if kind == "refresh":
        return pair["refresh"]
    changed = (
        {
            "expired": {"exp": 1},
            "just over the leeway": {"exp": int(timezone.now().timestamp()) - 31},
            "audience": {"aud": "other"},
            "issuer": {"iss": "other"},
            "family": {"family": "0" * 32},
            "no family": {"family": None},
            "subject": {"sub": "0f0e0d0c-0000-4000-8000-000000000000"},
            "subject of another shape": {"sub": "1 OR 1=1"},
        }[kind]
        if kind != "other key"
        else {}
    )
    secret = "another" * 10 if kind == "other key" else key
    return jwt.encode({**claims, **changed}, secret, "HS256")


@pytest.mark.parametrize(
    "kind",
    [
        "none",
        "tampered",
        "refresh",
        "expired",
        "just over the leeway",
        "audience",
        "issuer",
        "family",
        "no family",
        "subject",
        "subject of another shape",
        "other key",
    ],
)
def test_token__forged__is_refused_in_one_shape(alice, kind):
    pair = sign_in("alice")

    answer = bearer(forged(pair, kind)).get(ME)

    assert answer.status_code == 401
    garbage = bearer("garbage").get(ME).json()
    assert {**answer.json(), "request_id": ""} == {**garbage, "request_id": ""}


def test_token__clock_a_little_behind__still_works(alice):
    claims = jwt.decode(sign_in("alice")["access"], options={"verify_signature": False})
    late = {**claims, "exp": int(timezone.now().timestamp()) - 20}

    secret = jwt.encode(late, settings.SIMPLE_JWT["SIGNING_KEY"], "HS256")

    assert bearer(secret).get(ME).status_code == 200


@pytest.mark.parametrize("secret", ["", "claw_", "claw_ä", "\ud800", "a.b.c", "x" * 9000])
def test_bearer__garbage__is_refused(db, secret):
    client = APIClient()
    header = f"Bearer {secret}".encode("utf-8", "surrogatepass").decode("latin1")
    assert client.get(ME, HTTP_AUTHORIZATION=header).status_code == 401


def test_login_by_token__too_often__is_limited(alice):
    def attempt() -> int:
        body = {"username": "alice", "password": "wrong"}
        return APIClient().post("/api/v1/auth/token/", body).status_code

    codes = [attempt() for _ in range(12)]

    assert codes[:10] == [401] * 10
    assert codes[-1] == 429


# --- What the audit log says -------------------------------------------------------------------
def test_audit__of_keys_and_tokens__says_who_did_what_and_no_secret(api_of, alice):
    api = api_of(alice)
    made = make_key(api, "chat")
    successor = api.post(f"{KEYS}{made['id']}/rotate/", {}).json()
    api.delete(f"{KEYS}{successor['id']}/")
    pair = sign_in("alice")
    renew(pair["refresh"])
    renew(pair["refresh"])

    rows = AuditEntry.objects.order_by("id")
    own = [row.action for row in rows if row.actor_id == alice.pk]
    acts = [action for action in own if action.startswith(("api_key.", "token."))]
    wanted = ["api_key.create", "api_key.create", "api_key.rotate", "api_key.revoke"]
    assert acts[:4] == wanted
    assert acts[-2:] == ["token.issue", "token.reuse"]
    text = str(list(rows.values()))
    for secret in (made["key"], successor["key"], pair["access"], pair["refresh"]):
        assert secret not in text
