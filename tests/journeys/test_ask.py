"""A question and its streamed reply, over WebSocket and over Server-Sent Events."""

import asyncio
from uuid import uuid4

from tests.fake_glm.answers import is_consecutive
from tests.fake_glm.process import FakeGlm
from tests.stack.people import Person
from tests.stack.sse import events_of
from tests.stack.tab import open_tab


async def test_ask__streams__exactly_what_the_model_sent(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=40, tokens_per_second=80)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"hello {marker}", knowledge_bases=[])
        ledger = await tab.follow(accepted["reply"])
    [call] = glm.calls(marker)
    assert ledger.breaches == []
    assert ledger.text == call["answer"] == ledger.end["message"]["content"]
    assert is_consecutive(ledger.text)
    assert len(ledger.of("reply.delta")) > 3
    assert ledger.of("reply.status")[0]["stage"] == "queued"
    assert "generating" in [frame["stage"] for frame in ledger.of("reply.status")]


async def test_ask__done__records_model_usage_versions_and_times(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"hello {marker}", knowledge_bases=[])
        ledger = await tab.follow(accepted["reply"])
    stored = alice.message(conversation, accepted["reply"])
    assert stored == ledger.end["message"]
    assert stored["status"] == "complete"
    assert stored["endpoint"] == "glm"
    assert stored["model"] == "glm-4-plus"
    assert stored["usage"]["completion_tokens"] == 40
    assert stored["usage"]["exact"] is True
    assert stored["config_version"] >= 1
    assert stored["prompt_version"] >= 1
    assert 0 <= stored["timing"]["first_token_ms"] <= stored["timing"]["total_ms"]


async def test_ask__chinese_and_emoji__arrive_byte_for_byte(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    words = "数据库连接数过多？请看第三章。🚀 naïve café, 𝕏 and \u202ertl"
    glm.rule(marker, text=words, split_bytes=True)
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"你好 {marker} 👋", knowledge_bases=[])
        ledger = await tab.follow(accepted["reply"])
    assert ledger.breaches == []
    assert ledger.text == words
    assert [m["content"] for m in alice.messages(conversation)] == [f"你好 {marker} 👋", words]


async def test_ask__second_question__sends_the_history(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    async with open_tab(alice) as tab:
        first = await tab.ask(conversation, f"one {marker}", knowledge_bases=[])
        said = (await tab.follow(first["reply"])).text
        second = await tab.ask(conversation, f"two {marker}", knowledge_bases=[])
        await tab.follow(second["reply"])
    contents = [message["content"] for message in glm.calls("two " + marker)[-1]["messages"]]
    assert any(f"one {marker}" in content for content in contents[:-1])
    assert said.strip() in [content.strip() for content in contents]
    assert f"two {marker}" in contents[-1]


async def test_ask__same_client_id_again__answers_the_first_result(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    client_id = uuid4().hex
    async with open_tab(alice) as tab:
        ask = {"client_id": client_id, "knowledge_bases": []}
        first = await tab.ask(conversation, f"once {marker}", **ask)
        await tab.follow(first["reply"])
        again = await tab.ask(conversation, f"once {marker}", **ask)
    assert (again["message"], again["reply"]) == (first["message"], first["reply"])
    body = {"content": f"once {marker}", "client_id": client_id, "knowledge_bases": []}
    over_rest = alice.post(f"conversations/{conversation}/messages/", json=body)
    assert over_rest["message"]["id"] == first["message"]
    assert len(alice.messages(conversation)) == 2
    assert len(glm.calls(marker)) == 1


async def test_ask__two_tabs_at_once__make_one_message_and_both_see_all(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=30, tokens_per_second=30)
    ask = {"client_id": uuid4().hex, "knowledge_bases": []}
    async with open_tab(alice) as one, open_tab(alice) as two:
        question = f"both {marker}"
        first, second = await asyncio.gather(
            one.ask(conversation, question, **ask), two.ask(conversation, question, **ask)
        )
        ledgers = await asyncio.gather(one.follow(first["reply"]), two.follow(second["reply"]))
    assert (first["message"], first["reply"]) == (second["message"], second["reply"])
    [call] = glm.calls(marker)
    assert [ledger.breaches for ledger in ledgers] == [[], []]
    assert [ledger.text for ledger in ledgers] == [call["answer"]] * 2
    assert len(alice.messages(conversation)) == 2


async def test_ask__two_questions_in_two_conversations__do_not_mix(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    glm.rule(marker, tokens=20, tokens_per_second=40)
    async with open_tab(alice) as tab:
        asked = [
            await tab.ask(alice.conversation(), f"{number} {marker}", knowledge_bases=[])
            for number in ("first", "second")
        ]
        ledgers = [await tab.follow(accepted["reply"]) for accepted in asked]
    for number, ledger in zip(("first", "second"), ledgers, strict=True):
        assert ledger.breaches == []
        assert ledger.text == glm.calls(f"{number} {marker}")[0]["answer"]


def test_sse__ask_with_accept_header__streams_the_reply(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=30, tokens_per_second=60)
    body = {"content": f"sse {marker}", "knowledge_bases": []}
    events = list(events_of(alice, "POST", f"conversations/{conversation}/messages/", json=body))
    text = "".join(e.data["text"] for e in events if e.data.get("type") == "reply.delta")
    assert text == glm.calls(marker)[0]["answer"]
    assert events[-1].data["type"] == "reply.done"


def test_sse__last_event_id__resumes_after_every_event(
    alice: Person, glm: FakeGlm, marker: str
) -> None:
    conversation = alice.conversation()
    glm.rule(marker, tokens=30, tokens_per_second=60)
    body = {"content": f"sse {marker}", "knowledge_bases": []}
    reply = alice.post(f"conversations/{conversation}/messages/", json=body)["reply"]["id"]
    path = f"messages/{reply}/stream/"
    whole = list(events_of(alice, "GET", path))
    numbered = [event for event in whole if event.id]
    assert len({event.id for event in numbered}) == len(numbered)
    for place, event in enumerate(numbered[:-1]):
        rest = list(events_of(alice, "GET", path, headers={"Last-Event-ID": event.id}))
        assert [e.data for e in rest] == [e.data for e in numbered[place + 1 :]]
