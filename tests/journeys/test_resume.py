"""Coming back, in mid-answer or long after it: nothing is missing and nothing comes twice."""

import pytest

from tests.fake_glm.process import FakeGlm
from tests.stack.ledger import Ledger
from tests.stack.machine import Machine
from tests.stack.people import Person
from tests.stack.tab import Tab, open_tab


async def finished(alice: Person, glm: FakeGlm, marker: str) -> Ledger:
    conversation = alice.conversation()
    glm.rule(marker, tokens=30, tokens_per_second=60)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"resume {marker}", knowledge_bases=[])
        return await tab.follow(accepted["reply"])


def until(ledger: Ledger, seq: int) -> Ledger:
    """Return the account of a client that lost the connection after event `seq`."""
    lost = Ledger(ledger.reply)
    for frame in ledger.frames:
        if frame["seq"] <= seq:
            lost.note(frame)
    lost.epoch = ledger.epoch
    return lost


def numbers(frames: list[dict[str, object]]) -> list[object]:
    return [frame["seq"] for frame in frames]


async def test_resume__after_the_end__sends_exactly_the_rest_from_every_seq(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    whole = await finished(alice, glm, marker)
    async with open_tab(alice) as tab:
        for seq in range(whole.seq):
            going_on = await tab.resume(until(whole, seq))
            await tab.follow(whole.reply)
            assert going_on.breaches == []
            assert going_on.resyncs == 0
            assert numbers(going_on.frames) == list(range(seq + 1, whole.seq + 1))
            assert going_on.text == whole.text


async def test_resume__in_mid_answer__goes_on_from_every_seq(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=60, tokens_per_second=20)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"resume {marker}", knowledge_bases=[])
        shown = await tab.until_text(accepted["reply"], 120)
    for seq in range(shown.seq + 1):
        async with open_tab(alice) as tab:
            going_on = await tab.resume(until(shown, seq))
            if seq == shown.seq:
                await tab.follow(shown.reply)
            else:
                await tab.until_text(shown.reply, len(shown.text))
            assert going_on.breaches == []
            assert going_on.resyncs == 0
    assert going_on.text == glm.calls(marker)[0]["answer"]
    assert len(glm.calls(marker)) == 1


@pytest.mark.parametrize(
    "wrong", [{"after": 2_000_000_000}, {"epoch": 77}, {"epoch": 77, "after": 0}]
)
async def test_resume__impossible_place__is_one_resync_with_the_whole_text(
    alice: Person, glm: FakeGlm, marker: str, wrong: dict[str, int]
) -> None:
    whole = await finished(alice, glm, marker)
    async with open_tab(alice) as tab:
        going_on = await tab.resume(whole, **wrong)
        going_on.text = ""
        await tab.follow(whole.reply)
    assert going_on.resyncs == 1
    assert going_on.text == whole.text
    assert going_on.epoch == whole.epoch
    assert going_on.breaches == []


async def test_resume__too_high_in_mid_answer__resyncs_and_goes_on(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    glm.rule(marker, tokens=40, tokens_per_second=20)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(alice.conversation(), f"resume {marker}", knowledge_bases=[])
        shown = await tab.until_text(accepted["reply"], 80)
    async with open_tab(alice) as tab:
        going_on = await tab.resume(shown, after=shown.seq + 100_000)
        await tab.follow(shown.reply)
    assert going_on.resyncs == 1
    assert going_on.breaches == []
    assert going_on.text == glm.calls(marker)[0]["answer"]


@pytest.mark.parametrize("after", [-1, 10**30, 1.5, "3", None, True])
async def test_resume__nonsense_number__is_an_error_and_the_socket_stays(
    alice: Person, glm: FakeGlm, marker: str, after: object
) -> None:
    whole = await finished(alice, glm, marker)
    async with open_tab(alice) as tab:
        await tab.resume(whole, after=after)
        error = await tab.until("error")
        assert error["error"]["code"] == "invalid"
        await tab.send(type="ping")
        await tab.until("pong")


async def check_from_row(tab: Tab, whole: Ledger) -> None:
    for seq in (0, whole.seq // 2, whole.seq):
        going_on = await tab.resume(until(whole, seq))
        if seq == whole.seq:
            await tab.send(type="ping")
            await tab.until("pong")
        else:
            await tab.follow(whole.reply)
        assert going_on.breaches == []
        assert going_on.text == whole.text


async def test_resume__long_after_the_log_has_gone__is_rebuilt_from_the_row(
    machine: Machine, alice: Person, glm: FakeGlm, marker: str
) -> None:
    whole = await finished(alice, glm, marker)
    with machine.redis() as client:
        client.flushall()
    async with open_tab(alice) as tab:
        await check_from_row(tab, whole)
