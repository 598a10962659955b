"""Who may touch what: a stranger's answer about alice's things is that about nothing at all."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.fake_glm.process import FakeGlm
from tests.journeys.test_documents import base_of, upload, wait_ready
from tests.stack.machine import Machine
from tests.stack.people import Person, signed_in
from tests.stack.tab import open_tab

Ids = dict[str, str]
ROUTES = [
    ("GET", "conversations/{conversation}/", None),
    ("PATCH", "conversations/{conversation}/", {"title": "mine now"}),
    ("DELETE", "conversations/{conversation}/", None),
    ("GET", "conversations/{conversation}/messages/", None),
    ("POST", "conversations/{conversation}/messages/", {"content": "let me in"}),
    ("GET", "conversations/{conversation}/export/?format=markdown", None),
    ("GET", "conversations/{conversation}/export/?format=json", None),
    ("GET", "messages/{reply}/stream/", None),
    ("POST", "messages/{reply}/stop/", {}),
    ("POST", "messages/{reply}/regenerate/", {}),
    ("PUT", "messages/{reply}/feedback/", {"rating": 1}),
    ("GET", "knowledge-bases/{base}/", None),
    ("PATCH", "knowledge-bases/{base}/", {"name": "mine now"}),
    ("DELETE", "knowledge-bases/{base}/", None),
    ("GET", "knowledge-bases/{base}/documents/", None),
    ("POST", "knowledge-bases/{base}/documents/", "file"),
    ("POST", "knowledge-bases/{base}/search/", {"query": "code word"}),
    ("GET", "documents/{document}/", None),
    ("DELETE", "documents/{document}/", None),
    ("POST", "documents/{document}/reindex/", {}),
    ("GET", "documents/{document}/chunks/", None),
]
OTHERS = ["bob", "charlie", "olga", "aidan"]


@pytest.fixture(scope="module")
def things(machine: Machine) -> Ids:
    """Return the ids of alice's conversation, reply, base and document."""
    with signed_in(machine.url, "alice") as alice:
        base = base_of(alice)
        document = upload(alice, base)
        wait_ready(alice, document)
        conversation = alice.conversation(title="alice's own")
        body = {"content": "private?", "knowledge_bases": []}
        asked = alice.post(f"conversations/{conversation}/messages/", json=body)
        alice.http.get(f"/api/v1/messages/{asked['reply']['id']}/stream/").raise_for_status()
        return {
            "conversation": conversation,
            "reply": asked["reply"]["id"],
            "base": base,
            "document": document,
        }


@pytest.fixture
def person(request: pytest.FixtureRequest) -> Person:
    return request.getfixturevalue(request.param)


def knock(person: Person, method: str, path: str, body: Any, ids: Ids) -> tuple[int, Any]:
    """Call a route and return status and body, with what is the caller's own taken out."""
    headers = {"Idempotency-Key": uuid4().hex}
    options: dict[str, Any] = {"headers": headers}
    if body == "file":
        options["files"] = {"file": ("x.md", b"# x\n\ny\n", "text/markdown")}
    elif body is not None:
        options["json"] = body
    answer = person.call(method, path.format(**ids), **options)
    payload = answer.json()
    payload.pop("request_id", None)
    text = str(payload)
    for value in ids.values():
        text = text.replace(value, "<id>")
    return answer.status_code, (answer.headers["Content-Type"], text)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
@pytest.mark.parametrize("person", OTHERS, indirect=True)
def test_stranger__on_every_route__gets_the_404_of_nothing(
    person: Person, things: Ids, method: str, path: str, body: Any
) -> None:
    nothing = {name: str(uuid4()) for name in things}
    answer = knock(person, method, path, body, things)
    assert answer[0] == 404
    assert answer == knock(person, method, path, body, nothing)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_anonymous__on_every_route__gets_401(
    machine: Machine, things: Ids, method: str, path: str, body: Any
) -> None:
    visitor = Person(machine.url, "nobody")
    try:
        status, _ = knock(visitor, method, path, body, things)
    finally:
        visitor.close()
    assert status == 401


def test_owner__after_all_that__still_has_everything_as_it_was(alice: Person, things: Ids) -> None:
    assert alice.get(f"conversations/{things['conversation']}/")["title"] == "alice's own"
    assert len(alice.messages(things["conversation"])) == 2
    assert alice.get(f"documents/{things['document']}/")["status"] == "ready"
    assert len(alice.get(f"knowledge-bases/{things['base']}/documents/")["results"]) == 1


async def refusal(person: Person, frame: dict[str, Any]) -> dict[str, Any]:
    async with open_tab(person) as tab:
        await tab.send(**frame)
        answer = await tab.receive()
        answer.pop("client_id", None)
        answer.pop("reply", None)
        return answer


FRAMES: dict[str, Callable[[Ids], dict[str, Any]]] = {
    "resume": lambda ids: {"type": "reply.resume", "reply": ids["reply"], "epoch": 1, "after": 0},
    "stop": lambda ids: {"type": "reply.stop", "reply": ids["reply"]},
    "send": lambda ids: {
        "type": "message.send",
        "conversation": ids["conversation"],
        "client_id": uuid4().hex,
        "content": "let me in",
    },
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("person", OTHERS, indirect=True)
async def test_stranger__over_the_socket__gets_the_error_of_nothing(
    person: Person, things: Ids, kind: str
) -> None:
    nothing = {name: str(uuid4()) for name in things}
    answer = await refusal(person, FRAMES[kind](things))
    assert answer["type"] == "error"
    assert answer["error"]["code"] == "not_found"
    assert answer == await refusal(person, FRAMES[kind](nothing))


async def test_stranger__posting_into_a_conversation__never_reaches_the_model(
    bob: Person, things: Ids, glm: FakeGlm, marker: str
) -> None:
    path = f"conversations/{things['conversation']}/messages/"
    bob.call("POST", path, json={"content": f"hi {marker}"})
    await refusal(bob, FRAMES["send"](things) | {"content": f"hi {marker}"})
    assert glm.calls(marker) == []


def test_shared_base__of_a_group__is_read_by_its_people_and_changed_by_none_of_them(
    machine: Machine, alice: Person, bob: Person, charlie: Person
) -> None:
    base = base_of(alice)
    document = upload(alice, base)
    wait_ready(alice, document)
    with machine.database() as connection:
        connection.execute(
            "UPDATE knowledge_knowledgebase SET visibility = 'shared' WHERE id = %s", [base]
        )
        connection.execute(
            "INSERT INTO knowledge_knowledgebase_shared_groups (knowledgebase_id, group_id) "
            "SELECT %s, id FROM auth_group WHERE name = 'research'",
            [base],
        )
    assert bob.get(f"documents/{document}/")["status"] == "ready"
    assert bob.call("DELETE", f"documents/{document}/").status_code in (403, 404)
    renamed = bob.call("PATCH", f"knowledge-bases/{base}/", json={"name": "x"})
    assert renamed.status_code in (403, 404)
    assert charlie.call("GET", f"documents/{document}/").status_code == 404
