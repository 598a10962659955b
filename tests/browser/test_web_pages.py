"""The pages of the web UI: what is in them, what they load, and what a model cannot do to them."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker
from tests.browser.test_chat_page import ask, log_in
from tests.fake_glm.process import FakeGlm

HOSTILE = (
    "<script>window.hacked = 1</script> <img src=x onerror='window.hacked = 1'> "
    "![pixel](https://evil.example/p.png) [go](javascript:window.hacked=1) "
    "[out](https://evil.example/) `[1]` done"
)
BUDGET_BYTES = 200_000


def finished(page: Page) -> None:
    expect(page.locator("article.reply .actions").last).to_be_visible(timeout=30_000)


def test_reply__with_hostile_markdown__loads_and_runs_nothing(
    open_page: PageMaker, glm: FakeGlm, marker: str
) -> None:
    glm.rule(marker, text=HOSTILE)
    with open_page("en") as page:
        log_in(page)
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
    open_page: PageMaker, glm: FakeGlm, marker: str
) -> None:
    glm.rule(marker, text="the answer")
    with open_page("en") as page:
        log_in(page)
        ask(page, f"branch {marker}")
        finished(page)
        page.get_by_role("button", name="Regenerate", exact=True).click()
        expect(page.locator(".reply .branches")).to_contain_text("2/2", timeout=30_000)
        page.get_by_role("button", name="Previous version").click()
        expect(page.locator(".reply .branches")).to_contain_text("1/2")


def test_draft__page_reloaded__is_still_there(open_page: PageMaker) -> None:
    with open_page("en") as page:
        log_in(page)
        page.locator("#composer textarea").fill("half a thought")
        page.reload()
        expect(page.locator("#composer textarea")).to_have_value("half a thought")


def test_language__chosen_in_the_menu__changes_the_page_and_stays(open_page: PageMaker) -> None:
    with open_page("en") as page:
        log_in(page, "bob")
        page.locator("#account").click()
        page.get_by_role("menuitemradio", name="简体中文").click()
        expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
        page.goto("/knowledge/")
        expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
        page.locator("#account").click()
        page.get_by_role("menuitemradio", name="English").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("address", ["/", "/knowledge/", "/accounts/password/"])
def test_page__on_a_phone__does_not_scroll_sideways(open_page: PageMaker, address: str) -> None:
    with open_page("zh-CN") as page:
        log_in(page)
        page.set_viewport_size({"width": 360, "height": 640})
        page.goto(address)
        page.wait_for_load_state("networkidle")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360


def test_first_load__of_the_chat__stays_within_its_budget(open_page: PageMaker) -> None:
    with open_page("en") as page:
        log_in(page)
        sizes = page.evaluate(
            "performance.getEntriesByType('resource').map(e => [e.name, e.encodedBodySize])"
        )
        assert sum(size for _, size in sizes) <= BUDGET_BYTES, sizes
