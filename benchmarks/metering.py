"""Readings: when tokens came, what the processes used, and the figures made of both."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import psutil

from benchmarks.environment import percentile
from tests.fake_glm.answers import TOKEN
from tests.stack.machine import Machine

MARKER = re.compile(r"(?:direct|whole)\d+x\d+c\d+r\d+\.")


@dataclass(slots=True)
class Reply:
    """One question and when its tokens came; times are `time.monotonic()`."""

    marker: str
    asked: float = 0.0
    arrived: dict[int, float] = field(default_factory=dict)
    complete: bool = False

    def note(self, text: str) -> None:
        """Write down the arrival of the tokens in `text`."""
        now = time.monotonic()
        for number in TOKEN.findall(text):
            self.arrived.setdefault(int(number), now)

    def first_token_ms(self) -> float:
        """Return the time from the question to the first token."""
        return (min(self.arrived.values()) - self.asked) * 1000


@dataclass(slots=True)
class Meter:
    """Processor time and memory of the processes of the path."""

    machine: Machine
    postgres: psutil.Process
    before: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """Take the first reading."""
        self.before = self._cpu()

    def cpu_ms(self) -> dict[str, float]:
        """Return the milliseconds used since `start`, by process."""
        after = self._cpu()
        return {name: (after[name] - self.before[name]) * 1000 for name in after}

    def memory_mb(self) -> dict[str, float]:
        """Return resident memory by process; shared pages of PostgreSQL are not counted."""
        servers = {"redis": self._redis().memory_info().rss / 2**20}
        ours = {name: service.memory_mb() for name, service in self.machine.services.items()}
        return {name: round(value, 1) for name, value in (ours | servers).items()}

    def _redis(self) -> psutil.Process:
        return psutil.Process(self.machine.redis_server.pid())

    def _cpu(self) -> dict[str, float]:
        ours = {name: self.machine.services[name].cpu_seconds() for name in ("web", "answers")}
        redis = self._redis().cpu_times()
        return ours | {
            "redis": redis.user + redis.system,
            "postgresql": sum(map(_used, [self.postgres, *self.postgres.children()])),
        }


def _used(process: psutil.Process) -> float:
    """Return the processor time of a process and of its children that have ended."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def sent_times(machine: Machine) -> dict[str, dict[int, float]]:
    """Return, by marker, when the fake server sent which token."""
    sent: dict[str, dict[int, float]] = {}
    for call in machine.glm.recorded()["calls"]:
        question = str(call["messages"][-1]["content"])
        marker = MARKER.findall(question)[-1]
        first = int(TOKEN.findall(call["answer"])[0])
        sent[marker] = {first + place: at for place, at in enumerate(call["sent_at"])}
    return sent


def delays_ms(replies: Iterable[Reply], sent: dict[str, dict[int, float]]) -> list[float]:
    """Return for each token how long after its sending it arrived."""
    return [
        (at - sent[reply.marker][number]) * 1000
        for reply in replies
        for number, at in reply.arrived.items()
    ]


def summary(replies: list[Reply], machine: Machine, tokens: int) -> dict[str, Any]:
    """Return the figures of one run."""
    first = [reply.first_token_ms() for reply in replies if reply.arrived]
    delays = delays_ms(replies, sent_times(machine))
    return {
        "replies": len(replies),
        "failed": sum(1 for reply in replies if not reply.complete),
        "lost_tokens": sum(tokens - len(reply.arrived) for reply in replies),
        "first_token_ms": {"p50": percentile(first, 0.5), "p95": percentile(first, 0.95)},
        "delta_delay_ms": {
            "p50": percentile(delays, 0.5),
            "p95": percentile(delays, 0.95),
            "p99": percentile(delays, 0.99),
        },
    }
