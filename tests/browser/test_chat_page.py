"""What a person sees, in a real browser: from the login to an answer that shows its source."""

import re
from dataclasses import dataclass
from functools import lru_cache

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker
from tests.fake_glm.process import FakeGlm
from tests.journeys.test_documents import base_of, upload, wait_ready
from tests.stack.people import Person, signed_in
from tests.stack.seed import PASSWORD

TEN_TOKENS = re.compile(r"(t\d{6}\s*){10}")


@dataclass(frozen=True, slots=True)
class Talk:
    """A browser's language, the page's, a question in it and a word of the right passage."""

    locale: str
    language: str
    question: str
    word: str


ENGLISH = Talk("en", "en", "In which portal does the manager approve first class?", "Zephyrine")
CHINESE = Talk("zh-CN", "zh-hans", "一线城市的酒店标准是多少?", "六百元")


def log_in_by_form(page: Page, name: str) -> None:
    page.goto("/")
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    expect(page.locator("form textarea")).to_be_visible()


@lru_cache
def session_of(base_url: str, name: str) -> dict[str, str]:
    """Return the cookies of a session, one a person: sign-ins are counted."""
    with signed_in(base_url, name) as person:
        return dict(person.http.cookies)


def log_in(page: Page, name: str = "alice") -> None:
    """Give the page a session and open the chat."""
    page.goto("/accounts/login/")
    origin = page.url.removesuffix("/accounts/login/")
    cookies = session_of(origin, name)
    page.context.add_cookies([{"name": k, "value": v, "url": origin} for k, v in cookies.items()])
    page.goto("/")
    expect(page.locator("form textarea")).to_be_visible()


def ask(page: Page, question: str) -> None:
    page.locator("form textarea").fill(question)
    page.locator("form textarea").press("Enter")


@pytest.mark.parametrize("talk", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_login_to_cited_answer__in_both_languages__shows_the_passage(
    open_page: PageMaker, alice: Person, glm: FakeGlm, marker: str, talk: Talk
) -> None:
    assert wait_ready(alice, upload(alice, base_of(alice)))["status"] == "ready"
    glm.rule(marker, text="As the policy says [1]. 如制度所述。", tokens_per_second=20)
    with open_page(talk.locale) as page:
        log_in_by_form(page, "alice")
        assert page.locator("html").get_attribute("lang") == talk.language
        ask(page, f"{talk.question} {marker}")
        reply = page.locator("article.reply .prose")
        expect(reply).to_contain_text("As the policy says", timeout=30_000)
        expect(reply).to_contain_text("如制度所述。")
        reply.locator(".chip").first.click()
        expect(page.locator("#panel mark").first).to_contain_text(talk.word)
    assert talk.word in str(glm.calls(marker)[0]["messages"])


def test_reload__in_mid_answer__keeps_the_text_and_goes_on(
    open_page: PageMaker, glm: FakeGlm, marker: str
) -> None:
    glm.rule(marker, tokens=120, tokens_per_second=20)
    with open_page("en") as page:
        log_in(page)
        ask(page, f"reload {marker}")
        reply = page.locator("article.reply .prose")
        expect(reply).to_contain_text(TEN_TOKENS, timeout=15_000)
        before = reply.inner_text().strip()
        page.reload()
        expect(reply).to_contain_text(before[:60])
        whole = glm.calls(marker)[0]["answer"].strip()
        expect(reply).to_have_text(whole, timeout=20_000)
    assert len(glm.calls(marker)) == 1


def test_stop__in_mid_answer__keeps_what_was_written(
    open_page: PageMaker, glm: FakeGlm, marker: str
) -> None:
    glm.rule(marker, tokens=600, tokens_per_second=20)
    with open_page("en") as page:
        log_in(page)
        ask(page, f"stop {marker}")
        expect(page.locator("article.reply .prose")).to_contain_text(TEN_TOKENS, timeout=15_000)
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.locator("article.reply .reply-note")).to_contain_text("Stopped")
        shown = page.locator("article.reply .prose").inner_text().strip()
    assert glm.calls(marker)[0]["answer"].startswith(shown)
    assert len(shown.split()) >= 10


def test_document__uploaded_on_its_page__becomes_ready(
    open_page: PageMaker, alice: Person, marker: str
) -> None:
    base = base_of(alice)
    with open_page("en") as page:
        log_in(page)
        slug = alice.get(f"knowledge-bases/{base}/")["slug"]
        page.goto(f"/knowledge/{slug}/")
        text = f"# Canteen {marker}\n\nThe canteen opens at half past eleven.\n"
        page.locator("input[type=file]").first.set_input_files(
            {"name": f"{marker}.md", "mimeType": "text/markdown", "buffer": text.encode()}
        )
        row = page.locator("li, tr, article").filter(has_text=f"{marker}.md").first
        expect(row).to_contain_text("Ready", timeout=60_000)
    names = [d["name"] for d in alice.get(f"knowledge-bases/{base}/documents/")["results"]]
    assert names == [f"{marker}.md"]
