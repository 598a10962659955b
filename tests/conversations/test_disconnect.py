"""A socket that goes away takes its tasks with it, also those that are hard to end."""

import asyncio

import pytest
from channels.exceptions import StopConsumer

from conversations.consumers import ChatConsumer


async def stubborn() -> None:
    """Swallow the first cancellation, as a connection does that fails in the same moment."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(60)


async def test_disconnect__a_task_that_swallows_a_cancellation__ends_all_the_same() -> None:
    consumer = ChatConsumer()
    task = consumer._start(stubborn())
    await asyncio.sleep(0)
    with pytest.raises(StopConsumer):
        await asyncio.wait_for(consumer.websocket_disconnect({}), 5)
    assert task.cancelled()
