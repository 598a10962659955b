"""How long a published setting takes to be in force in every process: by doorbell, and by poll."""

import argparse
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.environment import ROOT, about, percentile, save
from clawai import embedded
from clawai.embedded import processes, state
from tests.stack.machine import Machine, commands, stack
from tests.stack.operator import Operator, Published
from tests.stack.service import Service, wait_until

KEY = "retrieval.top_k"
TARGET_SECONDS = 2.0
DEAD_REDIS = "redis://127.0.0.1:9/0"
console = Console()


def add_second_web(machine: Machine) -> None:
    """Start another web process beside the first."""
    command = commands(processes.free_port())["web"]
    log = machine.data_dir / "logs" / "web2.log"
    machine.services["web2"] = Service("web2", command, machine.env, log)
    machine.services["web2"].start()


def in_force(machine: Machine) -> dict[int, tuple[str, int, float]]:
    """Return by process id its name, its release, and since when it runs it."""
    with machine.database() as connection:
        rows = connection.execute(
            "SELECT pid, name, config_version, extract(epoch FROM in_force_at)::float"
            " FROM configs_runningprocess"
        ).fetchall()
    return {pid: (name, version, since) for pid, name, version, since in rows}  # type: ignore[misc]


def delays(machine: Machine, done: Published) -> list[tuple[str, float]]:
    """Wait until every process runs the release; return how long after the commit each did."""
    wanted = {service.pid for service in machine.services.values()}

    def there() -> bool:
        now = in_force(machine)
        return wanted <= set(now) and all(now[pid][1] >= done.version for pid in wanted)

    wait_until(there, f"v{done.version} did not come everywhere", timeout_seconds=10)
    return [
        (name, since - done.committed)
        for pid, (name, _version, since) in in_force(machine).items()
        if pid in wanted
    ]


def measure(machine: Machine, operator: Operator, count: int, how: str) -> dict[str, Any]:
    """Publish `count` times, at moments that have nothing to do with the poll's."""
    found: list[tuple[str, float]] = []
    last: list[float] = []
    for number in track(range(count), description=how, console=console):
        time.sleep(random.uniform(0.05, 1.05))
        each = delays(machine, operator.publish(KEY, 5 + number % 10))
        found += each
        last.append(max(delay for _, delay in each))
    return {
        "releases": count,
        "readings": len(found),
        "each_process": figures([delay for _, delay in found]),
        "last_process": figures(last),
        "by_process": {
            name: figures([delay for of, delay in found if of == name])
            for name in sorted({of for of, _ in found})
        },
    }


def figures(seconds: list[float]) -> dict[str, float]:
    """Return p50, p95 and the greatest, in milliseconds."""
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "max_ms": 1.0}
    return {name: round(percentile(seconds, share) * 1000, 1) for name, share in shares.items()}


def run(machine: Machine, count: int) -> dict[str, Any]:
    """Measure with and without the doorbell."""
    add_second_web(machine)
    wait_until(lambda: len(in_force(machine)) == len(machine.services), "not all processes run")
    with Operator(machine.env) as operator:
        operator.publish(KEY, 4)
        with_bell = measure(machine, operator, count, "doorbell and poll")
    with Operator(machine.env | {"REDIS_URL": DEAD_REDIS}) as operator:
        operator.publish(KEY, 4)
        without = measure(machine, operator, count, "poll alone")
    return {"doorbell": with_bell, "poll": without}


def show(result: dict[str, Any]) -> None:
    """Print one line a way."""
    table = Table("way", "each process p50 / p95 / max", "last process p50 / p95 / max")
    for way in ("doorbell", "poll"):
        parts = [result[way][of] for of in ("each_process", "last_process")]
        table.add_row(way, *(" / ".join(f"{value:.0f}" for value in p.values()) for p in parts))
    console.print(table)


def main() -> None:
    """Start the stack, measure, write the figures down and stop the stack."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.propagation", description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    count = parser.parse_args().count
    # The stack stops with us, however we are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    facts = about()
    place = Path(os.environ.get("CLAWAI_BENCH_DATA_DIR", ROOT / ".clawai-bench")).resolve()
    state.prepare(place)
    server = embedded.start(place).database_url
    try:
        with stack(place / "propagation", server, name="clawai_bench", durable=True) as machine:
            names = {"processes": [*machine.services, "web2"]}
            result = names | run(machine, count)
    finally:
        embedded.stop(place)
    slowest = result["poll"]["last_process"]["p95_ms"] / 1000
    result |= {
        "target_seconds": TARGET_SECONDS,
        "met": slowest < TARGET_SECONDS,
        "ratios": {
            "p95 until the last process, doorbell against poll alone": result["doorbell"][
                "last_process"
            ]["p95_ms"]
            / result["poll"]["last_process"]["p95_ms"]
        },
    }
    show(result)
    console.print(f"written to {save('propagation', facts | result)}")


if __name__ == "__main__":
    main()
