"""Processes die in mid-answer: seconds are lost, words are not, and nothing is said twice."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from celery import Celery
from django.conf import settings
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.fake_glm.process import FakeGlm
from tests.stack.ledger import Ledger
from tests.stack.machine import Machine
from tests.stack.people import Person
from tests.stack.service import wait_until
from tests.stack.tab import open_tab

# What a reply may lack after its worker died: the text since the last checkpoint.
CHECKPOINT_CHARACTERS = 64 * len("t000000 ")
PATIENCE_SECONDS = 60


async def until_shown(person: Person, conversation: str, question: str, length: int) -> Ledger:
    """Ask, read until `length` characters are shown, and close the tab."""
    async with open_tab(person) as tab:
        accepted = await tab.ask(conversation, question, knowledge_bases=[])
        return await tab.until_text(accepted["reply"], length)


async def follow_through(person: Person, ledger: Ledger) -> Ledger:
    """Follow a reply to its end as a page does: reconnect and resume as often as it takes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while ledger.end is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no end; so far {ledger.seq} events, {len(ledger.text)} characters")
        try:
            async with open_tab(person) as tab:
                ledger = await tab.resume(ledger)
                await tab.follow(ledger.reply, deadline - time.monotonic())
        except (ConnectionClosed, InvalidHandshake, OSError):
            await asyncio.sleep(0.3)
    return ledger


@pytest.fixture
def restarted_answers(machine: Machine) -> Iterator[None]:
    """Leave a living worker behind, whatever happens."""
    yield
    if not machine.answers.alive():
        machine.answers.start()


@pytest.fixture
async def healthy(machine: Machine, alice: Person) -> AsyncIterator[None]:
    """Leave a stack behind that answers."""
    yield
    machine.redis_server.start()
    if not machine.web.alive():
        machine.web.start()
        machine.wait_for_web()
    conversation = alice.conversation()
    ledger = await until_shown(alice, conversation, "are you well?", 1)
    ledger = await follow_through(alice, ledger)
    assert ledger.end["type"] == "reply.done"


@pytest.mark.usefixtures("restarted_answers")
async def test_worker_killed__in_mid_answer__ends_with_what_was_shown(
    machine: Machine, alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=600, tokens_per_second=50)
    shown = await until_shown(alice, conversation, f"kill {marker}", 1200)
    machine.answers.kill()
    killed = time.monotonic()
    machine.answers.start()
    ledger = await follow_through(alice, shown)
    assert time.monotonic() - killed < PATIENCE_SECONDS
    row = alice.message(conversation, shown.reply)
    [call] = glm.calls(marker)
    assert row["status"] == "interrupted"
    assert ledger.end["type"] == "reply.failed"
    assert row["content"] == ledger.text
    assert ledger.breaches == []
    assert call["sent"].startswith(row["content"])
    assert len(row["content"]) >= len(shown.longest_text) - CHECKPOINT_CHARACTERS


@pytest.mark.usefixtures("restarted_answers")
async def test_worker_killed__before_the_first_word__is_taken_up_by_the_next(
    machine: Machine, alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=30)
    glm.rule(marker, hang_at=0, times=1)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"kill {marker}", knowledge_bases=[])
        wait_until(lambda: glm.calls(marker), "the model was not asked")
        machine.answers.kill()
        machine.answers.start()
        ledger = await tab.follow(accepted["reply"], PATIENCE_SECONDS)
    assert ledger.breaches == []
    assert alice.message(conversation, accepted["reply"])["status"] == "complete"
    assert ledger.text == glm.calls(marker)[-1]["answer"]


@pytest.mark.usefixtures("healthy")
async def test_web_killed__in_mid_answer__goes_on_after_the_reconnect(
    machine: Machine, alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=160, tokens_per_second=20)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"web {marker}", knowledge_bases=[])
        shown = await tab.until_text(accepted["reply"], 160)
        machine.web.kill()
        await tab.closed()
    machine.web.start()
    machine.wait_for_web()
    ledger = await follow_through(alice, shown)
    [call] = glm.calls(marker)
    assert ledger.breaches == []
    assert ledger.resyncs == 0
    assert ledger.text == call["answer"] == alice.message(conversation, shown.reply)["content"]


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("accident", ["flush", "crash"])
async def test_redis_lost__in_mid_answer__loses_and_doubles_nothing(
    machine: Machine, alice: Person, glm: FakeGlm, marker: str, accident: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=120, tokens_per_second=20)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"redis {marker}", knowledge_bases=[])
        ledger = await tab.until_text(accepted["reply"], 160)
        if accident == "flush":
            with machine.redis() as client:
                client.flushall()
        else:
            machine.restart_redis_empty()
        with contextlib.suppress(ConnectionClosed):
            await tab.follow(accepted["reply"], 30)
        assert tab.socket.close_code != 1011
    ledger = await follow_through(alice, ledger)
    [call] = glm.calls(marker)
    assert ledger.breaches == []
    assert ledger.text == call["answer"]
    row = alice.message(conversation, accepted["reply"])
    assert (row["status"], row["content"]) == ("complete", call["answer"])


@pytest.mark.usefixtures("healthy")
async def test_redis_lost__before_the_worker_took_the_task__is_answered_all_the_same(
    machine: Machine, alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    with machine.answers.pause():
        async with open_tab(alice) as tab:
            accepted = await tab.ask(conversation, f"lost nudge {marker}", knowledge_bases=[])
        with machine.redis() as client:
            client.flushall()
    ledger = await follow_through(alice, Ledger(accepted["reply"], accepted["epoch"]))
    assert ledger.text == glm.calls(marker)[0]["answer"]
    assert len(glm.calls(marker)) == 1


async def test_task__delivered_five_times__asks_the_model_once(
    machine: Machine, alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=40, tokens_per_second=20)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"five {marker}", knowledge_bases=[])
        deliver(machine, accepted["reply"], times=5)
        ledger = await tab.follow(accepted["reply"])
        deliver(machine, accepted["reply"], times=5)
        await asyncio.sleep(1)
    [call] = glm.calls(marker)
    assert ledger.breaches == []
    assert ledger.text == call["answer"] == alice.message(conversation, ledger.reply)["content"]


def deliver(machine: Machine, reply: str, *, times: int) -> None:
    """Put the reply's task into the queue again."""
    app = Celery(broker=machine.redis_url)
    app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    for _ in range(times):
        app.send_task("conversations.tasks.answer", args=[reply], queue="answers")
    app.close()
