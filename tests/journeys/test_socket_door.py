"""The WebSocket's door: who gets in, what is thrown out, and when it closes."""

import asyncio
import contextlib
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.stack.machine import Machine
from tests.stack.people import Person, signed_in
from tests.stack.tab import open_tab, socket_url


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "https://127.0.0.1",
        "http://127.0.0.1:1",
        "{own}.evil.example",
    ],
)
async def test_origin__wrong_or_missing__is_403_before_accept(
    alice: Person, origin: str | None
) -> None:
    given = origin.format(own=alice.base_url) if origin else None
    headers = {"Cookie": alice.cookie_header()}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(socket_url(alice), additional_headers=headers, origin=given, proxy=None):
            pass
    assert refused.value.response.status_code == 403


async def test_credential__in_the_url__opens_nothing(machine: Machine, alice: Person) -> None:
    session = alice.http.cookies.get("clawai_session")
    url = f"{socket_url(alice)}?token={session}&clawai_session={session}"
    with contextlib.suppress(InvalidStatus, ConnectionClosed, TimeoutError):
        async with asyncio.timeout(8), connect(url, origin=machine.url, proxy=None) as socket:
            async for raw in socket:
                assert json.loads(raw)["type"] != "ready"


async def test_ready__says_who_and_which_protocol(alice: Person) -> None:
    async with open_tab(alice) as tab:
        pass
    [ready] = [frame for frame in tab.others if frame["type"] == "ready"]
    assert ready["protocol"] == 1
    assert ready["user"]


async def test_idle__for_longer_than_the_readers_time_out__stays_open(alice: Person) -> None:
    async with open_tab(alice) as tab:
        await asyncio.sleep(6.5)
        await tab.send(type="ping")
        assert (await tab.receive())["type"] == "pong"


async def test_logout__closes_the_socket_within_ten_seconds(machine: Machine) -> None:
    with signed_in(machine.url, "alice") as person:
        async with open_tab(person) as tab:
            person.log_out()
            assert await tab.closed(12) == 4401


async def test_logout__of_one_browser__leaves_the_other_open(
    machine: Machine, alice: Person
) -> None:
    with signed_in(machine.url, "alice") as person:
        async with open_tab(person) as leaving, open_tab(alice) as staying:
            person.log_out()
            assert await leaving.closed(12) == 4401
            await staying.send(type="ping")
            assert (await staying.receive())["type"] == "pong"


async def test_frame__over_64_kib__closes_with_1009(alice: Person) -> None:
    async with open_tab(alice) as tab:
        await tab.send(type="ping", padding="x" * 65_536)
        assert await tab.closed() == 1009


BAD = [
    "",
    "nonsense",
    "[]",
    "null",
    '{"type": "launch"}',
    '{"type": ["ping"]}',
    '{"type": "ping", "extra": 1}',
    '{"type": "message.send", "conversation": 7, "client_id": "x", "content": "y"}',
    '{"type": "reply.stop", "reply": "../../etc"}',
]


async def test_frame__malformed__is_an_error_until_ten_in_ten_seconds(alice: Person) -> None:
    async with open_tab(alice) as tab:
        for raw in BAD:
            await tab.socket.send(raw)
            answer = await tab.receive()
            assert (answer["type"], answer["error"]["code"]) == ("error", "invalid"), raw
        for _ in range(2):
            with contextlib.suppress(ConnectionClosed):
                await tab.socket.send("one too many")
        assert await tab.closed() == 4429


@pytest.mark.parametrize(
    "content",
    ["\\u0000", "\\ud800", "   ", ""],
    ids=["nul", "surrogate", "blank", "empty"],
)
async def test_content__that_cannot_be_stored__is_refused_with_the_clients_id(
    alice: Person, content: str
) -> None:
    conversation = alice.conversation()
    async with open_tab(alice) as tab:
        await tab.socket.send(
            f'{{"type": "message.send", "conversation": "{conversation}", '
            f'"client_id": "bad-content", "content": "{content}"}}'
        )
        answer = await tab.receive()
    assert answer["type"] == "error"
    assert answer["error"]["code"] == "invalid"
    assert alice.messages(conversation) == []


async def test_nesting__deep__is_an_error(alice: Person) -> None:
    async with open_tab(alice) as tab:
        await tab.socket.send('{"type": ' + "[" * 30_000 + "]" * 30_000 + "}")
        assert (await tab.receive())["type"] == "error"
        await tab.send(type="ping")
        assert (await tab.receive())["type"] == "pong"
