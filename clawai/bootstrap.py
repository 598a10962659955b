"""What `up` does before the settings can load: data directory, port, secrets, servers, tables."""

import argparse
import atexit
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import environ

from clawai import embedded, offspring
from clawai.embedded import StackError, external, state

BASE_DIR = Path(__file__).resolve().parent.parent
PREPARED_FILE = "prepared.json"


@dataclass(frozen=True, slots=True)
class Ground:
    """What the supervisor stands on; `password` is set on the first run only."""

    data_dir: Path
    listener: socket.socket
    url: str
    administrator: str
    password: str


class NotLaidError(Exception):
    """`up` was called from inside a program, where the settings were loaded long ago."""


_laid: list[Ground] = []


def ground() -> Ground:
    """Return what `lay_ground` made.

    Raises:
        NotLaidError: It has not run in this process.
    """
    if not _laid:
        raise NotLaidError("`up` is a program of its own: run `python manage.py up`.")
    return _laid[-1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `up`."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes any")
    parser.add_argument("--no-demo", action="store_true", help="leave the demo knowledge base out")
    parser.add_argument("--no-worker", action="store_true", help="start the web process alone")


def lay_ground(arguments: list[str]) -> None:
    """Make everything that the settings look for, or end the program with one clear line."""
    parser = argparse.ArgumentParser("manage.py up", description="Start all of CLAW.AI here.")
    add_arguments(parser)
    options, _ = parser.parse_known_args(arguments)
    environ.Env.read_env(BASE_DIR / ".env")
    try:
        _laid.append(_lay(options))
    except StackError as error:
        sys.exit(f"CLAW.AI cannot start: {error}")


def _lay(options: argparse.Namespace) -> Ground:
    data_dir = Path(os.environ.get("CLAWAI_DATA_DIR", BASE_DIR / ".clawai")).resolve()
    state.prepare(data_dir)
    state.claim(data_dir)
    offspring.end_leftovers(data_dir)
    listener = _listen(options.host, options.port)
    url = os.environ.get("CLAWAI_PUBLIC_URL") or _address(listener)
    if "CLAWAI_PUBLIC_URL" not in os.environ:
        state.update(data_dir, public_url=url)
    state.ensure_secrets(data_dir)
    # From here on no way out may leave the servers behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    atexit.register(embedded.stop, data_dir)
    stack = embedded.start(data_dir)
    external.check(stack)
    prepared = _prepare(data_dir, stack, demo=not options.no_demo)
    return Ground(
        data_dir=data_dir,
        listener=listener,
        url=url,
        administrator=prepared.get("administrator", ""),
        password=prepared.get("password", ""),
    )


def _listen(host: str, port: int) -> socket.socket:
    """Take the port now: nobody else gets it later, and callers wait while the web restarts."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StackError(
            f"Port {port} of {host} cannot be used ({reason}): "
            "stop what listens there, or choose another one with --port."
        ) from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - shown, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _prepare(data_dir: Path, stack: embedded.Stack, *, demo: bool) -> dict[str, str]:
    """Run `manage.py prepare` unless nothing has changed since it last succeeded."""
    path = data_dir / PREPARED_FILE
    wanted = _fingerprint(stack, demo=demo)
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    if known.get("fingerprint") == wanted:
        return dict(known)
    made = _run_prepare(demo=demo)
    kept = {"fingerprint": wanted, "administrator": made["administrator"]}
    state.write_private(path, json.dumps(kept) + "\n")
    return made


def _run_prepare(*, demo: bool) -> dict[str, str]:
    sys.stderr.write("Preparing the database, the static files and the first account …\n")
    command = [sys.executable, str(BASE_DIR / "manage.py"), "prepare", "--json"]
    done = subprocess.run(  # noqa: S603
        [*command, *([] if demo else ["--no-demo"])],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        # It has said why on standard error.
        sys.exit(done.returncode)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _fingerprint(stack: embedded.Stack, *, demo: bool) -> str:
    digest = hashlib.sha256(f"{stack.database_url} {demo} {sys.version}".encode())
    for path in _what_matters():
        digest.update(f"{path} ".encode() + path.read_bytes())
    return digest.hexdigest()


def _what_matters() -> Iterator[Path]:
    yield BASE_DIR / "requirements.lock"
    for pattern in ("*/migrations/*.py", "static/**/*", "clawai/handbook/**/*"):
        yield from sorted(path for path in BASE_DIR.glob(pattern) if path.is_file())
