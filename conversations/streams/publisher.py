"""The worker's side: one round trip a period carries the new text of all its replies."""

import asyncio
import logging
from collections import deque
from itertools import islice
from typing import Any, Final
from uuid import UUID

from configs import registry, runtime
from conversations import metrics
from conversations.protocol import Event, ReplyDelta
from conversations.streams import connection, log

BACKOFF_SECONDS: Final = 0.5
ROUND_EVENTS: Final = 500

logger = logging.getLogger(__name__)


class Outgoing:
    """One reply's events on their way into its log; to be used on the loop's thread only.

    An event gets its number when it is frozen, and never changes afterwards: what could not be
    published, or may have been, goes out again as it is. While Redis is away text gathers and is
    frozen as few long events.
    """

    def __init__(self, reply: UUID, epoch: int, seq: int) -> None:
        self.reply = reply
        self.epoch = epoch
        self.seq = seq
        self.outbox: deque[log.Entry] = deque()
        self.published = asyncio.Event()
        self.interrupted = asyncio.Event()
        self.stop_requested = False
        self.lost = False
        self.settled = False
        self.urgent = False
        self._content: list[str] = []
        self._pending: list[str] = []

    @property
    def has_text(self) -> bool:
        """Whether any text was fed."""
        return bool(self._content or self._pending)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be published."""
        return not self._pending and not self.outbox

    def feed(self, text: str) -> None:
        """Take more text of the reply."""
        self._pending.append(text)

    def put(self, event: type[Event], **fields: Any) -> None:
        """Take an event, to go out after all text that was fed before it."""
        self.freeze()
        self._freeze(event, **fields)

    def freeze(self) -> None:
        """Make the text that waits into one numbered event."""
        if self._pending:
            text = "".join(self._pending)
            self._pending.clear()
            self._content.append(text)
            self._freeze(ReplyDelta, text=text)

    def checkpoint(self) -> tuple[int, str]:
        """Return a number and the text of all events up to it."""
        content = "".join(self._content)
        self._content[:] = [content] if content else []
        return self.seq, content

    def stop(self) -> None:
        """Ask the writing to end; what there is stays."""
        self.stop_requested = True
        self.interrupted.set()

    def lose(self) -> None:
        """Note that the claim on the reply has gone to someone else."""
        self.lost = True
        self.interrupted.set()
        self.published.set()

    def _freeze(self, event: type[Event], **fields: Any) -> None:
        self.seq += 1
        made = event(reply=self.reply, epoch=self.epoch, seq=self.seq, **fields)
        self.outbox.append(log.entry_of(made))


class Publisher:
    """Publishes for all replies of a process, and hears in the same round trip who is to stop."""

    def __init__(self) -> None:
        self._open: dict[UUID, Outgoing] = {}
        self._due = asyncio.Event()
        self._period_ends = 0.0
        self._redis = connection.loop()

    def __iter__(self) -> Any:
        """Iterate over the replies that are being written."""
        return iter(tuple(self._open.values()))

    def open(self, outgoing: Outgoing) -> None:
        """Begin to publish for a reply."""
        self._open[outgoing.reply] = outgoing
        self._due.set()

    def hurry(self, outgoing: Outgoing) -> None:
        """Publish for a reply at once instead of at the end of the period."""
        outgoing.urgent = True
        self._due.set()

    async def close(self, outgoing: Outgoing, *, patience_seconds: float) -> None:
        """Publish what is left, if Redis takes it in time, and forget the reply.

        What Redis does not take is not lost: it stands in the reply's row.
        """
        try:
            self.hurry(outgoing)
            async with asyncio.timeout(patience_seconds):
                while not outgoing.is_idle and not outgoing.lost:
                    outgoing.published.clear()
                    await outgoing.published.wait()
        except TimeoutError:
            logger.warning("The end of reply %s could not be published.", outgoing.reply)
        finally:
            self._open.pop(outgoing.reply, None)

    async def run(self) -> None:
        """Publish round after round, until cancelled."""
        try:
            while True:
                if not await self._round(whole=await self._wait()):
                    await asyncio.sleep(BACKOFF_SECONDS)
        finally:
            await self._redis.aclose()

    async def _wait(self) -> bool:
        """Wait for the period's end, or for something urgent; return whether the period ended."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(self._period_ends if self._open else None):
                await self._due.wait()
        except TimeoutError:
            pass
        self._due.clear()
        if loop.time() < self._period_ends:
            return False
        self._period_ends = loop.time() + runtime.current().get(registry.ANSWERS_FLUSH_MS) / 1000
        return True

    async def _round(self, *, whole: bool) -> bool:
        """Publish what waits, or only what is urgent; return whether Redis was there.

        A round that is not `whole` leaves the text of the other replies to gather.
        """
        asked = list(self._open.values()) if whole else []
        sent, commands = self._gather(asked or [o for o in self._open.values() if o.urgent])
        if not asked and not commands:
            return True
        try:
            answers = await self._execute(commands, asked)
        except connection.UNREACHABLE as error:
            metrics.PUBLISH_FAILURES.inc()
            logger.warning("Redis does not take the replies' events: %s", error)
            return False
        if asked:
            self._hear(asked, answers[-1])
        return await self._settle(sent, answers)

    def _gather(
        self, batch: list[Outgoing]
    ) -> tuple[list[tuple[Outgoing, int, int]], list[log.Command]]:
        """Return who sends how many events in how many commands, and the commands."""
        sent, commands = [], []
        for outgoing in batch:
            outgoing.urgent = False
            outgoing.freeze()
            if outgoing.outbox and not outgoing.lost:
                entries = list(islice(outgoing.outbox, ROUND_EVENTS))
                own = log.append_commands(outgoing.reply, outgoing.epoch, entries)
                sent.append((outgoing, len(entries), len(own)))
                commands += own
        return sent, commands

    async def _execute(self, commands: list[log.Command], asked: list[Outgoing]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        if asked:
            pipeline.mget([log.stop_key(outgoing.reply) for outgoing in asked])
        return await pipeline.execute(raise_on_error=False)

    def _hear(self, batch: list[Outgoing], flags: Any) -> None:
        if not isinstance(flags, list):
            return  # refused: the checkpoint hears of stops too
        for outgoing, flag in zip(batch, flags, strict=True):
            if flag is not None and not outgoing.stop_requested:
                outgoing.stop()

    async def _settle(self, sent: list[tuple[Outgoing, int, int]], answers: list[Any]) -> bool:
        """Drop what was taken; return whether everything was."""
        taken, position = True, 0
        for outgoing, entries, commands in sent:
            own = answers[position : position + commands]
            position += commands
            if not any(isinstance(answer, Exception) for answer in own):
                for _ in range(entries):
                    outgoing.outbox.popleft()
                outgoing.published.set()
            else:
                taken &= await self._resolve(outgoing)
        return taken

    async def _resolve(self, outgoing: Outgoing) -> bool:
        """Find out what a log that refused an event holds already; return whether that helped.

        Events that a lost answer had left in doubt are there: they are done. A seal means that the
        claim is lost. Anything else is Redis in trouble (no memory, read-only).
        """
        try:
            newest: Any = await self._redis.xrevrange(
                log.key(outgoing.reply, outgoing.epoch), count=1
            )
        except connection.UNREACHABLE:
            return False
        top = int(newest[0][0].partition(b"-")[0]) if newest else 0
        if top >= log.SEAL:
            outgoing.lose()
            return True
        before = len(outgoing.outbox)
        while outgoing.outbox and outgoing.outbox[0].seq <= top:
            outgoing.outbox.popleft()
        outgoing.published.set()
        return len(outgoing.outbox) < before
