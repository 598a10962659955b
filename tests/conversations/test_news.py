"""Doorbells: what changed is read once for all sockets that hear one."""

import asyncio
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connections

from conversations import news
from conversations.models import Conversation


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> "Reads":
    """Count the reads that are made."""
    made = Reads()
    in_thread = news.rows.in_thread

    async def counted(read: Any) -> Any:
        made.count += 1
        made.began.set()
        return await in_thread(read)

    monkeypatch.setattr(news.rows, "in_thread", counted)
    return made


class Reads:
    """How many reads were made, and whether one has begun."""

    def __init__(self) -> None:
        self.count = 0
        self.began = asyncio.Event()


def hear(user: Any, conversation: Any, times: int) -> list[dict[str, Any] | None]:
    """Have `times` sockets hear one doorbell."""
    message = {"type": "conversation.updated", "conversation": str(conversation)}

    async def all_of_them() -> list[bytes | None]:
        shared = news.current()
        return await asyncio.gather(*(shared.frame(user, message) for _ in range(times)))

    try:
        return [frame and orjson.loads(frame) for frame in asyncio.run(all_of_them())]
    finally:
        connections.close_all()


def test_frame__many_sockets_hear_one_doorbell__one_read(alice, conversation, reads):
    frames = hear(alice, conversation.pk, 30)
    assert reads.count == 1
    assert [frame["conversation"]["id"] for frame in frames] == [str(conversation.pk)] * 30


def test_frame__rung_during_a_read__read_again(alice, conversation, reads):
    message = {"type": "conversation.updated", "conversation": str(conversation.pk)}

    async def twice() -> list[bytes | None]:
        shared = news.current()
        first = asyncio.create_task(shared.frame(alice, message))
        await reads.began.wait()
        await asyncio.to_thread(Conversation.objects.update, title="newer")
        await asyncio.to_thread(connections.close_all)
        return [await shared.frame(alice, message), await first]

    newest = asyncio.run(twice())[0]
    assert newest is not None
    assert orjson.loads(newest)["conversation"]["title"] == "newer"


@pytest.mark.parametrize("person", ["bob", "olga"])
def test_frame__not_the_owner__nothing(conversation, person, request):
    assert hear(request.getfixturevalue(person), conversation.pk, 2) == [None, None]


def test_frame__nothing_there__nothing(alice):
    assert hear(alice, uuid4(), 1) == [None]
