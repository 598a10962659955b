"""The edge of the API: every failure is a problem detail that tells nothing it should not."""

import json
import time
import uuid

import pytest
from django.conf import settings
from django.test import Client

from tests.clawai.edge_urls import SECRET
from tests.factories import (
    ApiKeyFactory,
    ConfigFactory,
    ConversationFactory,
    DocumentFactory,
    KnowledgeBaseFactory,
)

pytestmark = pytest.mark.urls("tests.clawai.edge_urls")
FIELDS = {"type", "title", "status", "detail", "code", "request_id"}


@pytest.fixture
def api(api_of, alice):
    return api_of(alice, raise_request_exception=False)


@pytest.fixture
def browser(browser_of, alice):
    return browser_of(alice, raise_request_exception=False)


def problem(response, status, code):
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) - {"errors"} == FIELDS
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == response["X-Request-ID"]
    assert SECRET not in response.content.decode()
    return body


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("ours-404", 404, "not_found"),
        ("ours-409", 409, "conflict"),
        ("ours-413", 413, "too_large"),
        ("ours-429", 429, "rate_limited"),
        ("ours-500", 500, "secret_unreadable"),
        ("ours-503", 503, "provider_busy"),
        ("http-404", 404, "not_found"),
        ("denied", 403, "forbidden"),
        ("django-validation", 400, "invalid"),
        ("rest-validation", 400, "invalid"),
        ("throttled", 429, "rate_limited"),
        ("database", 503, "unavailable"),
        ("defect", 500, "error"),
    ],
)
def test_error__raised_in_a_view__is_a_problem_detail(api, name, status, code):
    problem(api.get(f"/api/v1/failing/{name}/"), status, code)


def test_error__of_a_field__is_named_by_its_path(api):
    body = problem(api.get("/api/v1/failing/rest-validation/"), 400, "invalid")
    assert body["errors"] == {"items.1.name": ["Too long."]}
    body = problem(api.get("/api/v1/failing/django-validation/"), 400, "invalid")
    assert body["errors"] == {"name": ["Too long."]}


@pytest.mark.parametrize(
    ("name", "seconds"), [("ours-429", 7), ("throttled", 9), ("ours-503", 3), ("database", 5)]
)
def test_error__that_passes__says_when_to_try_again(api, name, seconds):
    assert api.get(f"/api/v1/failing/{name}/")["Retry-After"] == str(seconds)


def test_throttled__in_chinese__says_the_seconds(api):
    response = api.get("/api/v1/failing/throttled/", headers={"Accept-Language": "zh-hans"})
    assert "9" in response.json()["detail"]


def without_id(response):
    body = response.json()
    del body["request_id"]
    return json.dumps(body)


def test_not_found__object_or_address__cannot_be_told_apart(api):
    answers = [
        api.get("/api/v1/failing/ours-404/"),
        api.get("/api/v1/failing/http-404/"),
        api.get(f"/api/v1/nobody-lives-here/{uuid.uuid4()}/"),
        api.post("/api/v1/me", {}),
    ]
    assert len({without_id(answer) for answer in answers}) == 1
    assert {answer.status_code for answer in answers} == {404}


@pytest.mark.parametrize("path", ["/api/", "/api/v2/x/", "/v1/chat/completions", "/api/v1/me"])
def test_unknown_api_address__any_method__is_a_problem_detail(db, path):
    problem(Client().post(path), 404, "not_found")


def test_anonymous__protected_address__gets_a_challenge(api_of):
    response = api_of(None).get("/api/v1/me/")
    problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_session__without_csrf_token__is_refused(api_of, alice):
    api = api_of(alice, enforce_csrf_checks=True)
    problem(api.patch("/api/v1/me/", {"theme": "dark"}), 403, "forbidden")
    alice.refresh_from_db()
    assert alice.theme == "system"


def test_methods_and_types__not_offered__are_problem_details(api):
    response = api.delete("/api/v1/me/")
    problem(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]
    problem(api.get("/api/v1/me/", headers={"Accept": "image/png"}), 406, "not_acceptable")
    problem(api.post("/api/v1/echo/", "a=1", content_type="text/csv"), 415, "unsupported_type")
    problem(api.options("/api/v1/me/"), 405, "method_not_allowed")


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "PROPFIND"])
def test_method__of_another_protocol__is_refused_everywhere(api, method):
    for path in ("/api/v1/me/", "/accounts/login/", "/admin/", "/healthz"):
        assert api.generic(method, path).status_code == 405


def test_method_override__header__is_ignored(api):
    api.post("/api/v1/echo/", {}, headers={"X-HTTP-Method-Override": "DELETE"})
    response = api.get("/api/v1/me/", headers={"X-HTTP-Method-Override": "DELETE"})
    assert response.status_code == 200


