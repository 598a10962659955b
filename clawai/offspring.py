"""One child of the supervisor: forked, named, its output read line by line."""

import ctypes
import gc
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from clawai.embedded import processes, state

PROCESSES_FILE = "processes.json"
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
SETTLED_SECONDS = 60
LONGEST_PAUSE_SECONDS = 30
READ_BYTES = 65_536


@dataclass(slots=True)
class Child:
    """A process that is kept alive: what it runs, and how it fares."""

    name: str
    run: Callable[[], None]
    pid: int = 0
    output: int = -1
    started_at: float = 0.0
    due_at: float = 0.0
    failures: int = 0
    last_line: str = ""
    _rest: bytes = field(default=b"", repr=False)

    def start(self) -> None:
        """Fork the process. It dies with this one, and no Ctrl-C reaches it directly."""
        parent = os.getpid()
        self.output, writer = os.pipe()
        gc.freeze()  # what is shared so far stays shared: collecting would touch every page
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.output)
            self._live(writer, parent)
        gc.unfreeze()
        os.close(writer)
        os.set_blocking(self.output, False)
        self.started_at = time.monotonic()

    def _live(self, writer: int, parent: int) -> None:
        code = 1
        try:
            os.setsid()
            state.leave_claim_to_parent()
            _tie_to(parent, self.name)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            for stream in (1, 2):
                os.dup2(writer, stream)
            self.run()
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        except BaseException:  # noqa: BLE001 - a child ends here, whatever it was
            traceback.print_exc()
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def lines(self) -> Iterator[str]:
        """Yield the whole lines that it has written since."""
        while self.output >= 0:
            try:
                data = os.read(self.output, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._close()
            *whole, self._rest = (self._rest + data).split(b"\n")
            if not data and self._rest:
                whole, self._rest = [*whole, self._rest], b""
            for line in filter(None, (each.decode(errors="replace").rstrip() for each in whole)):
                self.last_line = line
                yield line

    def _close(self) -> None:
        os.close(self.output)
        self.output = -1

    def reap(self) -> bool:
        """Say whether it has ended since the last look; then work out when it is due again."""
        if not self.pid:
            return False
        ended, _ = os.waitpid(self.pid, os.WNOHANG)
        if not ended:
            return False
        self.pid = 0
        settled = time.monotonic() - self.started_at > SETTLED_SECONDS
        self.failures = 1 if settled else self.failures + 1
        pause = min(0.25 * 2**self.failures, LONGEST_PAUSE_SECONDS)
        self.due_at = time.monotonic() + pause
        return True

    def signal(self, number: int) -> None:
        """Send it `number` if it lives."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _tie_to(parent: int, name: str) -> None:
    """Ask Linux to end this process with its parent, and to show `name` in lists."""
    if not sys.platform.startswith("linux"):
        return
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_NAME, f"clawai-{name}".encode(), 0, 0, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def record(data_dir: Path, children: Iterable[Child]) -> None:
    """Write down which processes run, for whoever has to clear up after us."""
    pids = {child.name: child.pid for child in children if child.pid}
    state.write_private(data_dir / PROCESSES_FILE, json.dumps(pids) + "\n")


def end_leftovers(data_dir: Path) -> None:
    """End what a killed supervisor left running: its socket would keep the port."""
    try:
        pids = json.loads((data_dir / PROCESSES_FILE).read_text()).values()
    except (OSError, ValueError):
        return
    for pid in pids:
        processes.end(pid, name="manage.py", signals=((signal.SIGTERM, 3.0), (signal.SIGKILL, 2.0)))
