"""Who holds a socket, and whether that is still so: asked for all sockets of a process at once."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import Error as DatabaseError
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts import sessions as sessions_of_people
from accounts.authentication import Bearer, working
from accounts.models import User
from conversations.streams import rows

EVERY_SECONDS: Final = 4.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """A session, JWT or API key that holds a socket open; `revoke` is called when it ends.

    `person` is its owner as known when the socket was opened.
    """

    session: str | None
    bearer: Bearer | None
    revoke: Callable[[], Any]
    person: User


class Watch:
    """Looks every few seconds whether the credentials of all open sockets of a loop still hold."""

    def __init__(self) -> None:
        self._held: set[Credential] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, credential: Credential) -> None:
        """Begin to watch a credential."""
        self._held.add(credential)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def remove(self, credential: Credential) -> None:
        """Watch a credential no longer."""
        self._held.discard(credential)
        if not self._held and self._task:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            held = tuple(self._held)
            try:
                ended = await rows.in_thread(partial(_ended, held))
            except DatabaseError as error:
                logger.warning("Credentials cannot be looked up: %s", error)
                continue
            for credential in ended:
                credential.revoke()


def _ended(held: tuple[Credential, ...]) -> list[Credential]:
    sessions = valid_sessions({each.session for each in held if each.session})
    bearers = working(each.bearer for each in held if each.bearer)
    lost = _rights_lost({each.person.pk for each in held})
    return [
        each
        for each in held
        if lost.get(each.person.pk) != each.person.rights_lost  # what it knows of them is stale
        or not (each.session in sessions or each.bearer in bearers)
    ]


def _rights_lost(people: set[UUID]) -> dict[UUID, int]:
    rows = User.objects.filter(pk__in=people).order_by()
    return dict(rows.values_list("pk", "rights_lost"))


def valid_sessions(keys: set[str]) -> set[str]:
    """Return those of `keys` whose session runs, of an active person with that same password.

    Two queries, however many there are.
    """
    if not keys:
        return set()
    sessions = {
        session.session_key: session.get_decoded()
        for session in Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    }
    people = User.objects.filter(
        pk__in={data[SESSION_KEY] for data in sessions.values() if SESSION_KEY in data},
        is_active=True,
    )
    hashes = {str(user.pk): user.get_session_auth_hash() for user in people.order_by()}
    return {
        key
        for key, data in sessions.items()
        if sessions_of_people.seconds_left(data) > 0
        and (expected := hashes.get(data.get(SESSION_KEY, "")))
        and constant_time_compare(data.get(HASH_SESSION_KEY, ""), expected)
    }


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def watch() -> Watch:
    """Return the watch of the running event loop."""
    return _watches.setdefault(asyncio.get_running_loop(), Watch())
