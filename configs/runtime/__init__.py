"""What this process runs with: a frozen snapshot of settings, prompts and endpoints, kept live."""

from configs.runtime.building import build, endpoint_of, locked_by
from configs.runtime.live import (
    current,
    forget,
    install,
    pinned,
    refresh,
    ring,
    start,
    stop,
)
from configs.runtime.snapshot import FreeKey, Prompt, Snapshot, Source

__all__ = [
    "FreeKey",
    "Prompt",
    "Snapshot",
    "Source",
    "build",
    "current",
    "endpoint_of",
    "forget",
    "install",
    "locked_by",
    "pinned",
    "refresh",
    "ring",
    "start",
    "stop",
]
