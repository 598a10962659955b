"""Every REST address × method × person: a new address without a row here is a failure."""

import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.urls import get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import api_keys
from accounts.models import ApiKey
from tests import factories

PEOPLE = ("anonymous", "alice", "bob", "charlie", "olga", "aidan")
METHODS = ("get", "post", "put", "patch", "delete")

# Whose the rows are: a private conversation of alice's with a reply; a base of hers that is
# shared with the group which she and bob are in. One column a person, in the order of PEOPLE.
EXPECTED: dict[str, dict[str, str]] = {
    "api-keys/": {"get": "401 200 200 200 200 200", "post": "401 201 201 201 201 201"},
    "api-keys/<uuid:pk>/": {"delete": "401 204 404 404 404 404"},
    "api-keys/<uuid:pk>/rotate/": {"post": "401 201 404 404 404 404"},
    "auth/token/": {"post": "400 400 400 400 400 400"},
    "auth/token/refresh/": {"post": "400 400 400 400 400 400"},
    "auth/token/revoke/": {"post": "400 400 400 400 400 400"},
    "configs/": {"get": "401 403 403 403 200 200", "post": "401 403 403 403 201 403"},
    "configs/<str:key>/": {
        "get": "401 403 403 403 200 200",
        "patch": "401 403 403 403 428 403",
        "delete": "401 403 403 403 428 403",
    },
    "configs/<str:key>/history/": {"get": "401 403 403 403 200 200"},
    "configs/<str:key>/rollback/": {"post": "401 403 403 403 404 403"},
    "configs/public/": {"get": "200 200 200 200 200 200"},
    "conversations/": {"get": "401 200 200 200 200 200", "post": "401 201 201 201 403 403"},
    "conversations/<uuid:pk>/": {
        "get": "401 200 404 404 404 404",
        "patch": "401 200 404 404 404 404",
        "delete": "401 204 404 404 404 404",
    },
    "conversations/<uuid:pk>/export/": {"get": "401 200 404 404 404 404"},
    "conversations/<uuid:pk>/messages/": {
        "get": "401 200 404 404 404 404",
        "post": "401 202 404 404 404 404",
    },
    "messages/<uuid:pk>/": {"get": "401 200 404 404 404 404"},
    "messages/<uuid:pk>/feedback/": {"put": "401 200 404 404 404 404"},
    "messages/<uuid:pk>/regenerate/": {"post": "401 202 404 404 404 404"},
    "messages/<uuid:pk>/stop/": {"post": "401 200 404 404 404 404"},
    "messages/<uuid:pk>/stream/": {"get": "401 200 404 404 404 404"},
    "documents/<uuid:pk>/": {"get": "401 200 200 404 404 404", "delete": "401 204 403 404 404 404"},
    "documents/<uuid:pk>/chunks/": {"get": "401 200 200 404 404 404"},
    "documents/<uuid:pk>/reindex/": {"post": "401 202 403 404 404 404"},
    "knowledge-bases/": {"get": "401 200 200 200 200 200", "post": "401 201 201 201 403 403"},
    "knowledge-bases/<uuid:pk>/": {
        "get": "401 200 200 404 404 404",
        "patch": "401 200 403 404 404 404",
        "delete": "401 204 403 404 404 404",
    },
    "me/": {"get": "401 200 200 200 200 200", "patch": "401 200 200 200 200 200"},
    "knowledge-bases/<uuid:pk>/documents/": {
        "get": "401 200 200 404 404 404",
        "post": "401 415 415 404 404 404",
    },
    "knowledge-bases/<uuid:pk>/reindex/": {"post": "401 202 403 404 404 404"},
    "knowledge-bases/<uuid:pk>/search/": {"post": "401 200 200 404 404 404"},
}

BODIES = {
    ("api-keys/", "post"): {"name": "script", "scopes": ["chat"]},
    ("configs/", "post"): {"key": "team.contact", "value": "Ada"},
    ("configs/<str:key>/", "patch"): {"value": 9},
    ("configs/<str:key>/rollback/", "post"): {"version": 1},
    ("conversations/<uuid:pk>/", "patch"): {"title": "Mine"},
    ("conversations/<uuid:pk>/messages/", "post"): {"content": "Why?"},
    ("messages/<uuid:pk>/feedback/", "put"): {"rating": 1},
    ("knowledge-bases/", "post"): {"name": "Mine"},
    ("knowledge-bases/<uuid:pk>/", "patch"): {"name": "Mine"},
    ("knowledge-bases/<uuid:pk>/search/", "post"): {"query": "hello"},
    ("me/", "patch"): {"theme": "dark"},
}

