"""A real Chromium that reports everything a careful user could hold against a page."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.stack.machine import Machine
from tests.stack.people import Person, signed_in

CHROMIUM = os.environ.get("CLAWAI_CHROMIUM") or shutil.which("chromium") or ""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


# Not for the whole session: Playwright keeps an event loop running in this thread while it lives,
# and tests that run a loop of their own come after the browser's.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("the system has no chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Complaints(list[str]):
    """What a page did that it must not do; emptied by a test that expects something."""

    def watch(self, page: Page, origin: str) -> None:
        """Note console errors, exceptions, CSP violations and requests to other origins."""
        host = urlsplit(origin).netloc

        def console(message: ConsoleMessage) -> None:
            if message.type == "error" or "Content Security Policy" in message.text:
                self.append(f"console: {message.text} ({message.location})")

        def request(sent: Request) -> None:
            parts = urlsplit(sent.url)
            if parts.scheme not in ("data", "blob") and parts.netloc != host:
                self.append(f"request to another origin: {sent.url}")

        page.on("console", console)
        page.on("request", request)
        page.on("pageerror", lambda error: self.append(f"exception: {error}"))
        page.on("response", lambda r: r.status >= 400 and self.append(f"{r.status} {r.url}"))


PageMaker = Callable[[str], contextlib.AbstractContextManager[Page]]


@pytest.fixture
def open_page(machine: Machine, chromium: Browser) -> PageMaker:
    """Return a maker of pages in a language; leaving the block fails on any complaint."""

    @contextlib.contextmanager
    def make(locale: str) -> Iterator[Page]:
        context = chromium.new_context(
            locale=locale, base_url=machine.url, viewport={"width": 1280, "height": 800}
        )
        complaints = Complaints()
        try:
            page = context.new_page()
            page.set_default_timeout(15_000)
            complaints.watch(page, machine.url)
            yield page
        finally:
            context.close()
        assert list(complaints) == []

    return make


@pytest.fixture
def alice(machine: Machine) -> Iterator[Person]:
    with signed_in(machine.url, "alice") as person:
        yield person
