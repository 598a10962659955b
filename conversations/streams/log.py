"""A reply's log in Redis Streams: its names, its entries, reading it and sealing it.

The log of one epoch is one stream. Event number n has the entry id `n-0`, so that Redis itself
refuses a second event of the same number, and reading from `n-0` on is resuming after event n.
An entry holds the frame as it goes over the wire. A sealed log takes no more events: that is how
a worker that lost its claim is kept from writing on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from configs import registry, runtime
from conversations.protocol import LAST_EVENTS, Event, encode
from conversations.streams import connection

MAX_EVENTS: Final = 20_000
STOP_SECONDS: Final = 3600
SEAL: Final = 2**62
"""No event has this number; a log that holds it is sealed."""

Command = tuple[str | bytes | int, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as the log keeps it."""

    seq: int
    kind: str
    frame: bytes

    @property
    def is_seal(self) -> bool:
        """Whether this marks the end of the log instead of being an event."""
        return self.seq >= SEAL

    @property
    def is_last(self) -> bool:
        """Whether no event can follow."""
        return self.kind in LAST_EVENTS


def key(reply: UUID, epoch: int) -> str:
    """Return the name of a reply's log."""
    return f"clawai:reply:{reply.hex}:{epoch}"


def stop_key(reply: UUID) -> str:
    """Return the name of the flag that asks a reply to stop."""
    return f"clawai:stop:{reply.hex}"


def entry_of(event: Event) -> Entry:
    """Return an event as the log keeps it."""
    return Entry(event.seq, event.TYPE, encode(event))


def append_commands(reply: UUID, epoch: int, entries: Iterable[Entry]) -> list[Command]:
    """Return the commands that append `entries`, in order; the last event lets the log expire."""
    name = key(reply, epoch)
    commands: list[Command] = []
    for entry in entries:
        identity = f"{entry.seq}-0"
        commands.append(
            ("XADD", name, "MAXLEN", "~", MAX_EVENTS, identity, "t", entry.kind, "f", entry.frame)
        )
        if entry.is_last:
            commands.append(("EXPIRE", name, _kept_seconds()))
    return commands


def _kept_seconds() -> int:
    return runtime.current().get(registry.ANSWERS_LOG_SECONDS)


def entries_of(raw: Iterable[tuple[bytes, Mapping[bytes, bytes]]]) -> list[Entry]:
    """Return entries as Redis answers them."""
    return [
        Entry(int(identity.partition(b"-")[0]), fields[b"t"].decode(), fields[b"f"])
        for identity, fields in raw
    ]


# --- For threads -------------------------------------------------------------------------------


def read(reply: UUID, epoch: int, *, after: int) -> list[Entry]:
    """Return all events after number `after`, seals left out; raises what `UNREACHABLE` names."""
    raw: Any = connection.threads().xrange(key(reply, epoch), f"({after}-0", f"({SEAL}-0")
    return entries_of(raw)


def append(reply: UUID, epoch: int, events: Iterable[Event]) -> None:
    """Append events that no worker writes, such as the end of a reply that was never begun."""
    pipeline: Any = connection.threads().pipeline(transaction=False)
    for command in append_commands(reply, epoch, map(entry_of, events)):
        pipeline.execute_command(*command)
    pipeline.execute()


def seal(reply: UUID, epoch: int) -> None:
    """Keep everyone from appending to a log, and have its followers look at the row.

    A log can be sealed again, to have them look again.
    """
    pipeline = connection.threads().pipeline(transaction=False)
    pipeline.xadd(key(reply, epoch), {"t": "seal", "f": ""}, id=f"{SEAL}-*")
    pipeline.expire(key(reply, epoch), _kept_seconds())
    pipeline.execute()


def is_there() -> bool:
    """Return whether Redis answers; one that refuses says so within milliseconds."""
    try:
        return bool(connection.threads().ping())
    except connection.UNREACHABLE:
        return False


def request_stop(reply: UUID) -> None:
    """Ask the worker that writes `reply` to stop within a round of publishing."""
    connection.threads().set(stop_key(reply), "1", ex=STOP_SECONDS)
