"""The web process's side: one multiplexed read follows the logs of all replies that are watched."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import Error as DatabaseError

from conversations import metrics
from conversations.streams import connection, log, rows

MAX_BUFFERED_BYTES: Final = 1024 * 1024
BLOCK_MILLISECONDS: Final = 5000
READ_EVENTS: Final = 500
QUIET_SECONDS: Final = 1.0
BACKOFF_SECONDS: Final = 0.5
GATHER_SECONDS: Final = 0.01
"""A read that waits ends with the first event; so long after it there are those of other logs."""

logger = logging.getLogger(__name__)


class TooSlow(Exception):  # noqa: N818  # it names the reader, not a mistake
    """The reader takes events more slowly than they come; it may resume later."""


class Feed:
    """What one follower still has to take of one log."""

    def __init__(self, reply: UUID, epoch: int, last: int) -> None:
        self.reply = reply
        self.epoch = epoch
        self.last = last
        self.heard_at = monotonic()
        self._entries: list[log.Entry] = []
        self._bytes = 0
        self._ringing = False
        self._ready = asyncio.Event()

    def push(self, entries: list[log.Entry]) -> None:
        """Add events that came."""
        self.heard_at = monotonic()
        self._bytes += sum(len(entry.frame) for entry in entries)
        if self._bytes > MAX_BUFFERED_BYTES:
            self._entries.clear()
        else:
            self._entries += entries
        self._ready.set()

    def ring(self) -> None:
        """Ask the follower to look at the row: it may know more than the log."""
        self._ringing = True
        self._ready.set()

    async def next(self) -> tuple[list[log.Entry], bool]:
        """Wait for events, or for a ring.

        Raises:
            TooSlow: more than 1 MB waited to be taken.
        """
        await self._ready.wait()
        self._ready.clear()
        if self._bytes > MAX_BUFFERED_BYTES:
            raise TooSlow
        entries, ringing = self._entries, self._ringing
        self._entries, self._bytes, self._ringing = [], 0, False
        return entries, ringing


class Followed:
    """One log that is read for its feeds, and how far it was read."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.feeds: set[Feed] = set()


class Hub:
    """Reads all followed logs of one event loop with one blocking command."""

    def __init__(self) -> None:
        self._followed: dict[bytes, Followed] = {}
        self._holders = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._wake_key = f"clawai:hub:{uuid.uuid4().hex}".encode()
        self._wake_position = b"0-0"
        self._redis = connection.loop()

    @asynccontextmanager
    async def held(self) -> AsyncIterator["Hub"]:
        """Keep the hub and its connections up while the block runs."""
        self._holders += 1
        try:
            yield self
        finally:
            self._holders -= 1
            if not self._holders:
                await self._close()

    async def read(self, reply: UUID, epoch: int, *, after: int) -> list[log.Entry]:
        """Return up to `READ_EVENTS` events after number `after` from a log."""
        raw: Any = await self._redis.xrange(
            log.key(reply, epoch), f"({after}-0", f"({log.SEAL}-0", count=READ_EVENTS
        )
        return log.entries_of(raw)

    async def newest(self, reply: UUID, epoch: int) -> int:
        """Return the number of a log's newest event, 0 without one."""
        raw: Any = await self._redis.xrevrange(
            log.key(reply, epoch), f"({log.SEAL}-0", "-", count=1
        )
        entries = log.entries_of(raw)
        return entries[0].seq if entries else 0

    @asynccontextmanager
    async def feed(self, reply: UUID, epoch: int, last: int) -> AsyncIterator[Feed]:
        """Deliver the events after number `last` of a log while the block runs.

        A log that others follow may have been read further already: then the feed rings at once.
        """
        feed = Feed(reply, epoch, last)
        name = log.key(reply, epoch).encode()
        followed = self._followed.setdefault(name, Followed(last))
        if followed.position != last:
            feed.ring()
        followed.feeds.add(feed)
        metrics.FOLLOWERS.inc()
        await self._join()
        try:
            yield feed
        finally:
            metrics.FOLLOWERS.dec()
            followed.feeds.discard(feed)
            if not followed.feeds:
                self._followed.pop(name, None)

    async def _close(self) -> None:
        """Stop reading; following again starts it again."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.aclose()

    async def _join(self) -> None:
        """See to it that the blocking read takes up logs that were added."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._check())]
            return
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.xadd(self._wake_key, {"f": "", "t": ""}, maxlen=1, approximate=False)
            pipeline.expire(self._wake_key, 2 * BLOCK_MILLISECONDS // 1000)
            await pipeline.execute()
        except connection.UNREACHABLE:
            return  # the reader is beginning anew anyway

    async def _read(self) -> None:
        while True:
            reader = connection.loop(reply_seconds=None)
            try:
                while True:
                    await self._read_once(reader)
                    await asyncio.sleep(GATHER_SECONDS)
            except connection.UNREACHABLE as error:
                logger.warning("Redis cannot be followed: %s", error)
                self._ring_all()
                await asyncio.sleep(BACKOFF_SECONDS)
            finally:
                await reader.aclose()

    async def _read_once(self, reader: Any) -> None:
        positions = {name: f"{one.position}-0" for name, one in self._followed.items()}
        async with asyncio.timeout(2 * BLOCK_MILLISECONDS / 1000):
            answer = await reader.xread(
                {**positions, self._wake_key: self._wake_position},
                count=READ_EVENTS,
                block=BLOCK_MILLISECONDS,
            )
        for name, raw in answer.items() if isinstance(answer, dict) else answer or ():
            if name == self._wake_key:
                self._wake_position = raw[-1][0]
            elif followed := self._followed.get(name):
                self._deliver(followed, log.entries_of(raw))

    def _deliver(self, followed: Followed, entries: list[log.Entry]) -> None:
        events = [entry for entry in entries if not entry.is_seal]
        if events:
            followed.position = events[-1].seq
        for feed in followed.feeds:
            if events:
                feed.push(events)
            if len(events) < len(entries):
                feed.ring()

    def _ring_all(self) -> None:
        for followed in self._followed.values():
            for feed in followed.feeds:
                feed.ring()

    async def _check(self) -> None:
        """Compare quiet feeds with their rows, all in one query a second."""
        while True:
            await asyncio.sleep(QUIET_SECONDS)
            try:
                await self._check_once()
            except DatabaseError as error:
                logger.warning("The rows of quiet replies cannot be read: %s", error)

    async def _check_once(self) -> None:
        latest = monotonic() - QUIET_SECONDS
        quiet = [
            feed
            for followed in self._followed.values()
            for feed in followed.feeds
            if feed.heard_at < latest
        ]
        if not quiet:
            return
        heads = await rows.heads({feed.reply for feed in quiet})
        for feed in quiet:
            head = heads.get(feed.reply)
            if head is None or not head.is_open or (head.epoch, head.seq) > (feed.epoch, feed.last):
                feed.ring()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current() -> Hub:
    """Return the hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
