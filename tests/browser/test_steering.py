"""The operator's screens in a browser: draft, difference, review, release, and the way back."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker
from tests.browser.test_web_pages import enter
from tests.stack.machine import Machine
from tests.stack.people import Person, signed_in
from tests.stack.seed import PASSWORD

pytestmark = pytest.mark.timeout(300)  # the first of them waits for the whole stack

SETTINGS = "/admin/configs/config/"
SECRET = "sk-neverseenagain-77119955"
SCREENS = [
    SETTINGS,
    f"{SETTINGS}setting/retrieval.top_k/",
    f"{SETTINGS}changes/",
    f"{SETTINGS}transfer/",
    "/admin/configs/changeset/",
    "/admin/configs/release/",
    "/admin/configs/release/1/change/",
    "/admin/configs/release/compare/",
    "/admin/configs/runningprocess/",
    "/admin/configs/modelendpoint/",
    "/admin/configs/prompttemplate/",
    "/admin/configs/prompttemplate/1/change/",
]


@pytest.fixture(scope="module")
def olga(machine: Machine) -> Iterator[Person]:
    with signed_in(machine.url, "olga") as person:
        yield person


@pytest.fixture(scope="module")
def oscar(machine: Machine) -> Iterator[Person]:
    with signed_in(machine.url, "oscar") as person:
        yield person


@pytest.fixture(scope="module")
def aidan(machine: Machine) -> Iterator[Person]:
    with signed_in(machine.url, "aidan") as person:
        yield person


@contextmanager
def screen(open_page: PageMaker, person: Person, address: str) -> Iterator[Page]:
    with open_page("en") as page:
        enter(page, person, address)
        yield page


def setting(key: str) -> str:
    return f"{SETTINGS}setting/{key}/"


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()


def draft(page: Page, key: str, value: str, button: str = "Review and publish") -> None:
    page.goto(setting(key))
    page.locator("#id_value").fill(value)
    press(page, button)


def publish(page: Page, reason: str) -> None:
    page.get_by_label("Reason").fill(reason)
    press(page, "Publish")
    expect(page.get_by_text("Published as release").first).to_be_visible()


def in_force(page: Page, key: str, value: str) -> None:
    page.goto(setting(key))
    expect(page.locator("dd.st-value").first).to_have_text(value)


def test_operator__drafts_two_changes__sees_the_difference_publishes_and_goes_back(
    open_page: PageMaker, olga: Person
) -> None:
    with screen(open_page, olga, SETTINGS) as page:
        draft(page, "retrieval.top_k", "9", "Add to draft")
        draft(page, "retrieval.candidates", "70", "Add to draft")
        page.goto(SETTINGS)
        expect(page.locator(".st-bar")).to_contain_text("2 changes, not published yet")
        page.get_by_role("link", name="Review draft").click()
        expect(page.locator("td.is-old mark")).to_have_text(["6", "50"])
        expect(page.locator("td.is-new mark")).to_have_text(["9", "70"])
        publish(page, "more to read")
        in_force(page, "retrieval.top_k", "9")
        page.goto("/admin/configs/release/")
        page.locator("tbody a").first.click()
        page.get_by_role("link", name="Undo this release").click()
        expect(page.locator("td.is-new mark")).to_have_text(["50", "6"])
        page.get_by_label("Reason").fill("too much after all")
        press(page, "Publish the way back")
        expect(page.get_by_text("as a new release").first).to_be_visible()
        in_force(page, "retrieval.top_k", "6")
        expect(page.get_by_text("too much after all").first).to_be_visible()


def test_operator__value_that_is_wrong__is_told_what_would_be_right(
    open_page: PageMaker, olga: Person
) -> None:
    with screen(open_page, olga, SETTINGS) as page:
        draft(page, "retrieval.top_k", "999")
        expect(page.get_by_role("alert")).to_have_text("This must be at most 50.")
        draft(page, "chunking.overlap", "400")
        expect(page.get_by_role("alert")).to_contain_text("The overlap must be smaller")
        expect(page.get_by_role("button", name="Publish", exact=True)).to_be_disabled()
        page.get_by_role("link", name="Mend").click()
        expect(page).to_have_url(re.compile(r"/setting/chunking\.overlap/$"))
        page.go_back()
        press(page, "Discard")
        in_force(page, "chunking.overlap", "32")


def test_overview__words_in_the_filter__leave_what_fits(open_page: PageMaker, olga: Person) -> None:
    with screen(open_page, olga, SETTINGS) as page:
        page.get_by_placeholder("Filter by key").fill("chunking")
        expect(page.locator("tr[data-text]:visible")).to_have_count(2)
        page.get_by_placeholder("Filter by key").fill("no such thing")
        expect(page.get_by_text("No setting fits this filter.")).to_be_visible()


def asked_for_review(page: Page) -> str:
    """Draft a change under four eyes, send it for review, and return its page."""
    draft(page, "uploads.max_mb", "60")
    page.get_by_label("Reason").fill("manuals are large")
    page.get_by_label("At a time").check()
    page.get_by_label("In force from").fill("2999-01-01T08:00")
    press(page, "Send for review")
    expect(page.get_by_text("It waits for a second person")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    return page.url


def edited_again(page: Page, address: str) -> None:
    """Change what was approved, and see that the approval is void."""
    press(page, "Withdraw: back to a draft")
    draft(page, "uploads.max_mb", "80", "Add to draft")
    page.goto(address)
    expect(page.locator("td.is-new mark")).to_have_text(["80"])
    expect(page.get_by_text("so that approval counts no more")).to_be_visible()
    press(page, "Discard")


def test_four_eyes__second_person_approves__and_an_edit_after_that_voids_it(
    open_page: PageMaker, olga: Person, oscar: Person
) -> None:
    with screen(open_page, olga, SETTINGS) as page:
        draft(page, "governance.four_eyes", "uploads.*")
        publish(page, "uploads cost memory")
        address = asked_for_review(page)
    with screen(open_page, oscar, address) as page:
        expect(page.get_by_text("manuals are large").first).to_be_visible()
        expect(page.locator("td.is-new mark")).to_have_text(["60"])
        page.get_by_label("Comment").fill("looks right")
        press(page, "Approve")
        expect(page.get_by_text("It comes into force on 2999-01-01").first).to_be_visible()
    with screen(open_page, olga, address) as page:
        edited_again(page, address)
        draft(page, "governance.four_eyes", "")
        page.get_by_label("Reason").fill("no longer")
        press(page, "Send for review")
        address = page.url
    with screen(open_page, oscar, address) as page:
        press(page, "Approve")
        expect(page.get_by_text("Published as release").first).to_be_visible()


def test_secret__written_once__stands_in_no_page_again(open_page: PageMaker, olga: Person) -> None:
    with screen(open_page, olga, "/admin/configs/modelendpoint/add/") as page:
        page.get_by_role("link", name="Confirm your password").click()
        page.locator("input[type=password]").fill(PASSWORD)
        page.locator("main button[type=submit], form button[type=submit]").last.click()
        expect(page).to_have_url(re.compile("modelendpoint/add"))
        page.locator("#id_name").fill("keeper")
        page.locator("#id_kind").select_option("chat")
        page.locator("#id_provider").select_option("openai_compatible")
        page.locator("#id_model").fill("glm")
        page.locator("#id_base_url").fill("http://127.0.0.1:9/v1")
        page.locator("#id_position").fill("900")
        page.locator("#id_api_key").fill(SECRET)
        press(page, "Test connection")
        expect(page.locator("#test-outcome")).to_contain_text("Check the address", timeout=30_000)
        press(page, "Review and publish")
        address = page.url
        assert SECRET not in page.content()
        publish(page, "a machine of our own")
        page.goto("/admin/configs/modelendpoint/")
        page.get_by_role("link", name="keeper").click()
        endpoint = page.url
        expect(page.get_by_text("••••9955").first).to_be_visible()
        for place in (address, endpoint, *SCREENS, f"{SETTINGS}changes/?key=keeper"):
            page.goto(place)
            assert SECRET not in page.content(), place
            assert SECRET[:12] not in page.content(), place


def test_prompt__tried_in_draft__answers_and_publishes_nothing(
    open_page: PageMaker, olga: Person, glm, marker: str
) -> None:
    glm.rule(marker, text="Arr, a **tried** reply.")
    with screen(open_page, olga, "/admin/configs/prompttemplate/") as page:
        page.get_by_role("link", name="answer", exact=True).click()
        page.locator("#id_text").fill("Speak like a pirate.\n\n{passages}")
        press(page, "Try this prompt")
        page.get_by_label("Question").fill(f"Where is the ship, {marker}?")
        press(page, "Ask")
        expect(page.locator(".st-said").first).to_contain_text("Arr", timeout=30_000)
        expect(page.get_by_text("Speak like a pirate.").last).to_be_visible()
        page.goto("/admin/configs/prompttemplate/")
        expect(page.locator("tbody tr").first).to_contain_text("v1")


@pytest.mark.parametrize("address", SCREENS)
def test_auditor__on_every_screen__finds_no_button_that_changes_anything(
    open_page: PageMaker, aidan: Person, address: str
) -> None:
    with screen(open_page, aidan, address) as page:
        forms = page.locator("#content form[method=post]:not([action$='/export/'])")
        for n in range(forms.count()):
            expect(forms.nth(n).locator("button, input[type=submit]")).to_have_count(0)
        for name in ("Review and publish", "Add to draft", "Publish", "Approve", "Discard"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


@pytest.mark.parametrize("address", SCREENS)
def test_screen__on_a_phone_in_chinese__does_not_scroll_sideways(
    open_page: PageMaker, olga: Person, address: str
) -> None:
    with open_page("zh-CN") as page:
        page.set_viewport_size({"width": 390, "height": 844})
        enter(page, olga, address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
