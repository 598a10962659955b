"""The trace in the admin: who may look, what for, from an answer to its document and back."""

import csv
import io

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from configs.models import AuditEntry
from conversations.models import Citation
from knowledge.models import Chunk, Document
from tests import factories

WORDS = "the-canary-of-a-private-thought"


@pytest.fixture
def reply(alice):
    conversation = factories.ConversationFactory(owner=alice, title=WORDS)
    question = factories.QuestionFactory(conversation=conversation, content=f"Why {WORDS}?")
    base = factories.KnowledgeBaseFactory(owner=alice)
    document = factories.DocumentFactory(base=base, name="travel.md")
    version = factories.DocumentVersionFactory(document=document, text="Hello, world")
    made = factories.ReplyFactory(
        parent=question, content=f"Because {WORDS} [1].", config_version=1, prompt_version=1
    )
    factories.CitationFactory(message=made, version=version)
    return made


@pytest.fixture
def reader(aidan):
    aidan.user_permissions.add(Permission.objects.get(codename="read_conversations"))
    return type(aidan).objects.get(pk=aidan.pk)


def pages_of(reply):
    conversation = reply.conversation_id
    return [
        reverse("admin:conversations_message_trace", args=[reply.pk]),
        reverse("admin:conversations_message_change", args=[reply.pk]),
        reverse("admin:conversations_conversation_change", args=[conversation]),
    ]


def text_of(response):
    return response.content.decode()


@pytest.mark.parametrize("who", ["aidan", "olga", "administrator"])
def test_words__without_the_right__are_on_no_page(request, browser_of, reply, who):
    browser = browser_of(request.getfixturevalue(who))
    assert browser.get(pages_of(reply)[0]).status_code == 403
    for page in pages_of(reply)[1:]:
        assert WORDS not in text_of(browser.get(page))
    assert not AuditEntry.objects.filter(action="conversation.read_by_other").exists()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_words__with_the_right__after_a_reason_that_is_kept(browser_of, reader, reply, place):
    browser, page = browser_of(reader), pages_of(reply)[place]
    asked = browser.get(page)
    assert WORDS not in text_of(asked)
    assert "Say why" in text_of(asked)
    assert WORDS not in text_of(browser.post(page, {"reason": ""}))
    assert not AuditEntry.objects.filter(action="conversation.read_by_other").exists()
    shown = browser.post(page, {"reason": "complaint 17"}, follow=True)
    assert WORDS in text_of(shown)
    for other in pages_of(reply):
        assert WORDS in text_of(browser.get(other))
    entry = AuditEntry.objects.get(action="conversation.read_by_other")
    assert (entry.actor, entry.reason) == (reader, "complaint 17")
    assert WORDS not in str(entry.__dict__)


def test_words__in_lists__are_never_shown(browser_of, reader, reply):
    factories.FeedbackFactory(message=reply, comment=WORDS)
    browser = browser_of(reader)
    for page in pages_of(reply):
        browser.post(page, {"reason": "complaint"})
    for model in ("conversation", "message", "citation", "feedback"):
        for query in ({}, {"q": WORDS}):
            listed = browser.get(reverse(f"admin:conversations_{model}_changelist"), query)
            assert WORDS not in text_of(listed).replace(f'value="{WORDS}"', "").replace(
                f"q={WORDS}", ""
            )


def test_own_words__by_staff__need_no_reason(browser_of, olga, reply):
    reply.conversation.owner = olga
    reply.conversation.save()
    for page in pages_of(reply):
        assert WORDS in text_of(browser_of(olga).get(page))
    assert not AuditEntry.objects.filter(action="conversation.read_by_other").exists()


def test_words__forged_post_without_a_reason__is_refused(browser_of, reader, reply):
    browser = browser_of(reader)
    page = pages_of(reply)[2]
    assert browser.post(page, {"title": "x"}).status_code == 403
    browser.post(page, {"reason": "complaint"})
    assert browser.post(page, {"title": "x", "reason": "y"}).status_code == 403
    reply.conversation.refresh_from_db()
    assert reply.conversation.title == WORDS


@pytest.mark.parametrize("who", ["alice", "charlie"])
def test_trace__people_without_the_admin__is_closed(request, browser_of, reply, who):
    browser = browser_of(request.getfixturevalue(who))
    for page in pages_of(reply):
        assert browser.get(page, follow=True).status_code == 403


