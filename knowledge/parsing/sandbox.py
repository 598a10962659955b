"""Run the parsing process, within its time and with a bounded answer."""

import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

from knowledge.protocol import Parsed, ParseError, decode

MAX_ANSWER_BYTES = 96 << 20
ROOT = Path(__file__).resolve().parents[2]

_BY_LIMIT = {-signal.SIGXCPU, -signal.SIGKILL}


def parse(path: Path, kind: str, *, seconds: int = 120, memory_mb: int = 1024) -> Parsed:
    """Read the file at `path`, which is of `kind`, in a process of its own.

    `seconds` bounds the wall clock and the CPU time, `memory_mb` the address space.

    Raises:
        ParseError: the file cannot be read, for good.
    """
    limits = [str(memory_mb << 20), str(seconds)]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-B", "-m", "knowledge.parsing", kind, str(path), *limits],
        cwd=ROOT,
        env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        answer = _bounded(process, time.monotonic() + seconds)
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        raise ParseError("limits") from None
    finally:
        _end(process)
    if code in _BY_LIMIT:
        raise ParseError("limits")
    return decode(answer)


def _bounded(process: "subprocess.Popen[bytes]", deadline: float) -> bytes:
    """Return all that the process writes.

    Raises:
        ParseError: `limits` when it writes for too long or too much.
    """
    if process.stdout is None:
        raise ParseError("malformed")
    parts: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise ParseError("limits")
            part = os.read(process.stdout.fileno(), 1 << 16)
            if not part:
                return b"".join(parts)
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise ParseError("limits")
            parts.append(part)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Leave nothing behind: the process, what it started, its pipe."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
