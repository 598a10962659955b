"""People who publish and approve at the same moment, in threads with connections of their own."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from configs import changesets, registry, runtime, services
from configs.changesets.content import fingerprint
from configs.errors import ClawError, Conflict
from configs.models import ChangeSet, Config, PromptTemplate, Release
from tests.factories import PASSWORD

pytestmark = pytest.mark.usefixtures("committed")
TOP_K = registry.RETRIEVAL_TOP_K.key
State = ChangeSet.State


def at_once(*acts):
    """Do all the acts at the same moment; return what each returned, or the error's class."""
    barrier = threading.Barrier(len(acts))

    def do(act):
        try:
            barrier.wait(10)
            return act()
        except ClawError as error:
            return type(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(do, acts))


def boss(name):
    return User.objects.create_superuser(name, password=PASSWORD)


def top_k(actor, value):
    found = changesets.open_draft(title="t", actor=actor)
    changesets.draft(change_set=found, kind="setting", target=TOP_K, value=value, actor=actor)
    return found


def check_whole():
    versions = list(Release.objects.order_by("version").values_list("version", flat=True))
    assert versions == list(range(1, len(versions) + 1))
    for model, field in ((Config, "key"), (PromptTemplate, "name")):
        past = Counter(model.history.values_list(field, "version"))
        assert set(past.values()) <= {1}
        for name in {each for each, _ in past}:
            assert sorted(v for n, v in past if n == name) == list(
                range(1, 1 + sum(n == name for n, _ in past))
            )
    released = Config.history.exclude(release_version=None)
    assert set(released.values_list("release_version", flat=True)) <= set(versions)


def test_publish__two_sets_of_one_key__one_wins_and_one_is_stale():
    first, second = top_k(None, 7), top_k(None, 8)
    found = at_once(
        lambda: changesets.submit(change_set=first, actor=None).state,
        lambda: changesets.submit(change_set=second, actor=None).state,
    )
    assert sorted(found, key=str) == sorted([State.PUBLISHED, Conflict], key=str)
    assert (Release.objects.count(), Config.objects.get(key=TOP_K).version) == (2, 1)
    check_whole()


def test_publish__one_set_by_two_people__is_published_once():
    found = top_k(None, 7)
    twins = [ChangeSet.objects.get(pk=found.pk) for _ in range(2)]
    done = at_once(
        *(lambda each=each: changesets.submit(change_set=each, actor=None).state for each in twins)
    )
    assert Counter(done) == Counter([State.PUBLISHED, Conflict])
    assert Release.objects.count() == 2


def test_publish__different_keys__both_get_their_release():
    done = at_once(
        lambda: services.change_setting(key=TOP_K, value=9, actor=None).version,
        lambda: services.change_prompt(name="title", text="{question}", actor=None).version,
    )
    assert done == [1, 2]
    assert Release.objects.count() == 3
    check_whole()


def test_approve__two_at_once__is_published_once_with_one_approval():
    services.change_setting(key=registry.FOUR_EYES.key, value="*", actor=None)
    found = changesets.submit(change_set=top_k(boss("author"), 7), actor=None)
    people = [boss("second"), boss("third")]
    done = at_once(
        *(
            lambda who=who: (
                changesets.approve(change_set=ChangeSet.objects.get(pk=found.pk), actor=who).state
            )
            for who in people
        )
    )
    assert Counter(done) == Counter([State.PUBLISHED, Conflict])
    assert (Release.objects.count(), found.approvals.count()) == (3, 1)


def test_approve__edited_at_once__never_publishes_what_was_not_seen():
    services.change_setting(key=registry.FOUR_EYES.key, value="*", actor=None)
    author, second = boss("author"), boss("second")
    for _ in range(5):
        found = changesets.submit(change_set=top_k(author, 7), actor=author)
        twin = ChangeSet.objects.get(pk=found.pk)
        at_once(
            lambda seen=found: changesets.approve(change_set=seen, actor=second),
            lambda mine=twin: changesets.draft(
                change_set=mine, kind="setting", target=TOP_K, value=50, actor=author
            ),
        )
        row = Config.objects.filter(key=TOP_K).first()
        assert row is None or row.plain == 7
        found.refresh_from_db()
        assert found.state in {State.PUBLISHED, State.DRAFT}


def test_publish_due__two_beats__publish_each_set_once():
    sets = [top_k(None, 7), changesets.open_draft(title="t", actor=None)]
    changesets.draft(
        change_set=sets[1], kind="prompt", target="title", value="{question}", actor=None
    )
    soon = timezone.now() + timedelta(hours=1)
    for found in sets:
        changesets.submit(change_set=found, actor=None, publish_at=soon)
    ChangeSet.objects.update(publish_at=timezone.now() - timedelta(seconds=1))
    for found in sets:  # what was submitted is what is due
        found.refresh_from_db()
        found.content_hash = fingerprint(found, found.changes.all())
        found.save()
    assert sum(at_once(*[changesets.publish_due] * 3)) == 2
    assert set(ChangeSet.objects.values_list("state", flat=True)) == {State.PUBLISHED}
    assert Release.objects.count() == 3


ACTS = st.one_of(
    st.tuples(st.just("change"), st.integers(1, 50)),
    st.tuples(st.just("reset"), st.none()),
    st.tuples(st.just("back"), st.integers(1, 9)),
    st.tuples(st.just("prompt"), st.sampled_from(["{question}", "Name {question}"])),
    st.tuples(st.just("set"), st.integers(1, 50)),
)


def act(name, argument):
    if name == "change":
        services.change_setting(key=TOP_K, value=argument, actor=None)
    elif name == "reset":
        services.reset_setting(key=TOP_K, actor=None)
    elif name == "back":
        changesets.roll_back_release(version=argument, actor=None)
    elif name == "prompt":
        services.change_prompt(name="title", text=argument, actor=None)
    else:
        changesets.submit(change_set=top_k(None, argument), actor=None)


@hypothesis_settings(
    max_examples=8, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(plans=st.lists(st.lists(ACTS, min_size=1, max_size=4), min_size=2, max_size=3))
def test_any_acts__at_once__keep_versions_whole_and_no_reader_goes_back(plans):
    seen, over = [], threading.Event()

    def read():
        while not over.is_set():
            seen.append((runtime.refresh().version, runtime.current().version))

    def follow(plan):
        for name, argument in plan:
            try:
                act(name, argument)
            except ClawError:
                continue

    def write():
        try:
            at_once(*(lambda plan=plan: follow(plan) for plan in plans))
        finally:
            over.set()

    at_once(write, read)
    flat = [version for pair in seen for version in pair]
    assert flat == sorted(flat)
    check_whole()
