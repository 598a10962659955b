"""The dashboard: what it counts, who sees which part of it, and what it costs."""

import json
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clawai.dashboard import charts, figures, keeping, page
from clawai.dashboard.periods import PERIODS, chosen
from configs.models import Job
from tests import factories

pytestmark = pytest.mark.django_db
WEEK = chosen("7d")
MOST_QUERIES = 12


@pytest.fixture(autouse=True)
def _forgotten():
    cache.clear()
    yield
    cache.clear()


def reply(owner, *, hours=0, first=0.5, **fields):
    talk = factories.ConversationFactory(owner=owner)
    asked = factories.QuestionFactory(conversation=talk)
    begun = timezone.now() - timedelta(hours=hours)
    told = None if first is None else begun + timedelta(seconds=first)
    return factories.ReplyFactory(parent=asked, created_at=begun, first_token_at=told, **fields)


def test_count__replies_of_a_week__add_up(alice, bob):
    for first in (0.2, 0.4, 5.0):
        reply(alice, first=first, prompt_tokens=100, completion_tokens=10, endpoint_name="glm")
    reply(bob, first=None, status="failed")
    reply(bob, hours=24 * 20)
    counted = figures.count(WEEK)
    assert sum(counted.replies) == 4
    assert sum(counted.failed) == 1
    assert (counted.tokens_in[-1], counted.tokens_out[-1]) == (300, 30)
    assert counted.wait_half == pytest.approx(0.4, rel=0.06)
    assert counted.wait_most == pytest.approx(5.0, rel=0.06)
    assert [(row["name"], row["replies"]) for row in counted.people] == [("alice", 3), ("bob", 1)]
    assert [row["endpoint"] for row in counted.shares] == ["glm"]


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.key)
def test_count__every_period__has_a_slot_for_now(alice, period):
    reply(alice)
    assert figures.count(period).replies[-1] == 1
    assert len(figures.count(period).slots) == period.count


def test_count__queues__tell_depth_and_age(alice):
    reply(alice, hours=1, status="queued")
    base = factories.KnowledgeBaseFactory(owner=alice)
    factories.DocumentFactory(base=base, status="queued")
    Job.objects.create(kind="test", title="Long", owner=alice, state="running")
    queues = {row["name"]: row for row in figures.count(WEEK).queues}
    assert queues["answers"]["waiting"] == 1
    assert queues["answers"]["oldest"] == pytest.approx(3600, abs=60)
    assert (queues["indexing"]["waiting"], queues["jobs"]["running"]) == (1, 1)


def test_figures__as_the_cache_keeps_them__are_json(alice):
    reply(alice)
    counted = keeping.read(WEEK)
    assert json.loads(json.dumps(cache.get("dashboard:7d")["figures"]))["replies"]
    assert keeping.read(WEEK) == counted


def test_read__again_within_seconds__counts_once(alice):
    calls = []

    def count(period):
        calls.append(period)
        return figures.count(period)

    keeping.read(WEEK, count)
    keeping.read(WEEK, count)
    assert len(calls) == 1


def test_read__while_another_counts__shows_what_is_kept(alice):
    kept = keeping.read(WEEK)
    held = cache.get("dashboard:7d")
    cache.set("dashboard:7d", {**held, "at": held["at"] - keeping.FRESH_SECONDS - 1}, 30)
    cache.add("dashboard:7d:counting", 1, 10)
    reply(alice)
    assert keeping.read(WEEK) == kept


def test_read__cache_away__counts(alice, settings):
    reply(alice)
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/1"}
    }
    assert sum(keeping.read(WEEK).replies) == 1


def test_page__full__costs_few_queries(alice, olga, browser_of):
    reply(alice, endpoint_name="glm")
    client = browser_of(olga)
    client.get("/admin/")
    cache.clear()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = client.get("/admin/")
    assert answer.status_code == 200
    figures_only = [q for q in queries if "auth_" not in q["sql"] and "session" not in q["sql"]]
    assert len(figures_only) <= MOST_QUERIES


def test_page__nothing_yet__says_what_to_do_next(administrator, browser_of):
    text = browser_of(administrator).get("/admin/").content.decode()
    for step in ("Connect a language model", "Upload documents", "Ask the first question"):
        assert step in text


def test_page__by_the_cast__shows_names_to_those_who_may_see_people(
    alice, olga, aidan, charlie, browser_of
):
    reply(alice)
    assert "Who asks most" in browser_of(aidan).get("/admin/").content.decode()
    assert "Who asks most" in browser_of(olga).get("/admin/").content.decode()
    assert browser_of(charlie).get("/admin/").status_code in (302, 403)
    assert browser_of(None).get("/admin/").status_code in (302, 403)


def test_page__knowledge_editor__sees_documents_alone(alice, browser_of):
    from accounts.models import Role
    from tests.cast import person

    reply(alice)
    text = browser_of(person("kim", Role.KNOWLEDGE_EDITOR)).get("/admin/").content.decode()
    assert "Documents" in text
    assert "Who asks most" not in text
    assert "Time to first words" not in text


def test_page__unknown_period__shows_the_week(olga, browser_of):
    answer = browser_of(olga).get("/admin/?period=' OR 1=1")
    assert answer.context_data["period"].key == "7d"


def test_bars__of_nothing__stand_on_a_scale():
    chart = charts.bars("x", ["a", "b"], [charts.Series("n", "accent", [0, 0])], page.compact)
    assert chart.rects == []
    assert chart.scale[0] == (0.0, "1")


def test_bars__stacked__fill_what_they_stand_for():
    series = [charts.Series("n", "accent", [3]), charts.Series("m", "bad", [2])]
    chart = charts.bars("x", ["a"], series, page.compact)
    assert [round(rect.height) for rect in chart.rects] == [60, 40]
    assert chart.rects[1].y == pytest.approx(0)
    assert chart.spots[0].title == "a\nn: 3\nm: 2"


def test_lines__with_a_gap__break_there():
    series = [charts.Series("n", "accent", [1.0, 2.0, None, 1.0])]
    (line,) = charts.lines("x", list("abcd"), series, page.seconds).lines
    assert len(line.pieces) == 1
    assert len(line.dots) == 1


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (3, 5), (50, 50), (51, 100), (0.03, 0.05)]
)
def test_nice__any_number__is_round_and_not_below(most, top):
    assert charts.nice(most) == pytest.approx(top)
