"""Writing a reply: one worker at a time, text kept whatever fails, none written twice."""

import hashlib
import time
from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from configs import runtime
from configs.providers.base import Endpoint, Turn
from configs.providers.fake import CALLS
from conversations import services
from conversations.answering import engine, jobs, sweeper, titles
from conversations.models import Conversation, Message
from conversations.protocol import ReplyDelta
from conversations.streams import connection, log
from tests.conversations.conftest import Client, eventually
from tests.knowledge.shelves import base_of, plug_in, put

pytestmark = pytest.mark.django_db(transaction=True)
Status = Message.Status
WORDS = [f"t{n} " for n in range(50)]


def expire(reply):
    """Let a reply's lease (or its wait for a nudge) run out."""
    past = timezone.now() - timedelta(seconds=1)
    Message.objects.filter(pk=reply.pk).update(lease_expires_at=past)


# --- How a reply ends --------------------------------------------------------------------------


def test_answer__complete__row_holds_text_usage_model_versions_and_times(ask, worker, script):
    script(deltas=["Hello ", "世界"], usage=[11, 3])
    reply = ask()
    worker.write(reply.pk).result()
    reply.refresh_from_db()
    assert (reply.status, reply.content) == (Status.COMPLETE, "Hello 世界")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.usage_exact) == (11, 3, True)
    assert (reply.endpoint_name, reply.model) == ("fake-chat", "fake-1")
    assert reply.config_version is not None
    assert reply.prompt_version == 1
    assert reply.created_at <= reply.started_at <= reply.first_token_at <= reply.finished_at
    assert reply.lease_expires_at is None
    assert reply.to_json()["timing"]["total_ms"] >= 0


def test_answer__provider_counts_nothing__usage_is_estimated_and_says_so(ask, worker, script):
    reply = ask()
    worker.write(reply.pk).result()
    reply.refresh_from_db()
    assert reply.completion_tokens > 0
    assert not reply.usage_exact


def test_answer__provider_fails_before_text__failed_with_its_code(ask, worker, script):
    script(fail_at=0, error="provider_auth")
    reply = ask()
    client = Client(reply.pk)
    worker.write(reply.pk).result()
    end = client.end().end
    reply.refresh_from_db()
    assert (reply.status, reply.content) == (Status.FAILED, "")
    assert end["type"] == "reply.failed"
    assert end["error"] == {
        "code": "provider_auth",
        "detail": "The language model refused our credential",
        "retryable": False,
    }


def test_answer__provider_fails_after_text__interrupted_and_the_text_stays(ask, worker, script):
    script(deltas=["kept ", "text", "lost"], fail_at=2, error="provider_interrupted")
    reply = ask()
    client = Client(reply.pk)
    worker.write(reply.pk).result()
    ledger = client.end()
    reply.refresh_from_db()
    assert (reply.status, reply.content) == (Status.INTERRUPTED, "kept text")
    assert ledger.text == "kept text"
    assert ledger.end["error"]["code"] == "provider_interrupted"
    assert ledger.end["error"]["retryable"]


def test_answer__no_endpoint__failed_with_a_reason(ask, worker, script):
    from configs.models import ModelEndpoint

    ModelEndpoint.objects.all().delete()
    runtime.forget()
    reply = ask()
    worker.write(reply.pk).result()
    reply.refresh_from_db()
    assert (reply.status, reply.error_code) == (Status.FAILED, "no_endpoint")


def test_answer__unstorable_characters__replaced_alike_in_stream_and_row(ask, worker, script):
    reply = ask()
    job = jobs.claim(reply.pk)
    loop = engine.current()
    outgoing = loop.open(job)
    endpoint = Endpoint("odd", "chat", "fake", parameters={"deltas": ["a\0b\ud800", "😀"]})
    loop.write(outgoing, (Turn("user", "?"),), (endpoint,))
    loop.close(outgoing)
    seq, content = loop.settle(outgoing)
    assert content == "a\ufffdb\ufffd😀"
    assert jobs.checkpoint([jobs.Checkpoint(reply.pk, 1, seq, content, True)])
    text = "".join(orjson.loads(entry.frame)["text"] for entry in log.read(reply.pk, 1, after=0))
    assert text == content


