"""What the tests of configs share."""

from collections.abc import Iterator
from importlib import import_module

import pytest
from django.apps import apps

from configs import runtime

FIRST_RELEASE = import_module("configs.migrations.0003_first_release")


@pytest.fixture(autouse=True)
def forgotten_snapshot() -> Iterator[None]:
    """Each test reads its own database."""
    runtime.forget()
    yield
    runtime.forget()


@pytest.fixture
def committed(transactional_db: None) -> None:
    """A database whose rows other processes and threads see, with what an installation has."""
    FIRST_RELEASE.seed(apps, None)
