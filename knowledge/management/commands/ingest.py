"""Take files and folders into a knowledge base, and wait until they can be searched."""

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, cast
from uuid import UUID

from django.core.files.base import File
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from accounts.models import User
from configs.errors import ClawError, Invalid
from knowledge import services
from knowledge.errors import reason
from knowledge.management.waiting import Watch
from knowledge.models import Document, KnowledgeBase
from knowledge.parsing import sniffing


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that did not make it."""

    path: str
    code: str
    reason: str


@dataclass(slots=True)
class Summary:
    """What came of a run."""

    base: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    ready: int = 0
    chunks: int = 0
    seconds: float = 0.0
    failed: list[Failure] = field(default_factory=list)


class Command(BaseCommand):
    """`manage.py ingest KB PATH…`."""

    help = "Take files and folders into a knowledge base, and wait until they can be searched."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("base", metavar="KB", help="The base's slug, id or name.")
        parser.add_argument("paths", metavar="PATH", nargs="+", type=Path)
        parser.add_argument("--create", action="store_true", help="Make the base if it is new.")
        parser.add_argument("--user", help="Who uploads; else the base's owner.")
        parser.add_argument(
            "--inline", action="store_true", help="Index in this process, without a worker."
        )
        parser.add_argument("--jobs", type=int, default=2, help="Files indexed at once, inline.")
        parser.add_argument("--json", action="store_true", help="Print the summary as JSON.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Upload, wait, report; the exit code is 1 when a file failed."""
        began = time.monotonic()
        missing = [str(path) for path in options["paths"] if not path.exists()]
        if missing:
            raise CommandError(_("There is no such file or folder: %s") % ", ".join(missing))
        actor, base = _who_and_where(options["base"], options["user"], create=options["create"])
        console = Console(stderr=True, quiet=options["json"])
        summary = Summary(base=base.slug)
        watch = Watch(base, inline=options["inline"], jobs=options["jobs"])
        with _bars(console) as bars:
            sources = _upload_all(actor, base, options["paths"], summary, bars)
            _wait(watch, sources, bars)
        _conclude(summary, base, sources)
        summary.seconds = round(time.monotonic() - began, 1)
        self._print(summary, as_json=options["json"])
        if summary.failed:
            sys.exit(1)

    def _print(self, summary: Summary, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(asdict(summary), ensure_ascii=False, indent=2))
        else:
            _show(summary, Console(file=cast("IO[str]", self.stdout)))


def _who_and_where(
    wanted: str, username: str | None, *, create: bool
) -> tuple[User, KnowledgeBase]:
    """Return who uploads, and the base.

    Raises:
        CommandError: there is no such person or base.
    """
    base = _find_base(wanted)
    actor = _find_user(username) if username or base is None else base.owner
    if base is None and create:
        try:
            base = services.create_base(actor=actor, name=wanted)
        except ClawError as error:
            raise CommandError(_complaint(error)) from error
    if base is None:
        raise CommandError(_("There is no knowledge base %s; --create makes it.") % wanted)
    return actor, base


def _find_base(wanted: str) -> KnowledgeBase | None:
    named = Q(slug=wanted) | Q(name=wanted)
    with suppress(ValueError):
        named |= Q(pk=UUID(wanted))
    found = list(KnowledgeBase.objects.filter(named).select_related("owner")[:2])
    if len(found) > 1:
        raise CommandError(_("Several knowledge bases are called %s: use the slug.") % wanted)
    return found[0] if found else None


def _find_user(username: str | None) -> User:
    people = User.objects.filter(is_active=True)
    if username:
        found = people.filter(username__iexact=username).first()
    else:
        found = people.filter(is_superuser=True).order_by("date_joined").first()
    if found is None:
        raise CommandError(_("There is no such person: name one with --user."))
    return found


def _files(paths: list[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield the files, and whether each was named itself; hidden ones in folders are left out."""
    for path in paths:
        if not path.is_dir():
            yield path.resolve(), True
            continue
        for inner in sorted(path.resolve().rglob("*")):
            hidden = any(part.startswith(".") for part in inner.relative_to(path.resolve()).parts)
            if inner.is_file() and not inner.is_symlink() and not hidden:
                yield inner, False


def _upload_all(
    actor: User, base: KnowledgeBase, paths: list[Path], summary: Summary, bars: Progress
) -> dict[UUID, Path]:
    """Upload every file; return the documents that there are now, with their paths."""
    wanted = list(_files(paths))
    task = bars.add_task(_("Uploading"), total=len(wanted), note="")
    documents: dict[UUID, Path] = {}
    for path, named in wanted:
        if not named and sniffing.kind_of(path.name) is None:
            summary.skipped += 1
        else:
            _upload_one(actor, base, path, summary, documents)
        bars.update(task, advance=1, note=path.name[-40:])
    bars.update(task, note="")
    return documents


def _upload_one(
    actor: User, base: KnowledgeBase, path: Path, summary: Summary, documents: dict[UUID, Path]
) -> None:
    try:
        with path.open("rb") as stream:
            document, created = services.upload(
                actor=actor,
                base_id=base.pk,
                file=File(stream, name=path.name),
                source=str(path),
            )
        if not created and document.status == Document.Status.FAILED:
            services.retry(actor=actor, document_id=document.pk)
    except ClawError as error:
        summary.failed.append(Failure(str(path), error.code, _complaint(error)))
        return
    except OSError as error:
        summary.failed.append(Failure(str(path), "unreadable", error.strerror or str(error)))
        return
    documents[document.pk] = path
    if not created:
        summary.unchanged += 1
    elif document.current_version_id is None:
        summary.added += 1
    else:
        summary.changed += 1


def _complaint(error: ClawError) -> str:
    if isinstance(error, Invalid) and error.errors:
        return " ".join(text for texts in error.errors.values() for text in texts)
    return str(error.detail)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def _wait(watch: Watch, documents: dict[UUID, Path], bars: Progress) -> None:
    """Show how far the documents are until all have ended."""
    task = bars.add_task(_("Indexing"), total=len(documents), note="")
    for state in watch.follow(list(documents)):
        note = _("%(chunks)d passages, %(rate).1f/s") % {
            "chunks": state.chunks,
            "rate": state.chunks_per_second,
        }
        bars.update(task, completed=state.done, note=f"{note} {state.where}")


def _conclude(summary: Summary, base: KnowledgeBase, documents: dict[UUID, Path]) -> None:
    rows = Document.objects.filter(pk__in=list(documents)).described()
    for row in rows:
        if row.status == Document.Status.FAILED:
            why = reason(row.error_code, row.error)
            summary.failed.append(Failure(str(documents[row.pk]), row.error_code, why))
        else:
            summary.ready += 1
    base.refresh_from_db()
    if base.active_generation is not None:
        summary.chunks = base.active_generation.chunk_count


def _show(summary: Summary, console: Console) -> None:
    figures = Table(title=summary.base, show_header=False)
    for name, value in (
        (_("New"), summary.added),
        (_("Changed"), summary.changed),
        (_("Unchanged"), summary.unchanged),
        (_("Not of a kind that can be read"), summary.skipped),
        (_("Ready"), summary.ready),
        (_("Failed"), len(summary.failed)),
        (_("Passages in the base"), summary.chunks),
        (_("Seconds"), summary.seconds),
    ):
        figures.add_row(name, str(value))
    console.print(figures)
    for failure in summary.failed:  # whole paths, to be copied: no cell cuts them
        line = f"{failure.path}: {failure.reason}"
        console.print(line, soft_wrap=True, markup=False, highlight=False)
