"""`manage.py up` from outside: it starts, heals, stops, and refuses in one line."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from clawai import embedded
from clawai.embedded import state

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = re.compile(r"^(CLAWAI_|ZHIPUAI_|DATABASE_URL|REDIS_URL|DJANGO_)")
READY = "SELECT count(*) FILTER (WHERE status = 'ready'), count(*) FROM knowledge_document"
START_SECONDS = 120
STOP_SECONDS = 30


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    return plain | {"CLAWAI_DATA_DIR": str(data_dir)} | more


class Run:
    """One `manage.py up` and what it has printed."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self.log = data_dir.with_suffix(f".{time.monotonic_ns()}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", "0", *arguments],
                cwd=ROOT,
                env=environment(data_dir),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def said(self) -> str:
        return self.log.read_text()

    def until(self, condition: Callable[[], object], seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def ready(self) -> Mapping[str, object]:
        try:
            url = state.read(self.data_dir)["public_url"]
            return httpx.get(f"{url}/readyz", timeout=5).json()
        except (httpx.TransportError, KeyError, ValueError):
            return {}

    def healthy(self) -> bool:
        return "CLAW.AI is running" in self.said() and self.ready().get("status") == "ok"

    def pids(self) -> dict[str, int]:
        return json.loads((self.data_dir / "processes.json").read_text())

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data directory for the whole story: a first start takes long."""
    path = tmp_path_factory.mktemp("up") / "data"
    yield path
    embedded.stop(path)


@pytest.fixture
def run(place: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*arguments: str) -> Run:
        runs.append(Run(place, *arguments))
        return runs[-1]

    yield start
    for each in runs:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def dead(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def servers(place: Path) -> list[int]:
    """Return what runs out of the data directory."""
    return [p.pid for p in psutil.process_iter(["cmdline"]) if str(place) in str(p.info["cmdline"])]


@pytest.mark.timeout(300)
def test_up__first_start__shows_the_password_once_and_fills_the_handbook(
    run: Callable[..., Run], place: Path
):
    up = run()
    up.until(up.healthy)
    password = re.search(r"admin / (\S+)", up.said()).group(1)
    assert up.said().count(password) == 1
    url = state.read(place)["public_url"]
    with httpx.Client(base_url=url, follow_redirects=True) as browser:
        page = browser.get("/admin/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text).group(1)
        form = {"csrfmiddlewaretoken": token, "username": "admin", "password": password}
        answer = browser.post(page.url, data=form)
        assert str(answer.url) == f"{url}/admin/"
    with psycopg.connect(state.read(place)["database_url"]) as connection:
        up.until(lambda: connection.execute(READY).fetchone() == (14, 14))
    assert (place / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert up.stop(signal.SIGINT) == 0
    assert servers(place) == []
    tail = up.said().split("Stopping")[1]
    assert "Traceback" not in tail


@pytest.mark.timeout(300)
def test_up__children_and_servers_killed__come_back_and_data_stays(
    run: Callable[..., Run], place: Path
):
    up = run()
    up.until(up.healthy)
    assert "admin / " not in up.said()
    before = up.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    os.kill(int((place / "pg18" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    os.kill(int((place / "redis" / "server.pid").read_text()), signal.SIGKILL)
    up.until(lambda: set(up.pids().values()).isdisjoint(before.values()) and len(up.pids()) == 4)
    up.until(up.healthy)
    begun = time.monotonic()
    assert up.stop() == 0
    assert time.monotonic() - begun < STOP_SECONDS
    assert servers(place) == []
    assert all(dead(pid) for pid in up.pids().values())


@pytest.mark.timeout(300)
def test_up__killed_itself__children_end_and_the_next_one_works(
    run: Callable[..., Run], place: Path
):
    first = run()
    first.until(first.healthy)
    children = first.pids()
    first.process.kill()
    first.process.wait()
    second = run()
    second.until(second.healthy)
    assert all(dead(pid) for pid in children.values())
    assert set(children.values()).isdisjoint(second.pids().values())
    third = run()
    assert third.process.wait(START_SECONDS) == 1
    assert third.said() == (
        f"CLAW.AI cannot start: it already runs from {place}, "
        f"at {state.read(place)['public_url']}.\n"
    )
    assert second.stop() == 0


@pytest.mark.timeout(300)
def test_up__no_worker__is_degraded_and_quiet(run: Callable[..., Run]):
    up = run("--no-worker")
    up.until(lambda: "CLAW.AI is running" in up.said())
    up.until(lambda: up.ready().get("status") == "degraded")
    assert set(up.pids()) == {"web"}
    assert up.stop() == 0


def refused(data_dir: Path, *arguments: str, **more: str) -> str:
    """Run `up` where it cannot run, and return its one line."""
    done = subprocess.run(
        [sys.executable, "manage.py", "up", *arguments],
        cwd=ROOT,
        env=environment(data_dir, **more),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert servers(data_dir) == []
    return line


def test_up__port_in_use__one_clear_line(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as guest:
        port = str(guest.getsockname()[1])
        line = refused(tmp_path / "data", "--port", port)
    assert line.startswith(f"CLAW.AI cannot start: Port {port} of 127.0.0.1 cannot be used")


def test_up__data_of_another_version__one_clear_line(tmp_path: Path):
    (tmp_path / "data" / "pg16").mkdir(parents=True)
    (tmp_path / "data" / "pg16" / "PG_VERSION").write_text("16\n")
    assert "made by PostgreSQL 16" in refused(tmp_path / "data", "--port", "0")


def test_up__data_directory_is_a_file__one_clear_line(tmp_path: Path):
    (tmp_path / "data").write_text("")
    assert str(tmp_path / "data") in refused(tmp_path / "data", "--port", "0")


@pytest.mark.parametrize(
    ("name", "url"),
    [("DATABASE_URL", "postgres://a:b@127.0.0.1:1/c"), ("REDIS_URL", "redis://127.0.0.1:1/0")],
)
def test_up__external_server_away__one_clear_line(tmp_path: Path, name: str, url: str):
    both = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
    assert f"{name} cannot be" in refused(tmp_path / "data", "--port", "0", **(both | {name: url}))


def test_commands__weak_secret__one_clear_line(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environment(tmp_path, CLAWAI_SECRET_KEY="insecure", CLAWAI_FIELD_KEYS="x"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("CLAW.AI cannot start: CLAWAI_SECRET_KEY is missing or weak")


def test_check__deployed__has_no_warning(tmp_path: Path):
    state.prepare(tmp_path)
    shutil.copy(Path(os.environ["CLAWAI_DATA_DIR"]) / "secrets.env", tmp_path)
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=environment(tmp_path, CLAWAI_PUBLIC_URL="https://claw.example"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
