"""Stopping a reply: at once, with its text kept."""

import time

import pytest

from tests.fake_glm.process import FakeGlm
from tests.stack.people import Person
from tests.stack.service import wait_until
from tests.stack.tab import open_tab


@pytest.mark.parametrize("door", ["socket", "rest"])
async def test_stop__in_mid_answer__closes_the_model_and_keeps_the_text(
    alice: Person, glm: FakeGlm, marker: str, door: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=400, tokens_per_second=20)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"stop {marker}", knowledge_bases=[])
        reply = accepted["reply"]
        await tab.until_text(reply, 80)
        asked = time.monotonic()
        if door == "socket":
            await tab.send(type="reply.stop", reply=reply)
        else:
            alice.post(f"messages/{reply}/stop/")
        ledger = await tab.follow(reply)
    [call] = glm.calls(marker)
    assert call["outcome"] == "closed_by_client"
    assert call["ended"] - asked < 1
    assert ledger.breaches == []
    assert ledger.end["type"] == "reply.done"
    assert ledger.end["message"]["status"] == "stopped"
    stored = alice.message(conversation, reply)
    assert (stored["status"], stored["content"]) == ("stopped", ledger.text)
    assert call["answer"].startswith(ledger.text)
    assert len(ledger.text) >= 80


async def test_stop__before_the_first_word__ends_without_text(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, hang_at=0)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"stop {marker}", knowledge_bases=[])
        await tab.until("reply.status", stage="generating")
        wait_until(lambda: glm.calls(marker), "the model was not asked")
        await tab.send(type="reply.stop", reply=accepted["reply"])
        ledger = await tab.follow(accepted["reply"], 5)
    assert ledger.end["message"]["status"] == "stopped"
    assert alice.message(conversation, accepted["reply"])["content"] == ""
    wait_until(
        lambda: glm.calls(marker)[0]["outcome"] == "closed_by_client",
        "the model's connection stayed open",
        timeout_seconds=1,
    )


async def test_stop__after_the_end__changes_nothing(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"stop {marker}", knowledge_bases=[])
        await tab.follow(accepted["reply"])
        before = alice.message(conversation, accepted["reply"])
        await tab.send(type="reply.stop", reply=accepted["reply"])
        await tab.send(type="ping")
        await tab.until("pong")
    assert alice.message(conversation, accepted["reply"]) == before


async def test_regenerate__after_a_stop__is_a_sibling_and_the_first_stays(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=20)
    glm.rule(marker, tokens=400, tokens_per_second=20, times=1)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"stop {marker}", knowledge_bases=[])
        await tab.until_text(accepted["reply"], 40)
        await tab.send(type="reply.stop", reply=accepted["reply"])
        stopped = await tab.follow(accepted["reply"])
        again = alice.post(f"messages/{accepted['reply']}/regenerate/")
        reply = again.get("reply", again)["id"]
        await tab.send(type="reply.resume", reply=reply, epoch=0, after=0)
        second = await tab.follow(reply)
    first_row = alice.message(conversation, accepted["reply"])
    second_row = alice.message(conversation, reply)
    assert second_row["parent"] == first_row["parent"]
    assert first_row["content"] == stopped.text
    assert second_row["content"] == second.text == glm.calls(marker)[-1]["answer"]
