"""The admin in a real browser: an auditor follows an answer; hostile words stay words."""

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from playwright.sync_api import sync_playwright

from accounts import roles
from configs import registry, services
from conversations.models import Citation
from tests import factories
from tests.accounts.admin_world import MODELS, addresses, one_of_each, url

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CHROMIUM = "/usr/bin/chromium"
HOSTILE = (
    '"><img src=x onerror=alert(1)>',
    "<script>alert(1)</script>",
    "'-alert(1)-'",
    "{{7*7}}<svg/onload=alert(1)>",
    "</title></textarea><script>alert(1)</script>",
    "javascript:alert(1)//<iframe srcdoc='<script>alert(1)</script>'>",
)


@pytest.fixture
def prepared(live_server, alice, aidan, superuser, browser_of):
    """Rows and sessions, made before Playwright's loop takes this thread."""
    aidan.user_permissions.add(Permission.objects.get(codename="read_conversations"))
    rows = one_of_each(alice)
    citation = rows[Citation]
    places = {
        "message": url(type(citation.message), "change", citation.message_id),
        "document": url(type(citation.document), "change", citation.document_id),
        "name": citation.document_name,
    }
    sessions = {
        user.username: browser_of(user).cookies[settings.SESSION_COOKIE_NAME].value
        for user in (aidan, superuser)
    }
    return rows, sessions, places


@pytest.fixture
def hostile(prepared, alice, superuser, browser_of):
    """The corpus in every field that people fill, and in their browsers' names."""
    rows, sessions, _places = prepared
    for number, text in enumerate(HOSTILE):
        person = factories.UserFactory(username=f"{number}{text}", display_name=text)
        browser_of(person, headers={"user-agent": text})
        conversation = factories.ConversationFactory(owner=person, title=text)
        question = factories.QuestionFactory(conversation=conversation, content=text)
        reply = factories.ReplyFactory(parent=question, content=text, model=text[:100])
        base = factories.KnowledgeBaseFactory(owner=person, name=text, visibility="everyone")
        document = factories.DocumentFactory(base=base, name=text)
        version = factories.DocumentVersionFactory(document=document, text=text)
        factories.CitationFactory(message=reply, version=version, quote=text, heading_path=text)
        factories.FeedbackFactory(message=reply, comment=text)
        factories.ApiKeyFactory(owner=person, name=text)
        role = Group.objects.create(name=f"{number}{text}")
        roles.describe(
            actor=superuser, role=role, name=f"{number}{text}", description=text, reason=text
        )
        services.change_setting(
            key=registry.BRANDING_SIGN_IN.key, value=text, actor=superuser, reason=text
        )
    return sessions["root"], _screens(rows)


def _screens(rows):
    """Return the addresses of every list, of every newest row, and of pages besides."""
    newest = [
        url(model, kind, model._default_manager.order_by("-pk").first().pk)
        for model in MODELS
        for kind in ("change", "history", "delete")
        if model._default_manager.exists()
    ]
    more = [
        address.filled(rows)
        for address in addresses()
        if address.route.endswith(("/roles/", "/trace/", "/compare/"))
    ]
    lists = [url(model, "changelist") for model in MODELS]
    own = reverse("admin:auth_group_changelist") + "?own=1"
    return [reverse("admin:index"), own, *more, *lists, *newest]


@pytest.fixture
def chromium(prepared):
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def page_of(chromium, live_server, session):
    context = chromium.new_context(locale="en-GB")
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}
    context.add_cookies([cookie])
    return context.new_page()


def test_auditor__from_an_answer_to_what_made_it__and_from_a_document_to_its_answers(
    prepared, chromium, live_server
):
    _rows, sessions, places = prepared
    page = page_of(chromium, live_server, sessions["aidan"])
    page.goto(live_server.url + places["message"])
    page.fill("[name=reason]", "A complaint")
    page.get_by_role("button", name="Read", exact=True).click()
    page.click("text=How this answer was made")
    assert page.locator("#passages").get_by_text(places["name"]).count() == 1
    page.wait_for_selector("#prompt")
    assert page.get_by_text("SHA-256").count() == 1
    page.locator("#passages").get_by_text("Answers that used this").click()
    page.wait_for_url("**/uses/**")
    page.click("text=How it was made")
    page.wait_for_url("**/trace/")
    page.goto(live_server.url + places["document"])
    page.click("text=Answers that used this")
    assert page.get_by_text("How it was made").count() == 1
    with page.expect_download() as download:
        page.click("text=Export as CSV")
    assert download.value.suggested_filename == "answers.csv"


@pytest.mark.timeout(600)
def test_hostile_words__on_every_screen__stay_words(hostile, chromium, live_server):
    session, screens = hostile
    page = page_of(chromium, live_server, session)
    ran = []
    page.on("dialog", lambda dialog: (ran.append(page.url), dialog.dismiss()))
    for address in screens:
        page.goto(live_server.url + address, wait_until="load")
        nodes = page.locator("img[src=x], [onerror], [onload], iframe[srcdoc]").count()
        assert nodes == 0, address
    assert not ran
