"""Processes of the embedded servers: start one, see whether it lives, end it."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from clawai.embedded.errors import StackError, explained

# Our own children stay here so that they are reaped: a dead child that nobody waits for is a
# zombie, and PostgreSQL takes the process id of a zombie in its lock file for a running server.
_children: dict[int, subprocess.Popen[bytes]] = {}


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_taken(port: int) -> bool:
    """Say whether something listens on `port` of 127.0.0.1."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def spawn(command: list[str], *, log: Path) -> int:
    """Start `command` in a session of its own and return its process id.

    Its output goes to `log`; what stood there moves to `.log.1`.
    """
    try:
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        with log.open("wb") as output:
            child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=plain_environment(),
                start_new_session=True,
            )
    except OSError as error:
        raise explained(error, log) from error
    _children[child.pid] = child
    return child.pid


def plain_environment() -> dict[str, str]:
    """Return an environment without our secrets: the servers need none of them."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def is_alive(pid: int | None, *, name: str) -> bool:
    """Say whether `pid` is a live process whose command line mentions `name`; no zombie is."""
    if pid is None:
        return False
    if pid in _children:
        # Its command line is empty for the moment in which it turns into another program.
        return _children[pid].poll() is None
    try:
        process = psutil.Process(pid)
        command = " ".join([process.name(), *process.cmdline()])
        return process.status() != psutil.STATUS_ZOMBIE and name in command
    except psutil.Error:
        return False


def wait_for(ready: Callable[[], bool], *, timeout_seconds: float) -> bool:
    """Return True as soon as `ready()` holds, False when it does not within the time."""
    deadline = time.monotonic() + timeout_seconds
    pause = 0.01
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return True


def end(pid: int, *, name: str, signals: tuple[tuple[int, float], ...]) -> None:
    """Send each signal in turn, waiting its seconds for the process to go."""
    for number, patience_seconds in signals:
        if not is_alive(pid, name=name):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_for(lambda: not is_alive(pid, name=name), timeout_seconds=patience_seconds):
            return


def clear_orphans(directory: Path) -> None:
    """End what still works inside `directory` after its server died: it holds shared memory."""
    orphans = [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(directory)]
    _, left = psutil.wait_procs(orphans, timeout=5) if orphans else ([], [])
    for process in left:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(left, timeout=5)


def without_root() -> list[str]:
    """Return the words to put before a command that refuses to run as root.

    Raises:
        StackError: We are root, and this machine has no user namespaces.
    """
    if os.geteuid() != 0:
        return []
    words = ["unshare", "-U", "--map-user=1000", "--map-group=1000"]
    if (
        shutil.which("unshare")
        and not subprocess.run(  # noqa: S603
            [*words, "true"], capture_output=True, check=False
        ).returncode
    ):
        return words
    raise StackError(
        "PostgreSQL refuses to run as root, and this machine has no user namespaces: "
        "run this as a normal user, or set DATABASE_URL."
    )


def last_complaint(log: Path) -> str:
    """Return the last line of `log` that sounds like a reason."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-50:]
    except OSError:
        lines = []
    marks = ("FATAL", "PANIC", "ERROR", "error:", "No space left", "# ", "Fatal")
    reasons = [line for line in lines if any(mark in line for mark in marks)]
    return (reasons or lines or ["it said nothing"])[-1].strip()
