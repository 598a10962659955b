"""How the commands speak: tables for people, JSON for programs, and exits that mean something."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from django.core.management.base import OutputWrapper
from django.core.serializers.json import DjangoJSONEncoder
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


class Exit(IntEnum):
    """What a command's exit status says; 2 is argparse's for a line that it does not understand."""

    DONE = 0
    REFUSED = 1
    SECOND_PERSON = 3
    UNREADABLE = 4


class Voice:
    """Says things in one of the two ways; what is said for people only goes to stderr as JSON."""

    def __init__(self, out: OutputWrapper, *, as_json: bool) -> None:
        self.as_json = as_json
        self.out = out
        self._console = Console(file=out, highlight=False, soft_wrap=True)  # type: ignore[arg-type]
        self._aside = Console(file=sys.stderr, highlight=False, soft_wrap=True)

    def tell(self, content: Any, text: str) -> None:
        """Say one thing: `content` to a program, `text` to a person."""
        if self.as_json:
            self.out.write(json.dumps(content, ensure_ascii=False, cls=DjangoJSONEncoder))
        else:
            self._console.print(Text(text))

    def rows(self, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
        """Say a table: all of it to a program, `columns` by their titles to a person."""
        if self.as_json:
            self.tell(list(rows), "")
            return
        table = Table(box=None, header_style="bold", pad_edge=False)
        for title in columns.values():
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row(*(Text(_cell(row[name])) for name in columns))
        self._console.print(table)

    def aside(self, lines: Iterable[str]) -> None:
        """Say something that is no result."""
        for line in lines:
            self._aside.print(Text(line))

    def progress(self) -> Progress:
        """Return a progress bar on stderr; none is drawn where nobody looks."""
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._aside,
            disable=self.as_json or not self._aside.is_terminal,
        )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
