"""Sends one streamed answer token by token, with the faults that its rule asks for."""

import asyncio
import socket
import struct
import time

from aiohttp import web

from tests.fake_glm.dialects import Dialect, Usage, event
from tests.fake_glm.rules import Call, Rule


class DroppedError(Exception):
    """The rule broke the answer off; `response` is what was begun."""

    def __init__(self, response: web.StreamResponse) -> None:
        self.response = response


async def wait_for_ever() -> None:
    """Hang until the client goes away, which cancels the handler."""
    await asyncio.Event().wait()


def drop(request: web.Request, *, reset: bool) -> None:
    """Close the socket in mid-answer: with FIN, or with RST when `reset`."""
    transport = request.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if reset and raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


class Streamed:
    """One answer on its way."""

    def __init__(self, request: web.Request, rule: Rule, call: Call, dialect: Dialect) -> None:
        self.request, self.rule, self.call, self.dialect = request, rule, call, dialect
        self.response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8"}
        )

    async def send(self, tokens: list[str], usage: Usage) -> web.StreamResponse:
        """Send all tokens on time; raise `DroppedError` where the rule breaks the stream off."""
        await self._pause_until(self.rule.first_token_ms or 0)
        if self.rule.hang_at == 0:
            await wait_for_ever()
        await self.response.prepare(self.request)
        for position, token in enumerate(tokens):
            await self._fault(position)
            await self._pause_until(self._due_ms(position))
            await self._send_token(token, twice=position == self.rule.duplicate_at)
        await self._fault(len(tokens))
        await self._write(self.dialect.last(usage) + (event("[DONE]") if self.rule.done else b""))
        await self.response.write_eof()
        return self.response

    def _due_ms(self, position: int) -> float:
        rate = self.rule.tokens_per_second
        return (self.rule.first_token_ms or 0) + (position * 1000 / rate if rate else 0)

    async def _pause_until(self, due_ms: float) -> None:
        wait = self.call.started + due_ms / 1000 - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _fault(self, position: int) -> None:
        if position == self.rule.hang_at:
            await wait_for_ever()
        if position == self.rule.error_at:
            await self._write(event(self.dialect.error(500, "The model fell over.")))
            await self.response.write_eof()
            raise DroppedError(self.response)
        if position == self.rule.close_at:
            drop(self.request, reset=self.rule.reset)
            raise DroppedError(self.response)

    async def _send_token(self, token: str, *, twice: bool) -> None:
        chunk = self.dialect.chunk(token)
        await self._write(chunk * 2 if twice else chunk)
        self.call.sent += token
        self.call.sent_at.append(time.monotonic())

    async def _write(self, data: bytes) -> None:
        if not self.rule.split_bytes:
            await self.response.write(data)
            return
        for start in range(len(data)):
            await self.response.write(data[start : start + 1])
            if data[start] > 127:
                await asyncio.sleep(0.001)
