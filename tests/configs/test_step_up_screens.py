"""Whatever touches a secret on a screen asks for the password again, once in ten minutes."""

import pytest
from django.urls import reverse

from configs import changesets, services
from configs.admin.drafting import Wish, touches_secret
from configs.changesets import FreeKey
from configs.models import Change, ChangeSet, ModelEndpoint, Release
from tests.factories import PASSWORD

CONFIRM = reverse("accounts:confirm")
SECRET = "sk-canary-4711-0815"
ENDPOINT = "zhipu-embedding-3"


@pytest.fixture
def keyed(olga) -> ModelEndpoint:
    services.change_endpoint(name=ENDPOINT, changes={"api_key": SECRET}, actor=olga, reason="r")
    return ModelEndpoint.objects.get(name=ENDPOINT)


def confirm(browser) -> None:
    assert browser.post(CONFIRM, {"password": PASSWORD, "next": "/"}).status_code == 302


def sent_to_confirm(answer) -> bool:
    return answer.status_code == 302 and answer.url.startswith(CONFIRM)


def with_secret(author) -> ChangeSet:
    drafted = changesets.open_draft(title="t", actor=author)
    changesets.draft(
        change_set=drafted, kind="setting", target="shop.token", actor=author,
        value=FreeKey("text", SECRET, "", is_sensitive=True),
    )  # fmt: skip
    return drafted


def test_publish__draft_with_a_secret__asks_first(browser_of, olga, wiped_redis):
    drafted, browser = with_secret(olga), browser_of(olga)
    page = reverse("admin:configs_changeset_change", args=[drafted.pk])
    form = {"title": "t", "reason": "r", "when": "now"}
    assert sent_to_confirm(browser.post(page, form))
    drafted.refresh_from_db()
    assert drafted.state == ChangeSet.State.DRAFT
    confirm(browser)
    assert not sent_to_confirm(browser.post(page, form))
    drafted.refresh_from_db()
    assert drafted.state == ChangeSet.State.PUBLISHED


def test_approve__change_set_with_a_secret__asks_first(browser_of, olga, superuser, wiped_redis):
    services.change_setting(key="governance.four_eyes", value="free", actor=superuser, reason="r")
    drafted = with_secret(olga)
    changesets.submit(change_set=drafted, actor=olga, reason="r")
    drafted.refresh_from_db()
    assert drafted.state == ChangeSet.State.IN_REVIEW
    browser = browser_of(superuser)
    deed = reverse("admin:configs_changeset_approve", args=[drafted.pk])
    form = {"seen": drafted.content_hash}
    assert sent_to_confirm(browser.post(deed, form))
    assert not drafted.approvals.exists()
    confirm(browser)
    browser.post(deed, form)
    assert drafted.approvals.exists()


def test_roll_back__release_before_a_secret__asks_first(browser_of, olga, keyed, wiped_redis):
    before = Release.objects.first().version - 1
    browser = browser_of(olga)
    page = reverse("admin:configs_release_back", args=[before])
    assert sent_to_confirm(browser.post(page, {"reason": "r"}))
    assert Release.objects.first().version == before + 1
    confirm(browser)
    assert not sent_to_confirm(browser.post(page, {"reason": "r"}))
    assert Release.objects.first().version == before + 2


@pytest.mark.parametrize(
    ("change", "asks"),
    [
        ({"api_key": "another"}, True),
        ({"base_url": "https://elsewhere.example/v1/"}, True),
        ({"position": 7}, False),
    ],
)
def test_endpoint__its_key_or_who_is_sent_it__asks_first(keyed, change, asks):
    assert touches_secret(Wish(Change.Kind.ENDPOINT, ENDPOINT, value=change)) is asks


def test_own_key__that_is_a_secret__asks_also_when_it_is_removed(olga):
    changesets.submit(change_set=with_secret(olga), actor=olga, reason="r")
    kind = Change.Kind.SETTING
    assert touches_secret(Wish(kind, "shop.token", Change.Action.DELETE))
    assert touches_secret(Wish(kind, "a.b", value=FreeKey("text", "x", "", is_sensitive=True)))
    assert not touches_secret(Wish(kind, "a.b", value=FreeKey("text", "x")))
    assert not touches_secret(Wish(Change.Kind.PROMPT, "title", value="x"))
