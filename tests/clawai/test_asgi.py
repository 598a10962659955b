"""The door of the sockets: which page may open one, and that an idle one stays open."""

import json

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings

from clawai import asgi

COOKIE = (b"cookie", f"theme=dark; {settings.SESSION_COOKIE_NAME}=abc".encode())
OURS = settings.WEBSOCKET_ORIGINS[0].encode()


async def accepting(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})


class Doorbell(AsyncJsonWebsocketConsumer):
    """Passes on what rings."""

    async def connect(self) -> None:
        await self.channel_layer.group_add("bell", self.channel_name)
        await self.accept()

    async def ring(self, event: dict) -> None:
        await self.send_json({"rang": event["text"]})


async def first_answer(*headers: tuple[bytes, bytes]) -> str:
    scope = {"type": "websocket", "path": "/ws/chat/", "headers": list(headers)}
    guard = ApplicationCommunicator(asgi.CookieOriginGuard(accepting), scope)
    await guard.send_input({"type": "websocket.connect"})
    answer = await guard.receive_output(1)
    await guard.wait(1)
    return answer["type"]


@pytest.mark.parametrize(
    "origins",
    [
        [],
        [b"null"],
        [b""],
        [b"https://evil.example"],
        [OURS.replace(b"http:", b"https:")],
        [OURS + b":81"],
        [OURS + b".evil.example"],
        [OURS + b"/"],
        [b"http://[broken"],
        [b"http://localhost:99999999"],
        [OURS, b"https://evil.example"],
    ],
)
async def test_socket__cookie_and_foreign_origin__is_refused_before_accept(origins: list[bytes]):
    headers = [(b"origin", origin) for origin in origins]
    assert await first_answer(COOKIE, *headers) == "websocket.close"


async def test_socket__cookie_and_our_origin__is_let_in():
    assert await first_answer(COOKIE, (b"origin", OURS)) == "websocket.accept"


async def test_socket__cookie_in_a_second_header__is_seen():
    assert await first_answer((b"cookie", b"a=b"), COOKIE) == "websocket.close"


@pytest.mark.parametrize("origins", [[], [b"https://other.example"]])
async def test_socket__no_session__is_let_in_to_show_a_token(origins: list[bytes]):
    headers = [(b"origin", origin) for origin in origins]
    assert await first_answer(*headers) == "websocket.accept"


def test_origin__default_port__is_written_as_browsers_do():
    assert asgi._without_default_port("https://claw.example:443") == "https://claw.example"
    assert asgi._without_default_port("http://claw.example:443") == "http://claw.example:443"


async def test_socket__idle_for_longer_than_a_read_blocks__stays_open(wiped_redis: object):
    # The Redis client gives up reading after 5 s where it is not told otherwise.
    scope = {"type": "websocket", "path": "/", "headers": []}
    socket = ApplicationCommunicator(Doorbell.as_asgi(), scope)
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output(3))["type"] == "websocket.accept"
    assert await socket.receive_nothing(timeout=6.5)
    await get_channel_layer().group_send("bell", {"type": "ring", "text": "好"})
    frame = await socket.receive_output(3)
    assert json.loads(frame["text"]) == {"rang": "好"}
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait(3)
