"""Starts the fake GLM server as a process of its own and steers it."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class FakeGlm:
    """A running server, seen from a test."""

    url: str
    pid: int

    @property
    def zhipu_url(self) -> str:
        """Return the base URL for the zhipuai SDK (`ZHIPUAI_BASE_URL`)."""
        return f"{self.url}/api/paas/v4/"

    @property
    def openai_url(self) -> str:
        """Return the base URL for OpenAI-compatible clients."""
        return f"{self.url}/v1/"

    def rule(self, match: str = "", **treatment: Any) -> None:
        """Treat calls whose last user message contains `match` so (see `rules.Rule`)."""
        httpx.post(f"{self.url}/control", json={"match": match, **treatment}).raise_for_status()

    def clear(self) -> None:
        """Forget rules and records."""
        httpx.delete(f"{self.url}/control").raise_for_status()

    def recorded(self) -> dict[str, Any]:
        """Return all that came: `calls` and `embeddings`."""
        answer = httpx.get(f"{self.url}/control/prompts", timeout=30).raise_for_status()
        return dict(answer.json())

    def calls(self, match: str = "", *, stream: bool | None = None) -> list[dict[str, Any]]:
        """Return the chat calls in whose messages `match` occurs, oldest first."""
        return [
            call
            for call in self.recorded()["calls"]
            if any(match in str(message.get("content", "")) for message in call["messages"])
            and stream in (None, call["stream"])
        ]


@contextlib.contextmanager
def running(*arguments: str, port: int = 0) -> Iterator[FakeGlm]:
    """Run a server; `arguments` are those of `python -m tests.fake_glm`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fake_glm", "--port", str(port), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("fake GLM on "):
            raise RuntimeError("The fake GLM server did not start.")
        yield FakeGlm(url=line.split()[-1], pid=process.pid)
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()
