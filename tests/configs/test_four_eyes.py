"""When change sets are published, and who has to agree: schedules and a second person."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import Role
from configs import changesets, registry, services
from configs.errors import Conflict, Forbidden, Invalid, NeedsSecondPerson
from configs.models import ChangeSet, Config
from tests.cast import person
from tests.configs.drafts import TOP_K, acts, drafted, four_eyes, publish, top_k

pytestmark = pytest.mark.django_db
State = ChangeSet.State


@pytest.fixture
def otto():
    """A second operator who may approve, made from nothing but the right itself."""
    otto = person("otto", Role.OPERATOR)
    otto.user_permissions.add(Permission.objects.get(codename="approve_changeset"))
    return otto


# --- Later ----------------------------------------------------------------------
def later(change_set):
    """Let the time of a scheduled change set come."""
    moment = timezone.now() + timedelta(hours=1)
    publish(change_set, change_set.author, publish_at=moment)
    return change_set


def let_time_pass(monkeypatch, hours=2):
    then = timezone.now() + timedelta(hours=hours)
    monkeypatch.setattr("django.utils.timezone.now", lambda: then)


def test_publish_due__before_and_after_its_time__publishes_once(olga, monkeypatch):
    found = later(top_k(olga, 7))
    assert found.state == State.SCHEDULED
    assert changesets.publish_due() == 0
    let_time_pass(monkeypatch)
    assert [changesets.publish_due(), changesets.publish_due()] == [1, 0]
    found.refresh_from_db()
    assert (found.state, found.release.author) == (State.PUBLISHED, olga)
    assert Config.history.get(key=TOP_K).history_user == olga


def test_publish_due__stale_meanwhile__has_failed_and_says_why(monkeypatch):
    found = later(top_k(None, 7))
    services.change_setting(key=TOP_K, value=8, actor=None)
    let_time_pass(monkeypatch)
    assert changesets.publish_due() == 0
    found.refresh_from_db()
    assert found.state == State.FAILED
    assert TOP_K in found.error
    assert "version 1" in found.error
    assert acts()[-1] == "config.fail"
    changesets.withdraw(change_set=found, actor=None)
    changesets.draft(change_set=found, kind="setting", target=TOP_K, value=9, actor=None)
    publish(found)
    assert Config.objects.get(key=TOP_K).plain == 9


def test_publish_due__policy_became_stricter__is_not_published(monkeypatch):
    found = later(top_k(None, 7))
    four_eyes("retrieval.*")
    let_time_pass(monkeypatch)
    assert changesets.publish_due() == 0
    found.refresh_from_db()
    assert (found.state, Config.objects.filter(key=TOP_K).exists()) == (State.FAILED, False)


def test_submit__time_is_past__is_refused():
    with pytest.raises(Invalid) as caught:
        publish(top_k(None, 7), publish_at=timezone.now() - timedelta(seconds=1))
    assert "publish_at" in caught.value.errors


def test_edit__scheduled__is_a_draft_again():
    found = later(top_k(None, 7))
    changesets.draft(change_set=found, kind="setting", target=TOP_K, value=8, actor=None)
    assert (found.state, found.content_hash) == (State.DRAFT, "")


# --- Four eyes ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("", False),
        ("retrieval.*", True),
        ("retrieval.top_k", True),
        ("retrieval", True),
        ("settings", True),
        ("*", True),
        ("answers.*, prompts, endpoints, sensitive", False),
        ("governance.*", False),
    ],
)
def test_policy__names_keys_groups_or_kinds(policy, wanted):
    found = top_k(None, 7)
    if policy:
        four_eyes(policy)
    assert changesets.needs_second_person(found) is wanted
    assert changesets.needs_second_person(
        drafted(None, ("setting", registry.FOUR_EYES.key, ""))
    ) is bool(policy)


def test_approve__second_person__publishes_what_was_submitted(olga, otto):
    four_eyes("retrieval.*")
    found = publish(top_k(olga, 7), olga, reason="Because")
    assert found.state == State.IN_REVIEW
    assert len(found.content_hash) == 64
    changesets.approve(change_set=found, actor=otto, comment="Fine")
    assert (found.state, found.release.author) == (State.PUBLISHED, olga)
    [approval] = found.approvals.all()
    assert (approval.person, approval.content_hash) == (otto, found.content_hash)
    assert acts()[-4:] == ["config.submit", "config.approve", "config.change", "config.publish"]


def test_approve__anyone_else__is_refused(olga, otto, alice, aidan):
    four_eyes("*")
    found = drafted(olga, ("setting", TOP_K, 7))
    changesets.draft(
        change_set=found, kind="prompt", target="title", value="{question}", actor=otto
    )
    publish(found, olga)
    olga.user_permissions.add(Permission.objects.get(codename="approve_changeset"))
    for who in (type(olga).objects.get(pk=olga.pk), otto, alice, aidan):
        for verb in (changesets.approve, changesets.reject):
            with pytest.raises(Forbidden):
                verb(change_set=found, actor=who)
    found.refresh_from_db()
    assert (found.state, found.approvals.count()) == (State.IN_REVIEW, 0)


def test_approve__edited_while_it_was_looked_at__is_refused(olga, otto):
    four_eyes("*")
    seen = publish(top_k(olga, 7), olga)
    edited = ChangeSet.objects.get(pk=seen.pk)
    changesets.draft(change_set=edited, kind="setting", target=TOP_K, value=50, actor=olga)
    assert edited.state == State.DRAFT
    with pytest.raises(Conflict):
        changesets.approve(change_set=seen, actor=otto)
    publish(edited, olga)
    with pytest.raises(Conflict, match="edited"):
        changesets.approve(change_set=seen, actor=otto)
    assert not Config.objects.filter(key=TOP_K).exists()


@pytest.mark.parametrize("edit", ["draft", "drop", "describe"])
def test_edit__after_approval__voids_it(olga, otto, edit, monkeypatch):
    four_eyes("*")
    found = drafted(olga, ("setting", TOP_K, 7), ("prompt", "title", "{question}"))
    publish(found, olga, publish_at=timezone.now() + timedelta(hours=1))
    changesets.approve(change_set=found, actor=otto)
    assert found.state == State.SCHEDULED
    if edit == "draft":
        changesets.draft(change_set=found, kind="setting", target=TOP_K, value=50, actor=olga)
    elif edit == "drop":
        changesets.drop(change=found.changes.get(kind="prompt"), actor=olga)
    else:
        changesets.describe(change_set=found, title="t", reason="Another", actor=olga)
    found.refresh_from_db()
    assert found.state == State.DRAFT
    let_time_pass(monkeypatch)
    assert changesets.publish_due() == 0
    assert publish(found, olga).state == State.IN_REVIEW


def test_publish_due__content_altered_past_the_verbs__is_not_published(olga, otto, monkeypatch):
    four_eyes("*")
    found = publish(top_k(olga, 7), olga, publish_at=timezone.now() + timedelta(hours=1))
    changesets.approve(change_set=found, actor=otto)
    found.changes.update(value="50")
    let_time_pass(monkeypatch)
    assert changesets.publish_due() == 0
    found.refresh_from_db()
    assert (found.state, Config.objects.filter(key=TOP_K).exists()) == (State.FAILED, False)


def test_reject__second_person__publishes_nothing_and_can_be_taken_up_again(olga, otto):
    four_eyes("*")
    found = publish(top_k(olga, 7), olga)
    changesets.reject(change_set=found, actor=otto, comment="Why?")
    assert (found.state, acts()[-1]) == (State.REJECTED, "config.reject")
    changesets.withdraw(change_set=found, actor=olga)
    assert publish(found, olga).state == State.IN_REVIEW


def test_services__four_eyes_hold__open_a_change_set_that_waits(olga, otto):
    four_eyes("retrieval.*")
    with pytest.raises(NeedsSecondPerson) as caught:
        services.change_setting(key=TOP_K, value=7, actor=olga, reason="r")
    found = caught.value.change_set
    assert found.state == State.IN_REVIEW
    changesets.approve(change_set=found, actor=otto)
    assert Config.objects.get(key=TOP_K).plain == 7
    with pytest.raises(NeedsSecondPerson):
        services.roll_back(key=TOP_K, version=1, actor=otto)
    with pytest.raises(NeedsSecondPerson):
        four_eyes("")
