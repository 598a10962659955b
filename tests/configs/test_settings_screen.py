"""The screen of settings: everything that is declared stands there, and leads to its form."""

import pytest
from django.urls import reverse

from configs import registry, services
from configs.models import Config
from tests.factories import ConfigFactory

SCREEN = reverse("admin:configs_config_changelist")
ADD = reverse("admin:configs_config_add")
KEY = registry.RETRIEVAL_TOP_K.key


def page_of(key):
    return reverse("admin:configs_config_setting", args=[key])


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_screen__fresh_install__lists_every_declared_setting(browser_of, olga, language):
    page = browser_of(olga).get(SCREEN, headers={"Accept-Language": language}).content.decode()
    assert not Config.objects.exists()
    for key in registry.SETTINGS:
        assert f'href="{page_of(key)}"' in page


def test_screen__django_addresses_of_a_setting__lead_to_its_page(browser_of, olga):
    row = services.change_setting(key=KEY, value=9, actor=olga)
    browser = browser_of(olga)
    for address in (
        f"{ADD}?key={KEY}",
        reverse("admin:configs_config_change", args=[row.pk]),
    ):
        assert browser.get(address).headers["Location"] == page_of(KEY)
    history = reverse("admin:configs_config_history", args=[row.pk])
    assert KEY in browser.get(history, follow=True).content.decode()


def test_screen__value_that_differs_from_the_default__is_marked(browser_of, olga):
    services.change_setting(key=KEY, value=9, actor=olga)
    page = browser_of(olga).get(SCREEN).content.decode()
    assert page.count("data-changed") == 1
    assert "olga" in page


def test_screen__environment_fixes_a_setting__says_so_and_offers_no_form(
    browser_of, olga, monkeypatch
):
    monkeypatch.setenv(registry.RETRIEVAL_TOP_K.environment, "11")
    page = browser_of(olga).get(SCREEN).content.decode()
    assert f"fixed by {registry.RETRIEVAL_TOP_K.environment}" in page
    form = browser_of(olga).get(page_of(KEY)).content.decode()
    assert 'name="value"' not in form
    assert registry.RETRIEVAL_TOP_K.environment in form


def test_screen__auditor__reads_it_without_a_way_to_change_anything(browser_of, aidan, olga):
    services.change_setting(key=KEY, value=8, actor=olga)
    browser = browser_of(aidan)
    page = browser.get(SCREEN).content.decode()
    assert all(key in page for key in registry.SETTINGS)
    assert ADD not in page
    assert browser.get(f"{ADD}?key={KEY}").status_code == 403


def test_screen__row_that_no_setting_claims__is_shown_by_itself(browser_of, olga):
    ConfigFactory(key="retired.setting", value="1")
    page = browser_of(olga).get(SCREEN).content.decode()
    assert "retired.setting" in page
    assert "Unknown to this release" in page


def test_screen__member__is_sent_away(browser_of, alice):
    assert browser_of(alice).get(SCREEN).status_code == 302
