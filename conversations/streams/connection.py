"""Connections to Redis: one for threads, and one kind for event loops."""

from functools import lru_cache
from typing import Final

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

UNREACHABLE: Final = (RedisError, OSError, TimeoutError)
"""What a Redis that is away or in trouble raises."""

Refused = ResponseError
"""What Redis raises when it does not take a command, such as an event number that is taken."""

CONNECT_SECONDS: Final = 1
REPLY_SECONDS: Final = 2


@lru_cache(maxsize=1)
def threads() -> redis.Redis:
    """Return the client that the threads of this process share."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=REPLY_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )


def loop(*, reply_seconds: float | None = REPLY_SECONDS) -> redis.asyncio.Redis:
    """Return a new client for the running event loop; `None` waits for an answer without end."""
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=reply_seconds,
        retry=AsyncRetry(NoBackoff(), 1),
    )
