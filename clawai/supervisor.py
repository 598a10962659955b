"""Keeps the processes of `up` alive, shows what they say, and stops them in order."""

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from clawai import embedded, offspring
from clawai.offspring import Child

TICK_SECONDS = 0.2
SERVERS_EVERY_SECONDS = 1.0
WEB_ATTEMPTS = 3
COLOURS = {"up": 37, "web": 36, "answers": 32, "indexing": 33, "beat": 35}
PATIENCE_SECONDS = {"web": 10.0, "answers": 8.0, "indexing": 8.0, "beat": 2.0}
STOP_ORDER = (("web",), ("answers", "indexing"), ("beat",))


class Supervisor:
    """Runs children until a signal comes or the web process cannot start."""

    def __init__(self, data_dir: Path, children: Sequence[Child], *, plain: bool) -> None:
        self.data_dir = data_dir
        self.children = list(children)
        self.plain = plain
        self.signals = 0
        self.ready_reader, self.ready_writer = os.pipe()
        self.selector = selectors.DefaultSelector()
        self.servers_due_at = 0.0

    def tell_ready(self) -> None:
        """Called in the web process as soon as it listens."""
        os.write(self.ready_writer, b"!")

    def run(self, on_ready: Callable[[], None]) -> int:
        """Run until the end; returns the exit status. `on_ready` is called once."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        os.set_blocking(self.ready_reader, False)
        self.selector.register(self.ready_reader, selectors.EVENT_READ, None)
        waiting: Callable[[], None] | None = on_ready
        status = 0
        while not self.signals and not status:
            self._revive()
            if self._listen() and waiting is not None:
                waiting()
                waiting = None
            status = self._bury()
            self._watch_servers()
        self._stop()
        return status

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.signals += 1
        if self.signals > 1:
            for child in self.children:
                child.signal(signal.SIGKILL)

    def _revive(self) -> None:
        due = [c for c in self.children if not c.pid and time.monotonic() >= c.due_at]
        for child in due:
            child.start()
            self.selector.register(child.output, selectors.EVENT_READ, child)
        if due:
            with suppress(embedded.StackError):  # a full disk is no reason to end as well
                offspring.record(self.data_dir, self.children)

    def _listen(self) -> bool:
        """Show what was written; returns whether the web process said that it is ready."""
        ready = False
        for key, _ in self.selector.select(TICK_SECONDS):
            if key.data is None:
                ready = bool(os.read(self.ready_reader, 16))
            else:
                self._show(key.data)
        return ready

    def _show(self, child: Child) -> None:
        descriptor = child.output
        for line in child.lines():
            self.say(line, by=child.name)
        if child.output < 0:
            self.selector.unregister(descriptor)

    def say(self, line: str, *, by: str = "up") -> None:
        """Write one line of the common log, with the name of its process before it."""
        if self.plain or not sys.stderr.isatty():
            prefix = "" if self.plain else f"{by:<8} | "
        else:
            prefix = f"\x1b[{COLOURS.get(by, 37)}m{by:<8} │\x1b[0m "
        sys.stderr.write(f"{prefix}{line}\n")
        sys.stderr.flush()

    def _bury(self) -> int:
        """Look for the dead; returns an exit status when it makes no sense to go on."""
        for child in self.children:
            if not child.reap():
                continue
            if child.output >= 0:
                self._show(child)
            if child.name == "web" and child.failures >= WEB_ATTEMPTS:
                self.say(f"The web process cannot start: {child.last_line or 'it said nothing'}")
                return 1
            pause = child.due_at - time.monotonic()
            self.say(f"{child.name} has ended; it starts again in {pause:.1f} s.")
        return 0

    def _watch_servers(self) -> None:
        if time.monotonic() < self.servers_due_at:
            return
        self.servers_due_at = time.monotonic() + SERVERS_EVERY_SECONDS
        if embedded.running(self.data_dir):
            return
        try:
            self.say("A database server has ended; it starts again.")
            embedded.start(self.data_dir)
        except embedded.StackError as error:
            self.say(str(error))
            self.servers_due_at = time.monotonic() + 5 * SERVERS_EVERY_SECONDS

    def _stop(self) -> None:
        self.say("Stopping …")
        for names in STOP_ORDER:
            self._stop_these([c for c in self.children if c.name in names])

    def _stop_these(self, children: list[Child]) -> None:
        for child in children:
            child.signal(signal.SIGTERM)
        begun = time.monotonic()
        while any(child.pid for child in children):
            self._listen()
            for child in children:
                if not child.reap() and time.monotonic() - begun > PATIENCE_SECONDS[child.name]:
                    child.signal(signal.SIGKILL)
        for child in children:
            if child.output >= 0:
                self._show(child)
