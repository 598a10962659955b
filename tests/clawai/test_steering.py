"""Settings over REST: seen by rights, changed from the version that was seen, never a secret."""

import pytest
from django.core.cache import cache

from accounts import api_keys
from accounts.models import Scope
from configs import registry, runtime, services
from configs.changesets.values import FreeKey
from configs.models import Config

ALL = "/api/v1/configs/"
KEY = registry.RETRIEVAL_TOP_K.key
ONE = f"{ALL}{KEY}/"
CANARY = "canary-4711-very-secret"


@pytest.fixture(autouse=True)
def fresh(db):
    cache.clear()
    runtime.forget()
    yield
    runtime.forget()


def test_list__operator__has_every_declared_setting(api_of, olga):
    found = {row["key"]: row for row in api_of(olga).get(ALL).json()["results"]}

    assert set(registry.SETTINGS) <= set(found)
    assert found[KEY]["value"] == found[KEY]["default"] == registry.RETRIEVAL_TOP_K.default
    assert (found[KEY]["source"], found[KEY]["version"], found[KEY]["type"]) == (
        "default", 0, "int",
    )  # fmt: skip


def test_change__with_the_version_that_was_seen__is_published_and_kept(api_of, olga):
    api = api_of(olga)
    assert api.get(ONE)["ETag"] == '"0"'

    changed = api.patch(ONE, {"value": 9, "reason": "more"}, HTTP_IF_MATCH='"0"')

    assert changed.status_code == 200, changed.content
    assert (changed.json()["value"], changed["ETag"]) == (9, '"1"')
    assert runtime.refresh().get(registry.RETRIEVAL_TOP_K) == 9
    past = api.get(f"{ONE}history/").json()["results"]
    assert [(row["version"], row["old_value"], row["new_value"]) for row in past] == [(1, None, 9)]
    assert (past[0]["changed_by"], past[0]["reason"]) == ("olga", "more")
    assert past[0]["request_id"] == changed["X-Request-ID"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 428, "version_needed"),
        ({"HTTP_IF_MATCH": '"7"'}, 412, "stale"),
        ({"HTTP_IF_MATCH": "nonsense"}, 412, "stale"),
    ],
)
def test_change__without_the_right_version__is_refused(api_of, olga, headers, status, code):
    for answer in (
        api_of(olga).patch(ONE, {"value": 9}, **headers),
        api_of(olga).delete(ONE, **headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Config.objects.exists()


@pytest.mark.parametrize("value", [0, 51, 10**30, "9", 9.5, True, [], {}])
def test_change__bad_value__names_the_field_and_changes_nothing(api_of, olga, value):
    answer = api_of(olga).patch(ONE, {"value": value}, HTTP_IF_MATCH='"0"')

    assert answer.status_code == 400
    assert "value" in answer.json()["errors"]
    assert runtime.refresh().get(registry.RETRIEVAL_TOP_K) == registry.RETRIEVAL_TOP_K.default


def test_change__locked_by_the_environment__is_a_conflict(api_of, olga, monkeypatch):
    monkeypatch.setenv(registry.RETRIEVAL_TOP_K.environment, "5")
    runtime.forget()
    answer = api_of(olga).patch(ONE, {"value": 9}, HTTP_IF_MATCH='"0"')

    assert answer.status_code == 409
    found = api_of(olga).get(ONE).json()
    assert (found["source"], found["value"]) == ("environment", 5)


def test_rollback_and_reset__are_new_versions(api_of, olga):
    api = api_of(olga)
    for version, value in enumerate((9, 12)):
        assert api.patch(ONE, {"value": value}, HTTP_IF_MATCH=f'"{version}"').status_code == 200

    back = api.post(f"{ONE}rollback/", {"version": 1, "reason": "too many"})

    assert (back.json()["value"], back.json()["version"]) == (9, 3)
    assert api.post(f"{ONE}rollback/", {"version": 99}).status_code == 404
    assert api.patch(ONE, {"value": None}, HTTP_IF_MATCH='"3"').json()["source"] == "default"
    versions = [row["version"] for row in api.get(f"{ONE}history/").json()["results"]]
    assert versions == [4, 3, 2, 1]


def test_free_key__made_changed_and_removed(api_of, olga):
    api = api_of(olga)
    made = api.post(ALL, {"key": "team.contact", "value": "Ada", "is_public": True})
    assert made.status_code == 201, made.content
    runtime.refresh()
    assert api.get(f"{ALL}public/").json()["team.contact"] == "Ada"
    address = f"{ALL}team.contact/"

    assert api.post(ALL, {"key": "team.contact", "value": "Bob"}).status_code == 409
    assert api.post(ALL, {"key": "retrieval.mine", "value": "x"}).status_code == 400
    changed = api.patch(address, {"value": "Bob"}, HTTP_IF_MATCH=made["ETag"])
    assert changed.json()["value"] == "Bob"
    assert api.delete(address, HTTP_IF_MATCH=changed["ETag"]).status_code == 204
    assert api.get(address).status_code == 404


def test_secret__is_shown_as_dots_and_not_changed_here(api_of, olga):
    services.change_setting(
        key="team.token", value=FreeKey("text", CANARY, is_sensitive=True), actor=olga, reason="new"
    )
    api = api_of(olga)
    address = f"{ALL}team.token/"
    pages = [api.get(each) for each in (ALL, address, f"{address}history/")]

    assert all(page.status_code == 200 for page in pages)
    assert all(CANARY not in page.content.decode() for page in pages)
    assert pages[1].json()["value"].endswith(CANARY[-4:])
    for answer in (
        api.patch(address, {"value": "x"}, HTTP_IF_MATCH=pages[1]["ETag"]),
        api.delete(address, HTTP_IF_MATCH=pages[1]["ETag"]),
        api.post(f"{address}rollback/", {"version": 1}),
    ):
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("scope", "read", "write"), [("configs:read", 200, 403), ("chat", 403, 403)]
)
def test_key__scope__is_how_far_it_reaches(api_of, olga, client, scope, read, write):
    secret = api_keys.create(actor=olga, name="x", scopes=[Scope(scope)])[1]
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {secret}"}

    assert client.get(ALL, **bearer).status_code == read
    body = {"value": 9}
    changed = client.patch(ONE, body, content_type="application/json", **bearer)
    assert changed.status_code == write
