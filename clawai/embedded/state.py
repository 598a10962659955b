"""What the embedded servers write about themselves into the data directory."""

import fcntl
import json
import os
import secrets
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clawai.embedded.errors import StackError, explained

STACK_FILE = "stack.json"
SECRETS_FILE = "secrets.env"
LEAST_FREE_MEGABYTES = 64


def prepare(data_dir: Path) -> None:
    """Make `data_dir` (0700) and see that it can be written to.

    Raises:
        StackError: It cannot be made or written to, or the disk is full.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data_dir / "logs").mkdir(mode=0o700, exist_ok=True)
        probe = data_dir / f".writable-{os.getpid()}"  # another start may be trying the same
        write_private(probe, "yes\n")
        probe.unlink()
    except OSError as error:
        raise explained(error, data_dir) from error
    require_space(data_dir, LEAST_FREE_MEGABYTES)


def require_space(data_dir: Path, megabytes: int) -> None:
    """Refuse to go on with less than `megabytes` free: a full disk breaks a server half-way.

    Raises:
        StackError: There is less.
    """
    free = shutil.disk_usage(data_dir).free // 2**20
    if free < megabytes:
        raise StackError(
            f"The disk is full: {free} MB are free for {data_dir}, "
            f"and at least {megabytes} MB are needed."
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` against every other process; waits until it is free."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise explained(error, path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


_claims: list[int] = []


def claim(data_dir: Path) -> None:
    """Make this process the only one that runs `up` on `data_dir`, for as long as it lives.

    Raises:
        StackError: Another one does.
    """
    descriptor = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        url = read(data_dir).get("public_url", "another address")
        raise StackError(f"it already runs from {data_dir}, at {url}.") from error
    _claims.append(descriptor)


def leave_claim_to_parent() -> None:
    """Let go of the claim in a forked child, so that it ends with the process that made it."""
    while _claims:
        os.close(_claims.pop())


def read(data_dir: Path) -> dict[str, str]:
    """Return what stands in stack.json; nothing when it is missing or broken."""
    try:
        state = json.loads((data_dir / STACK_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in state.items()} if isinstance(state, dict) else {}


def update(data_dir: Path, **values: str) -> None:
    """Put `values` into stack.json; a reader sees the old file or the new one, never a part."""
    state = read(data_dir)
    if state | values == state:
        return
    write_private(data_dir / STACK_FILE, json.dumps(state | values, indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, readable by its owner only.

    Raises:
        StackError: The directory cannot be written to, or the disk is full.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise explained(error, path.parent) from error


def ensure_secrets(data_dir: Path) -> None:
    """Make secrets.env with what the environment and the file do not have yet."""
    path = data_dir / SECRETS_FILE
    with locked(data_dir / "stack.lock"):
        text = path.read_text() if path.exists() else ""
        made = {
            "CLAWAI_SECRET_KEY": secrets.token_urlsafe(64),
            "CLAWAI_FIELD_KEYS": urlsafe_b64encode(os.urandom(32)).decode(),
        }
        missing = [
            f"{name}={value}\n"
            for name, value in made.items()
            if name not in os.environ and f"{name}=" not in text
        ]
        if missing:
            write_private(path, text + "".join(missing))