@pytest.mark.parametrize("redis_knows", [True, False])
def test_stop__provider_silent__ends_at_once_and_keeps_the_text(
    ask, worker, script, alice, redis_knows, monkeypatch
):
    # Redis tells the publisher, the row tells the checkpoint: one of them has to do.
    monkeypatch.setenv("CLAWAI_ANSWERS_CHECKPOINT_SECONDS", "5" if redis_knows else "0.3")
    script(deltas=["first ", "never"], delay_seconds=0.2)
    reply = ask()
    client = Client(reply.pk)
    script(deltas=["never"], delay_seconds=30)
    writing = worker.write(reply.pk)
    eventually(lambda: client.ledger.of("reply.status")[2:])
    begun = time.monotonic()
    services.stop(user=alice, reply=reply.pk)
    if not redis_knows:
        connection.threads().delete(log.stop_key(reply.pk))
    ledger = client.end()
    writing.result()
    assert time.monotonic() - begun < 1.5
    reply.refresh_from_db()
    assert (reply.status, reply.content) == (Status.STOPPED, "")
    assert ledger.end["type"] == "reply.done"
    assert ledger.end["message"]["status"] == "stopped"


def test_stop__in_mid_text__text_stays_and_the_provider_is_left(ask, worker, script, alice):
    script(deltas=WORDS * 100, delay_seconds=0.02)
    reply = ask()
    client = Client(reply.pk)
    writing = worker.write(reply.pk)
    eventually(lambda: len(client.ledger.text) > 20)
    services.stop(user=alice, reply=reply.pk)
    writing.result(timeout=2)
    ledger = client.end()
    reply.refresh_from_db()
    assert reply.status == Status.STOPPED
    assert ledger.text == reply.content
    assert "".join(WORDS * 100).startswith(reply.content)


def test_answer__passages_found__cited_alike_in_stream_prompt_and_row(
    ask, worker, script, alice, bob
):
    plug_in()
    document = put(base_of(alice), "Annual leave is thirty days.", heading="Leave", name="hr.md")
    put(base_of(bob), "Annual leave of bob is a secret.", name="secret.md")
    reply = ask("How long is annual leave?", knowledge_bases=None)
    client = Client(reply.pk)
    worker.write(reply.pk).result()
    ledger = client.end()
    [shown] = ledger.of("reply.citations")
    [citation] = reply.citations.all()
    assert shown["citations"] == [citation.to_json()] == ledger.end["message"]["citations"]
    assert (citation.document, citation.version) == (document, document.current_version)
    assert citation.quote == "Annual leave is thirty days."
    assert citation.quote_sha256 == hashlib.sha256(citation.quote.encode()).hexdigest()
    system = CALLS["fake-chat"][-1][0].content
    assert "Annual leave is thirty days." in system
    assert "secret" not in system


def test_answer__asked_of_no_base__nothing_is_searched(ask, worker, script, alice):
    plug_in()
    put(base_of(alice), "Annual leave is thirty days.")
    reply = ask("How long is annual leave?", knowledge_bases=[])
    worker.write(reply.pk).result()
    assert not reply.citations.exists()


# --- Who writes it -----------------------------------------------------------------------------


def test_answer__delivered_five_times_at_once__written_once(ask, worker, script):
    script(deltas=WORDS[:10], delay_seconds=0.02)
    reply = ask()
    jobs_ = [future.result() for future in [worker.write(reply.pk) for _ in range(5)]]
    assert sum(job is not None for job in jobs_) == 1
    reply.refresh_from_db()
    assert (reply.attempts, reply.epoch) == (1, 1)
    assert len(CALLS["fake-chat"]) == 1


def test_claim__earlier_reply_open__waits_its_turn(ask, script):
    first, second = ask(), ask()
    assert jobs.claim(second.pk) is None
    job = jobs.claim(first.pk)
    assert jobs.claim(second.pk) is None
    jobs.finish(job, jobs.Ending(Status.COMPLETE, 2, "x"))
    assert jobs.next_in_line(job) == [second.pk]
    assert jobs.claim(second.pk).history[-1].content == "x"


