"""The admin in a real browser: its policy lets its own scripts work and complains of nothing."""

import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import sync_playwright

from configs import services

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CHROMIUM = "/usr/bin/chromium"


@pytest.fixture
def prepared(live_server, superuser, browser_of):
    """Rows and a session, made before Playwright's loop takes this thread."""
    row = services.change_setting(key="retrieval.top_k", value=7, actor=superuser)
    services.change_setting(key="retrieval.top_k", value=8, actor=superuser)
    return row.pk, browser_of(superuser).cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def chromium(prepared):
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_admin__every_kind_of_page__breaks_no_policy(
    live_server, prepared, chromium, superuser, language
):
    row, session = prepared
    context = chromium.new_context(locale="zh-CN" if language == "zh-hans" else "en-GB")
    context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
    )
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(f"{page.url} {message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url} {error}"))
    addresses = [
        reverse("admin:index"),
        reverse("admin:configs_config_changelist"),
        reverse("admin:configs_config_add"),
        reverse("admin:configs_config_change", args=[row]),
        reverse("admin:configs_config_history", args=[row]),
        reverse("admin:accounts_user_changelist") + "?q=root",
        reverse("admin:accounts_user_change", args=[superuser.pk]),
        reverse("admin:configs_modelendpoint_add"),
        reverse("admin:knowledge_knowledgebase_changelist"),
        reverse("swagger"),
        reverse("redoc"),
    ]
    for address in addresses:
        response = page.goto(live_server.url + address, wait_until="networkidle")
        assert response.status == 200, address
    context.close()
    # ReDoc's bundle asks for its maker's logo; the policy keeps it from leaving.
    bad = [line for line in said if " error" in line and "cdn.redoc.ly" not in line]
    assert not bad, "\n".join(said)
