"""Puts the stack together: a database and a Redis of its own, the fake GLM, web and workers."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import redis
from psycopg import sql

from clawai.embedded import processes, state, valkey
from tests.fake_glm.process import FakeGlm, running
from tests.stack.service import ROOT, Service, wait_until

API_KEY = "journey0123456789.secretsecretsecret"


@dataclass(slots=True)
class Machine:
    """Everything that runs, and the handles to break it."""

    data_dir: Path
    database_url: str
    redis_server: valkey.Server
    redis_url: str
    glm: FakeGlm
    port: int
    env: dict[str, str]
    services: dict[str, Service] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return the address that people type."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def web(self) -> Service:
        """Return the ASGI server."""
        return self.services["web"]

    @property
    def answers(self) -> Service:
        """Return the worker that writes replies."""
        return self.services["answers"]

    def redis(self) -> redis.Redis:
        """Return a client of the stack's Redis; close it."""
        return redis.Redis.from_url(self.redis_url)

    def database(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection to the stack's database in autocommit mode; close it."""
        return psycopg.connect(self.database_url, autocommit=True)

    def manage(self, *arguments: str, module: str = "") -> str:
        """Run `manage.py` (or `python -m module`) against the stack and return what it prints."""
        entry = ["-m", module] if module else ["manage.py"]
        done = subprocess.run(
            [sys.executable, *entry, *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{arguments} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def wait_for_web(self) -> None:
        """Return when the ASGI server answers."""
        wait_until(self._healthy, f"web did not answer:\n{self.web.last_words()}")

    def _healthy(self) -> bool:
        if not self.web.alive():
            raise RuntimeError(f"web died:\n{self.web.last_words()}")
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code < 500
        except httpx.TransportError:
            return False

    def restart_redis_empty(self) -> None:
        """Kill Redis as a crash does and bring it back on the same port with nothing in it."""
        self.kill_redis()
        self.redis_server.start()

    def kill_redis(self) -> None:
        """Kill Redis as a crash does."""
        pid = self.redis_server.pid()
        if pid is not None:
            os.kill(pid, 9)
        wait_until(lambda: self.redis_server.pid() is None, "Redis did not die")

    def stop(self) -> None:
        """Stop all that was started."""
        for service in self.services.values():
            service.ask_to_stop()
        for service in self.services.values():
            service.stop()
        self.redis_server.stop()


def fresh_database(server_url: str, name: str) -> str:
    """Make the database `name` anew on the server of `server_url` and return its URL."""
    parts = urlsplit(server_url)
    with psycopg.connect(
        urlunsplit(parts._replace(path="/postgres")), autocommit=True
    ) as connection:
        identifier = sql.Identifier(name)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    return urlunsplit(parts._replace(path=f"/{name}"))


def environment(data_dir: Path, machine: dict[str, str]) -> dict[str, str]:
    """Return the environment of the stack's processes: this one's, with the stack's own places."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("CLAWAI_", "ZHIPUAI_"))}
    secrets = {
        k: os.environ[k] for k in ("CLAWAI_SECRET_KEY", "CLAWAI_FIELD_KEYS") if k in os.environ
    }
    # Errors of provider SDKs must not be hidden by a proxy of the machine.
    return (
        inherited
        | secrets
        | {
            "CLAWAI_DATA_DIR": str(data_dir),
            "CLAWAI_DEBUG": "0",
            "CLAWAI_LOG_LEVEL": "INFO",
            "ZHIPUAI_API_KEY": API_KEY,
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "*",
        }
        | machine
    )


def commands(port: int) -> dict[str, list[str]]:
    """Return how each process of the stack is started."""
    run = [sys.executable, "-m", "tests.stack.run"]
    return {
        "web": [*run, "web", str(port)],
        "answers": [*run, "answers"],
        "indexing": [*run, "indexing"],
        "beat": [*run, "beat"],
    }


@contextlib.contextmanager
def stack(
    data_dir: Path,
    server_url: str,
    *,
    name: str,
    glm: tuple[str, ...] = (),
    seed: str = "{}",
    settings: dict[str, str] | None = None,
    durable: bool = False,
) -> Iterator[Machine]:
    """Run the whole stack on a fresh database; `glm` are arguments of the fake server.

    `seed` is the JSON that `tests.stack.seed` takes: changes to the chat endpoint's row;
    `settings` are environment variables of the processes; a Redis that is not `durable` comes
    back empty after a crash.
    """
    state.prepare(data_dir)
    state.ensure_secrets(data_dir)
    redis_server = valkey.Server(data_dir, durable=durable)
    redis_url = redis_server.start()
    port = processes.free_port()
    with running(*glm) as fake:
        places = {
            "DATABASE_URL": fresh_database(server_url, name),
            "REDIS_URL": redis_url,
            "CLAWAI_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ZHIPUAI_BASE_URL": fake.zhipu_url,
        }
        env = environment(data_dir, places | (settings or {}))
        machine = Machine(
            data_dir, places["DATABASE_URL"], redis_server, redis_url, fake, port, env
        )
        try:
            _bring_up(machine, seed)
            yield machine
        finally:
            machine.stop()


def _bring_up(machine: Machine, seed: str) -> None:
    with machine.database() as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    with machine.redis() as client:
        client.flushall()
    machine.manage("migrate", "--verbosity", "0")
    machine.manage(seed, module="tests.stack.seed")
    for name, command in commands(machine.port).items():
        log = machine.data_dir / "logs" / f"{name}.log"
        log.unlink(missing_ok=True)
        machine.services[name] = Service(name, command, machine.env, log)
        machine.services[name].start()
    machine.wait_for_web()
