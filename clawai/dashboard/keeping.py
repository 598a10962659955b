"""Keep the figures for some seconds, so that many who look at once count once."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from django.core.cache import cache

from clawai.dashboard import figures
from clawai.dashboard.figures import Figures
from clawai.dashboard.periods import Period
from conversations.streams import UNREACHABLE

FRESH_SECONDS: Final = 15
OLDEST_SECONDS: Final = 30
"""So old may be what is shown while somebody else counts anew."""
COUNTING_SECONDS: Final = 10
LOOKS: Final = 20
PAUSE_SECONDS: Final = 0.05


def read(period: Period, count: Callable[[Period], Figures] = figures.count) -> Figures:
    """Return the figures, half a minute old at most; without the cache they are counted."""
    try:
        return _read(period, count)
    except UNREACHABLE:
        return count(period)


def _read(period: Period, count: Callable[[Period], Figures]) -> Figures:
    key = f"dashboard:{period.key}"
    kept = _kept(key)
    if kept and kept["age"] < FRESH_SECONDS:
        return Figures(**kept["figures"])
    if cache.add(f"{key}:counting", 1, COUNTING_SECONDS):
        return _count(key, period, count)
    for _look in range(LOOKS):
        if kept := _kept(key):
            return Figures(**kept["figures"])
        time.sleep(PAUSE_SECONDS)
    return count(period)


def _kept(key: str) -> dict[str, Any] | None:
    kept = cache.get(key)
    if not kept:
        return None
    return {"age": time.time() - kept["at"], "figures": kept["figures"]}


def _count(key: str, period: Period, count: Callable[[Period], Figures]) -> Figures:
    try:
        counted = count(period)
        cache.set(key, {"at": time.time(), "figures": asdict(counted)}, OLDEST_SECONDS)
    finally:
        cache.delete(f"{key}:counting")
    return counted
