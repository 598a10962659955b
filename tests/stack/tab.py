"""A browser tab at the WebSocket door, with a ledger for every reply that it follows."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.stack.ledger import Frame, Ledger
from tests.stack.people import Person


class Tab:
    """One open socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.ledgers: dict[str, Ledger] = {}
        self.others: list[Frame] = []
        self.arrived: list[tuple[float, Frame]] = []

    async def send(self, **frame: Any) -> None:
        """Send a frame."""
        await self.socket.send(json.dumps(frame))

    async def receive(self, timeout_seconds: float = 20) -> Frame:
        """Return the next frame, after taking it into account."""
        raw = await asyncio.wait_for(self.socket.recv(), timeout_seconds)
        frame: Frame = json.loads(raw)
        self.arrived.append((time.monotonic(), frame))
        if str(frame.get("type")).startswith("reply."):
            self.ledger(frame["reply"]).note(frame)
        else:
            self.others.append(frame)
        return frame

    def ledger(self, reply: str) -> Ledger:
        """Return the account of one reply."""
        return self.ledgers.setdefault(reply, Ledger(reply))

    async def until(self, kind: str, timeout_seconds: float = 20, **wanted: Any) -> Frame:
        """Read until a frame of `kind` with the `wanted` fields comes, and return it."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                frame = await self.receive(timeout_seconds)
                if frame["type"] == kind and wanted.items() <= frame.items():
                    return frame

    async def ask(self, conversation: str, content: str, **fields: Any) -> Frame:
        """Send a question and return the `message.accepted`."""
        client_id = fields.pop("client_id", uuid.uuid4().hex)
        frame = {"conversation": conversation, "client_id": client_id, "content": content}
        await self.send(type="message.send", **frame, **fields)
        accepted = await self.until("message.accepted", client_id=client_id)
        ledger = self.ledger(accepted["reply"])
        if ledger.epoch is None:
            ledger.epoch = accepted["epoch"]
        return accepted

    async def resume(self, ledger: Ledger, **changes: Any) -> Ledger:
        """Ask for what `ledger` has not seen yet; the ledger that goes on is returned."""
        self.ledgers[ledger.reply] = going_on = ledger.fork()
        await self.send(
            **{
                "type": "reply.resume",
                "reply": ledger.reply,
                "epoch": ledger.epoch,
                "after": ledger.seq,
            }
            | changes
        )
        return going_on

    async def follow(self, reply: str, timeout_seconds: float = 20) -> Ledger:
        """Read until the reply has ended and return its account."""
        ledger = self.ledger(reply)
        async with asyncio.timeout(timeout_seconds):
            while ledger.end is None:
                await self.receive(timeout_seconds)
        return ledger

    async def until_text(self, reply: str, length: int, timeout_seconds: float = 20) -> Ledger:
        """Read until at least `length` characters of the reply are shown."""
        ledger = self.ledger(reply)
        async with asyncio.timeout(timeout_seconds):
            while len(ledger.text) < length:
                await self.receive(timeout_seconds)
        return ledger

    async def closed(self, timeout_seconds: float = 15) -> int | None:
        """Read until the server closes the socket and return its code."""
        async with asyncio.timeout(timeout_seconds):
            with contextlib.suppress(Exception):
                while True:
                    await self.receive(timeout_seconds)
            await self.socket.wait_closed()
        return self.socket.close_code


def socket_url(person: Person) -> str:
    """Return the address of the WebSocket."""
    return person.base_url.replace("http", "ws", 1) + "/ws/chat/"


@contextlib.asynccontextmanager
async def open_tab(person: Person, **options: Any) -> AsyncIterator[Tab]:
    """Open a socket as a browser does: with the session's cookie and the page's origin."""
    headers = {"Cookie": person.cookie_header()}
    given = {"origin": person.base_url, "max_size": None, "max_queue": None} | options
    async with connect(
        socket_url(person), additional_headers=headers, proxy=None, **given
    ) as socket:
        tab = Tab(socket)
        await tab.until("ready")
        yield tab
