"""Prove that the audit log is whole, and take it away as a file."""

import json
import sys
import time
from argparse import ArgumentParser
from contextlib import nullcontext
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from configs import audit
from configs.audit.browsing import Wanted
from configs.audit.exporting import FORMATS

BROKEN = 1


class Command(BaseCommand):
    """`manage.py audit verify|head|export`."""

    help = "Prove that nothing in the audit log was altered, removed or inserted, or export it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser("verify", help="check the chain; the exit code is 1 at a fault")
        verify.add_argument("--since", default="", help="a position, a date or a time to begin at")
        verify.add_argument(
            "--expect",
            default="",
            metavar="POSITION:SEAL",
            help="a head that was noted before: proves that nothing up to there was rewritten",
        )
        verify.add_argument("--json", action="store_true", help="one JSON object for scripts")
        verbs.add_parser("head", help="print POSITION:SEAL, to be kept elsewhere")
        export = verbs.add_parser("export", help="write the log into a file")
        export.add_argument("file", help="ends in .csv or .jsonl; - writes JSON Lines to stdout")

    def handle(self, **options: Any) -> None:
        """Do the verb."""
        getattr(self, f"_{options['verb']}")(options)

    def _head(self, _options: dict[str, Any]) -> None:
        self.stdout.write(str(audit.head()))

    def _verify(self, options: dict[str, Any]) -> None:
        first = _first(options["since"])
        expected = _expected(options["expect"])
        began = time.monotonic()
        with _bar(quiet=options["json"]) as tell:
            verdict = audit.verify(first=first, expected=expected, progress=tell)
        seconds = time.monotonic() - began
        if options["json"]:
            report = {"whole": verdict.fault is None, **asdict(verdict), "seconds": seconds}
            self.stdout.write(json.dumps(report, ensure_ascii=False))
        else:
            self._say(verdict, seconds)
        if verdict.fault:
            sys.exit(BROKEN)

    def _say(self, verdict: audit.Verdict, seconds: float) -> None:
        if verdict.fault:
            said = _("The audit log is BROKEN at position %(position)d: %(why)s")
            self.stderr.write(self.style.ERROR(said % asdict(verdict.fault)))
            if verdict.fault.entry_id:
                self.stderr.write(_("It is the entry with the id %d.") % verdict.fault.entry_id)
            return
        said = _(
            "The audit log is whole: %(count)d entries from position %(first)d, %(rate)d a second."
        )
        numbers = {"count": verdict.checked, "first": verdict.first}
        rate = {"rate": verdict.checked / max(seconds, 1e-6)}
        self.stdout.write(self.style.SUCCESS(said % (numbers | rate)))
        self.stdout.write(_("Keep this elsewhere, for the next check with --expect:"))
        self.stdout.write(str(verdict.head))

    def _export(self, options: dict[str, Any]) -> None:
        name = options["file"]
        kind = "jsonl" if name == "-" else Path(name).suffix.removeprefix(".")
        if kind not in FORMATS:
            raise CommandError(_("The name of the file must end in .csv or .jsonl."))
        audit.record(action=audit.actions.EXPORT_AUDIT, detail={"format": kind})
        write, _media_type = FORMATS[kind]
        with nullcontext(sys.stdout.buffer) if name == "-" else Path(name).open("wb") as file:
            for part in write(Wanted()):
                file.write(part)


class _bar:  # noqa: N801  # used like a function
    """A progress bar while the chain is walked; none where nobody looks."""

    def __init__(self, *, quiet: bool) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        self.progress = Progress(*columns, console=Console(stderr=True), disable=quiet)

    def __enter__(self) -> audit.verification.Progress:
        self.progress.start()
        task = self.progress.add_task(_("Checking"), total=None)
        return lambda done, total: self.progress.update(task, completed=done, total=total)

    def __exit__(self, *_raised: object) -> None:
        self.progress.stop()


def _first(text: str) -> int:
    """Return the position to begin at.

    Raises:
        CommandError: the text is none, nor a time.
    """
    if not text:
        return 1
    if text.isascii() and text.isdecimal():
        return max(1, int(text))
    try:
        moment = parse_datetime(text)
        day = parse_date(text) if moment is None else None
    except ValueError:
        moment = day = None
    if day is not None:
        moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001  # made aware below
    if moment is None:
        raise CommandError(
            _("--since takes a position such as 1200, or a date such as 2026-01-31.")
        )
    return audit.first_since(moment if timezone.is_aware(moment) else timezone.make_aware(moment))


def _expected(text: str) -> audit.Head | None:
    try:
        return audit.Head.of(text) if text else None
    except ValueError:
        raise CommandError(_("--expect takes POSITION:SEAL, as `audit head` prints it.")) from None
