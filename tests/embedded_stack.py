"""Real PostgreSQL and Redis for the test run, up before Django's settings are read."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clawai import embedded
from clawai.embedded import state

ROOT = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("CLAWAI_TEST_DATA_DIR", ROOT / ".clawai-test")).resolve()
# A developer's own `.env` must not decide what the tests see; an empty value keeps it out.
FIXED = {
    "CLAWAI_DATA_DIR": str(DATA_DIR),
    "CLAWAI_PUBLIC_URL": "http://localhost",
    "CLAWAI_ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
    "CLAWAI_TRUSTED_PROXIES": "",
    "CLAWAI_DEBUG": "0",
    "ZHIPUAI_API_KEY": "",
    "ZHIPUAI_BASE_URL": "",
}
_guests: list[int] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Iterator[None]:
    """Start or attach to the servers and point the settings at them."""
    state.prepare(DATA_DIR)
    (DATA_DIR / "staticfiles").mkdir(exist_ok=True)  # WhiteNoise warns where there is none
    # Runs that share the directory share the servers; the last one out stops them.
    _guests.append(os.open(DATA_DIR / "guests.lock", os.O_RDWR | os.O_CREAT, 0o600))
    fcntl.flock(_guests[0], fcntl.LOCK_SH)
    stack = embedded.start(DATA_DIR, durable=False)
    state.ensure_secrets(DATA_DIR)
    os.environ.update(FIXED, DATABASE_URL=stack.database_url, REDIS_URL=stack.redis_url)
    return (yield)


def pytest_unconfigure() -> None:
    """Stop the servers unless CLAWAI_TEST_KEEP=1 or another run still uses them."""
    if not _guests:
        return
    guests = _guests.pop()
    try:
        fcntl.flock(guests, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.environ.get("CLAWAI_TEST_KEEP", "") != "1":
            embedded.stop(DATA_DIR)
    except BlockingIOError:
        pass  # another run goes on with them
    finally:
        os.close(guests)
