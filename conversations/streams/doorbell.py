"""Tell a person's open pages that something changed; they read it again with their own rights."""

import logging

from channels.layers import get_channel_layer

from conversations.streams.connection import UNREACHABLE

logger = logging.getLogger(__name__)


def group(user_id: object) -> str:
    """Return the name of the group of a person's sockets."""
    return f"user.{getattr(user_id, 'hex', user_id)}"


async def ring(user_id: object, message: dict[str, str]) -> None:
    """Send a small message to all sockets of a person; without Redis nobody hears it."""
    try:
        await get_channel_layer().group_send(group(user_id), message)
    except UNREACHABLE as error:
        logger.info("A doorbell was not heard: %s", error)