BAD_BODIES = {
    "empty object not closed": b"{",
    "null": b"null",
    "list": b"[]",
    "text": b'"x"',
    "number": b"1",
    "nan": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "overflow": b'{"a": 1e999}',
    "huge integer": b'{"a": ' + b"9" * 5000 + b"}",
    "nul": b'{"a": "x\\u0000"}',
    "nul in a key": b'{"a\\u0000": 1}',
    "nul inside a list": b'{"a": [["\\u0000"]]}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone low surrogate in a key": b'{"\\uDC00": 1}',
    "surrogate in bytes": b'{"a": "\xed\xa0\x80"}',
    "latin-1": '{"a": "é"}'.encode("latin-1"),
    "nested 65": b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    "nested 30 000": b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "nested 200 000": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "only brackets": b"[" * 200_000,
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_body__that_could_hurt__is_refused_quickly(api, body):
    api.get("/api/v1/me/")
    began = time.thread_time()  # other processes do not count
    response = api.post("/api/v1/echo/", body, content_type="application/json")
    assert time.thread_time() - began < 0.1
    problem(response, 400, "invalid")


@pytest.mark.parametrize("text", ["😀", "\u202ehello", "中文", "\\u0000", "a\\ud800b", "\x07"])
def test_body__unusual_but_sound__comes_back_as_it_was(api, text):
    response = api.post("/api/v1/echo/", {"a": text, text: [1.5, -2, None, True]})
    assert response.json() == {"a": text, text: [1.5, -2, None, True]}


def test_body__escaped_pair__is_one_character(api):
    response = api.post(
        "/api/v1/echo/", b'{"a": "\\ud83d\\ude00"}', content_type="application/json"
    )
    assert response.json() == {"a": "😀"}


def test_body__nested_64__is_taken(api):
    body = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"
    assert api.post("/api/v1/echo/", body, content_type="application/json").status_code == 200


def test_body__over_the_limit__is_too_large(api):
    body = b'{"a": "' + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}'
    problem(api.post("/api/v1/echo/", body, content_type="application/json"), 413, "too_large")


def test_body__largest_allowed__is_read_quickly(api):
    body = json.dumps({"a": [[i, "x"] for i in range(100_000)]}).encode()
    assert len(body) < settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    response = api.post("/api/v1/echo/", body, content_type="application/json")
    assert response.status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/v1/pages/?search=%00", "/api/v1/pages/?a=%ED%A0%80", "/api/v1/x%00/"]
)
def test_address__with_nul_or_surrogate__is_refused(api, path):
    problem(api.get(path), 400, "invalid")


async def test_address__with_surrogate_over_asgi__is_refused(async_client):
    response = await async_client.get("/api/v1/pages/?a=%ED%A0%80")
    assert response.status_code == 400


def test_page__failing__is_html_without_details(browser):
    response = browser.get("/defect/")
    assert response.status_code == 500
    assert response["Content-Type"].startswith("text/html")
    assert SECRET not in response.content.decode()
    assert browser.get("/nobody-lives-here/").status_code == 404
    assert browser.get("/nobody-lives-here/")["Content-Type"].startswith("text/html")


def test_form__over_the_limit__is_too_large(browser):
    body = {"name": "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)}
    response = browser.post(
        "/form/", "name=" + body["name"], content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code == 413


@pytest.mark.parametrize(
    "path", ["/nobody/", "/defect/", "/api/v1/nobody/", "/admin/login/", "/accounts/login/"]
)
def test_headers__of_every_answer__are_strict(browser, path):
    response = browser.get(path)
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"


def test_request_id__given__is_kept_when_harmless(api):
    assert (
        api.get("/api/v1/me/", headers={"X-Request-ID": "abcdef-123"})["X-Request-ID"]
        == "abcdef-123"
    )
    forged = api.get("/api/v1/me/", headers={"X-Request-ID": "a b\tc"})["X-Request-ID"]
    assert uuid.UUID(forged)


@pytest.fixture
def rows(db):
    return [ConfigFactory(key=f"zz.{n:03}").key for n in range(7)]


def walk(api, url, way="next"):
    found = []
    while url:
        page = api.get(url).json()
        found.append([key for key in page["results"] if key.startswith("zz.")])
        url = page[way]
    return found


def test_pages__forwards_and_back__miss_and_repeat_nothing(api, rows):
    forward = [key for page in walk(api, "/api/v1/pages/?page_size=3") for key in page]
    assert forward == rows
    backward = [
        key for page in walk(api, "/api/v1/pages/?page_size=3&ordering=-key") for key in page
    ]
    assert backward == rows[::-1]


@pytest.mark.parametrize(
    "query",
    [
        "page_size=-1",
        "page_size=0",
        "page_size=1e9",
        "page_size=²",
        "ordering=password",
        "ordering=updated_by__password",
        "cursor=cD0x",
        "cursor=",
        "cursor=%F0%9F%98%80",
        "updated_by__password__startswith=p",
        "_connector=OR%201=1",
    ],
)
def test_pages__forged_query__is_refused(api, rows, query):
    problem(api.get(f"/api/v1/pages/?{query}"), 400, "invalid")


def test_pages__cursor_of_another_order__is_refused(api, rows):
    link = api.get("/api/v1/pages/?page_size=3").json()["next"]
    problem(api.get(f"{link}&ordering=-key"), 400, "invalid")


def test_pages__enormous_size__is_capped(api, db):
    for number in range(101):
        ConfigFactory(key=f"zz.{number}")
    page = api.get("/api/v1/pages/?page_size=1000000000").json()
    assert len(page["results"]) == 100


def test_times__of_every_list__are_in_utc(api_of, alice):
    api = api_of(alice)
    base = KnowledgeBaseFactory(owner=alice)
    DocumentFactory(base=base)
    ConversationFactory(owner=alice)
    ApiKeyFactory(owner=alice)
    lists = ["knowledge-bases/", f"knowledge-bases/{base.pk}/documents/", "conversations/"]
    for address in [*lists, "api-keys/"]:
        row = api.get(f"/api/v1/{address}").json()["results"][0]
        assert row["created_at"].endswith("Z"), (address, row["created_at"])
