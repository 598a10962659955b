"""The house whose parts are broken one after the other."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clawai.embedded import postgresql, state
from tests.stack.fixtures import ENDPOINT
from tests.stack.house import House
from tests.stack.machine import stack
from tests.stack.operator import Operator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.journey)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    data_dir = Path(os.environ["CLAWAI_DATA_DIR"]) / "faults"
    state.prepare(data_dir)
    postgres = postgresql.Server(data_dir, durable=True)
    url = postgres.start()
    try:
        settings = {"CLAWAI_ANSWERS_PER_USER": "50", "CLAWAI_ANSWERS_TITLES": "false"}
        with (
            stack(
                data_dir, url, name="clawai_faults", settings=settings, seed=json.dumps(ENDPOINT)
            ) as machine,
            Operator(machine.env) as operator,
        ):
            here = House(machine, postgres, operator)
            here.wait_until_all_run(1, 30)
            yield here
            here.check_never_older()
            here.check_histories()
    finally:
        postgres.stop()


@pytest.fixture(autouse=True)
def healthy(house: House) -> None:
    """Every test begins with everything up, and all processes on the newest release."""
    if house.machine.redis_server.pid() is None:
        house.machine.redis_server.start()
    house.postgres.start()
    newest = max(version for version, _ in house.running().values())
    house.wait_until_all_run(newest, 10)
    time.sleep(0.3)
