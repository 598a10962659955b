"""What a person can ask for, and what nobody else can."""

import threading
import time
from uuid import uuid4

import pytest
from django.db import connections

from configs import runtime
from configs.errors import Conflict, NotFound
from conversations import services
from conversations.answering import jobs
from conversations.models import Conversation, Message
from conversations.streams import connection, log
from tests.factories import KnowledgeBaseFactory

Status = Message.Status
pytestmark = pytest.mark.django_db


@pytest.fixture
def thread(alice, broker):
    return services.create_conversation(user=alice)


def ask(user, thread, **fields):
    return services.ask(user=user, conversation=thread.pk, **{"content": "Why?"} | fields)


def test_ask__first_question__both_rows_and_six_queries(
    alice, thread, django_assert_max_num_queries
):
    base = KnowledgeBaseFactory(owner=alice)
    runtime.current()  # every process has loaded it before it serves
    with django_assert_max_num_queries(6):
        question, reply = ask(alice, thread, client_id="c1", knowledge_bases=[base.pk])
    assert (question.role, question.author, question.parent_id) == ("user", alice, None)
    assert question.knowledge_bases == [base.pk]
    assert (reply.parent_id, reply.status, reply.epoch, reply.seq) == (question.pk, "queued", 1, 1)
    assert question.created_at < reply.created_at
    thread.refresh_from_db()
    assert thread.updated_at == question.created_at


def test_ask__again__stands_after_the_newest_message(alice, thread):
    _, reply = ask(alice, thread)
    question, _ = ask(alice, thread)
    assert question.parent_id == reply.pk


def test_ask__clock_went_back__order_stays(alice, thread):
    _, reply = ask(alice, thread)
    Message.objects.filter(pk=reply.pk).update(created_at="2100-01-01T00:00:00Z")
    question, _ = ask(alice, thread)
    assert question.created_at.year == 2100


def test_ask__client_id_again__first_result_and_nothing_new(alice, thread):
    first = ask(alice, thread, client_id="same")
    again = ask(alice, thread, client_id="same", content="Other?")
    assert again == first
    assert Message.objects.count() == 2


def test_ask__client_id_of_another_person__no_matter(alice, bob, thread):
    ask(alice, thread, client_id="same")
    other = services.create_conversation(user=bob)
    ask(bob, other, client_id="same")
    assert Message.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_ask__two_tabs_at_once__one_question(alice, thread):
    found, barrier = [], threading.Barrier(6)

    def tab():
        barrier.wait()
        found.append(ask(alice, thread, client_id="same"))
        connections.close_all()

    tabs = [threading.Thread(target=tab) for _ in range(6)]
    for one in tabs:
        one.start()
    for one in tabs:
        one.join()
    assert len(found) == 6
    assert len({(question.pk, reply.pk) for question, reply in found}) == 1
    assert Message.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_ask__redis_away__question_is_stored(alice, thread, settings):
    connection.threads.cache_clear()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    begun = time.monotonic()
    _, reply = ask(alice, thread)
    services.stop(user=alice, reply=reply.pk)
    assert time.monotonic() - begun < 1
    assert Message.objects.count() == 2


@pytest.mark.parametrize("person", ["bob", "charlie", "olga", "aidan"])
def test_services__not_the_owner__nothing_is_there(alice, thread, person, request):
    stranger = request.getfixturevalue(person)
    _, reply = ask(alice, thread)
    before = Conversation.objects.values().get()
    for act in (
        lambda: ask(stranger, thread),
        lambda: services.stop(user=stranger, reply=reply.pk),
        lambda: services.regenerate(user=stranger, reply=reply.pk),
        lambda: services.give_feedback(user=stranger, message=reply.pk, rating=1),
        lambda: services.change_conversation(user=stranger, conversation=thread.pk, title="x"),
        lambda: services.delete_conversation(user=stranger, conversation=thread.pk),
    ):
        with pytest.raises(NotFound):
            act()
    assert Message.objects.count() == 2
    assert Conversation.objects.values().get() == before


def test_ask__base_that_may_not_be_read__not_found_and_nothing_stored(alice, bob, thread):
    base = KnowledgeBaseFactory(owner=bob)
    with pytest.raises(NotFound):
        ask(alice, thread, knowledge_bases=[base.pk])
    with pytest.raises(NotFound):
        services.create_conversation(user=alice, knowledge_bases=[base.pk])
    with pytest.raises(NotFound):
        services.change_conversation(user=alice, conversation=thread.pk, knowledge_bases=[uuid4()])
    assert Message.objects.count() == 0


def test_ask__parent_elsewhere_or_a_question__not_found(alice, thread):
    question, reply = ask(alice, thread)
    other = services.create_conversation(user=alice)
    for parent in (uuid4(), question.pk):
        with pytest.raises(NotFound):
            ask(alice, thread, parent=parent)
    with pytest.raises(NotFound):
        ask(alice, other, parent=reply.pk)


def test_stop__queued__stopped_at_once_and_told(alice, thread, django_capture_on_commit_callbacks):
    _, reply = ask(alice, thread)
    with django_capture_on_commit_callbacks(execute=True):
        services.stop(user=alice, reply=reply.pk)
    reply.refresh_from_db()
    assert (reply.status, reply.seq) == (Status.STOPPED, 2)
    assert jobs.claim(reply.pk) is None
    kinds = [entry.kind for entry in log.read(reply.pk, 1, after=0)]
    assert kinds == ["reply.status", "reply.done"]


def test_stop__ended__nothing_changes(alice, thread):
    _, reply = ask(alice, thread)
    job = jobs.claim(reply.pk)
    jobs.finish(job, jobs.Ending(Status.COMPLETE, 2, "x"))
    assert services.stop(user=alice, reply=reply.pk).status == Status.COMPLETE
    reply.refresh_from_db()
    assert reply.stop_requested_at is None


def test_regenerate__ended__a_sibling(alice, thread):
    question, reply = ask(alice, thread)
    with pytest.raises(Conflict):
        services.regenerate(user=alice, reply=reply.pk)
    services.stop(user=alice, reply=reply.pk)
    again, sibling = services.regenerate(user=alice, reply=reply.pk)
    assert again == question
    assert sibling.parent_id == question.pk
    assert sibling.pk != reply.pk


def test_give_feedback__twice__the_last_word_counts(alice, thread):
    question, reply = ask(alice, thread)
    services.give_feedback(user=alice, message=reply.pk, rating=1)
    services.give_feedback(user=alice, message=reply.pk, rating=-1, comment="no")
    reply.refresh_from_db()
    assert reply.feedback.to_json() == {"rating": -1, "comment": "no"}
    with pytest.raises(NotFound):
        services.give_feedback(user=alice, message=question.pk, rating=1)


def test_delete__running_reply__stopped_and_hidden(alice, thread):
    _, reply = ask(alice, thread)
    services.delete_conversation(user=alice, conversation=thread.pk)
    reply.refresh_from_db()
    assert reply.status == Status.STOPPED
    assert not Message.objects.visible_to(alice).exists()
    with pytest.raises(NotFound):
        ask(alice, thread)
