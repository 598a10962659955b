"""A document goes in, becomes ready, and carries an answer."""

import time
from typing import Any

import pytest

from tests.fake_glm.process import FakeGlm
from tests.stack.people import Person
from tests.stack.tab import open_tab

HANDBOOK = """# Travel policy

## Trains

Employees of Acme travel by train in second class. Journeys above four hours may be booked in
first class after the manager's approval in the portal Zephyrine.

## 酒店

一线城市的酒店住宿标准为每晚六百元,其他城市为每晚四百元。超出标准的部分由员工自行承担。
"""


def base_of(person: Person, **fields: Any) -> str:
    given = {"name": f"Base {time.monotonic_ns()}", "visibility": "private"} | fields
    return str(person.post("knowledge-bases/", json=given)["id"])


def upload(person: Person, base: str, text: str = HANDBOOK, name: str = "travel.md") -> str:
    files = {"file": (name, text.encode(), "text/markdown")}
    answer = person.call("POST", f"knowledge-bases/{base}/documents/", files=files)
    assert answer.status_code in (200, 202), answer.text
    return str(answer.json()["id"])


def wait_ready(person: Person, document: str, timeout_seconds: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_seconds
    while True:
        row = person.get(f"documents/{document}/")
        if row["status"] in ("ready", "failed"):
            return row
        assert time.monotonic() < deadline, row
        time.sleep(0.2)


async def test_upload__becomes_ready_and_tells_the_uploader(alice: Person) -> None:
    async with open_tab(alice) as tab:
        document = upload(alice, base_of(alice))
        progress = await tab.until("document.progress", 60, document=document, status="ready")
    assert progress["progress"] == 100
    row = alice.get(f"documents/{document}/")
    assert (row["status"], row["progress"]) == ("ready", 100)
    chunks = alice.get(f"documents/{document}/chunks/")["results"]
    assert any("Zephyrine" in chunk["text"] for chunk in chunks)


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("In which portal does the manager approve first class?", "Zephyrine"),
        ("一线城市的酒店标准是多少?", "六百元"),
    ],
    ids=["english", "chinese"],
)
async def test_question__about_a_document__cites_the_passage(
    alice: Person, glm: FakeGlm, marker: str, question: str, word: str
) -> None:
    base = base_of(alice)
    document = upload(alice, base)
    assert wait_ready(alice, document)["status"] == "ready"
    conversation = alice.conversation(knowledge_bases=[base])
    glm.rule(marker, text="As the policy says [1].")
    async with open_tab(alice) as tab:
        accepted = await tab.ask(conversation, f"{question} {marker}")
        ledger = await tab.follow(accepted["reply"], 40)
    [cited] = ledger.of("reply.citations")
    assert cited["citations"][0]["document"] == document
    row = alice.message(conversation, accepted["reply"])
    citation = row["citations"][0]
    assert any(word in c["quote"] for c in row["citations"])
    assert (citation["number"], citation["document_name"]) == (1, "travel.md")
    assert citation["version_number"] == 1
    prompt = str(glm.calls(marker)[0]["messages"])
    assert word in prompt


async def test_question__of_someone_without_rights__never_sees_the_passage(
    alice: Person, charlie: Person, glm: FakeGlm, marker: str
) -> None:
    secret = f"canary{marker}"
    base = base_of(alice)
    text = f"# Secret\n\nThe code word of alice is {secret}.\n"
    document = upload(alice, base, text, "secret.md")
    assert wait_ready(alice, document)["status"] == "ready"
    async with open_tab(charlie) as tab:
        accepted = await tab.ask(charlie.conversation(), f"What is the code word {marker}?")
        ledger = await tab.follow(accepted["reply"], 40)
        refused = charlie.conversation()
        await tab.send(
            type="message.send",
            conversation=refused,
            client_id=f"steal-{marker}",
            content=f"code word {marker}?",
            knowledge_bases=[base],
        )
        answer = await tab.receive()
        if answer["type"] == "message.accepted":
            await tab.follow(answer["reply"], 40)
    recorded = str([call["messages"] for call in glm.calls(marker)])
    assert secret not in recorded
    assert secret not in str(ledger.frames)


def test_upload__same_bytes_again__is_the_same_document(alice: Person) -> None:
    base = base_of(alice)
    first = upload(alice, base)
    assert upload(alice, base) == first


def test_search__both_legs__find_the_passage(alice: Person) -> None:
    base = base_of(alice)
    assert wait_ready(alice, upload(alice, base))["status"] == "ready"
    for mode in ("hybrid", "vector", "text"):
        body = {"query": "hotel 酒店 标准", "mode": mode, "top_k": 3}
        hits = alice.post(f"knowledge-bases/{base}/search/", json=body)
        found = hits.get("results", hits.get("hits"))
        assert any("六百元" in hit["text"] for hit in found), (mode, hits)
