"""The admin in a real browser: its policy lets its own scripts work and complains of nothing."""

import pytest
from django.conf import settings
from django.urls import reverse

from configs import services

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CHROMIUM = "/usr/bin/chromium"


@pytest.fixture
def chromium(live_server, superuser, monkeypatch):
    # Playwright runs a loop in this thread; the rows are made before and undone after it.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_admin__every_kind_of_page__breaks_no_policy(
    live_server, chromium, superuser, browser_of, language
):
    row = services.change_setting(key="retrieval.top_k", value=7, actor=superuser)
    services.change_setting(key="retrieval.top_k", value=8, actor=superuser)
    session = browser_of(superuser).cookies[settings.SESSION_COOKIE_NAME].value
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
        reverse("admin:configs_config_change", args=[row.pk]),
        reverse("admin:configs_config_history", args=[row.pk]),
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
    assert not [line for line in said if " error" in line or "violates" in line], "\n".join(said)
