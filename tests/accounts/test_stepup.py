"""Typing the password again: who, how often, how long it holds, and where it leads."""

import time

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import reverse

from accounts import stepup
from tests.factories import PASSWORD

CONFIRM = reverse("accounts:confirm")
BACK = "/admin/configs/config/?q=1"


def confirm(browser, password=PASSWORD, following=BACK):
    return browser.post(CONFIRM, {"password": password, "next": following})


def request_of(browser, path=BACK, method="get", **headers):
    request = getattr(RequestFactory(), method)(path, headers=headers)
    request.session = SessionStore(browser.session.session_key)
    return request


def test_page__visitor__is_sent_to_sign_in(browser_of):
    answer = browser_of(None).get(CONFIRM)
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("accounts:login"))


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_page__person__is_asked_and_told_who_they_are(browser_of, olga, language):
    page = (
        browser_of(olga)
        .get(f"{CONFIRM}?next={BACK}", headers={"Accept-Language": language})
        .content.decode()
    )
    assert "olga" in page
    assert 'autocomplete="current-password"' in page
    assert f'value="{BACK}"' in page


def test_confirm__right_password__holds_and_leads_back(browser_of, olga, wiped_redis):
    browser = browser_of(olga)
    assert not stepup.fresh(request_of(browser))
    answer = confirm(browser)
    assert (answer.status_code, answer.url) == (302, BACK)
    assert stepup.fresh(request_of(browser))
    stepup.require(request_of(browser))


def test_confirm__another_session_of_the_same_person__has_to_confirm_itself(
    browser_of, olga, wiped_redis
):
    one, other = browser_of(olga), browser_of(olga)
    confirm(one)
    assert not stepup.fresh(request_of(other))


def test_confirm__wrong_password__does_not_hold_and_shows_nothing_typed(
    browser_of, olga, wiped_redis
):
    browser = browser_of(olga)
    page = confirm(browser, "not her password").content.decode()
    assert "This is not your password." in page
    assert "not her password" not in page
    assert not stepup.fresh(request_of(browser))
    with pytest.raises(stepup.ConfirmationNeeded) as refused:
        stepup.require(request_of(browser))
    assert (refused.value.status, refused.value.code) == (403, "confirmation_needed")


def test_confirm__ten_minutes_later__does_not_hold(browser_of, olga, wiped_redis, monkeypatch):
    browser = browser_of(olga)
    confirm(browser)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 599)
    assert stepup.fresh(request_of(browser))
    monkeypatch.setattr(time, "time", lambda: now + 601)
    assert not stepup.fresh(request_of(browser))
    monkeypatch.setattr(time, "time", lambda: now - 60)
    assert not stepup.fresh(request_of(browser))


def test_confirm__sign_out_and_in__does_not_hold(browser_of, olga, wiped_redis):
    browser = browser_of(olga)
    confirm(browser)
    browser.post(reverse("accounts:logout"))
    browser.force_login(olga)
    assert not stepup.fresh(request_of(browser))


def test_confirm__too_often__is_limited_like_signing_in(browser_of, olga, wiped_redis):
    browser = browser_of(olga)
    answers = [confirm(browser, "wrong") for _ in range(11)]
    assert [a.status_code for a in answers] == [200] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert confirm(browser).status_code == 429
    assert not stepup.fresh(request_of(browser))


@pytest.mark.parametrize(
    "evil", ["//evil.example", "https://evil.example/", "javascript:x", "\\\\e"]
)
def test_confirm__address_of_somebody_else__leads_to_the_start(browser_of, olga, wiped_redis, evil):
    assert confirm(browser_of(olga), following=evil).url == "/"


def test_required__not_confirmed__leads_to_the_page_and_back(browser_of, olga, wiped_redis):
    browser = browser_of(olga)
    view = stepup.required(lambda request: HttpResponse("secret"))
    answer = view(request_of(browser))
    assert answer.url == f"{CONFIRM}?next=%2Fadmin%2Fconfigs%2Fconfig%2F%3Fq%3D1"
    form = "http://testserver/admin/form/?x=1"
    assert view(request_of(browser, "/admin/act/", "post", Referer=form)).url.endswith(
        "next=%2Fadmin%2Fform%2F%3Fx%3D1"
    )
    foreign = request_of(browser, "/admin/act/", "post", Referer="https://evil.example/x")
    assert view(foreign).url.endswith("next=%2Fadmin%2Fact%2F")
    assert CONFIRM in stepup.hint(request_of(browser))
    confirm(browser)
    assert view(request_of(browser)).content == b"secret"
    assert stepup.hint(request_of(browser)) == ""
