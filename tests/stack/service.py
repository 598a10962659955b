"""One process of the stack: started, killed and started again by its own id."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


class Service:
    """A long-running command with its log; it may die and be started again."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], log: Path) -> None:
        self.name, self.command, self.env, self.log = name, command, env, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process id of the running command."""
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._process.pid

    def start(self) -> None:
        """Start the command in a session of its own; its output is added to the log."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def alive(self) -> bool:
        """Say whether the command still runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a crash does: SIGKILL to the process and its children."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)

    def stop(self) -> None:
        """End it as an operator does: SIGTERM, and SIGKILL when that is not heard in 15 s."""
        self.ask_to_stop()
        try:
            if self._process is not None:
                self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.kill()

    def ask_to_stop(self) -> None:
        """Send SIGTERM and go on."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def pause(self) -> contextlib.AbstractContextManager[None]:
        """Hold the process still for the length of a `with` block."""
        return _paused(self.pid)

    def cpu_seconds(self) -> float:
        """Return the processor time that the process and its children have used."""
        times = [p.cpu_times() for p in self._family()]
        return sum(t.user + t.system for t in times)

    def memory_mb(self) -> float:
        """Return the resident memory of the process and its children."""
        return sum(p.memory_info().rss for p in self._family()) / 2**20

    def last_words(self, lines: int = 25) -> str:
        """Return the end of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _family(self) -> list[psutil.Process]:
        process = psutil.Process(self.pid)
        return [process, *process.children(recursive=True)]


@contextlib.contextmanager
def _paused(pid: int):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_until(ready: Callable[[], object], what: str, *, timeout_seconds: float = 30) -> None:
    """Return when `ready()` holds; raise with `what` when it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {timeout_seconds} s")
        time.sleep(0.05)
