"""How long a second `manage.py up` takes to be healthy, against the bare imports of its parts."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.environment import ROOT, about, save
from clawai import embedded
from clawai.embedded import state

RUNS = 3
PATIENCE_SECONDS = 180
IMPORTS = "import django, celery, uvicorn, rest_framework, redis, psycopg"


def baseline() -> float:
    """Return the seconds in which Python starts and imports the frameworks."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.monotonic() - begun


def healthy(data_dir: Path) -> bool:
    """Say whether `/readyz` finds everything in order."""
    try:
        url = state.read(data_dir)["public_url"]
        return httpx.get(f"{url}/readyz", timeout=2).json()["status"] == "ok"
    except (httpx.TransportError, KeyError, ValueError):
        return False


def start_and_stop(data_dir: Path) -> tuple[float, float]:
    """Return the seconds until everything is healthy, and those until everything has stopped."""
    given = ("DATABASE_URL", "REDIS_URL", "CLAWAI_PUBLIC_URL")
    env = {name: value for name, value in os.environ.items() if name not in given}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--port", "0"],
        cwd=ROOT,
        env=env | {"CLAWAI_DATA_DIR": str(data_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not healthy(data_dir):
            if process.poll() is not None or time.monotonic() - begun > PATIENCE_SECONDS:
                raise RuntimeError("`up` did not become healthy")
            time.sleep(0.02)
        started = time.monotonic() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
    return started, time.monotonic() - begun - started


def main() -> None:
    """Measure and keep the figures."""
    with tempfile.TemporaryDirectory(prefix="clawai-startup-") as place:
        data_dir = Path(place) / "data"
        first, _ = start_and_stop(data_dir)
        imports = sorted(baseline() for _ in range(RUNS))[RUNS // 2]
        seconds = sorted(start_and_stop(data_dir) for _ in range(RUNS))
        embedded.stop(data_dir)
    start, stop = seconds[RUNS // 2]
    figures = {
        "first_start_s": first,
        "second_start_s": start,
        "stop_s": stop,
        "imports_s": imports,
    }
    ratios = {"second start to healthy / bare imports of the frameworks": start / imports}
    save("startup", {"about": about(), "figures": figures, "ratios": ratios})


if __name__ == "__main__":
    main()
