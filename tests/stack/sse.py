"""Reads Server-Sent Events as a browser's EventSource does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.stack.people import API, Person


@dataclass(slots=True)
class Event:
    """One event."""

    id: str = ""
    name: str = "message"
    data: dict[str, Any] = field(default_factory=dict)


def events_of(person: Person, method: str, path: str, **options: Any) -> Iterator[Event]:
    """Yield the events of a stream until the server ends it."""
    headers = {"Accept": "text/event-stream"} | options.pop("headers", {})
    with person.http.stream(method, API + path, headers=headers, **options) as response:
        if response.status_code != 200:
            raise RuntimeError(f"{response.status_code}: {response.read().decode()}")
        assert response.headers["Content-Type"].startswith("text/event-stream")
        event, has_data = Event(), False
        for line in response.iter_lines():
            if not line and has_data:
                yield event
                event, has_data = Event(), False
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                event.data, has_data = json.loads(value), True
            elif name == "id":
                event.id = value
            elif name == "event":
                event.name = value
