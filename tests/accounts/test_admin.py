"""The admin's screens: each model has one, everyone who may reads it, and lists stay cheap."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from conversations.models import Conversation
from knowledge.models import Chunk
from tests import factories
from tests.accounts.admin_world import MODELS, WORDS, one_of_each, url

UNREGISTERED = {
    "Approval",
    "AuditHead",
    "Change",
    "ConfigOverride",
    "RoleGrant",
    "RoleNote",
    "TermFrequency",
}


@pytest.fixture
def rows(db, alice):
    """One row of every registered model."""
    return one_of_each(alice)


def test_registry__every_model_of_ours__has_a_screen():
    ours = {
        model
        for app in ("accounts", "configs", "conversations", "knowledge")
        for model in apps.get_app_config(app).get_models()
        if not model.__name__.startswith("Historical") and model.__name__ not in UNREGISTERED
    }
    assert ours <= set(MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_auditor__every_screen__reads_in_both_languages(browser_of, aidan, rows, model):
    browser = browser_of(aidan)
    for language in ("en", "zh-hans"):
        for page in (url(model, "changelist"), url(model, "change", rows[model].pk)):
            response = browser.get(page, headers={"Accept-Language": language}, follow=True)
            assert response.status_code == 200, page
            assert WORDS not in response.content.decode()
    history = url(model, "history", rows[model].pk)
    assert browser.get(history, follow=True).status_code == 200
    if admin.site._registry[model].search_fields:
        found = browser.get(url(model, "changelist"), {"q": "zzz no such thing"})
        assert found.status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_search__anything_typed__is_answered(browser_of, superuser, rows, model):
    browser = browser_of(superuser)
    for q in ("alice", "%_\\", "' OR 1=1 --", "x" * 10_000, "0" * 32):
        assert browser.get(url(model, "changelist"), {"q": q}).status_code in {200, 302}


@pytest.mark.parametrize("who", ["aidan", "olga", "administrator"])
def test_private_words__without_the_right__are_nowhere(request, browser_of, rows, who):
    browser = browser_of(request.getfixturevalue(who))
    for model, row in rows.items():
        for page in ("changelist", "change", "history"):
            args = () if page == "changelist" else (row.pk,)
            assert WORDS not in browser.get(url(model, page, *args)).content.decode(), (model, page)
    complete = {
        "app_label": "conversations",
        "model_name": "message",
        "field_name": "conversation",
        "term": "",
    }
    response = browser.get(reverse("admin:autocomplete"), complete)
    assert response.status_code in {403, 404}
    found = browser.get(url(Conversation, "changelist"), {"q": WORDS}).content.decode()
    assert str(rows[Conversation].pk) not in found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_list__more_rows__asks_no_more_queries(browser_of, superuser, rows, model):
    browser = browser_of(superuser)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            browser.get(url(model, "changelist"))
        return [query["sql"] for query in captured]

    _one_more()
    queries()
    few = len(queries())
    for _ in range(3):
        _one_more()
    assert len(queries()) <= few
    assert not [
        sql
        for sql in queries()
        if "COUNT(*)" in sql and "LIMIT" not in sql and "conversations_" in sql
    ]


def _one_more():
    reply = factories.ReplyFactory()
    version = factories.DocumentVersionFactory()
    factories.CitationFactory(message=reply, version=version)
    factories.FeedbackFactory(message=reply)
    generation = factories.IndexGenerationFactory(base=version.document.base)
    Chunk.objects.create(
        base=version.document.base, generation=generation, document=version.document,
        version=version, ordinal=0, text="Hi", start=0, end=2, dimensions=3,
    )  # fmt: skip
    factories.ConfigFactory()
    factories.ModelEndpointFactory()
    factories.PromptTemplateFactory()
    LogEntry.objects.log_actions(reply.conversation.owner_id, [reply], 2, "x", single_object=True)