def test_trace__auditor__sees_passages_prompt_config_and_where_they_lead(browser_of, reader, reply):
    browser, page = browser_of(reader), pages_of(reply)[0]
    shown = text_of(browser.post(page, {"reason": "complaint"}, follow=True))
    citation = Citation.objects.get()
    for expected in (
        "travel.md",
        "SHA-256",
        "from before proofs were kept",
        reverse("admin:configs_release_change", args=[1]),
        reverse("admin:knowledge_documentversion_change", args=[citation.version_id]),
        reverse("admin:conversations_citation_uses") + f"?version={citation.version_id}",
        "retrieval.top_k",
    ):
        assert expected in shown, expected


def test_uses__document_version_passage__list_the_answer_but_no_words(browser_of, aidan, reply):
    citation = Citation.objects.get()
    generation = factories.IndexGenerationFactory(base=citation.document.base)
    chunk = Chunk.objects.create(
        base=citation.document.base, generation=generation, document=citation.document,
        version=citation.version, ordinal=0, text="Hello", start=0, end=5, dimensions=3,
    )  # fmt: skip
    browser = browser_of(aidan)
    address = reverse("admin:conversations_citation_uses")
    for query in (
        {"document": citation.document_id},
        {"version": citation.version_id},
        {"chunk": chunk.pk},
    ):
        shown = text_of(browser.get(address, query))
        assert pages_of(reply)[0] in shown
        assert WORDS not in shown
        assert "Hello" not in shown  # the base is private
    for query in ({}, {"document": "x"}, {"chunk": "9" * 18}, {"version": "0"}):
        assert browser.get(address, query).status_code == 404


def test_uses__many__are_paged_without_a_gap(browser_of, aidan, reply):
    version = Citation.objects.get().version
    made = [factories.CitationFactory(version=version).message_id for _ in range(60)]
    browser = browser_of(aidan)
    page = browser.get(
        reverse("admin:conversations_citation_uses"), {"document": version.document_id}
    )
    rest = browser.get(reverse("admin:conversations_citation_uses") + "?" + page.context["more"])
    seen = [each.message_id for answer in (page, rest) for each in answer.context["uses"]]
    assert seen == [*reversed(made), reply.pk]
    assert not rest.context["more"]


def test_uses__exported__formulas_are_texts_and_it_is_noted(browser_of, aidan, reply):
    document = Document.objects.get()
    Citation.objects.update(document_name="=HYPERLINK(1)")
    browser = browser_of(aidan)
    address = reverse("admin:conversations_citation_uses_export")
    assert browser.get(address, {"document": document.pk}).status_code == 405
    answer = browser.post(address, {"document": str(document.pk)})
    (row,) = csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig")))
    assert row["document"] == "'=HYPERLINK(1)"
    assert row["reply"] == str(reply.pk)
    assert WORDS not in str(row)
    assert AuditEntry.objects.filter(action="trace.export", actor=aidan).exists()
    assert browser.post(address, {}).status_code == 404


def test_lists__as_they_grow__ask_no_more(browser_of, superuser, django_assert_max_num_queries):
    browser = browser_of(superuser)
    for _ in range(5):
        factories.CitationFactory()
    for model in ("conversation", "message", "citation", "feedback"):
        address = reverse(f"admin:conversations_{model}_changelist")
        browser.get(address)
        with django_assert_max_num_queries(12) as seen:
            assert browser.get(address).status_code == 200
        assert not [
            q
            for q in seen.captured_queries
            if q["sql"].startswith('SELECT COUNT(*) AS "__count" FROM')
        ]


def test_links__on_documents_versions_and_chunks__lead_to_the_uses(browser_of, superuser, reply):
    citation = Citation.objects.get()
    browser = browser_of(superuser)
    for model, pk, query in (
        ("document", citation.document_id, f"document={citation.document_id}"),
        ("documentversion", citation.version_id, f"version={citation.version_id}"),
    ):
        shown = text_of(browser.get(reverse(f"admin:knowledge_{model}_change", args=[pk])))
        assert f"{reverse('admin:conversations_citation_uses')}?{query}" in shown
