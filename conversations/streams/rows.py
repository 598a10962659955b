"""What the rows say about replies, read off the event loop."""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from django.db import close_old_connections

from conversations.models import Message
from conversations.protocol import QUEUED_SEQ, ReplyDone, ReplyFailed, ReplyResync, ReplyStatus

T = TypeVar("T")
GONE: Final = "gone"
_THREADS: Final = ThreadPoolExecutor(max_workers=8, thread_name_prefix="rows")


@dataclass(frozen=True, slots=True)
class Head:
    """Where a reply's row stands."""

    epoch: int
    seq: int
    status: str

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return self.status in Message.OPEN


async def in_thread(function: Callable[[], T]) -> T:
    """Return what `function`, which asks the database, returns.

    Its connection goes back to the pool afterwards.
    """

    def call() -> T:
        try:
            return function()
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_THREADS, call)


async def heads(replies: Collection[UUID]) -> dict[UUID, Head]:
    """Return where the rows of `replies` stand, in one query; those that have gone are left out."""

    def query() -> dict[UUID, Head]:
        rows = Message.objects.filter(pk__in=replies).values_list("pk", "epoch", "seq", "status")
        return {pk: Head(epoch, seq, status) for pk, epoch, seq, status in rows.order_by()}

    return await in_thread(query)


async def load(reply: UUID) -> Message | None:
    """Return a reply with its citations and feedback."""

    def query() -> Message | None:
        return (
            Message.objects.filter(pk=reply)
            .select_related("feedback")
            .prefetch_related("citations")
            .first()
        )

    return await in_thread(query)


def queued_event(reply: UUID, epoch: int) -> ReplyStatus:
    """Return event 1 of an epoch."""
    return ReplyStatus(reply=reply, epoch=epoch, seq=QUEUED_SEQ, stage=Message.Status.QUEUED.value)


def last_event(row: Message) -> ReplyDone | ReplyFailed:
    """Return the event that ends the reply of `row`."""
    if row.status in (Message.Status.FAILED, Message.Status.INTERRUPTED):
        return ReplyFailed(row.pk, row.epoch, row.seq, row.error_json() or {})
    return ReplyDone(row.pk, row.epoch, row.seq, row.to_json())


def resync_event(row: Message) -> ReplyResync:
    """Return the whole text so far; of an ended reply, all but its last event."""
    return ReplyResync(
        reply=row.pk,
        epoch=row.epoch,
        seq=row.seq if row.is_open else row.seq - 1,
        text=row.content,
        status=row.status,
        citations=[citation.to_json() for citation in row.citations.all()],
    )
