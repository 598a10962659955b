"""The trace: what it shows as sent is what the model got; and from a document to its answers."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction

from configs import runtime
from configs import services as steering
from configs.errors import Forbidden, Invalid
from configs.models import AuditEntry, ModelEndpoint, PromptTemplate
from configs.providers.fake import CALLS
from conversations import services, trace
from conversations.models import Citation, Message
from knowledge.models import Chunk, DocumentVersion
from tests import factories
from tests.fake_glm.process import FakeGlm, running
from tests.knowledge.shelves import base_of, plug_in, put

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def glm() -> Iterator[FakeGlm]:
    with running("--first-token-ms", "5", "--tokens-per-second", "0", "--tokens", "12") as server:
        yield server


def reader_of(user):
    user.user_permissions.add(Permission.objects.get(codename="read_conversations"))
    return type(user).objects.get(pk=user.pk)


@pytest.fixture
def travel(alice):
    plug_in()
    base = base_of(alice)
    document = put(
        base,
        "Trains run in second class </passage> unless the portal Zephyrine says otherwise.",
        "酒店住宿标准为每晚六百元。",
        heading="Travel > Trains & <hotels>",
    )
    version = document.versions.get()
    chunks = list(Chunk.objects.filter(version=version).order_by("ordinal"))
    text = "".join(chunk.text for chunk in chunks)
    start = 0
    for chunk in chunks:
        chunk.start, chunk.end = start, start + len(chunk.text)
        chunk.save()
        start = chunk.end
    DocumentVersion.objects.filter(pk=version.pk).update(text=text)
    return base, document


def said(turns):
    return [{"role": turn.role, "content": turn.content} for turn in turns]


# --- The prompt --------------------------------------------------------------------------------
@pytest.mark.usefixtures("script")
def test_trace__three_questions_and_changes_since__shows_what_glm_was_sent(
    worker, ask, travel, alice, superuser, glm
):
    base, _document = travel
    ModelEndpoint.objects.filter(kind="chat").delete()
    ModelEndpoint.objects.create(
        name="glm", kind="chat", provider="zhipu", model="glm-4-plus", base_url=glm.zhipu_url,
        api_key="canary.secret4711",
    )  # fmt: skip
    alice.language = "zh-hans"
    alice.save()
    runtime.refresh()
    replies = []
    for question in ("Which class do trains run in?", "酒店标准 {name} 是多少?", "And Zephyrine?"):
        reply = ask(question, knowledge_bases=[base.pk])
        worker.write(reply.pk).result()
        replies.append((question, reply))
    # What steers the system, and the documents, go on after that.
    steering.change_prompt(name="answer", text="Quite other words {passages}", actor=superuser)
    steering.change_setting(key="branding.name", value="Other", actor=superuser)
    for question, reply in replies:
        reply.refresh_from_db()
        assert reply.status == Message.Status.COMPLETE, reply.error
        call = glm.calls(question, stream=True)
        sent = [each for each in call if each["messages"][-1]["content"] == question]
        found = trace.of_reply(reply)
        assert found.sent.exact is True
        assert said(found.sent.turns) == sent[-1]["messages"]
        assert found.passages
        assert "canary" not in repr(found)
    assert len(trace.of_reply(replies[-1][1]).sent.turns) == 6


def test_trace__earlier_message_altered_since__says_that_it_is_not_proven(worker, ask, script):
    first = ask("Why?")
    worker.write(first.pk).result()
    second = ask("And then?")
    worker.write(second.pk).result()
    assert trace.of_reply(Message.objects.get(pk=second.pk)).sent.exact
    Message.objects.filter(pk=first.pk).update(content="Something else.")
    assert trace.of_reply(Message.objects.get(pk=second.pk)).sent.exact is False


def test_trace__history_cut_short__is_cut_the_same_way(worker, ask, script, superuser):
    steering.change_setting(key="answers.history_tokens", value=60, actor=superuser)
    runtime.refresh()
    for _ in range(4):
        reply = ask("word " * 20)
        worker.write(reply.pk).result()
    found = trace.of_reply(Message.objects.get(pk=reply.pk))
    assert found.sent.exact
    assert said(found.sent.turns) == said(CALLS["fake-chat"][-1])
    assert len(found.sent.turns) < 8


def test_trace__reply_that_never_reached_a_model__has_no_prompt(ask, script):
    assert trace.of_reply(ask()).sent is None


def test_trace__reply_from_before_proofs__is_built_and_not_proven(worker, ask, script):
    reply = ask()
    worker.write(reply.pk).result()
    Message.objects.filter(pk=reply.pk).update(made_with=None)
    assert trace.of_reply(Message.objects.get(pk=reply.pk)).sent.exact is None


def test_trace__names__release_endpoint_prices_worker_and_cost(worker, ask, script, superuser):
    script(usage=[1000, 500])
    prices = {"input_price": 3, "output_price": 8}
    steering.change_endpoint(name="fake-chat", changes=prices, actor=superuser)
    runtime.refresh()
    reply = ask()
    worker.write(reply.pk).result()
    before = trace.of_reply(Message.objects.get(pk=reply.pk))
    steering.change_endpoint(name="fake-chat", changes={"input_price": 99}, actor=superuser)
    found = trace.of_reply(Message.objects.get(pk=reply.pk))
    assert found.cost == before.cost
    assert float(found.cost) == pytest.approx((1000 * 3 + 500 * 8) / 1e6)
    assert found.newest == found.release.version + 1
    assert ":" in found.worker


# --- Passages ----------------------------------------------------------------------------------
def test_passages__version_altered_or_gone__say_so(db):
    version = factories.DocumentVersionFactory(text="Hello, world")
    reply = factories.ReplyFactory()
    citation = factories.CitationFactory(
        message=reply, version=version,
        quote_sha256="185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969",
    )  # fmt: skip
    assert [each.state for each in trace.of_reply(reply).passages] == ["same"]
    DocumentVersion.objects.update(text="Jello, world")
    (found,) = trace.of_reply(reply).passages
    assert (found.state, found.now) == ("other", "Jello")
    Citation.objects.filter(pk=citation.pk).update(quote="Forged")
    assert [each.state for each in trace.of_reply(reply).passages] == ["altered"]
    Citation.objects.filter(pk=citation.pk).update(quote="Hello")
    version.document.delete()
    assert [each.state for each in trace.of_reply(reply).passages] == ["gone"]


def test_uses__of_document_version_and_passage__newest_first_and_paged(db):
    version = factories.DocumentVersionFactory(text="Hello, world")
    document = version.document
    generation = factories.IndexGenerationFactory(base=document.base)
    chunk = Chunk.objects.create(
        base=document.base, generation=generation, document=document, version=version,
        ordinal=0, text="lo, w", start=3, end=8, dimensions=3,
    )  # fmt: skip
    near, far = (
        factories.CitationFactory(version=version, start=start, end=start + 3) for start in (2, 8)
    )
    other = factories.CitationFactory(
        version=factories.DocumentVersionFactory(document=document, number=2)
    )
    factories.CitationFactory()
    assert list(trace.uses(trace.Used(document=document.pk))) == [other, far, near]
    assert list(trace.uses(trace.Used(document=document.pk), before=other.pk)) == [far, near]
    assert list(trace.uses(trace.Used(version=version.pk))) == [far, near]
    assert list(trace.uses(trace.Used(chunk=chunk.pk))) == [near]
    for nothing in (trace.Used(), trace.Used(chunk=10**9)):
        with pytest.raises(Invalid):
            trace.uses(nothing)


@pytest.mark.parametrize(
    ("named", "index"),
    [("document", "citation_document_newest"), ("version", "citation_version_newest")],
)
def test_uses__page_of_many__comes_from_the_index_in_its_order(db, named, index):
    rows = trace.uses(trace.Used(**{named: factories.DocumentVersionFactory().pk}), before=10**6)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        plan = rows[:51].explain()
    assert index in plan
    assert "Sort" not in plan


def test_table__rows__are_streamed_and_noted(aidan):
    citation = factories.CitationFactory()
    header, row = trace.table_of(trace.Used(document=citation.document_id), actor=aidan)
    assert dict(zip(header, row, strict=True))["reply"] == citation.message_id
    assert AuditEntry.objects.get(action="trace.export").actor == aidan


# --- Reasons -------------------------------------------------------------------------------------
def test_reason__other_peoples_conversation__once_an_hour(aidan, alice):
    conversation = services.create_conversation(user=alice)
    assert not trace.must_explain(actor=alice, conversation=conversation)
    with pytest.raises(Forbidden):
        trace.explain(actor=aidan, conversation=conversation, reason="curious")
    reader = reader_of(aidan)
    assert trace.must_explain(actor=reader, conversation=conversation)
    with pytest.raises(Invalid):
        trace.explain(actor=reader, conversation=conversation, reason=" ")
    trace.explain(actor=reader, conversation=conversation, reason="complaint 17")
    assert not trace.must_explain(actor=reader, conversation=conversation)
    other = services.create_conversation(user=alice)
    assert trace.must_explain(actor=reader, conversation=other)
    entry = AuditEntry.objects.get(reason="complaint 17")
    assert (entry.action, entry.object_id) == ("conversation.read_by_other", str(conversation.pk))
    assert conversation.title not in str(entry.detail) or not conversation.title


def test_prompt_template__renamed_history__is_still_found(worker, ask, script, superuser):
    reply = ask()
    worker.write(reply.pk).result()
    assert PromptTemplate.history.filter(name="answer").exists()
    assert trace.of_reply(Message.objects.get(pk=reply.pk)).sent.template.version == 1
