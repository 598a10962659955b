"""How fast documents become searchable: a folder through `manage.py ingest`, with a real database.

The baseline is the least that anyone could do with the same files and the same embedder: read,
cut every 1,000 characters, embed in batches of 64, store nothing.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
from rich.console import Console

from benchmarks.environment import ROOT, about, save
from clawai import embedded
from clawai.embedded import state
from tests.fake_glm import process as fake_glm

READABLE = {".txt", ".md", ".rst", ".html", ".htm"}
HANDBOOK = ROOT / "clawai" / "handbook"
MEGABYTE = 1 << 20
console = Console()


@contextmanager
def _stack(data_dir: Path) -> Iterator[None]:
    """Run PostgreSQL, as safe as in production, and Redis; set Django up on them."""
    state.prepare(data_dir)
    stack = embedded.start(data_dir, durable=True)
    state.ensure_secrets(data_dir)
    os.environ.update(
        CLAWAI_DATA_DIR=str(data_dir), DATABASE_URL=stack.database_url, REDIS_URL=stack.redis_url
    )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")
    try:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        yield
    finally:
        embedded.stop(data_dir)


def _install(endpoint: str, glm: str | None) -> None:
    """Make the embedding endpoint and the person who uploads."""
    from accounts.models import User
    from configs.models import ModelEndpoint

    User.objects.create_superuser("bench", password=secrets.token_urlsafe())
    for row in ModelEndpoint.objects.filter(kind="embedding"):
        row.enabled = endpoint == row.provider == "local"
        row.version += 1
        row.save()
    if endpoint == "local":
        return
    ModelEndpoint.objects.create(
        name="fake-glm",
        kind="embedding",
        provider="zhipu",
        model="embedding-3",
        api_key="id.secret",
        base_url=glm or "",
        parameters={"dimensions": 1024},
        position=1,
    )


class _Memory:
    """The most memory that a process and its children held at a time, read ten times a second."""

    def __init__(self, pid: int) -> None:
        self.own_mb = 0.0
        self.parser_mb = 0.0
        self._process = psutil.Process(pid)
        self._done = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the readings."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            try:
                self.own_mb = max(self.own_mb, self._process.memory_info().rss / MEGABYTE)
                for child in self._process.children():
                    self.parser_mb = max(self.parser_mb, child.memory_info().rss / MEGABYTE)
            except psutil.NoSuchProcess:
                continue


def _ingest(folder: Path, base: str, jobs: int) -> dict[str, Any]:
    """Run the command as a process of its own; return its summary, CPU time and memory."""
    command = [sys.executable, "manage.py", "ingest", base, str(folder), "--create", "--user"]
    command += ["bench", "--inline", "--jobs", str(jobs), "--json"]
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    memory = _Memory(process.pid)
    before = os.times()
    out, _ = process.communicate()
    memory.stop()
    after = os.times()
    summary = json.loads(out)
    return {
        "summary": {name: summary[name] for name in ("added", "ready", "chunks", "skipped")},
        "failed": [failure["code"] for failure in summary["failed"]],
        "seconds": round(time.monotonic() - begun, 1),
        "seconds_without_start": summary["seconds"],
        "cpu_seconds": round(
            after.children_user + after.children_system - before.children_user
            - before.children_system, 1
        ),
        "memory_mb": round(memory.own_mb),
        "parser_memory_mb": round(memory.parser_mb),
    }  # fmt: skip


def _baseline(files: list[Path]) -> dict[str, Any]:
    """Read, cut and embed the same files, and store nothing."""
    from configs import providers, runtime

    endpoint = runtime.refresh().endpoints("embedding")[0]
    embedder = providers.embedder(endpoint)
    begun, count = time.monotonic(), 0
    for path in files:
        text = path.read_text("utf-8", "replace")
        pieces = [text[at : at + 1000] for at in range(0, len(text), 1000) if text[at:].strip()]
        for at in range(0, len(pieces), 64):
            count += len(embedder.embed_passages(pieces[at : at + 64]))
    return {"passages": count, "seconds": round(time.monotonic() - begun, 1)}


def _megabyte(folder: Path) -> Path:
    """Write 1 MB of text made of the folder's files."""
    words = "\n\n".join(path.read_text("utf-8", "replace") for path in _files(folder))
    repeated = (words * (MEGABYTE // max(len(words.encode()), 1) + 1)).encode()[:MEGABYTE]
    target = Path(tempfile.mkdtemp()) / "megabyte.txt"
    target.write_bytes(repeated)
    return target


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in READABLE)


def measure(folder: Path, endpoint: str, jobs: int) -> dict[str, Any]:
    """Return all figures of one run."""
    before = about()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clawai-bench-")))
        stack.enter_context(_stack(directory))
        glm = stack.enter_context(fake_glm.running()) if endpoint == "fake-glm" else None
        _install(endpoint, glm.zhipu_url if glm else None)
        baseline = _baseline(_files(folder))
        whole = _ingest(folder, "bench", jobs)
        again = _ingest(folder, "bench", jobs)
        megabyte = _ingest(_megabyte(folder), "megabyte", 1)
    seconds = whole["seconds_without_start"]
    return before | {
        "folder": folder.name,
        "files": len(_files(folder)),
        "embedder": endpoint,
        "jobs": jobs,
        "baseline": baseline,
        "ingest": whole,
        "same_files_again": again,
        "one_megabyte": megabyte,
        "documents_per_second": round(whole["summary"]["ready"] / seconds, 2),
        "chunks_per_second": round(whole["summary"]["chunks"] / seconds, 1),
        "ratios": {
            "ingest time / time to read and embed alone": seconds / max(baseline["seconds"], 0.1),
            "second run of the same files / first run": again["seconds_without_start"] / seconds,
        },
    }


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=HANDBOOK)
    parser.add_argument("--embedder", choices=["fake-glm", "local"], default="fake-glm")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    result = measure(options.folder.resolve(), options.embedder, options.jobs)
    console.print_json(json.dumps(result, ensure_ascii=False))
    console.print(save(f"ingest-{options.embedder}", result))
    return 1 if result["ingest"]["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
