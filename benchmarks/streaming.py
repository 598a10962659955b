"""What the durable path adds to a streamed reply, against the same server asked directly."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.environment import ROOT, about, save
from benchmarks.metering import Meter, Reply, summary
from clawai import embedded
from clawai.embedded import postgresql, state
from tests.stack.machine import API_KEY, Machine, stack
from tests.stack.people import Person, signed_in
from tests.stack.tab import Tab, open_tab

FIRST_TOKEN_MS = 200
TOKENS_PER_SECOND = 25
TOKENS = 50
LONG_TOKENS = 250
REPLY_SECONDS = FIRST_TOKEN_MS / 1000 + TOKENS / TOKENS_PER_SECOND
ROUNDS = {1: 8, 10: 4, 50: 3, 100: 3}
SETTINGS = {"CLAWAI_ANSWERS_PER_USER": "100", "CLAWAI_ANSWERS_TITLES": "false"}
console = Console()


@dataclass(slots=True)
class Load:
    """`concurrent` clients that ask one question after the other."""

    concurrent: int
    rounds: int
    tokens: int

    def markers(self, way: str) -> list[list[str]]:
        """Return a word for each question: one list a client."""
        name = f"{way}{self.concurrent}x{self.tokens}"
        return [[f"{name}c{c}r{r}." for r in range(self.rounds)] for c in range(self.concurrent)]

    async def run(
        self, way: str, client: Callable[[int, list[Reply]], Awaitable[None]]
    ) -> list[Reply]:
        """Run all clients, their starts spread over the length of one reply."""
        replies = [[Reply(marker) for marker in markers] for markers in self.markers(way)]

        async def later(number: int) -> None:
            await asyncio.sleep(number * REPLY_SECONDS / self.concurrent)
            await client(number, replies[number])

        await asyncio.gather(*(later(number) for number in range(self.concurrent)))
        return [reply for ofone in replies for reply in ofone]


# --- The two ways ------------------------------------------------------------------------------


async def directly(machine: Machine, load: Load) -> list[Reply]:
    """Ask the server itself."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    url = f"{machine.glm.zhipu_url}chat/completions"
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def client(_number: int, replies: list[Reply]) -> None:
            for reply in replies:
                messages = [{"role": "user", "content": f"benchmark {reply.marker}"}]
                reply.asked = time.monotonic()
                body = {"model": "glm-4-plus", "messages": messages, "stream": True}
                async with session.post(url, json=body) as response:
                    async for line in response.content:
                        _note_line(reply, line)

        return await load.run("direct", client)


def _note_line(reply: Reply, line: bytes) -> None:
    if line.startswith(b"data: [DONE]"):
        reply.complete = True
    elif line.startswith(b"data: "):
        reply.note(orjson.loads(line[6:])["choices"][0]["delta"].get("content", ""))


async def through_all(person: Person, load: Load, meter: Meter) -> list[Reply]:
    """Ask over the WebSocket: PostgreSQL, Celery, worker, Redis Stream and back.

    The meter starts once conversations and sockets are open.
    """
    rooms = [
        [person.conversation(title="Load") for _ in range(load.rounds)]
        for _ in range(load.concurrent)
    ]
    async with _tabs(person, load.concurrent) as tabs:

        async def client(number: int, replies: list[Reply]) -> None:
            for reply, room in zip(replies, rooms[number], strict=True):
                await _ask(tabs[number], room, reply)

        meter.start()
        return await load.run("whole", client)


class _tabs:  # noqa: N801
    """Opens many sockets at once, and closes them."""

    def __init__(self, person: Person, count: int) -> None:
        self._managers = [open_tab(person) for _ in range(count)]

    async def __aenter__(self) -> list[Tab]:
        return list(await asyncio.gather(*(m.__aenter__() for m in self._managers)))

    async def __aexit__(self, *error: object) -> None:
        await asyncio.gather(*(m.__aexit__(None, None, None) for m in self._managers))


async def _ask(tab: Tab, conversation: str, reply: Reply) -> None:
    reply.asked = time.monotonic()
    await tab.send(
        type="message.send",
        conversation=conversation,
        client_id=reply.marker,
        content=f"benchmark {reply.marker}",
        knowledge_bases=[],
    )
    while True:
        frame = await tab.receive(60)
        if frame["type"] == "reply.delta":
            reply.note(frame["text"])
        elif frame["type"] in ("reply.done", "reply.failed", "error"):
            reply.complete = frame["type"] == "reply.done"
            return


async def measure(machine: Machine, person: Person, meter: Meter, load: Load) -> dict[str, Any]:
    """Return baseline and whole path at one number of concurrent replies."""
    machine.glm.clear()
    machine.glm.rule("benchmark", tokens=load.tokens)
    baseline = summary(await directly(machine, load), machine, load.tokens)
    machine.glm.clear()
    machine.glm.rule("benchmark", tokens=load.tokens)
    replies = await through_all(person, load, meter)
    cpu = meter.cpu_ms()
    whole = summary(replies, machine, load.tokens)
    thousands = sum(len(reply.arrived) for reply in replies) / 1000
    return {
        "concurrent": load.concurrent,
        "tokens_per_reply": load.tokens,
        "direct": baseline,
        "whole_path": whole,
        "added_first_token_ms": {
            share: whole["first_token_ms"][share] - baseline["first_token_ms"]["p50"]
            for share in ("p50", "p95")
        },
        "cpu_ms_per_1000_tokens": {name: used / thousands for name, used in cpu.items()},
        "cpu_ms_per_ask_all_in": sum(cpu.values()) / len(replies),
        "memory_mb": meter.memory_mb(),
    }


