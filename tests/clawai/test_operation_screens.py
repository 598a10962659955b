"""Jobs, workers and queues: who sees them, who may act, and what a forged form does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Role
from configs.models import Job
from tests import factories
from tests.cast import person

pytestmark = pytest.mark.django_db
JOBS = "/admin/configs/job/"
WORKERS = "/admin/workers/"


@pytest.fixture
def job(olga):
    return Job.objects.create(
        kind="none", title="Heavy load", owner=olga, state="running", done=1, total=4,
        lease_expires_at=timezone.now() + timedelta(hours=1), message="Cancelled.",
    )  # fmt: skip


def test_jobs__by_the_cast__all_to_auditors_own_to_others(job, olga, aidan, charlie, browser_of):
    kim = person("kim", Role.KNOWLEDGE_EDITOR)
    assert "Heavy load" in browser_of(olga).get(JOBS).content.decode()
    assert "Heavy load" in browser_of(aidan).get(JOBS).content.decode()
    assert "Heavy load" not in browser_of(kim).get(JOBS).content.decode()
    assert browser_of(charlie).get(JOBS).status_code in (302, 403)


def test_jobs__auditor__finds_no_button_and_forges_in_vain(job, aidan, browser_of):
    client = browser_of(aidan)
    assert "data-cancel" not in client.get(JOBS).content.decode()
    client.post(f"{JOBS}{job.pk}/cancel/")
    job.refresh_from_db()
    assert job.cancel_requested_at is None


def test_jobs__state__is_told_in_the_reader_s_language(job, olga, aidan, browser_of):
    (told,) = browser_of(olga).get(f"{JOBS}state/", {"id": str(job.pk)}).json()["jobs"]
    assert (told["percent"], told["open"], told["cancellable"]) == (25, True, True)
    (told,) = browser_of(aidan).get(f"{JOBS}state/", {"id": str(job.pk)}).json()["jobs"]
    assert told["cancellable"] is False
    assert browser_of(olga).get(f"{JOBS}state/?id=x").status_code == 404


def test_jobs__state_of_another_s__is_not_told_to_strangers(job, browser_of):
    kim = person("kim", Role.KNOWLEDGE_EDITOR)
    answer = browser_of(kim).get(f"{JOBS}state/", {"id": str(job.pk)})
    assert answer.json()["jobs"] == []
    assert browser_of(kim).post(f"{JOBS}{job.pk}/cancel/").status_code == 404


def test_jobs__cancelled_by_an_operator__says_so(job, olga, browser_of):
    assert browser_of(olga).post(f"{JOBS}{job.pk}/cancel/").status_code == 302
    job.refresh_from_db()
    assert job.cancel_requested_at is not None


def test_workers__by_the_cast__to_be_seen_and_steered(olga, aidan, charlie, browser_of):
    assert "data-ask" in browser_of(olga).get(WORKERS).content.decode()
    assert "data-ask" not in browser_of(aidan).get(WORKERS).content.decode()
    kim = browser_of(person("kim", Role.KNOWLEDGE_EDITOR))
    assert kim.get(WORKERS).status_code == 403
    assert browser_of(charlie).get(WORKERS).status_code in (302, 403)
    for client in (browser_of(aidan), kim):
        assert client.post(f"{WORKERS}sweep/").status_code == 403


def test_workers__lost_reply__is_marked_and_taken_up_again(alice, olga, browser_of):
    past = timezone.now() - timedelta(minutes=5)
    reply = factories.ReplyFactory(
        parent=factories.QuestionFactory(conversation__owner=alice), content="", epoch=1,
        attempts=1, status="generating", started_at=past, lease_expires_at=past,
    )  # fmt: skip
    client = browser_of(olga)
    assert client.get(WORKERS).context_data["waiting"][0]["lost"] == 1
    assert client.post(f"{WORKERS}sweep/").status_code == 302
    reply.refresh_from_db()
    assert reply.status == "queued"


def test_workers__redis_away__says_so(olga, browser_of, settings):
    from clawai.dashboard import workers

    client = browser_of(olga)
    client.get(WORKERS)
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/1"}
    }
    assert all(not queue.is_served for queue in workers._queues())


def test_requeue__document_that_one_may_not_edit__stays(alice, olga, aidan, browser_of):
    base = factories.KnowledgeBaseFactory(owner=alice)
    document = factories.DocumentFactory(base=base, status="failed")
    for actor in (olga, aidan):
        browser_of(actor).post(f"{WORKERS}documents/{document.pk}/")
    document.refresh_from_db()
    assert document.status == "failed"


@pytest.mark.parametrize(("language", "word"), [("zh-hans", "请求"), ("en", "request")])
def test_broken_address__of_a_person__is_answered_in_their_language(client, language, word):
    answer = client.get("/admin/%00/", headers={"Accept-Language": language})
    assert answer.status_code == 400
    assert word in answer.content.decode()
