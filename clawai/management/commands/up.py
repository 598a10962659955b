"""`up`: the whole of CLAW.AI on this machine, in one terminal."""

import sys
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from clawai import bootstrap, crew
from clawai.bootstrap import Ground
from clawai.offspring import Child
from clawai.supervisor import Supervisor


class Command(BaseCommand):
    """Starts the web server, the workers and beat, and looks after them."""

    help = "Start all of CLAW.AI here: servers, web, workers; Ctrl-C stops it."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        bootstrap.add_arguments(parser)

    def handle(self, *_args: Any, no_worker: bool, **_options: Any) -> None:
        """Run until Ctrl-C; ends with another status than 0 when the web cannot start."""
        try:
            ground = bootstrap.ground()
        except bootstrap.NotLaidError as error:
            raise CommandError(str(error)) from error
        crew.load()
        supervisor = _supervisor(ground, with_workers=not no_worker)
        sys.exit(supervisor.run(partial(_announce, ground)))


def _supervisor(ground: Ground, *, with_workers: bool) -> Supervisor:
    children: list[Child] = []
    supervisor = Supervisor(ground.data_dir, children, plain=settings.LOG_FORMAT == "json")
    children.append(Child("web", partial(crew.web, ground.listener, supervisor.tell_ready)))
    if with_workers:
        children += [
            Child("answers", crew.answers),
            Child("indexing", crew.indexing),
            Child("beat", crew.beat),
        ]
    supervisor.children = children
    return supervisor


def _announce(ground: Ground) -> None:
    """Print the block that says where to go and how to get in."""
    name = ground.administrator or "NAME"
    lines = Table.grid(padding=(0, 2))
    lines.add_row("Chat", f"{ground.url}/")
    lines.add_row("Admin", f"{ground.url}/admin/")
    if ground.password:
        lines.add_row("Sign in", f"{name} / [bold]{ground.password}[/bold]  (shown this once)")
    else:
        lines.add_row("Sign in", f"{name}, with your password")
    lines.add_row("Forgotten", f"{_short(sys.executable)} manage.py changepassword {name}")
    lines.add_row("Stop", "Ctrl-C")
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Panel(lines, title="CLAW.AI is running", expand=False)
    )


def _short(path: str) -> str:
    """Return `path` as one types it in the project's directory."""
    return path.removeprefix(f"{settings.BASE_DIR}/")