def costs(short: dict[str, Any], long: dict[str, Any]) -> dict[str, float]:
    """Take the cost of an ask and of a token apart, from replies of two lengths.

    CPU of web, worker and Redis; PostgreSQL counts into the ask.
    """
    few, many = short["tokens_per_reply"], long["tokens_per_reply"]
    slope = (long["cpu_ms_per_ask_all_in"] - short["cpu_ms_per_ask_all_in"]) / (many - few)
    return {
        "cpu_ms_per_ask": short["cpu_ms_per_ask_all_in"] - slope * few,
        "cpu_ms_per_1000_tokens_alone": slope * 1000,
    }


# --- The run -------------------------------------------------------------------------------------


async def run(machine: Machine, levels: list[int]) -> dict[str, Any]:
    """Measure every level, and at 50 the cost of longer replies."""
    server = postgresql.Server(_data_dir(), durable=True)
    meter = Meter(machine, psutil.Process(server.pid()))
    idle = meter.memory_mb()
    results: list[dict[str, Any]] = []
    loads = [Load(level, ROUNDS.get(level, 3), TOKENS) for level in levels]
    loads.append(Load(min(50, max(levels)), 1, LONG_TOKENS))
    with signed_in(machine.url, "alice") as alice, Progress(console=console) as progress:
        await through_all(alice, Load(2, 1, TOKENS), meter)  # warm up: imports, pools, plans
        task = progress.add_task("streaming", total=len(loads))
        for load in loads:
            progress.update(task, description=f"{load.concurrent} at once, {load.tokens} tokens")
            results.append(await measure(machine, alice, meter, load))
            progress.advance(task)
    short = next(r for r in results if r["concurrent"] == results[-1]["concurrent"])
    return {
        "levels": results[:-1],
        "long": results[-1],
        "costs": costs(short, results[-1]),
        "idle_memory_mb": idle,
    }


def ratios(result: dict[str, Any]) -> dict[str, float]:
    """Return what the runner shows."""
    return {
        f"time to first token against direct, {level['concurrent']} at once": _first(
            level["whole_path"]
        )
        / _first(level["direct"])
        for level in result["levels"]
    }


def _first(figures: dict[str, Any]) -> float:
    return float(figures["first_token_ms"]["p50"])


def show(result: dict[str, Any]) -> None:
    """Print one line a level."""
    table = Table(
        "at once",
        "added to first token p50 / p95",
        "delta delay p50 / p95",
        "CPU-ms / 1,000 tokens",
        "lost",
        "failed",
    )
    for level in [*result["levels"], result["long"]]:
        added, delay = level["added_first_token_ms"], level["whole_path"]["delta_delay_ms"]
        cpu = level["cpu_ms_per_1000_tokens"]
        parts = ", ".join(f"{name} {ms:.0f}" for name, ms in cpu.items())
        table.add_row(
            f"{level['concurrent']} × {level['tokens_per_reply']}",
            f"{added['p50']:.0f} / {added['p95']:.0f} ms",
            f"{delay['p50']:.0f} / {delay['p95']:.0f} ms",
            f"{sum(cpu.values()):.0f} ({parts})",
            str(level["whole_path"]["lost_tokens"]),
            str(level["whole_path"]["failed"]),
        )
    console.print(table)
    console.print({name: round(value, 1) for name, value in result["costs"].items()})
    console.print("memory, MB:", result["levels"][-1]["memory_mb"])


def _data_dir() -> Path:
    return Path(os.environ.get("CLAWAI_BENCH_DATA_DIR", ROOT / ".clawai-bench")).resolve()


def main() -> None:
    """Start the stack, measure, write the figures down and stop the stack."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 10, 50, 100])
    levels = parser.parse_args().levels
    # The stack stops with us, however we are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    facts = about()
    state.prepare(_data_dir())
    server = embedded.start(_data_dir()).database_url
    pace = ("--first-token-ms", str(FIRST_TOKEN_MS), "--tokens-per-second", str(TOKENS_PER_SECOND))
    try:
        with stack(
            _data_dir() / "streaming",
            server,
            name="clawai_bench",
            glm=pace,
            settings=SETTINGS,
            durable=True,
        ) as machine:
            result = asyncio.run(run(machine, levels))
    finally:
        embedded.stop(_data_dir())
    path = save("streaming", facts | {"load": _load()} | result | {"ratios": ratios(result)})
    show(result)
    console.print(f"written to {path}")


def _load() -> dict[str, Any]:
    return {
        "first_token_ms": FIRST_TOKEN_MS,
        "tokens_per_second": TOKENS_PER_SECOND,
        "tokens": TOKENS,
        "starts": "spread over one reply's length; each client asks again at its end",
        "path": "WebSocket, PostgreSQL with fsync, Celery, Redis Stream, WebSocket; conversations "
        "have a name, nothing is retrieved",
    }


if __name__ == "__main__":
    main()
