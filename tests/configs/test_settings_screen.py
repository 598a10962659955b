"""The screen of settings: everything that is declared stands there, and leads to its form."""

import pytest
from django.urls import reverse

from configs import registry, services
from configs.models import Config
from tests.factories import ConfigFactory

SCREEN = reverse("admin:configs_config_changelist")
ADD = reverse("admin:configs_config_add")
KEY = registry.RETRIEVAL_TOP_K.key
FORM = {"key": KEY, "value": "9", "reason": "more to read", "_save": "Save"}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_screen__fresh_install__lists_every_declared_setting(browser_of, olga, language):
    page = browser_of(olga).get(SCREEN, headers={"Accept-Language": language}).content.decode()
    assert not Config.objects.exists()
    for key in registry.SETTINGS:
        assert f'href="{ADD}?key={key}"' in page


def test_screen__setting_opened_from_it__is_saved_and_shown(browser_of, olga):
    browser = browser_of(olga)
    form = browser.get(f"{ADD}?key={KEY}").content.decode()
    assert f'<option value="{KEY}" selected>' in form
    assert str(registry.RETRIEVAL_TOP_K.help) in form
    assert browser.post(f"{ADD}?key={KEY}", FORM).status_code == 302
    row = Config.objects.get(key=KEY)
    page = browser.get(SCREEN).content.decode()
    assert row.plain == 9
    assert f'href="{reverse("admin:configs_config_change", args=[row.pk])}"' in page
    assert f'href="{ADD}?key={KEY}"' not in page


def test_screen__environment_fixes_a_setting__says_so_and_offers_no_form(
    browser_of, olga, monkeypatch
):
    monkeypatch.setenv(registry.RETRIEVAL_TOP_K.environment, "11")
    page = browser_of(olga).get(SCREEN).content.decode()
    assert f"fixed by {registry.RETRIEVAL_TOP_K.environment}" in page
    assert f'href="{ADD}?key={KEY}"' not in page


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
