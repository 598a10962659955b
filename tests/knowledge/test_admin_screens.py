"""The screens of knowledge: health, the search test, passages, and indexing anew as a job."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Role
from configs import jobs, working
from configs.models import Job
from knowledge.admin import health, trying
from knowledge.models import Document, IndexedVersion, IndexGeneration
from knowledge.retrieval import Passage
from knowledge.services import rebuilding
from tests.cast import person
from tests.factories import DocumentFactory, DocumentVersionFactory
from tests.knowledge.shelves import base_of, plug_in, put

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor(db):
    return person("kim", Role.KNOWLEDGE_EDITOR)


@pytest.fixture
def base(editor):
    plug_in()
    return base_of(editor, name="Manuals", visibility="everyone")


def passage(text="words", score=0.5):
    return Passage(
        1, uuid.uuid4(), "a.md", uuid.uuid4(), 1, uuid.uuid4(), text, "", None, 0, 5, score, 1, None
    )


def test_explained__below_top_k_and_over_budget__say_so():
    hits = trying.explained([passage("x" * 300)] * 4, top_k=3, budget=200)
    assert [bool(hit.left_out) for hit in hits] == [False, False, True, True]
    assert "200" in hits[2].left_out
    assert "3" in hits[3].left_out


def test_explained__first_passage_over_budget__is_given_all_the_same():
    (hit,) = trying.explained([passage("x" * 3000)], top_k=3, budget=200)
    assert hit.left_out == ""


def test_search_test__finds__shows_ranks_and_words(base, editor, browser_of):
    put(base, "The purchase needs two signatures.", "Bicycles are parked outside.")
    answer = browser_of(editor).get(
        "/admin/knowledge/knowledgebase/search-test/", {"query": "purchase", "mode": "text"}
    )
    text = answer.content.decode()
    assert "two signatures" in text
    assert '<mark class="db-mark">' in text
    assert answer.context_data["trial"].given == 1


def test_search_test__of_another__finds_nothing(base, olga, alice, browser_of):
    secret = base_of(alice, name="Secret")
    put(secret, "The purchase of a submarine.")
    answer = browser_of(olga).get(
        "/admin/knowledge/knowledgebase/search-test/",
        {"query": "submarine", "mode": "text", "base": str(secret.pk)},
    )
    assert b"of a submarine" not in answer.content


def test_health__by_the_cast__is_for_those_who_see_bases(
    base, editor, olga, aidan, charlie, browser_of
):
    address = f"/admin/knowledge/knowledgebase/{base.pk}/health/"
    assert "Index anew" in browser_of(editor).get(address).content.decode()
    for reader in (olga, aidan):
        answer = browser_of(reader).get(address)
        assert answer.status_code == 200
        assert b"data-ask" not in answer.content
    assert browser_of(charlie).get(address).status_code in (302, 403)
    assert (
        browser_of(editor).get(address.replace(str(base.pk), str(uuid.uuid4()))).status_code == 404
    )


def test_health__of_a_sick_base__says_what_is_wrong(base):
    for name in ("one.md", "two.md"):
        document = DocumentFactory(base=base, name=name, status="ready")
        version = DocumentVersionFactory(document=document, sha256="a" * 64)
        Document.objects.filter(pk=document.pk).update(current_version=version)
    DocumentFactory(base=base, name="broken.pdf", status="failed", error_code="encrypted")
    with CaptureQueriesContext(connection) as queries:
        found = health.of(base)
    assert len(queries) <= 6
    assert found.failed == 1
    assert "password" in found.failures[0].why
    assert found.twins == [["one.md", "two.md"]]
    assert found.stale


def test_passages__of_a_version__are_in_order(base, editor, charlie, browser_of):
    document = put(base, "First words.", "Second words.")
    version = DocumentFactory._meta.model.objects.get(base=base).current_version
    address = f"/admin/knowledge/documentversion/{version.pk}/passages/"
    text = browser_of(editor).get(address).content.decode()
    assert text.index("First words.") < text.index("Second words.")
    assert browser_of(charlie).get(address).status_code in (302, 403)
    assert document is not None


def test_reindex__as_a_job__starts_once_and_follows_the_index(base, editor, browser_of):
    put(base, "First words.")
    client = browser_of(editor)
    address = f"/admin/knowledge/knowledgebase/{base.pk}/reindex/"
    for _ in range(2):
        assert client.post(address).status_code == 302
    job = Job.objects.get()
    working.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.total) == ("running", 0, 1)
    generation = IndexGeneration.objects.get(state="building")
    version = Document.objects.get(base=base).current_version
    IndexedVersion.objects.create(generation=generation, version=version, chunks=1)
    Document.objects.filter(base=base).update(status="ready")
    for _ in range(2):
        Job.objects.filter(pk=job.pk).update(lease_expires_at="2020-01-01T00:00Z")
        working.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done) == ("done", 1)
    base.refresh_from_db()
    assert base.active_generation == generation


def test_reindex__cancelled__leaves_the_index_in_use(base, editor):
    put(base, "First words.")
    job = rebuilding.start_reindex(actor=editor, base_id=base.pk)
    working.run(job.pk)
    assert IndexGeneration.objects.filter(base=base, state="building").count() == 1
    jobs.cancel(job=job, actor=editor)
    Job.objects.filter(pk=job.pk).update(lease_expires_at="2020-01-01T00:00Z")
    working.run(job.pk)
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert not IndexGeneration.objects.filter(base=base, state="building").exists()
    assert base.active_generation.state == "active"


def test_reindex__failed_document__says_that_the_old_index_stays(base, editor):
    put(base, "First words.")
    job = rebuilding.start_reindex(actor=editor, base_id=base.pk)
    working.run(job.pk)
    Document.objects.filter(base=base).update(status="failed")
    Job.objects.filter(pk=job.pk).update(lease_expires_at="2020-01-01T00:00Z")
    working.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.message) == ("failed", rebuilding.HELD_UP)


def test_reindex__forged_by_those_who_may_not__starts_nothing(
    base, olga, aidan, charlie, browser_of
):
    for actor in (olga, aidan, charlie):
        browser_of(actor).post(f"/admin/knowledge/knowledgebase/{base.pk}/reindex/")
    assert not Job.objects.exists()
