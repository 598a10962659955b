"""Ring the uploader's doorbell when a document goes on; the row itself holds the truth."""

import logging
from uuid import UUID

import redis
from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)


def announce(document_id: UUID, user_id: UUID | None) -> None:
    """Tell the open pages of `user_id` to look at the document again; a dead Redis is no error."""
    layer = get_channel_layer()
    if layer is None or user_id is None:
        return
    event = {"type": "document.progress", "document": str(document_id)}
    try:
        async_to_sync(layer.group_send)(f"user.{user_id.hex}", event)
    except (redis.RedisError, OSError, ChannelFull) as error:
        logger.debug("The doorbell for document %s stayed silent: %r", document_id, error)
