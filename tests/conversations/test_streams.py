"""Following a reply: nothing lost, nothing twice, whatever happens to Redis or to the worker."""

import asyncio
import time
from uuid import uuid4

import pytest

from conversations import streams
from conversations.answering import jobs
from conversations.models import Message
from conversations.protocol import ReplyDelta, ReplyStatus
from conversations.streams import hub, log
from tests.conversations.conftest import Client, eventually

pytestmark = pytest.mark.django_db(transaction=True)
WORDS = [f"t{n} " for n in range(50)]


def test_follow__live__every_event_once_and_the_text_is_the_rows(ask, worker, script):
    script(deltas=WORDS, delay_seconds=0.01)
    reply = ask()
    client = Client(reply.pk)
    worker.write(reply.pk).result()
    seen = client.end()
    reply.refresh_from_db()
    assert seen.breaches == []
    assert [frame["seq"] for frame in seen.frames] == list(range(1, reply.seq + 1))
    assert seen.text == reply.content == "".join(WORDS)
    assert seen.end["type"] == "reply.done"
    assert seen.end["message"]["status"] == "complete"
    assert [frame["stage"] for frame in seen.of("reply.status")] == [
        "queued",
        "retrieving",
        "generating",
    ]


@pytest.fixture
def written(ask, worker, script):
    """Return the row of a reply that ended, and the client that saw all of it."""
    script(deltas=WORDS[:12], delay_seconds=0.03)
    reply = ask()
    client = Client(reply.pk)
    worker.write(reply.pk).result()
    client.end()
    reply.refresh_from_db()
    return reply, client


def test_follow__resumed_after_each_event__exactly_the_missing_frames(written):
    reply, client = written
    assert reply.seq > 6
    for after in range(reply.seq + 1):
        late = Client(reply.pk, after=after)
        late.end()
        assert late.raw == client.raw[after:]


def test_follow__log_gone_long_after__one_resync_and_the_end(written, broker):
    reply, client = written
    broker.flushall()
    for after in (0, 3, reply.seq - 2):
        late = Client(reply.pk, after=after).end()
        assert [frame["type"] for frame in late.frames] == ["reply.resync", "reply.done"]
        assert late.frames[0]["seq"] == reply.seq - 1
        assert late.frames[0]["status"] == "complete"
        assert late.text == reply.content
        assert late.frames[1] == client.ledger.end
    assert Client(reply.pk, after=reply.seq - 1).end().frames == [client.ledger.end]
    assert Client(reply.pk, after=reply.seq).end().frames == []


@pytest.mark.parametrize(("epoch", "after"), [(1, 10_000), (7, 2), (7, 0)])
def test_follow__position_that_never_was__one_resync(written, epoch, after):
    reply, _ = written
    late = Client(reply.pk, epoch=epoch, after=after).end()
    assert [frame["type"] for frame in late.frames] == ["reply.resync", "reply.done"]
    assert late.text == reply.content
    assert late.frames[0]["epoch"] == 1


def test_follow__position_too_high_while_it_is_written__resync_then_live(ask, worker, script):
    script(deltas=WORDS, delay_seconds=0.1)
    reply = ask()
    worker.write(reply.pk)
    late = Client(reply.pk, after=9_999).end()
    assert late.resyncs == 1
    assert late.breaches == []
    assert late.text == "".join(WORDS)


def test_follow__reply_not_begun__event_one_at_once(ask, worker):
    reply = ask()
    client = Client(reply.pk)
    eventually(lambda: client.ledger.frames, seconds=1)
    assert client.ledger.frames[0] == {
        "type": "reply.status",
        "reply": str(reply.pk),
        "epoch": 1,
        "seq": 1,
        "stage": "queued",
    }
    worker.write(reply.pk)
    assert client.end().breaches == []


def test_follow__redis_flushed_in_mid_answer__no_gap_for_old_and_new_clients(
    ask, worker, script, broker
):
    script(deltas=WORDS, delay_seconds=0.05)
    reply = ask()
    early = Client(reply.pk)
    worker.write(reply.pk)
    eventually(lambda: len(early.ledger.text) > 20)
    seen = early.ledger.fork()
    broker.flushall()
    late = Client(reply.pk)
    again = Client(reply.pk, after=seen.seq, text=seen.text)
    for client in (early, late, again):
        ledger = client.end()
        assert ledger.breaches == []
        assert ledger.text == "".join(WORDS)
        assert ledger.end["type"] == "reply.done"
    assert late.ledger.resyncs == 1


