"""Run the parts one after the other and show their ratios: `python -m benchmarks [part …]`."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.environment import RESULTS, ROOT

PARTS = (
    "startup", "config_read", "propagation", "retrieval", "vectors", "ingest", "streaming",
)  # fmt: skip
console = Console()


def available() -> list[str]:
    """Return the parts whose module is there, in order of running."""
    return [part for part in PARTS if (ROOT / "benchmarks" / f"{part}.py").exists()]


def run(part: str) -> bool:
    """Run one part as a process of its own; say whether it succeeded."""
    console.rule(f"[bold]{part}")
    begun = time.monotonic()
    command = [sys.executable, "-m", f"benchmarks.{part}"]
    done = subprocess.run(command, cwd=ROOT, check=False)
    outcome = "done" if done.returncode == 0 else f"[red]failed ({done.returncode})"
    console.print(f"{part}: {outcome} in {time.monotonic() - begun:.0f} s")
    return done.returncode == 0


def show(parts: list[str]) -> None:
    """Print the ratios of all result files of `parts`."""
    table = Table("part", "ratio", "value", title="Ratios against the baseline of the same run")
    for part in parts:
        for path in sorted(Path(RESULTS).glob(f"{part}*.json")):
            for sentence, value in json.loads(path.read_text()).get("ratios", {}).items():
                table.add_row(path.stem, sentence, f"{value:.4g}")
    console.print(table)


def main() -> int:
    """Return the exit status: 1 when a part failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[[], *available()], help="all when none is named"
    )
    parts = parser.parse_args().parts or available()
    fine = [run(part) for part in parts]
    show(parts)
    return 0 if all(fine) else 1


sys.exit(main())
