"""The pages of the web UI: what is in them, what they load, and what a model cannot do to them."""

import gzip
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker
from tests.browser.test_chat_page import ask
from tests.fake_glm.process import FakeGlm
from tests.stack.machine import Machine
from tests.stack.people import Person, signed_in

HOSTILE = (
    "<script>window.hacked = 1</script> <img src=x onerror='window.hacked = 1'> "
    "![pixel](https://evil.example/p.png) [go](javascript:window.hacked=1) "
    "[out](https://evil.example/) `[1]` done"
)
BUDGET_BYTES = 200_000


@pytest.fixture(scope="module")
def reader(machine: Machine) -> Iterator[Person]:
    """Bob, signed in once: signing in for each test would meet the limit."""
    with signed_in(machine.url, "bob") as person:
        yield person


def enter(page: Page, person: Person, address: str = "/") -> None:
    """Open a page with the person's session."""
    cookies = [
        {"name": name, "value": value, "url": person.base_url}
        for name, value in person.http.cookies.items()
    ]
    page.context.add_cookies(cookies)
    page.goto(address)


def finished(page: Page) -> None:
    expect(page.locator("article.reply .actions").last).to_be_visible(timeout=30_000)


def test_reply__with_hostile_markdown__loads_and_runs_nothing(
    open_page: PageMaker, reader: Person, glm: FakeGlm, marker: str
) -> None:
    glm.rule(marker, text=HOSTILE)
    with open_page("en") as page:
        enter(page, reader)
        ask(page, f"hostile {marker}")
        finished(page)
        reply = page.locator("article.reply .prose")
        expect(reply).to_contain_text("done")
        assert page.evaluate("window.hacked") is None
        assert reply.locator("img, script, [style], [onerror]").count() == 0
        assert reply.locator("code .chip").count() == 0
        links = reply.locator("a").evaluate_all("all => all.map(a => [a.protocol, a.rel])")
        assert {protocol for protocol, _ in links} == {"https:"}
        assert all("noopener" in rel and "noreferrer" in rel for _, rel in links)


def test_regenerate__a_finished_reply__makes_a_branch_to_switch_between(
    open_page: PageMaker, reader: Person, glm: FakeGlm, marker: str
) -> None:
    glm.rule(marker, text="the answer")
    with open_page("en") as page:
        enter(page, reader)
        ask(page, f"branch {marker}")
        finished(page)
        page.get_by_role("button", name="Regenerate", exact=True).click()
        expect(page.locator(".reply .branches")).to_contain_text("2/2", timeout=30_000)
        page.get_by_role("button", name="Previous version").click()
        expect(page.locator(".reply .branches")).to_contain_text("1/2")


def test_draft__page_reloaded__is_still_there(open_page: PageMaker, reader: Person) -> None:
    with open_page("en") as page:
        enter(page, reader)
        page.locator("#composer textarea").fill("half a thought")
        page.reload()
        expect(page.locator("#composer textarea")).to_have_value("half a thought")


def test_language__chosen_in_the_menu__changes_the_page_and_stays(
    open_page: PageMaker, reader: Person
) -> None:
    with open_page("en") as page:
        enter(page, reader)
        page.locator("#account").click()
        page.get_by_role("menuitemradio", name="简体中文").click()
        expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
        page.goto("/knowledge/")
        expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
        page.locator("#account").click()
        page.get_by_role("menuitemradio", name="English").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("address", ["/", "/knowledge/", "/accounts/password/"])
def test_page__on_a_phone__does_not_scroll_sideways(
    open_page: PageMaker, reader: Person, address: str
) -> None:
    with open_page("zh-CN") as page:
        page.set_viewport_size({"width": 360, "height": 640})
        enter(page, reader, address)
        page.wait_for_load_state("networkidle")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360


def test_first_load__of_the_chat__stays_within_its_budget(
    open_page: PageMaker, reader: Person
) -> None:
    with open_page("en") as page:
        enter(page, reader)
        addresses = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
        sizes = {each: len(gzip.compress(reader.http.get(each).content)) for each in addresses}
        assert len(sizes) > 20
        assert sum(sizes.values()) <= BUDGET_BYTES, sizes
