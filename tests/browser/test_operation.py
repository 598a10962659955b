"""The dashboard and the jobs in a browser: bars that move by themselves, and a job that stops."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PageMaker
from tests.browser.test_web_pages import enter
from tests.stack.machine import Machine
from tests.stack.people import Person, signed_in

pytestmark = pytest.mark.timeout(300)  # the first of them waits for the whole stack
JOB = "0c0ffee0-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def olga(machine: Machine) -> Iterator[Person]:
    with signed_in(machine.url, "olga") as person:
        yield person


@pytest.fixture
def job(machine: Machine) -> Iterator[None]:
    """A job that no worker takes, at a quarter of its way."""
    with machine.database() as database:
        database.execute(
            "INSERT INTO configs_job (id, kind, title, owner_id, payload, state, done, total,"
            " message, result, attempts, lease_expires_at, created_at)"
            " SELECT %s, 'none', 'Index anew: Manuals', id, '{}', 'running', 25, 100, '', '{}', 1,"
            " now() + interval '1 hour', now() FROM accounts_user WHERE username = 'olga'",
            [JOB],
        )
    yield
    with machine.database() as database:
        database.execute("DELETE FROM configs_job WHERE id = %s", [JOB])


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_dashboard__of_an_operator__fits_every_width(
    open_page: PageMaker, olga: Person, locale: str
) -> None:
    with open_page(locale) as page:
        enter(page, olga, "/admin/?period=24h")
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(page.locator(".db-chart svg")).to_have_count(3)
        chart = page.locator(".db-chart").first
        assert chart.locator("svg title").count() == 24
        chart.locator("summary").click()
        expect(chart.locator("tbody tr")).to_have_count(24)
        expect(page.locator("[aria-current=true]")).to_have_count(1)


def test_search__by_the_keyboard__leads_to_a_setting(open_page: PageMaker, olga: Person) -> None:
    with open_page("en") as page:
        enter(page, olga, "/admin/")
        page.keyboard.press("Control+k")
        page.locator("#search-input-command").press_sequentially("top_k", delay=30)
        result = page.locator("#command-results-list a", has_text="retrieval.top_k")
        expect(result).to_be_visible()
        result.click()
        expect(page).to_have_url(re.compile("/admin/configs/config/.*top_k"))


def test_job__in_progress__moves_by_itself_and_stops_when_told(
    open_page: PageMaker, olga: Person, machine: Machine, job: None
) -> None:
    with open_page("en") as page:
        enter(page, olga, "/admin/configs/job/")
        row = page.locator(f"#job-{JOB}")
        bar = row.get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuenow", "25")
        with machine.database() as database:
            database.execute("UPDATE configs_job SET done = 75 WHERE id = %s", [JOB])
        expect(bar).to_have_attribute("aria-valuenow", "75")
        expect(row).to_contain_text("75 / 100")
        row.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Leave it").click()
        expect(row).not_to_contain_text("stopping")
        row.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Stop it").click()
        expect(row).to_contain_text("stopping")
        with machine.database() as database:
            database.execute("UPDATE configs_job SET state = 'cancelled' WHERE id = %s", [JOB])
        expect(row).to_contain_text("cancelled")


@pytest.mark.parametrize(
    "address", ["/admin/workers/", "/admin/knowledge/knowledgebase/search-test/"]
)
def test_screen__on_a_phone__fits(open_page: PageMaker, olga: Person, address: str) -> None:
    with open_page("en") as page:
        page.set_viewport_size({"width": 390, "height": 900})
        enter(page, olga, address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
