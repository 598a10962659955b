"""The admin of bases and documents: changed by those who may, through the services."""

import pytest

from accounts.models import Role
from knowledge.models import Chunk, Document, KnowledgeBase
from tests import factories
from tests.accounts.admin_world import one_of_each, url
from tests.cast import person


@pytest.fixture
def rows(db, alice):
    return one_of_each(alice)


def test_editor__base_of_everyone__is_changed_through_the_service(browser_of, rows, bob):
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    base = rows[KnowledgeBase]
    body = {
        "name": "Handbook",
        "description": "",
        "visibility": "shared",
        "shared_users": [str(bob.pk), str(editor.pk)],
    }
    response = browser_of(editor).post(url(KnowledgeBase, "change", base.pk), body)
    assert response.status_code == 302, response.context["adminform"].form.errors
    base.refresh_from_db()
    assert (base.name, base.visibility) == ("Handbook", "shared")
    assert set(base.shared_users.all()) == {bob, editor}


def test_editor__private_base_of_another__is_read_only(browser_of, alice):
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    base = factories.KnowledgeBaseFactory(owner=alice)
    body = {"name": "Mine now", "visibility": "everyone"}
    assert browser_of(editor).post(url(KnowledgeBase, "change", base.pk), body).status_code == 403
    assert (
        browser_of(editor).post(url(KnowledgeBase, "delete", base.pk), {"post": "yes"}).status_code
        == 403
    )


def test_auditor__text_of_a_private_base__is_not_shown(browser_of, aidan, rows):
    KnowledgeBase.objects.update(visibility="private")
    assert browser_of(aidan).get(url(Chunk, "change", rows[Chunk].pk)).status_code == 302


def test_document__reindexed_by_its_editor__is_queued(browser_of, rows):
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    document = rows[Document]
    Document.objects.filter(pk=document.pk).update(status="failed")
    body = {"action": "reindex", "_selected_action": [str(document.pk)]}
    assert browser_of(editor).post(url(Document, "changelist"), body).status_code == 302
