"""Does verbs inside the stack's installation, one a line: `python -m tests.stack.steer`."""

import importlib
import io
import json
import os
import sys
from typing import Any

import django


def told(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with people, change sets and free keys in the place of their names."""
    from accounts.models import User
    from configs.changesets import FreeKey
    from configs.models import ChangeSet

    if "actor" in kwargs:
        kwargs["actor"] = User.objects.get_by_natural_key(kwargs["actor"])
    if "change_set" in kwargs:
        kwargs["change_set"] = ChangeSet.objects.get(pk=kwargs["change_set"])
    if isinstance(kwargs.get("value"), dict) and "value_type" in kwargs["value"]:
        kwargs["value"] = FreeKey(**kwargs["value"])
    return kwargs


def command(line: list[str], typed: str) -> str:
    """Run `manage.py` with what is typed into it, and return what it prints."""
    from django.core.management import call_command

    printed, before = io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(typed)
    try:
        call_command(*line, stdout=printed)
    finally:
        sys.stdin = before
    return printed.getvalue()


def main() -> None:
    """Call `{"verb": "configs.services.change_setting", …}` for each line; print as JSON."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")
    django.setup()
    sys.modules["tests.stack.steer"] = sys.modules[__name__]
    for line in sys.stdin:
        asked = json.loads(line)
        module, _, name = asked.pop("verb").rpartition(".")
        result = getattr(importlib.import_module(module), name)(**told(asked))
        print(json.dumps(str(getattr(result, "pk", result))), flush=True)


if __name__ == "__main__":
    main()
