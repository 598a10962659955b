"""Somebody who publishes settings, as a process: `{"key", "value"}` a line in, times a line out.

The answer holds the release's version and when it was committed, as a Unix time.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

import django

from tests.stack.service import ROOT


@dataclass(frozen=True, slots=True)
class Published:
    """A release and the moment of its commit."""

    version: int
    committed: float


class Operator:
    """The handle of such a process; use it in a `with` block."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env

    def __enter__(self) -> "Operator":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stack.operator"],
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_exc: object) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def publish(self, key: str, value: object) -> Published:
        """Set a setting and return what became of it."""
        self._process.stdin.write(json.dumps({"key": key, "value": value}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("The operator's process has ended.")
        return Published(**json.loads(answer))


def change(key: str, value: object) -> dict[str, float]:
    """Publish one change and return its version and the time of its commit."""
    from django.db import transaction

    from configs import runtime, services

    times: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: times.append(time.time()))
        services.change_setting(key=key, value=value, actor=None, reason="a test")
    return {"version": runtime.refresh().version, "committed": times[0]}


def main() -> None:
    """Publish what is asked for until the input ends; a database that was away is tried again."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")
    django.setup()
    from django.db import Error, connection

    for line in sys.stdin:
        wanted = json.loads(line)
        while True:
            try:
                done = change(wanted["key"], wanted["value"])
                break
            except Error:
                connection.close()
                time.sleep(0.1)
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