KEY = "retrieval.top_k"

# Doors that nobody needs a credential for.
OPEN = {"auth/token/", "auth/token/refresh/", "auth/token/revoke/", "configs/public/"}


def routes():
    """Return the routes of version 1, as they are written in the URLs."""
    found = []
    for pattern in get_resolver().url_patterns:
        if str(pattern.pattern) == "api/v1/":
            found = [str(inner.pattern) for inner in pattern.url_patterns]
    return found


@pytest.fixture
def world(alice, bob, charlie, olga, aidan, research):
    """The people, and the rows that the addresses are filled with."""
    conversation = factories.ConversationFactory(owner=alice)
    reply = factories.ReplyFactory(parent__conversation=conversation)
    base = factories.KnowledgeBaseFactory(owner=alice, visibility="shared")
    base.shared_groups.add(research)
    base.active_generation = factories.IndexGenerationFactory(base=base)
    base.save()
    document = factories.DocumentFactory(base=base, status="ready")
    document.current_version = factories.DocumentVersionFactory(document=document)
    document.save()
    people = dict(zip(PEOPLE, (None, alice, bob, charlie, olga, aidan), strict=True))
    rows = {
        "api-keys": factories.ApiKeyFactory(owner=alice),
        "conversations": conversation,
        "messages": reply,
        "documents": document,
        "knowledge-bases": base,
    }
    return people, rows


def answered(api, method, route, pk):
    """Return the status, leaving the rows as they were."""
    address = "/api/v1/" + route.replace("<uuid:pk>", str(pk)).replace("<str:key>", KEY)
    with transaction.atomic():
        response = getattr(api, method)(
            address, BODIES.get((route, method), {}) if method != "get" else None
        )
        transaction.set_rollback(True)
    return response


@pytest.mark.parametrize("route", routes())
def test_address__every_method_and_person__answers_as_agreed(world, api_of, route):
    people, rows = world
    row = rows.get(route.partition("/")[0])
    actual = {}
    for method in METHODS:
        statuses = [
            answered(api_of(user), method, route, row and row.pk).status_code
            for user in people.values()
        ]
        if set(statuses) - {401, 405}:
            actual[method] = " ".join(map(str, statuses))
    assert actual == EXPECTED[route]


@pytest.mark.parametrize("route", [route for route in routes() if "<uuid:pk>" in route])
def test_address__of_an_unseen_row__is_that_of_none(world, api_of, route):
    people, rows = world
    row = rows[route.partition("/")[0]]
    api = api_of(people["charlie"])
    for method in METHODS:
        theirs, nobodys = (answered(api, method, route, pk) for pk in (row.pk, uuid.uuid4()))
        assert theirs.status_code == nobodys.status_code
        if theirs.status_code == 404:
            bodies = [answer.json() for answer in (theirs, nobodys)]
            assert bodies[0].pop("request_id") != bodies[1].pop("request_id")
            assert bodies[0] == bodies[1]
            assert set(theirs.headers) == set(nobodys.headers)


@pytest.mark.parametrize("credential", ["another scope", "revoked", "expired"])
@pytest.mark.parametrize("route", [route for route in routes() if route not in OPEN])
def test_address__key_that_does_not_reach_it__is_refused(world, api_of, route, credential):
    people, rows = world
    row = rows.get(route.partition("/")[0])
    chatting = route.startswith(("conversations/", "messages/"))
    key, secret = api_keys.create(
        actor=people["alice"], name="x", scopes=["configs:read" if chatting else "chat"]
    )
    past = timezone.now() - timedelta(seconds=1)
    stale = {"revoked": {"revoked_at": past}, "expired": {"expires_at": past}}
    if credential in stale:
        ApiKey.objects.filter(pk=key.pk).update(**stale[credential])
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    for method in EXPECTED[route]:
        status = answered(api, method, route, row and row.pk).status_code
        assert status == (403 if credential == "another scope" else 401), method


def test_table__names__no_address_that_has_gone():
    assert set(EXPECTED) == set(routes())
