"""What the tests of configs share."""

from collections.abc import Iterator

import pytest

from configs import runtime


@pytest.fixture(autouse=True)
def forgotten_snapshot() -> Iterator[None]:
    """Each test reads its own database."""
    runtime.forget()
    yield
    runtime.forget()
