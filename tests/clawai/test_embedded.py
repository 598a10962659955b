"""The embedded servers: start, attach, survive, refuse."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from clawai import embedded
from clawai.embedded import StackError, external, postgresql, processes, state, valkey

NOBODY = 65534


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of its own, with no server given from outside."""
    for name in ("DATABASE_URL", "REDIS_URL", "CLAWAI_SECRET_KEY", "CLAWAI_FIELD_KEYS"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "data"
    yield path
    embedded.stop(path)


def start(data_dir: Path) -> embedded.Stack:
    return embedded.start(data_dir, durable=False)


def execute(url: str, statement: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def postmaster(data_dir: Path) -> int:
    pid = postgresql.Server(data_dir.resolve(), durable=False).pid()
    assert pid is not None
    return pid


def as_nobody(work: Callable[[], str]) -> str:
    """Run `work` as an ordinary user and return what it says."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.environ["HOME"] = pwd.getpwuid(NOBODY).pw_dir
            said = work()
        except StackError as error:
            said = f"refused: {error}"
        except Exception as error:  # noqa: BLE001 - a child tells and ends
            said = f"crashed: {error!r}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def test_start__empty_directory__both_servers_answer_and_files_are_private(data_dir: Path):
    stack = start(data_dir)
    assert execute(stack.database_url, "SELECT '[1,2]'::vector + '[1,2]'") == [("[2,4]",)]
    assert execute(stack.database_url, "SHOW max_connections") == [("200",)]
    with redis.Redis.from_url(stack.redis_url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    for name in ("stack.json", "redis/valkey.conf"):
        assert (data_dir / name).stat().st_mode & 0o777 == 0o600
    assert not list(data_dir.rglob("*.part"))


def test_start__password_missing__nobody_gets_in(data_dir: Path):
    stack = start(data_dir)
    database, cache = urlsplit(stack.database_url), urlsplit(stack.redis_url)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgres://clawai:wrong@127.0.0.1:{database.port}/clawai")
    with redis.Redis(port=cache.port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    listed = " ".join(" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    assert str(database.password) not in listed
    assert str(cache.password) not in listed


def test_start__two_at_once__one_starts_and_the_other_attaches(data_dir: Path):
    command = [sys.executable, "-m", "clawai.embedded", "start", str(data_dir)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=90)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    words = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    assert sum(str(data_dir / "pg18") in line for line in words) == 1


def test_start__again__same_address_same_process(data_dir: Path):
    first = start(data_dir)
    pid = postmaster(data_dir)
    assert start(data_dir) == first
    assert postmaster(data_dir) == pid


def test_start__after_kill_9_of_the_postmaster__data_is_there(data_dir: Path):
    stack = embedded.start(data_dir)
    execute(stack.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(postmaster(data_dir), signal.SIGKILL)
    assert embedded.start(data_dir) == stack
    assert execute(stack.database_url, "SELECT answer FROM kept") == [(42,)]


def test_start__after_kill_9_of_redis__value_is_there(data_dir: Path):
    stack = embedded.start(data_dir)
    server = valkey.Server(data_dir.resolve(), durable=True)
    with redis.Redis.from_url(stack.redis_url) as client:
        client.set("kept", "42")
        client.waitaof(1, 0, 3000)
    os.kill(server.pid() or 0, signal.SIGKILL)
    assert embedded.start(data_dir) == stack
    with redis.Redis.from_url(stack.redis_url) as client:
        assert client.get("kept") == b"42"


def test_running__killed_server_is_a_zombie__counts_as_dead(data_dir: Path):
    start(data_dir)
    pid = postmaster(data_dir)
    child = processes._children.pop(pid)  # nobody reaps it now, as under another parent
    os.kill(pid, signal.SIGKILL)
    assert processes.wait_for(
        lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, timeout_seconds=5
    )
    assert not embedded.running(data_dir)
    start(data_dir)
    assert embedded.running(data_dir)
    child.wait()


def test_start__lock_file_names_a_stranger__is_overcome(data_dir: Path):
    stack = start(data_dir)
    embedded.stop(data_dir)
    (data_dir / "pg18" / "postmaster.pid").write_text(f"{os.getpid()}\n{data_dir / 'pg18'}\n")
    assert start(data_dir) == stack


def test_start__port_taken_meanwhile__moves_to_another(data_dir: Path):
    before = start(data_dir)
    embedded.stop(data_dir)
    ports = [urlsplit(url).port for url in (before.database_url, before.redis_url)]
    guests = [socket.create_server(("127.0.0.1", port)) for port in ports]
    after = start(data_dir)
    assert not {urlsplit(url).port for url in (after.database_url, after.redis_url)} & {*ports}
    assert execute(after.database_url, "SELECT 1") == [(1,)]
    assert state.read(data_dir)["database_url"] == after.database_url
    for guest in guests:
        guest.close()


def test_start__stack_json_lost__data_is_there_with_a_new_password(data_dir: Path):
    before = start(data_dir)
    execute(before.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    (data_dir / "stack.json").unlink()
    after = start(data_dir)
    assert after.database_url != before.database_url
    assert execute(after.database_url, "SELECT answer FROM kept") == [(42,)]


@pytest.mark.parametrize("directory", ["pg18", "pg16"])
def test_start__cluster_of_another_version__one_clear_line(data_dir: Path, directory: str):
    (data_dir / directory).mkdir(parents=True)
    (data_dir / directory / "PG_VERSION").write_text("16\n")
    with pytest.raises(StackError, match="made by PostgreSQL 16, this is PostgreSQL 18") as raised:
        start(data_dir)
    assert "\n" not in str(raised.value)


@needs_root
def test_start__ordinary_user__works_without_root(tmp_path: Path, data_dir: Path):
    start(data_dir)  # so that everything is imported: nobody may not read root's Python
    home = Path("/tmp") / f"clawai-nobody-{os.getpid()}"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)

    def work() -> str:
        stack = start(home / "data")
        answer = execute(stack.database_url, "SELECT current_user")[0][0]
        embedded.stop(home / "data")
        return answer

    try:
        assert as_nobody(work) == "clawai"
    finally:
        shutil.rmtree(home)


@needs_root
def test_start__no_write_permission__one_clear_line(tmp_path: Path, data_dir: Path):
    tmp_path.chmod(0o755)
    said = as_nobody(lambda: str(start(data_dir)))
    assert said.startswith(f"refused: No permission to write to {data_dir.resolve()}")
    assert "\n" not in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of so many megabytes."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(megabytes: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
        return place

    yield mount
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


@pytest.mark.parametrize("megabytes", [20, 150])
@needs_root
def test_start__disk_too_small_for_a_cluster__one_clear_line(
    small_disk: Callable[[int], Path], data_dir: Path, megabytes: int
):
    place = small_disk(megabytes)
    with pytest.raises(StackError, match="The disk is full: ") as raised:
        start(place / "data")
    assert "\n" not in str(raised.value)


@needs_root
def test_start__disk_filled_up_later__one_clear_line_and_data_kept(
    small_disk: Callable[[int], Path], data_dir: Path
):
    place = small_disk(400)
    stack = start(place / "data")
    execute(stack.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    embedded.stop(place / "data")
    filler = place / "filler"
    with filler.open("wb") as file, suppress(OSError):
        while True:
            file.write(b"x" * 2**20)
            file.flush()
    with pytest.raises(StackError, match="The disk is full"):
        start(place / "data")
    filler.unlink()
    try:
        assert execute(start(place / "data").database_url, "SELECT answer FROM kept") == [(42,)]
    finally:
        embedded.stop(place / "data")


def test_start__urls_given__starts_nothing(tmp_path: Path):
    stack = embedded.start(tmp_path / "data")
    assert stack.database_url == os.environ["DATABASE_URL"]
    assert not (tmp_path / "data" / "pg18").exists()
    assert not (tmp_path / "data" / "redis").exists()


def test_secrets__made_once__are_private_and_kept(data_dir: Path):
    state.prepare(data_dir)
    state.ensure_secrets(data_dir)
    path = data_dir / "secrets.env"
    made = path.read_text()
    state.ensure_secrets(data_dir)
    assert path.read_text() == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert {line.split("=")[0] for line in made.splitlines()} == {
        "CLAWAI_SECRET_KEY",
        "CLAWAI_FIELD_KEYS",
    }


def test_secrets__given_by_the_environment__are_not_made(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CLAWAI_SECRET_KEY", "x")
    state.prepare(data_dir)
    state.ensure_secrets(data_dir)
    assert "CLAWAI_SECRET_KEY" not in (data_dir / "secrets.env").read_text()


@pytest.mark.parametrize(
    ("name", "url", "line"),
    [
        ("DATABASE_URL", "postgres://a:b@127.0.0.1:1/c", "DATABASE_URL cannot be reached"),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "REDIS_URL cannot be used"),
    ],
)
def test_external__server_away__one_clear_line(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str, line: str
):
    monkeypatch.setenv(name, url)
    stack = embedded.Stack(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])
    with pytest.raises(StackError, match=line) as raised:
        external.check(stack)
    assert "\n" not in str(raised.value)


def test_external__test_servers__are_good_enough():
    external.check(embedded.Stack(os.environ["DATABASE_URL"], os.environ["REDIS_URL"]))


def _fake_cluster_without_pgvector(source: Path, target: Path, version: str | None) -> Path:
    """Copy PostgreSQL's binaries to `target`, with another pgvector or none."""
    shutil.copytree(source, target, symlinks=True)
    extension = target / "share" / "extension"
    control = next(target.rglob("vector.control"), extension / "vector.control")
    if version is None:
        control.unlink()
    else:
        text = control.read_text()
        current = text.split("default_version = '")[1].split("'")[0]
        control.write_text(text.replace(current, version))
    return target


@pytest.mark.parametrize(
    ("version", "line"), [(None, "has no pgvector"), ("0.7.4", "has pgvector 0.7.4, and CLAW.AI")]
)
def test_external__pgvector_missing_or_old__one_clear_line(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, line: str
):
    start(data_dir)
    embedded.stop(data_dir)
    source = postgresql._binaries().parent
    target = _fake_cluster_without_pgvector(source, tmp_path / "postgres", version)
    command = [*processes.without_root(), str(target / "bin" / "postgres")]
    port = processes.free_port()
    options = [
        "-D",
        str(data_dir / "pg18"),
        "-c",
        f"port={port}",
        "-c",
        "listen_addresses=127.0.0.1",
    ]
    options += ["-c", "unix_socket_directories="]
    url = state.read(data_dir)["database_url"]
    fresh = url.replace(f":{urlsplit(url).port}/clawai", f":{port}/postgres")
    server = processes.spawn([*command, *options], log=data_dir / "logs" / "other.log")
    try:
        processes.wait_for(lambda: postgresql._answers(fresh), timeout_seconds=20)
        monkeypatch.setenv("DATABASE_URL", fresh)
        with pytest.raises(StackError, match=line):
            external.check(embedded.Stack(fresh, ""))
    finally:
        processes.end(server, name="postgres", signals=((signal.SIGINT, 10.0),))