def test_follow__gap_in_a_busy_log__resync_without_waiting_for_quiet(ask, script, broker):
    reply = ask()
    jobs.claim(reply.pk)
    log.append(reply.pk, 1, [ReplyDelta(reply.pk, 1, 1, "a")])
    client = Client(reply.pk)
    eventually(lambda: client.ledger.text == "a")
    jobs.checkpoint([jobs.Checkpoint(reply.pk, 1, 4, "abcd", begun=True)])
    broker.flushall()
    for seq in range(5, 25):
        log.append(reply.pk, 1, [ReplyDelta(reply.pk, 1, seq, "x")])
        time.sleep(0.1)
    assert client.ledger.resyncs == 1
    Message.objects.filter(pk=reply.pk).delete()
    assert client.end().text == "abcd" + "x" * 20


def test_follow__many_at_different_positions__all_complete(ask, worker, script):
    script(deltas=WORDS, delay_seconds=0.02)
    reply = ask()
    clients = [Client(reply.pk)]
    worker.write(reply.pk)
    for _ in range(10):
        time.sleep(0.05)
        clients.append(Client(reply.pk))
    for client in clients:
        ledger = client.end()
        assert ledger.breaches == []
        assert ledger.resyncs == 0
        assert ledger.text == "".join(WORDS)


def test_follow__redis_away_from_beginning_to_end__the_row_has_everything(
    ask, worker, script, settings
):
    script(deltas=WORDS, delay_seconds=0.05)
    reply = ask()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    worker.write(reply.pk)
    ledger = Client(reply.pk).end()
    assert ledger.breaches == []
    assert ledger.text == "".join(WORDS)
    assert ledger.end["type"] == "reply.done"


def test_follow__row_deleted__ends(ask, worker, script):
    script(deltas=WORDS, delay_seconds=0.1)
    reply = ask()
    worker.write(reply.pk)
    client = Client(reply.pk)
    eventually(lambda: client.ledger.text)
    Message.objects.all().delete()
    assert client.end(seconds=8).end is None


def test_feed__more_than_a_megabyte_waiting__reader_is_too_slow():
    async def overflow():
        feed = hub.Feed(uuid4(), 1, 0)
        for seq in range(1, 20):
            feed.push([log.Entry(seq, "reply.delta", b"x" * 100_000)])
        assert sum(len(entry.frame) for entry in feed._entries) <= hub.MAX_BUFFERED_BYTES
        with pytest.raises(streams.TooSlow):
            await feed.next()

    asyncio.run(overflow())


def publish(outgoing):
    """Publish what `outgoing` holds, as the publisher's next rounds would."""

    async def run():
        publisher = streams.Publisher()
        publisher.open(outgoing)
        task = asyncio.create_task(publisher.run())
        await publisher.close(outgoing, patience_seconds=2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_publisher__answer_of_redis_was_lost__event_stands_once(broker):
    outgoing = streams.Outgoing(uuid4(), 1, 0)
    outgoing.feed("one")
    outgoing.freeze()
    log.append(outgoing.reply, 1, [ReplyDelta(outgoing.reply, 1, 1, "one")])
    outgoing.put(ReplyStatus, stage="generating")
    publish(outgoing)
    entries = log.read(outgoing.reply, 1, after=0)
    assert [entry.seq for entry in entries] == [1, 2]
    assert outgoing.is_idle
    assert not outgoing.lost


def test_publisher__log_sealed__claim_is_lost_and_nothing_is_written(broker):
    outgoing = streams.Outgoing(uuid4(), 1, 0)
    log.seal(outgoing.reply, 1)
    outgoing.feed("one")
    publish(outgoing)
    assert outgoing.lost
    assert log.read(outgoing.reply, 1, after=0) == []


def test_outgoing__checkpoint__content_is_the_text_of_the_events_so_far():
    outgoing = streams.Outgoing(uuid4(), 1, 0)
    outgoing.feed("a")
    outgoing.feed("b")
    assert outgoing.checkpoint() == (0, "")
    outgoing.put(ReplyStatus, stage="generating")
    outgoing.feed("c")
    assert outgoing.checkpoint() == (2, "ab")
    outgoing.freeze()
    assert outgoing.checkpoint() == (3, "abc")
