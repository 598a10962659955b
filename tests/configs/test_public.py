"""Public settings and free keys: what anyone may see, and nothing else."""

import json

import pytest
from django.test import Client

from configs import crypto, registry, runtime
from configs.models import Config

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/configs/public/"


def own(key: str, value: object, value_type: str = "text", **fields: object) -> Config:
    row = Config.objects.create(key=key, value=json.dumps(value), value_type=value_type, **fields)
    runtime.refresh()
    return row


def test_free__each_type__is_read_as_what_it_is():
    own("team.motto", "Ask first.\nThen answer.")
    own("team.size", 12, "integer")
    own("team.menu", {"monday": ["soup"]}, "json")
    snapshot = runtime.current()
    assert snapshot.free("team.motto") == "Ask first.\nThen answer."
    assert snapshot.free("team.size") == 12
    assert snapshot.free("team.none") is None
    assert snapshot.free("team.none", 3) == 3
    snapshot.free("team.menu")["monday"].append("changed by a reader")
    assert snapshot.free("team.menu") == {"monday": ["soup"]}


@pytest.mark.parametrize(("value", "value_type"), [(3, "text"), ("x", "integer"), (1, "strange")])
def test_free__value_of_another_type__is_not_there(value, value_type, caplog):
    row = Config(key="team.size", value=json.dumps(value), value_type=value_type[:7])
    row.save()
    assert runtime.refresh().free("team.size") is None
    assert "team.size" in caplog.text


def test_free__sensitive__is_opened_and_never_shown():
    row = Config(key="team.secret", value_type="text", is_sensitive=True)
    row.value = crypto.encrypt('"canary-free-key"', row.place)
    row.save()
    snapshot = runtime.refresh()
    assert snapshot.free("team.secret") == "canary-free-key"
    assert "canary" not in repr(snapshot)
    assert "canary" not in repr(snapshot.free_keys)
    assert "team.secret" not in snapshot.public()


def test_public__without_login__only_what_is_public(client: Client):
    own("team.motto", "Ask first.", is_public=True)
    own("team.plan", "not for you")
    response = client.get(ADDRESS)
    assert response.status_code == 200
    body = response.json()
    declared = {key for key, each in registry.SETTINGS.items() if each.public}
    assert set(body) == declared | {"team.motto"}
    assert body["branding.name"] == "CLAW.AI"
    assert body["branding.examples"] == []
    assert body["team.motto"] == "Ask first."
    assert "X-Request-ID" in response.headers


def test_public__same_values__304_until_they_change(client: Client):
    first = client.get(ADDRESS)
    assert "no-cache" in first["Cache-Control"]
    again = client.get(ADDRESS, headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    Config.objects.create(key="branding.name", value='"Anna"')
    runtime.refresh()
    changed = client.get(ADDRESS, headers={"if-none-match": first["ETag"]})
    assert changed.status_code == 200
    assert changed.json()["branding.name"] == "Anna"
    assert changed["ETag"] != first["ETag"]


@pytest.mark.parametrize("sent", ["", "nonsense", '"', "W/", '*, "x"', "\x7f", "a" * 5000])
def test_public__broken_condition__is_no_server_error(client: Client, sent: str):
    assert client.get(ADDRESS, headers={"if-none-match": sent}).status_code in {200, 304}


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_public__any_change__is_refused(client: Client, method: str):
    assert getattr(client, method)(ADDRESS).status_code == 405


def test_public__read__asks_the_database_nothing(client: Client, django_assert_num_queries):
    runtime.current()
    with django_assert_num_queries(0):
        assert client.get(ADDRESS).status_code == 200


def test_public__wrong_credential__does_not_matter(client: Client):
    response = client.get(ADDRESS, headers={"authorization": "Bearer claw_nonsense"})
    assert response.status_code == 200
