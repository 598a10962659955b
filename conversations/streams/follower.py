"""Follow one reply: exactly the events that a client lacks, or else the whole text."""

import asyncio
from collections.abc import AsyncIterator
from enum import Enum, auto
from typing import Final
from uuid import UUID

from conversations import metrics
from conversations.protocol import Event, ReplyResync, encode
from conversations.streams import connection, hub, log, rows

PATIENCE: Final = 15
PAUSE_SECONDS: Final = 0.1
"""Together longer than three checkpoints: in that time a row catches up with a lost log."""


class Verdict(Enum):
    """What is to be done where the client stands."""

    LEVEL = auto()
    WAIT = auto()
    RESYNC = auto()


def follow(reply: UUID, *, epoch: int, after: int, queued: bool = False) -> AsyncIterator[bytes]:
    """Yield the frames of a reply after event `after` of `epoch`, up to its last one.

    Epoch 0 means whichever is current. Access is the caller's to check. Of a reply that was
    `queued` a moment ago all but event 1 comes live, without a look at its row first.

    Raises:
        TooSlow: the frames are taken too slowly; what was not taken can be resumed.
    """
    return Follower(reply, epoch, after, queued=queued).frames()


class Follower:
    """Where one client stands in one reply, and what the log and the row say beyond it.

    The log is exact while it lasts, the row is always there. A number that neither continues
    without a gap leads to a resync, once the row has caught up with what the log lost.
    """

    def __init__(self, reply: UUID, epoch: int, after: int, *, queued: bool = False) -> None:
        self._queued = queued
        self._reply = reply
        self._epoch = epoch
        self._last = after
        self._resumes = after > 0
        self._resynced = False
        self._ended = False
        # What the last look into the log showed; `None`: it could not be read.
        self._newest: int | None = None
        self._gap_end = 0
        self._owed = 0

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield frame after frame."""
        async with hub.current().held() as reader:
            if self._queued:
                yield self._sent(rows.queued_event(self._reply, self._epoch))
            else:
                async for frame in self._catch_up(reader):
                    yield frame
            if self._resumes:
                metrics.RESUMES.labels(kind="resync" if self._resynced else "lossless").inc()
            while not self._ended:
                async with reader.feed(self._reply, self._epoch, self._last) as feed:
                    async for frame in self._from_feed(reader, feed):
                        yield frame

    async def _from_feed(self, reader: hub.Hub, feed: hub.Feed) -> AsyncIterator[bytes]:
        """Yield what comes live, until the reply ends or a new epoch begins."""
        while not self._ended and feed.epoch == self._epoch:
            entries, ringing = await feed.next()
            for frame in self._take(entries):
                yield frame
            if ringing or self._gap_end:
                async for frame in self._catch_up(reader):
                    yield frame
            feed.last = self._last

    def _take(self, entries: list[log.Entry]) -> list[bytes]:
        """Return the frames of those entries that go on without a gap; note where a gap ends."""
        frames = []
        self._gap_end = 0
        for entry in entries:
            if entry.seq == self._last + 1 and not self._ended:
                self._last = entry.seq
                self._ended = entry.is_last
                frames.append(entry.frame)
            elif entry.seq > self._last:
                self._gap_end = entry.seq - 1
                break
        return frames

    async def _catch_up(self, reader: hub.Hub) -> AsyncIterator[bytes]:
        """Yield what the log and the row have beyond the last event."""
        for attempt in range(PATIENCE):
            # The row first: what it counts is in the log by now, or has been lost from it.
            head = await self._head()
            self._owed = self._owed if attempt else head.seq
            async for frame in self._from_log(reader):
                yield frame
            if self._lacks_first(head):
                yield self._sent(rows.queued_event(self._reply, self._epoch))
            verdict = self._judge(head, attempt)
            if verdict is Verdict.LEVEL:
                return
            if verdict is Verdict.RESYNC:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        async for frame in self._from_row():
            yield frame
        async for frame in self._from_log(reader):
            yield frame

    async def _head(self) -> rows.Head:
        """Return where the row stands; a row that has gone stands where the client does, ended."""
        head = (await rows.heads([self._reply])).get(self._reply)
        if head is None:
            return rows.Head(self._epoch, self._last, rows.GONE)
        self._epoch = self._epoch or head.epoch
        return head

    def _lacks_first(self, head: rows.Head) -> bool:
        """Whether event 1 is due, which is in no log before a worker takes the reply."""
        at_beginning = self._last == 0 and not self._gap_end
        return at_beginning and head.is_open and head.epoch == self._epoch

    def _judge(self, head: rows.Head, attempt: int) -> Verdict:
        """Compare the client with the row and the log."""
        if self._ended:
            return Verdict.LEVEL
        if head.epoch != self._epoch:
            return Verdict.RESYNC
        return self._judge_open(head, attempt) if head.is_open else self._judge_ended(head, attempt)

    def _judge_open(self, head: rows.Head, attempt: int) -> Verdict:
        """Compare the client with the row and the log of a reply that goes on."""
        if self._gap_end:
            return Verdict.RESYNC if head.seq >= self._gap_end else Verdict.WAIT
        if self._last < min(head.seq, self._owed):
            return self._judge_late(attempt)
        # The log is ahead of the row, unless it was lost, or the number was made up.
        vanished = self._newest is not None and max(self._newest, head.seq) < self._last
        return Verdict.WAIT if vanished else Verdict.LEVEL

    def _judge_ended(self, head: rows.Head, attempt: int) -> Verdict:
        """Compare the client with the row of a reply that ended."""
        if self._last == head.seq:
            self._ended = True
            return Verdict.LEVEL
        return self._judge_late(attempt) if self._last < head.seq - 1 else Verdict.RESYNC

    def _judge_late(self, attempt: int) -> Verdict:
        """Wait for events on their way into the log, but not for a log that is gone or away."""
        return Verdict.RESYNC if attempt and not self._newest else Verdict.WAIT

    async def _from_log(self, reader: hub.Hub) -> AsyncIterator[bytes]:
        """Yield the events of the log that go on without a gap."""
        try:
            while not self._ended:
                entries = await reader.read(self._reply, self._epoch, after=self._last)
                for frame in self._take(entries):
                    yield frame
                if len(entries) < hub.READ_EVENTS or self._gap_end:
                    break
            self._newest = await reader.newest(self._reply, self._epoch)
        except connection.UNREACHABLE:
            self._newest = None

    async def _from_row(self) -> AsyncIterator[bytes]:
        """Yield the whole text in place of what the client has, and the end where it has come."""
        row = await rows.load(self._reply)
        if row is None:
            self._ended = True
            return
        only_the_end = not row.is_open and (row.epoch, row.seq - 1) == (self._epoch, self._last)
        if not only_the_end:
            self._resynced = True
            yield self._sent(rows.resync_event(row))
        if not row.is_open:
            self._ended = True
            yield self._sent(rows.last_event(row))

    def _sent(self, event: Event | ReplyResync) -> bytes:
        """Return an event's frame; it is where the client stands now."""
        self._epoch, self._last, self._gap_end = event.epoch, event.seq, 0
        return encode(event)
