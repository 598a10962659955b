"""`manage.py ingest`: folders in, changes again, failures by name, killed and run again."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from configs import runtime
from knowledge import services
from knowledge.models import Chunk, Document, IndexGeneration
from tests.knowledge import shelf

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def embedder(db):
    shelf.install_embedder()
    yield
    runtime.forget()


@pytest.fixture
def base(alice):
    return services.create_base(actor=alice, name="Docs")


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "docs"
    (root / "deep" / ".hidden").mkdir(parents=True)
    (root / "one.txt").write_text("First file. " * 20)
    (root / "deep" / "two.md").write_text("# 第二\n\n内容。")
    (root / "deep" / ".hidden" / "x.txt").write_text("hidden")
    (root / "picture.png").write_bytes(b"\x89PNG")
    return root


def ingest(*arguments):
    """Run the command in this process; return its exit code and its summary."""
    out = io.StringIO()
    code = 0
    try:
        call_command("ingest", *map(str, arguments), "--inline", "--json", stdout=out)
    except SystemExit as end:
        code = end.code
    return code, json.loads(out.getvalue())


def test_folder__ingested_twice__adds_then_skips(base, folder):
    code, summary = ingest("docs", folder)
    assert (code, summary["added"], summary["ready"], summary["skipped"]) == (0, 2, 2, 1)
    assert summary["failed"] == []
    assert summary["chunks"] == Chunk.objects.count() == 2
    code, summary = ingest(base.pk, folder)
    assert (code, summary["added"], summary["unchanged"]) == (0, 0, 2)
    assert Document.objects.count() == 2


def test_file__changed__becomes_a_new_version(base, folder):
    ingest("docs", folder)
    (folder / "one.txt").write_text("Another text.")
    code, summary = ingest("docs", folder)
    assert (code, summary["changed"], summary["unchanged"]) == (0, 1, 1)
    assert Document.objects.get(name="one.txt").current_version.text == "Another text."


def test_failures__are_named_and_the_exit_code_is_1(base, folder):
    (folder / "empty.txt").write_text("")
    (folder / "fake.pdf").write_text("<html></html>")
    code, summary = ingest("docs", folder, folder / "picture.png")
    assert code == 1
    assert {(Path(f["path"]).name, f["code"]) for f in summary["failed"]} == {
        ("empty.txt", "empty"),
        ("fake.pdf", "unsupported_type"),
        ("picture.png", "unsupported_type"),
    }
    assert all(failure["reason"] for failure in summary["failed"])
    assert summary["ready"] == 2


def test_base__unknown__is_made_when_asked_for(alice, folder):
    with pytest.raises(CommandError, match="--create"):
        ingest("New base", folder, "--user", "alice")
    code, summary = ingest("New base", folder, "--user", "ALICE", "--create")
    assert (code, summary["base"], summary["ready"]) == (0, "new-base", 2)


def test_mistakes__are_one_clear_line(base, folder):
    with pytest.raises(CommandError, match="no such file"):
        ingest("docs", folder / "nothing")
    with pytest.raises(CommandError, match="no such person"):
        ingest("docs", folder, "--user", "nobody")


def test_table__names_the_failures(base, folder):
    (folder / "empty.txt").write_text("")
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("ingest", "docs", str(folder), "--inline", stdout=out)
    assert f"{folder / 'empty.txt'}: There is no text" in out.getvalue()


def run_and_kill(folder, chunks):
    """Run the command as a process of its own and kill -9 it once so many chunks are there."""
    name = connection.settings_dict["NAME"]
    url = urlsplit(os.environ["DATABASE_URL"])
    environment = {**os.environ, "DATABASE_URL": urlunsplit(url._replace(path=f"/{name}"))}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "ingest", "docs", str(folder), "--inline", "--json"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
    )
    deadline = time.monotonic() + 90
    while chunks is not None and process.poll() is None and time.monotonic() < deadline:
        if Chunk.objects.count() >= chunks:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.02)
    out, _ = process.communicate(timeout=90)
    # As if the leases of the killed had run out.
    Document.objects.filter(status="processing").update(
        lease_expires_at=timezone.now() - timedelta(seconds=1)
    )
    return process.returncode, out


def content(base):
    rows = Chunk.objects.filter(base=base).order_by("document__name", "ordinal")
    return list(rows.values_list("document__name", "ordinal", "start", "end", "text"))


def test_kill_9__twice_in_the_middle__ends_with_the_same_chunks(alice, base, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.txt").write_text(shelf.essay(200, f"文{number}"))
    assert run_and_kill(folder, 100)[0] == -signal.SIGKILL
    first = Chunk.objects.count()
    assert run_and_kill(folder, first + 100)[0] == -signal.SIGKILL
    code, out = run_and_kill(folder, None)
    assert (code, json.loads(out)["ready"]) == (0, 5)
    clean = services.create_base(actor=alice, name="Clean")
    for number in range(5):
        shelf.put_ready(alice, clean, shelf.essay(200, f"文{number}"), f"{number}.txt")
    assert content(base) == content(clean)
    generation = IndexGeneration.objects.get(pk=base.active_generation_id)
    assert generation.chunk_count == len(content(base))
    assert shelf.kept_terms(generation) == shelf.counted_terms(generation)
