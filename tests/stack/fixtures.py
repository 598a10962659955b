"""The running stack, for the journeys and the browser tests of one session."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.fake_glm.process import FakeGlm
from tests.stack.machine import Machine, stack

# Short times where a test waits for them to run out; one model call a question.
SETTINGS = {
    "CLAWAI_ANSWERS_LEASE_SECONDS": "6",
    "CLAWAI_ANSWERS_PER_USER": "50",
    "CLAWAI_ANSWERS_TITLES": "false",
}
ENDPOINT = {"first_byte_timeout_seconds": 3, "idle_timeout_seconds": 3}


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    data_dir = Path(os.environ["CLAWAI_DATA_DIR"]) / "journeys"
    server = os.environ["DATABASE_URL"]
    seed = json.dumps(ENDPOINT)
    with stack(data_dir, server, name="clawai_journeys", seed=seed, settings=SETTINGS) as running:
        yield running


@pytest.fixture
def glm(machine: Machine) -> FakeGlm:
    machine.glm.clear()
    return machine.glm


@pytest.fixture
def marker() -> str:
    """Return a word that no other question has; rules and calls are found by it."""
    return f"m{uuid4().hex[:10]}"
