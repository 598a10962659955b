"""Faults and scripts: which call gets which treatment, and the record of what happened to it."""

import time
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(slots=True)
class Rule:
    """How calls whose last user message contains `match` are treated; positions count from 0."""

    match: str = ""
    times: int | None = None
    tokens: int | None = None
    text: str | None = None
    first_token_ms: float | None = None
    tokens_per_second: float | None = None
    status: int = 200
    retry_after: int | None = None
    html: bool = False
    hang_at: int | None = None
    close_at: int | None = None
    reset: bool = False
    error_at: int | None = None
    duplicate_at: int | None = None
    split_bytes: bool = False
    done: bool = True
    echo_key: bool = False

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Build a rule; an unknown name is an error, so that a typo cannot pass for a fault."""
        known = {f.name for f in fields(cls)}
        if unknown := set(data) - known:
            raise ValueError(f"unknown in a rule: {sorted(unknown)}")
        return cls(**data)


@dataclass(slots=True)
class Call:
    """One request for a chat completion and what became of it; times are `time.monotonic()`."""

    number: int
    path: str
    authorization: str
    model: str
    stream: bool
    messages: list[dict[str, Any]]
    answer: str = ""
    sent: str = ""
    sent_at: list[float] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    outcome: str = "running"

    def finish(self, outcome: str) -> None:
        """Note the end: `complete`, `faulted`, or `closed_by_client`; the first one stands."""
        if self.ended is None:
            self.ended, self.outcome = time.monotonic(), outcome

    def as_json(self) -> dict[str, Any]:
        """Return the record as `GET /control/prompts` answers it."""
        return asdict(self)


class Book:
    """The rules in force and the calls that came."""

    def __init__(self, default: Rule) -> None:
        self.default = default
        self.rules: list[Rule] = []
        self.calls: list[Call] = []
        self.embedding_calls: list[dict[str, Any]] = []
        self.rerank_calls: list[dict[str, Any]] = []

    def clear(self) -> None:
        """Forget all rules and records."""
        self.rules, self.calls, self.embedding_calls, self.rerank_calls = [], [], [], []

    def take(self, question: str) -> Rule:
        """Return the newest rule that fits and is not used up, filled up from the defaults."""
        for rule in reversed(self.rules):
            if rule.match in question and rule.times != 0:
                if rule.times is not None:
                    rule.times -= 1
                return self._filled(rule)
        return self._filled(self.default)

    def _filled(self, rule: Rule) -> Rule:
        given = {f.name: getattr(rule, f.name) for f in fields(rule)}
        gaps = {
            name
            for name in ("tokens", "first_token_ms", "tokens_per_second")
            if given[name] is None
        }
        return Rule(**given | {name: getattr(self.default, name) for name in gaps})
