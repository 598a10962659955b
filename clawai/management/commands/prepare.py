"""`prepare`: tables, static files, the first administrator and the demo base; safe to repeat."""

import json
import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.models import Role, User
from clawai import demo

ADMINISTRATOR = "admin"
LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Command(BaseCommand):
    """Brings the database and the static files to what the code expects."""

    help = "Migrate, collect the static files, make the first administrator and the demo base."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--no-demo", action="store_true", help="leave the demo base out")
        parser.add_argument("--json", action="store_true", help="print the result for a program")

    def handle(self, *_args: Any, no_demo: bool, json: bool, **_options: Any) -> None:
        """Do all of it and say who the administrator is."""
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        name, password = first_administrator()
        if not no_demo and name:
            demo.fill(User.objects.get(username=name))
        self._report(name, password, as_json=json)

    def _report(self, name: str, password: str, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"administrator": name, "password": password}))
        elif password:
            self.stdout.write(f"The first administrator is {name}, with the password {password}")


@transaction.atomic
def first_administrator() -> tuple[str, str]:
    """Return an administrator's name, and the password where the person was made just now."""
    known = User.objects.filter(is_superuser=True, is_active=True).order_by("date_joined").first()
    if known is not None or User.objects.exists():
        return (known.username if known else "", "")
    password = "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))
    user = User.objects.create_superuser(ADMINISTRATOR, password=password)
    user.groups.add(Group.objects.get(name=Role.ADMINISTRATOR))
    return user.username, password
