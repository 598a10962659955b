"""The one event loop of a worker process, on which all its replies are streamed.

A thread per reply would cost a thread's switches for each token; here the tokens of all replies
meet on one loop, go out in one round trip every 40 ms and are checkpointed in one statement every
half second. The Celery thread of a reply only waits.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from django.db import Error as DatabaseError
from django.db import close_old_connections

from configs import providers, registry, runtime
from configs.errors import ClawError, ProviderTimeout
from configs.providers.base import Delta, Endpoint, Turn, Usage
from conversations import metrics
from conversations.answering import jobs
from conversations.protocol import Event
from conversations.streams import Outgoing, Publisher

T = TypeVar("T")
CLOSE_SECONDS: Final = 3.0
_UNSTORABLE: Final = {0: "\ufffd", **dict.fromkeys(range(0xD800, 0xE000), "\ufffd")}

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Written:
    """What came of asking the model."""

    endpoint: Endpoint | None = None
    usage: Usage | None = None
    error: ClawError | None = None
    estimated_prompt_tokens: int = 0


class Engine:
    """Runs the streams of a process; its methods are called from other threads."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name="replies", daemon=True)
        self._database = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._publisher: Publisher
        self._tasks: list[asyncio.Task[None]] = []
        self._thread.start()
        self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns on the loop."""
        return self._submit(work).result()

    def open(self, job: jobs.Job) -> Outgoing:
        """Begin to publish the events of a reply."""

        async def opened() -> Outgoing:
            outgoing = Outgoing(job.reply, job.epoch, job.seq - 1)
            self._publisher.open(outgoing)
            return outgoing

        return self.run(opened())

    def put(self, outgoing: Outgoing, event: type[Event], **fields: Any) -> None:
        """Publish an event at once."""
        self._loop.call_soon_threadsafe(partial(self._put, outgoing, event, fields))

    def write(
        self, outgoing: Outgoing, turns: Sequence[Turn], endpoints: Sequence[Endpoint]
    ) -> Written:
        """Stream a reply into `outgoing` until it ends, is stopped, or its claim is lost."""
        return self.run(self._write(outgoing, turns, endpoints))

    def settle(self, outgoing: Outgoing) -> tuple[int, str]:
        """Return the last event's number and the whole text, after all text became events."""

        async def settled() -> tuple[int, str]:
            outgoing.freeze()
            outgoing.settled = True
            return outgoing.checkpoint()

        return self.run(settled())

    def close(self, outgoing: Outgoing) -> None:
        """Publish what is left and forget the reply."""
        self.run(self._publisher.close(outgoing, patience_seconds=CLOSE_SECONDS))

    def stop(self) -> None:
        """End the loop and its thread; what is being written is left to the sweeper."""
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._database.shutdown()

    # --- On the loop --------------------------------------------------------------------------

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _begin(self) -> None:
        self._publisher = Publisher()
        self._tasks = [
            asyncio.create_task(self._publisher.run()),
            asyncio.create_task(self._checkpoints()),
        ]

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _put(self, outgoing: Outgoing, event: type[Event], fields: dict[str, Any]) -> None:
        outgoing.put(event, **fields)
        self._publisher.hurry(outgoing)

    async def _write(
        self, outgoing: Outgoing, turns: Sequence[Turn], endpoints: Sequence[Endpoint]
    ) -> Written:
        written = Written()
        stream = providers.stream_chat(turns, endpoints=endpoints)
        reading = asyncio.create_task(self._read(stream, outgoing, written))
        interrupted = asyncio.create_task(outgoing.interrupted.wait())
        metrics.RUNNING.inc()
        try:
            done, _ = await asyncio.wait(
                {reading, interrupted},
                # Celery's own limits do not reach work in threads.
                timeout=runtime.current().get(registry.ANSWERS_MINUTES) * 60,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done:
                written.error = ProviderTimeout()
        finally:
            metrics.RUNNING.dec()
            # Cancelling the task that reads is what closes the provider's connection.
            for task in (reading, interrupted):
                task.cancel()
            await asyncio.wait({reading, interrupted})
        if not reading.cancelled():
            reading.result()
        return written

    async def _read(
        self, stream: AsyncIterator[Delta], outgoing: Outgoing, written: Written
    ) -> None:
        """Feed the provider's stream to `outgoing`; note who spoke, what it cost, what failed."""
        try:
            async for delta in stream:
                written.endpoint = delta.endpoint or written.endpoint
                written.usage = delta.usage or written.usage
                if delta.text:
                    begins = not outgoing.has_text
                    outgoing.feed(delta.text.translate(_UNSTORABLE))
                    if begins:
                        self._publisher.hurry(outgoing)
        except ClawError as error:
            written.error = error

    async def _checkpoints(self) -> None:
        while True:
            await asyncio.sleep(runtime.current().get(registry.ANSWERS_CHECKPOINT_SECONDS))
            opened: list[Outgoing] = list(self._publisher)
            if opened:
                await self._checkpoint(opened)

    async def _checkpoint(self, opened: list[Outgoing]) -> None:
        points = [
            jobs.Checkpoint(each.reply, each.epoch, *each.checkpoint(), each.has_text)
            for each in opened
        ]
        try:
            held = await self._loop.run_in_executor(self._database, _store, points)
        except DatabaseError as error:
            logger.warning("Replies cannot be checkpointed: %s", error)
            return
        for outgoing in opened:
            if outgoing.reply not in held:
                if not outgoing.settled:  # a settled one was finished since
                    outgoing.lose()
            elif held[outgoing.reply] and not outgoing.stop_requested:
                outgoing.stop()


def _store(points: list[jobs.Checkpoint]) -> dict[Any, bool]:
    try:
        return jobs.checkpoint(points)
    finally:
        close_old_connections()


_engine: Engine | None = None
_starting = threading.Lock()


def current() -> Engine:
    """Return the engine of this process, started on first use."""
    global _engine  # noqa: PLW0603  # one a process, like the loop that it holds
    with _starting:
        if _engine is None:
            _engine = Engine()
        return _engine


def shut_down() -> None:
    """Stop the engine of this process, if it runs."""
    global _engine
    with _starting:
        engine, _engine = _engine, None
    if engine:
        engine.stop()
