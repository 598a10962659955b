"""Mutating calls with an `Idempotency-Key`: they act once, and answer the same again."""

import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiKey, IdempotentCall
from accounts.rest import MUTATING, RestView
from conversations.models import Conversation, Message
from knowledge.models import Document
from tests.factories import ConversationFactory, KnowledgeBaseFactory

KEY = {"HTTP_IDEMPOTENCY_KEY": "order-4711"}
CONVERSATIONS = "/api/v1/conversations/"


def same(first, again):
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first


def test_repeated__same_key_and_body__acts_once_and_answers_the_same(api_of, alice):
    api = api_of(alice)
    first, again = (api.post(CONVERSATIONS, {"title": "Once"}, **KEY) for _ in range(2))

    assert first.status_code == 201
    same(first, again)
    assert Conversation.objects.count() == 1


def test_repeated__question__one_reply(api_of, alice):
    api = api_of(alice)
    address = f"{CONVERSATIONS}{ConversationFactory(owner=alice).pk}/messages/"
    first, again = (api.post(address, {"content": "Why?"}, **KEY) for _ in range(2))

    assert first.status_code == 202
    same(first, again)
    assert Message.objects.count() == 2


def test_repeated__question_as_a_stream__is_the_same_replys_stream(api_of, alice):
    api = api_of(alice)
    address = f"{CONVERSATIONS}{ConversationFactory(owner=alice).pk}/messages/"
    answers = [
        api.post(address, {"content": "Why?"}, HTTP_ACCEPT="text/event-stream", **KEY)
        for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert all(answer["Content-Type"] == "text/event-stream" for answer in answers)
    assert answers[1]["Idempotency-Replayed"] == "true"
    assert Message.objects.count() == 2


def test_repeated__upload__is_compared_by_its_content(api_of, alice):
    api = api_of(alice)
    address = f"/api/v1/knowledge-bases/{KnowledgeBaseFactory(owner=alice).pk}/documents/"

    def upload(content):
        file = SimpleUploadedFile("a.txt", content, "text/plain")
        return api.post(address, {"file": file}, format="multipart", **KEY)

    first, again, other = upload(b"one"), upload(b"one"), upload(b"two")

    assert first.status_code == 202, first.content
    same(first, again)
    assert other.status_code == 422
    assert Document.objects.count() == 1


def test_repeated__deletion__answers_204_again(api_of, alice):
    api = api_of(alice)
    address = f"{CONVERSATIONS}{ConversationFactory(owner=alice).pk}/"
    first, again = (api.delete(address, **KEY) for _ in range(2))

    assert (first.status_code, again.status_code) == (204, 204)
    assert again["Idempotency-Replayed"] == "true"
    assert again.content == b""


@pytest.mark.parametrize("other", ["body", "address"])
def test_reused__for_something_else__is_422(api_of, alice, other):
    api = api_of(alice)
    assert api.post(CONVERSATIONS, {"title": "One"}, **KEY).status_code == 201
    address = CONVERSATIONS if other == "body" else "/api/v1/knowledge-bases/"

    answer = api.post(address, {"title": "Two"}, **KEY)

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"


def test_failed__the_key_is_free_again(api_of, alice):
    api = api_of(alice)
    assert api.post(CONVERSATIONS, {"title": 7, "x": 1}, **KEY).status_code == 400
    assert not IdempotentCall.objects.exists()

    assert api.post(CONVERSATIONS, {"title": "Mended"}, **KEY).status_code == 201


def test_same_key__of_two_people__are_two(api_of, alice, bob):
    for user in (alice, bob):
        assert api_of(user).post(CONVERSATIONS, {}, **KEY).status_code == 201
    assert Conversation.objects.count() == 2


def test_day_later__the_key_is_forgotten(api_of, alice):
    api = api_of(alice)
    api.post(CONVERSATIONS, {}, **KEY)
    IdempotentCall.objects.update(created_at=timezone.now() - timedelta(hours=25))

    assert "Idempotency-Replayed" not in api.post(CONVERSATIONS, {}, **KEY)
    assert Conversation.objects.count() == 2


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ä", "a\x7f"])
def test_key__that_is_none__is_400(api_of, alice, key):
    answer = api_of(alice).post(CONVERSATIONS, {}, HTTP_IDEMPOTENCY_KEY=key)
    assert answer.status_code == 400


def test_key_secret__in_the_answer__is_encrypted_where_it_is_kept(api_of, alice):
    api = api_of(alice)
    body = {"name": "x", "scopes": ["chat"]}
    first, again = (api.post("/api/v1/api-keys/", body, **KEY) for _ in range(2))

    same(first, again)
    assert ApiKey.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT c::text FROM accounts_idempotentcall c")
        assert first.json()["key"] not in cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once__one_acts_and_the_others_replay(alice):
    answers = []

    def call():
        api = APIClient()
        api.force_authenticate(alice)
        answers.append(api.post(CONVERSATIONS, {"title": "Once"}, **KEY))
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} <= {201, 409}
    made = [a for a in answers if a.status_code == 201 and "Idempotency-Replayed" not in a]
    assert len(made) == 1
    assert Conversation.objects.count() == 1


def test_every_mutating_view__takes_the_key():
    for pattern in get_resolver().url_patterns:
        if str(pattern.pattern) != "api/v1/":
            continue
        for inner in pattern.url_patterns:
            view = inner.callback.cls
            methods = {name for name in MUTATING if hasattr(view, name.lower())}
            signing_in = str(inner.pattern).startswith("auth/")
            assert signing_in or not methods or issubclass(view, RestView), view