def test_claim__person_has_as_many_as_allowed__waits(ask, script, alice):
    claimed = []
    for _ in range(3):
        thread = services.create_conversation(user=alice)
        claimed.append(jobs.claim(ask(conversation=thread.pk).pk))
    assert all(claimed)
    fourth = ask(conversation=services.create_conversation(user=alice).pk)
    assert jobs.claim(fourth.pk) is None
    jobs.finish(claimed[0], jobs.Ending(Status.COMPLETE, 2, "x"))
    assert jobs.next_in_line(claimed[0]) == [fourth.pk]
    assert jobs.claim(fourth.pk) is not None


def test_next_in_line__far_from_the_limit__others_are_not_nudged_again(
    ask, script, alice, monkeypatch
):
    monkeypatch.setenv("CLAWAI_ANSWERS_PER_USER", "50")
    runtime.refresh()
    job = jobs.claim(ask().pk)
    ask(conversation=services.create_conversation(user=alice).pk)
    jobs.finish(job, jobs.Ending(Status.COMPLETE, 2, "x"))
    assert jobs.next_in_line(job) == []


def test_write__claim_taken_in_between__nothing_of_the_old_worker_lands(ask, script):
    reply = ask()
    old = jobs.claim(reply.pk)
    expire(reply)
    assert sweeper.sweep() == [reply.pk]
    new = jobs.claim(reply.pk)
    assert (old.epoch, new.epoch) == (1, 2)
    point = jobs.Checkpoint(reply.pk, old.epoch, 9, "stale", begun=True)
    assert jobs.checkpoint([point]) == {}
    assert jobs.finish(old, jobs.Ending(Status.COMPLETE, 9, "stale")) is None
    assert not jobs.begin(old, [], config=1, prompt=1)
    reply.refresh_from_db()
    assert (reply.status, reply.content, reply.epoch) == (Status.RETRIEVING, "", 2)


def test_checkpoint__many_replies__stored_in_one_statement_and_leases_renewed(
    ask, script, alice, django_assert_num_queries
):
    held = []
    for _ in range(3):
        thread = services.create_conversation(user=alice)
        held.append(jobs.claim(ask(conversation=thread.pk).pk))
    points = [jobs.Checkpoint(job.reply, 1, 4, f"text {n}", True) for n, job in enumerate(held)]
    Message.objects.filter(pk=held[1].reply).update(stop_requested_at=timezone.now())
    expire(Message(pk=held[0].reply))
    with django_assert_num_queries(1):
        stops = jobs.checkpoint(points)
    assert stops == {held[0].reply: False, held[1].reply: True, held[2].reply: False}
    row = Message.objects.get(pk=held[0].reply)
    assert (row.content, row.seq) == ("text 0", 4)
    assert row.lease_expires_at > timezone.now() + timedelta(seconds=10)


# --- The sweeper -------------------------------------------------------------------------------


def test_sweep__queued_unheard__nudged_more_and_more_rarely(ask, script):
    reply = ask()
    assert sweeper.sweep() == []
    expire(reply)
    assert sweeper.sweep() == [reply.pk]
    assert sweeper.sweep() == []
    Message.objects.filter(pk=reply.pk).update(created_at=timezone.now() - timedelta(seconds=30))
    expire(reply)
    sweeper.sweep()
    reply.refresh_from_db()
    wait = reply.lease_expires_at - timezone.now()
    assert timedelta(seconds=20) < wait < timedelta(seconds=40)


def test_sweep__worker_lost_before_text__three_attempts_then_failed(ask, script, broker):
    reply = ask()
    client = Client(reply.pk)
    for attempt in (1, 2, 3):
        assert jobs.claim(reply.pk).epoch == attempt
        expire(reply)
        assert sweeper.sweep() == ([reply.pk] if attempt < 3 else [])
    reply.refresh_from_db()
    assert (reply.status, reply.attempts, reply.error_code) == (Status.FAILED, 3, "worker_lost")
    ledger = client.end(seconds=8)
    assert ledger.breaches == []
    assert ledger.end["error"]["code"] == "worker_lost"


