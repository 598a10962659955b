"""The people of the journeys, each with a session of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.machine import Machine
from tests.stack.people import Person, signed_in


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.journey)


@pytest.fixture(scope="session")
def alice(machine: Machine) -> Iterator[Person]:
    with signed_in(machine.url, "alice") as person:
        yield person


@pytest.fixture(scope="session")
def bob(machine: Machine) -> Iterator[Person]:
    with signed_in(machine.url, "bob") as person:
        yield person


@pytest.fixture(scope="session")
def charlie(machine: Machine) -> Iterator[Person]:
    with signed_in(machine.url, "charlie") as person:
        yield person


@pytest.fixture(scope="session")
def olga(machine: Machine) -> Iterator[Person]:
    with signed_in(machine.url, "olga") as person:
        yield person


@pytest.fixture(scope="session")
def aidan(machine: Machine) -> Iterator[Person]:
    with signed_in(machine.url, "aidan") as person:
        yield person
