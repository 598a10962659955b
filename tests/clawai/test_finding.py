"""The admin's search: everything in one box, and nothing that its user may not see."""

import time
from uuid import uuid4

import pytest

from accounts.models import Role
from tests import factories
from tests.cast import person

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/search/"


def found(client, words):
    return client.get(ADDRESS, {"s": words, "extended": 1}).content.decode()


@pytest.fixture
def talk(alice):
    return factories.ConversationFactory(owner=alice, title="purchase of a submarine")


def test_search__operator__finds_people_bases_documents_and_settings(olga, alice, browser_of):
    base = factories.KnowledgeBaseFactory(owner=alice, name="Purchasing")
    factories.DocumentFactory(base=base, name="purchase-order.docx")
    client = browser_of(olga)
    assert "Purchasing" in found(client, "purch")
    assert "purchase-order.docx" in found(client, "purch")
    assert "alice@example.com" in found(client, "alic")
    assert "retrieval.top_k" in found(client, "top_k")
    assert "/admin/configs/job/" in found(client, "jobs")


def test_search__titles_of_others__are_found_by_nobody(olga, aidan, superuser, talk, browser_of):
    for reader in (olga, aidan, superuser):
        client = browser_of(reader)
        by_title = found(client, "submarin")
        assert "submarine" not in by_title
        assert str(talk.pk) not in by_title
        by_id = found(client, str(talk.pk))
        assert str(talk.pk) in by_id
        assert "submarine" not in by_id


def test_search__own_title__is_found(olga, browser_of):
    factories.ConversationFactory(owner=olga, title="purchase of a submarine")
    assert "submarine" in found(browser_of(olga), "submarin")


def test_search__knowledge_editor__finds_neither_people_nor_settings(alice, browser_of):
    client = browser_of(person("kim", Role.KNOWLEDGE_EDITOR))
    assert "alice@example.com" not in found(client, "alice")
    assert "governance.four_eyes" not in found(client, "four_eyes")


def test_search__request_id__leads_to_what_it_did(olga, aidan, browser_of):
    name = uuid4().hex
    browser_of(olga).get("/admin/conversations/message/", headers={"X-Request-ID": name})
    browser_of(None).post(
        "/accounts/login/", {"username": "x", "password": "y"}, headers={"X-Request-ID": name}
    )
    assert "configs/auditentry" in found(browser_of(aidan), name)


@pytest.mark.parametrize("words", ["", "a", " ", "\x00", "%", "'; --", "x" * 5000, "采"])
def test_search__odd_words__is_answered(olga, browser_of, words):
    assert browser_of(olga).get(ADDRESS, {"s": words}).status_code in (200, 400)


def test_search__strangers__are_sent_away(charlie, browser_of):
    assert browser_of(charlie).get(ADDRESS, {"s": "alice"}).status_code in (302, 403)
    assert browser_of(None).get(ADDRESS, {"s": "alice"}).status_code in (302, 403)


def test_search__many_rows__answers_quickly(superuser, alice, browser_of):
    factories.ConversationFactory.create_batch(200, owner=alice, title="a purchase")
    client = browser_of(superuser)
    found(client, "purchase")
    began = time.perf_counter()
    found(client, "purchase")
    assert time.perf_counter() - began < 3