def test_sweep__worker_lost_after_text__interrupted_with_all_that_was_shown(ask, script):
    reply = ask()
    job = jobs.claim(reply.pk)
    jobs.begin(job, [], config=1, prompt=1)
    texts = ["one ", "two ", "three"]
    for seq, text in enumerate(texts, 1):
        log.append(reply.pk, 1, [ReplyDelta(reply.pk, 1, seq, text)])
    client = Client(reply.pk)
    eventually(lambda: client.ledger.text == "one two three")
    jobs.checkpoint([jobs.Checkpoint(reply.pk, 1, 2, "one two ", True)])
    expire(reply)
    assert sweeper.sweep() == []
    ledger = client.end(seconds=3)
    reply.refresh_from_db()
    assert (reply.status, reply.content) == (Status.INTERRUPTED, "one two three")
    assert ledger.breaches == []
    assert ledger.resyncs == 0
    assert ledger.text == reply.content
    assert ledger.end["error"]["code"] == "interrupted"
    assert Client(reply.pk, after=2).end().text == "three"


def test_sweep__stop_was_asked_and_worker_lost__stopped(ask, script, alice):
    reply = ask()
    jobs.claim(reply.pk)
    services.stop(user=alice, reply=reply.pk)
    expire(reply)
    sweeper.sweep()
    reply.refresh_from_db()
    assert reply.status == Status.STOPPED


def test_sweep__worker_lives_on__it_stops_writing_and_nothing_is_shortened(ask, worker, script):
    script(deltas=WORDS * 10, delay_seconds=0.02)
    reply = ask()
    client = Client(reply.pk)
    writing = worker.write(reply.pk)
    eventually(lambda: Message.objects.get(pk=reply.pk).content)
    expire(reply)
    sweeper.sweep()
    ledger = client.end()
    writing.result(timeout=5)
    reply.refresh_from_db()
    assert reply.status == Status.INTERRUPTED
    assert ledger.breaches == []
    assert ledger.text == reply.content


def test_sweep__twice_at_once__each_reply_taken_once(ask, script):
    reply = ask()
    jobs.claim(reply.pk)
    expire(reply)
    assert [sweeper.sweep(), sweeper.sweep()] == [[reply.pk], []]
    reply.refresh_from_db()
    assert reply.epoch == 2


def test_follow__reply_begun_afresh__resync_announces_the_new_epoch(ask, worker, script):
    script(deltas=WORDS[:5])
    reply = ask()
    client = Client(reply.pk)
    eventually(lambda: client.ledger.frames)
    jobs.claim(reply.pk)
    expire(reply)
    sweeper.sweep()
    eventually(lambda: client.ledger.resyncs, seconds=3)
    worker.write(reply.pk).result()
    ledger = client.end()
    assert ledger.breaches == []
    assert ledger.epoch == 2
    assert ledger.text == "".join(WORDS[:5])


# --- History and titles ------------------------------------------------------------------------


def test_claim__branch__history_is_the_path_of_the_parents(ask, worker, script, alice):
    script(deltas=["one"])
    first = ask("first")
    worker.write(first.pk).result()
    second = ask("second")
    worker.write(second.pk).result()
    other = ask("instead", parent=first.pk)
    job = jobs.claim(other.pk)
    assert job.question == "instead"
    assert [said.content for said in job.history] == ["first", "one"]
    root = ask("root", parent=None)
    jobs.finish(job, jobs.Ending(Status.COMPLETE, 2, "x"))
    assert jobs.claim(root.pk).history == ()


def test_title__after_the_first_reply__model_names_it_unless_its_owner_did(
    ask, worker, script, conversation
):
    script(deltas=["“Annual leave”。\n"])
    reply = ask("How much annual leave do I get?")
    job = worker.write(reply.pk).result()
    assert job.is_first
    titles.give(conversation.pk)
    assert Conversation.objects.get().title == "Annual leave"
    Conversation.objects.update(title="", titled_by_owner=True)
    titles.give(conversation.pk)
    assert Conversation.objects.get().title == ""


def test_title__model_fails__first_words_of_the_question(ask, worker, script, conversation):
    reply = ask("年假怎么算？\n请详细说明")
    worker.write(reply.pk).result()
    script(fail_at=0)
    titles.give(conversation.pk)
    assert Conversation.objects.get().title == "年假怎么算？"
