"""What doorbells are about: read with a person's rights, once for all sockets that hear one."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from accounts.models import User
from conversations import protocol
from conversations.models import Conversation
from conversations.streams import rows
from knowledge.models import Document

Key = tuple[UUID, str, str]
Frame = bytes | None


class News:
    """Reads for all sockets of an event loop.

    Sockets of one person that hear the same doorbell share a read. One that rings while a read is
    under way may tell of something newer, and is answered by the next read.
    """

    def __init__(self) -> None:
        self._waiting: dict[Key, asyncio.Task[Frame]] = {}
        self._running: dict[Key, asyncio.Task[Frame]] = {}

    async def frame(self, user: User, message: Mapping[str, str]) -> Frame:
        """Return the frame to send, or nothing when the person may not see what changed."""
        name, read = _READERS.get(message["type"], ("", None))
        if read is None:
            return None
        key = user.pk, name, message[name]
        if key not in self._waiting:
            work = self._read(key, partial(read, user, message[name]), self._running.get(key))
            self._waiting[key] = asyncio.create_task(work)
        return await asyncio.shield(self._waiting[key])

    async def _read(
        self,
        key: Key,
        read: Callable[[], protocol.ServerFrame | None],
        before: "asyncio.Task[Frame] | None",
    ) -> Frame:
        if before:
            await asyncio.wait({before})
        self._running[key] = self._waiting.pop(key)
        try:
            frame = await rows.in_thread(read)
        finally:
            del self._running[key]
        return protocol.encode(frame) if frame else None


def _document_progress(user: User, document: str) -> protocol.DocumentProgress | None:
    row = Document.objects.visible_to(user).filter(pk=document).first()
    if row is None:
        return None
    return protocol.DocumentProgress(row.pk, row.status, row.progress, row.error or None)


def _conversation_updated(user: User, conversation: str) -> protocol.ConversationUpdated | None:
    rows = Conversation.objects.visible_to(user).prefetch_related("knowledge_bases")
    row = rows.filter(pk=conversation).first()
    return protocol.ConversationUpdated(row.to_json()) if row else None


_READERS: Final[Mapping[str, tuple[str, Callable[[User, str], protocol.ServerFrame | None]]]] = {
    "document.progress": ("document", _document_progress),
    "conversation.updated": ("conversation", _conversation_updated),
}
_news: WeakKeyDictionary[asyncio.AbstractEventLoop, News] = WeakKeyDictionary()


def current() -> News:
    """Return the news of the running event loop."""
    return _news.setdefault(asyncio.get_running_loop(), News())
