"""How long people stay signed in: settings that count at once, for pages and for sockets."""

import json
import time
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts import sessions
from configs import runtime
from configs.models import Config
from conversations.authentication import valid_sessions
from tests import steering
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
PAGE = "/api/v1/me/"


@pytest.fixture(autouse=True)
def forgotten_snapshot():
    runtime.forget()
    yield
    runtime.forget()


def steer(**values: int) -> None:
    for name, value in values.items():
        steering.put(Config, key=f"sign_in.{name}", changes={"value": json.dumps(value)})
    runtime.refresh()


def log_in(client: Client, user) -> str:
    page = {"username": user.username, "password": PASSWORD}
    assert client.post("/accounts/login/", page).status_code == 302
    return client.session.session_key


def shift(key: str, **moments: float) -> None:
    """Let the session look as if its moments lay so many seconds in the past."""
    store = sessions.SessionStore(key)
    data = store.load()
    row = Session.objects.get(pk=key)
    for name, seconds in moments.items():
        data[name] = time.time() - seconds
    row.session_data = store.encode(data)
    row.save()


def test_session__signed_in__lasts_as_long_as_the_setting_says(client, alice):
    steer(session_hours=2)
    key = log_in(client, alice)
    left = Session.objects.get(pk=key).expire_date - timezone.now()
    assert timedelta(minutes=119) < left <= timedelta(hours=2)
    assert client.cookies["clawai_session"]["max-age"] == 7200


def test_session__older_than_the_setting__ends_also_when_it_is_used(client, alice):
    key = log_in(client, alice)
    shift(key, began=3 * 3600)
    assert client.get(PAGE).status_code == 200
    assert valid_sessions({key}) == {key}
    steer(session_hours=2)
    assert valid_sessions({key}) == set()
    assert client.get(PAGE).status_code == 401


def test_session__saved_again__does_not_begin_anew(client, alice):
    steer(session_hours=2)
    key = log_in(client, alice)
    shift(key, began=3600)
    session = client.session
    session["more"] = 1
    session.save()
    left = Session.objects.get(pk=key).expire_date - timezone.now()
    assert timedelta(minutes=55) < left <= timedelta(hours=1)


def test_session__idle_for_too_long__ends(client, alice):
    key = log_in(client, alice)
    steer(idle_minutes=10)
    assert client.get(PAGE).status_code == 200  # and is seen from now on
    assert valid_sessions({key}) == {key}
    shift(key, seen=601)
    assert valid_sessions({key}) == set()
    assert client.get(PAGE).status_code == 401


def test_session__used_now_and_then__goes_on(client, alice):
    steer(idle_minutes=10)
    key = log_in(client, alice)
    for _ in range(3):
        shift(key, seen=400)
        assert client.get(PAGE).status_code == 200
        left = Session.objects.get(pk=key).expire_date - timezone.now()
        assert left > timedelta(minutes=9)


def test_session__used_often__is_written_once_a_minute(
    client, alice, django_assert_max_num_queries
):
    steer(idle_minutes=10)
    log_in(client, alice)
    client.get(PAGE)
    with django_assert_max_num_queries(5) as seen:
        client.get(PAGE)
    assert not any(query["sql"].startswith("UPDATE") for query in seen.captured_queries)


def test_touch__question_by_a_socket__counts_as_use(client, alice):
    steer(idle_minutes=10)
    key = log_in(client, alice)
    shift(key, seen=500)
    sessions.touch(key)
    left = Session.objects.get(pk=key).expire_date - timezone.now()
    assert left > timedelta(minutes=9)
    shift(key, seen=700)
    sessions.touch(key)  # too late
    assert valid_sessions({key}) == set()


def test_touch__signed_out_meanwhile__makes_no_session(client, alice):
    steer(idle_minutes=10)
    key = log_in(client, alice)
    client.post("/accounts/logout/")
    sessions.touch(key)
    assert not Session.objects.filter(pk=key).exists()


def test_session__of_nobody__is_left_alone(client):
    client.get("/accounts/login/")
    store = sessions.SessionStore()
    store["x"] = 1
    store.save()
    assert sessions.SessionStore(store.session_key).load() == {"x": 1}


def test_session__read_and_saved_asynchronously__keeps_the_same_rules(client, alice):
    steer(session_hours=2)
    key = log_in(client, alice)

    async def use() -> None:
        store = sessions.SessionStore(key)
        await store.aset("more", 1)
        await store.asave()

    async_to_sync(use)()
    row = Session.objects.get(pk=key)
    assert row.expire_date - timezone.now() <= timedelta(hours=2)
    shift(key, began=8000)
    assert async_to_sync(sessions.SessionStore(key).aload)() == {}
