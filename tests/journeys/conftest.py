"""The stack of the journeys, its people, and the words that make a question unique."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.fake_glm.process import FakeGlm
from tests.stack.machine import Machine
from tests.stack.machine import stack as run_stack
from tests.stack.people import Person, signed_in

# Short times where a test waits for them to run out; one model call per question.
SETTINGS = {
    "CLAWAI_ANSWERS_LEASE_SECONDS": "6",
    "CLAWAI_ANSWERS_PER_USER": "50",
    "CLAWAI_ANSWERS_TITLES": "false",
}
ENDPOINT = {"first_byte_timeout_seconds": 3, "idle_timeout_seconds": 3}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.journey)


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    data_dir = Path(os.environ["CLAWAI_DATA_DIR"]) / "journeys"
    server = os.environ["DATABASE_URL"]
    name = "clawai_journeys"
    seed = json.dumps(ENDPOINT)
    with run_stack(data_dir, server, name=name, seed=seed, settings=SETTINGS) as running:
        yield running


@pytest.fixture
def glm(machine: Machine) -> FakeGlm:
    machine.glm.clear()
    return machine.glm


@pytest.fixture
def marker() -> str:
    """Return a word that no other question has; rules and calls are found by it."""
    return f"m{uuid4().hex[:10]}"


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
