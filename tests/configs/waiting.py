"""Wait for something that another process or thread does."""

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], bool], seconds: float = 3) -> None:
    """Return as soon as `condition` holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():  # nobody here could set an event
        assert time.monotonic() < deadline, "It did not happen in time."
        await asyncio.sleep(0.02)
