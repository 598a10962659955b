"""Publish, follow and stop the stream of a reply's events."""

from conversations.streams.connection import UNREACHABLE
from conversations.streams.follower import follow
from conversations.streams.hub import TooSlow
from conversations.streams.publisher import Outgoing, Publisher

__all__ = ["UNREACHABLE", "Outgoing", "Publisher", "TooSlow", "follow"]
