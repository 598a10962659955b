"""A fake model, a worker in threads, and clients that keep account of what they are shown."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import redis
from django.db import connections

from accounts.models import User
from configs import runtime
from configs.models import ModelEndpoint, PromptTemplate
from configs.providers.fake import CALLS
from conversations import services, streams
from conversations.answering import engine, pipeline
from conversations.models import Conversation, Message
from conversations.streams import connection
from tests.stack.ledger import Ledger
from tests.steering import put

Script = Callable[..., None]


@pytest.fixture
def script(transactional_db: None) -> Iterator[Script]:
    """Set what the fake model says; see `FakeChat`."""
    PromptTemplate.objects.get_or_create(
        name="answer", defaults={"text": "You are {name}. {date}\n{passages}"}
    )
    PromptTemplate.objects.get_or_create(name="title", defaults={"text": "{question}{answer}"})
    ModelEndpoint.objects.all().delete()

    def play(**parameters: Any) -> None:
        put(
            ModelEndpoint,
            name="fake-chat",
            changes={
                "kind": "chat",
                "provider": "fake",
                "model": "fake-1",
                "parameters": parameters,
            },
        )
        runtime.forget()
        runtime.refresh()

    play()
    yield play
    CALLS.clear()


@pytest.fixture
def broker(wiped_redis: redis.Redis) -> Iterator[redis.Redis]:
    """An empty Redis; the process's clients are closed afterwards."""
    yield wiped_redis
    connection.threads().close()
    connection.threads.cache_clear()


@pytest.fixture
def worker(script: Script, broker: redis.Redis) -> Iterator["Worker"]:
    """A worker like Celery's, with a thread for each reply."""
    made = Worker()
    yield made
    made.close()


class Worker:
    """Writes replies in threads, on one engine."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=32)
        self._started: list[Future[Any]] = []

    def write(self, reply: UUID) -> Future[Any]:
        """Begin to write a reply."""

        def run() -> Any:
            try:
                return pipeline.answer(reply)
            finally:
                connections.close_all()

        self._started.append(self._threads.submit(run))
        return self._started[-1]

    def close(self) -> None:
        """Wait for what runs, and end the engine."""
        self._threads.shutdown()
        engine.shut_down()


@pytest.fixture
def conversation(transactional_db: None, alice: User) -> Conversation:
    return services.create_conversation(user=alice)


@pytest.fixture
def ask(broker: redis.Redis, alice: User, conversation: Conversation) -> Callable[..., Message]:
    """Ask as alice and return the reply's row; nobody is nudged but the empty broker."""

    def make(content: str = "Why?", **fields: Any) -> Message:
        fields = {"client_id": uuid4().hex, "knowledge_bases": []} | fields
        given = {"user": alice, "conversation": conversation.pk, "content": content} | fields
        return services.ask(**given)[1]

    return make


def eventually(condition: Callable[[], Any], *, seconds: float = 10) -> Any:
    """Return what `condition` answers once it is true."""
    give_up = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.01)
    return found


class Client:
    """Follows one reply on an event loop of its own, and keeps account."""

    def __init__(self, reply: UUID, *, epoch: int = 1, after: int = 0, text: str = "") -> None:
        self.ledger = Ledger(str(reply))
        self.raw: list[bytes] = []
        if after:
            self.ledger.epoch, self.ledger.seq, self.ledger.text = epoch, after, text
        self._thread = threading.Thread(target=self._run, args=(reply, epoch, after))
        self._error: BaseException | None = None
        self._thread.start()

    def end(self, *, seconds: float = 20) -> Ledger:
        """Wait for the reply's end and return the account."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"still following after {self.ledger.frames[-3:]}"
        if self._error:
            raise self._error
        return self.ledger

    def _run(self, reply: UUID, epoch: int, after: int) -> None:
        try:
            asyncio.run(self._follow(reply, epoch, after))
        except BaseException as error:  # noqa: BLE001  # raised again in the test's thread
            self._error = error

    async def _follow(self, reply: UUID, epoch: int, after: int) -> None:
        async for frame in streams.follow(reply, epoch=epoch, after=after):
            self.raw.append(frame)
            self.ledger.note(orjson.loads(frame))
