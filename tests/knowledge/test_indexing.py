"""Documents become passages: once, in order, and again after every kind of interruption."""

import random
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone

from configs import runtime
from configs.models import ModelEndpoint
from knowledge import services
from knowledge.indexing import generations, jobs, passages, pipeline
from knowledge.models import Chunk, Document, IndexedVersion, IndexGeneration, TermFrequency
from tests.knowledge import shelf
from tests.steering import step_all


@pytest.fixture
def base(alice):
    shelf.install_embedder()
    yield services.create_base(actor=alice, name="Handbook")
    runtime.forget()


def passages_of(document):
    return list(
        Chunk.objects.filter(document=document)
        .order_by("version__number", "generation", "ordinal")
        .values_list("version__number", "ordinal", "start", "end", "text")
    )


def test_document__indexed__is_ready_with_exact_positions(alice, base):
    document = shelf.put_ready(alice, base, shelf.essay(30))
    assert (document.status, document.progress, document.attempts) == ("ready", 100, 0)
    text = document.current_version.text
    found = passages_of(document)
    assert [row[1] for row in found] == list(range(len(found)))
    assert len(found) > 5
    assert all(text[start:end] == words for _, _, start, end, words in found)
    chunk = Chunk.objects.filter(document=document).first()
    assert chunk.embedding is not None
    assert chunk.bm25 is not None
    assert "quick" in chunk.terms
    base.active_generation.refresh_from_db()
    assert base.active_generation.chunk_count == len(found)
    assert shelf.kept_terms(base.active_generation) == shelf.counted_terms(base.active_generation)


def test_document__without_text__fails_with_a_reason_and_can_be_retried(alice, base):
    for name, data, code in (
        ("a.txt", b"", "empty"),
        ("b.txt", b" \n ", "empty"),
        ("c.pdf", shelf.pdf_file(("",)), "empty"),
        ("d.pdf", shelf.pdf_file(password="x"), "encrypted"),
        ("e.docx", shelf.docx_file()[:900], "malformed"),
    ):
        document = shelf.put_ready(alice, base, data, name)
        assert (document.status, document.error_code) == ("failed", code)
        assert document.error
        assert not passages_of(document)
        again = services.retry(actor=alice, document_id=document.pk)
        assert (again.status, again.error_code, again.attempts) == ("queued", "", 0)


def test_every_kind__becomes_ready(alice, base):
    for name, data in (
        ("a.docx", shelf.docx_file()),
        ("a.pptx", shelf.pptx_file()),
        ("a.xlsx", shelf.xlsx_file()),
        ("a.pdf", shelf.pdf_file()),
        ("a.csv", "k,v\nx,1\n"),
        ("a.html", "<p>Hello there"),
        ("a.md", "# T\nHello"),
        ("a.txt", "你好，世界。".encode("gb18030")),
    ):
        document = shelf.put_ready(alice, base, data, name)
        assert (name, document.status, document.error) == (name, "ready", "")
        assert len(passages_of(document)) >= 1


# --- Claims ------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_task__delivered_five_times_at_once__works_once(alice, base):
    document = shelf.put(alice, base, shelf.essay(40))
    barrier = Barrier(5)

    def deliver():
        barrier.wait()
        try:
            pipeline.run(document.pk)
        finally:
            connection.close()

    threads = [Thread(target=deliver) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    document.refresh_from_db()
    found = passages_of(document)
    assert (document.status, document.fence) == ("ready", 1)
    assert [row[1] for row in found] == list(range(len(found)))
    assert shelf.kept_terms(base.active_generation) == shelf.counted_terms(base.active_generation)


def test_claim__while_the_lease_holds__is_refused(alice, base):
    document = shelf.put(alice, base, "text")
    assert jobs.claim(document.pk).fence == 1
    assert jobs.claim(document.pk) is None
    Document.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert jobs.claim(document.pk).fence == 2


def test_older_claimant__writes_nothing(alice, base):
    document = shelf.put(alice, base, "text")
    older = jobs.claim(document.pk)
    Document.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    jobs.claim(document.pk)
    with pytest.raises(jobs.LeaseLost):
        passages.complete(older, document.versions.get(), base.active_generation, 1)
    jobs.fail(older, "crashed", "x")
    jobs.postpone(older, 1)
    document.refresh_from_db()
    assert (document.status, document.error_code) == ("processing", "")


class Killed(BaseException):
    """Stands for a kill: nothing catches it, nothing cleans up."""


def interrupted(document, monkeypatch, after):
    """Run the pipeline and kill it before it stores its batch number `after`."""
    stored, count = passages.store, 0

    def store(*args):
        nonlocal count
        if count == after:
            raise Killed
        count += 1
        stored(*args)

    with monkeypatch.context() as patched:
        patched.setattr(passages, "store", store)
        with pytest.raises(Killed):
            pipeline.run(document.pk)
    Document.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def test_worker__killed_twice_in_mid_indexing__ends_with_the_same_passages(
    alice, base, monkeypatch
):
    text = shelf.essay(400)
    whole = shelf.put_ready(alice, base, text, "whole.txt")
    other = services.create_base(actor=alice, name="Other")
    document = shelf.put(alice, other, text)
    interrupted(document, monkeypatch, 1)
    first = passages_of(document)
    assert len(first) == 64
    interrupted(document, monkeypatch, 1)
    assert passages_of(document)[:64] == first
    assert jobs.sweep() == [document.pk]
    pipeline.run(document.pk)
    document.refresh_from_db()
    assert document.status == "ready"
    assert passages_of(document) == passages_of(whole)
    other.active_generation.refresh_from_db()
    assert other.active_generation.chunk_count == len(passages_of(whole))
    assert shelf.kept_terms(other.active_generation) == shelf.counted_terms(other.active_generation)


def test_poison__that_kills_three_workers__is_given_up(alice, base, monkeypatch):
    document = shelf.put(alice, base, "text")
    neighbour = shelf.put(alice, base, "other text", "b.txt")
    for _ in range(3):
        interrupted(document, monkeypatch, 0)
    Document.objects.filter(pk=neighbour.pk).update(lease_expires_at=None)
    assert jobs.sweep() == [neighbour.pk]
    document.refresh_from_db()
    assert (document.status, document.error_code, document.attempts) == ("failed", "crashed", 3)


def test_sweeper__lost_nudges__are_sent_once_until_they_count_as_lost(alice, base):
    document = shelf.put(alice, base, "text")
    assert jobs.sweep() == []
    Document.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert jobs.sweep() == [document.pk]
    assert jobs.sweep() == []


# --- Providers ---------------------------------------------------------------------------
def test_provider__down__is_tried_three_times_with_growing_pauses(alice, base):
    step_all(
        ModelEndpoint.objects.filter(name=shelf.ENDPOINT),
        provider="openai_compatible",
        base_url="http://127.0.0.1:9/v1",
        model="none",
    )
    runtime.forget()
    document = shelf.put(alice, base, "text")
    pauses = []
    for _ in range(3):
        pauses.append(pipeline.run(document.pk))
        assert pipeline.run(document.pk) is None
        Document.objects.update(run_after=None)
    document.refresh_from_db()
    assert 5 <= pauses[0] < pauses[1]
    assert pauses[2] is None
    assert (document.status, document.attempts) == ("failed", 3)
    assert document.error_code.startswith("provider_")


def test_endpoint__gone__fails_at_once(alice, base):
    step_all(ModelEndpoint.objects.filter(name=shelf.ENDPOINT), enabled=False)
    runtime.forget()
    document = shelf.put(alice, base, "text")
    assert pipeline.run(document.pk) is None
    document.refresh_from_db()
    assert (document.status, document.error_code) == ("failed", "no_endpoint")


def test_endpoint__with_other_dimensions__asks_for_a_new_index(alice, base):
    step_all(ModelEndpoint.objects.filter(name=shelf.ENDPOINT), parameters={"dimensions": 32})
    runtime.forget()
    document = shelf.put_ready(alice, base, "text")
    assert (document.status, document.error_code) == ("failed", "needs_reindex")


# --- Versions ----------------------------------------------------------------------------
def test_new_version__replaces_the_old_one_when_it_is_whole(alice, base):
    document = shelf.put_ready(alice, base, shelf.essay(30, "旧文"), source="/a")
    old = document.current_version
    again = shelf.put(alice, base, shelf.essay(20, "新文"), source="/a")
    again.refresh_from_db()
    assert (again.pk, again.status, again.current_version) == (document.pk, "queued", old)
    assert {row[0] for row in passages_of(document)} == {1}
    pipeline.run(document.pk)
    document.refresh_from_db()
    assert (document.status, document.current_version.number) == ("ready", 2)
    assert {row[0] for row in passages_of(document)} == {2}
    generation = IndexGeneration.objects.get(pk=base.active_generation_id)
    assert generation.chunk_count == len(passages_of(document))
    assert shelf.kept_terms(generation) == shelf.counted_terms(generation)


def test_new_version__that_cannot_be_read__leaves_the_old_one_in_use(alice, base):
    document = shelf.put_ready(alice, base, shelf.essay(5), source="/a")
    before = passages_of(document)
    shelf.put_ready(alice, base, "", source="/a")
    document.refresh_from_db()
    assert (document.status, document.current_version.number) == ("failed", 1)
    assert passages_of(document) == before


def test_reindex__of_one_document__keeps_it_searchable(alice, base):
    document = shelf.put_ready(alice, base, shelf.essay(5))
    services.reindex(actor=alice, document_id=document.pk)
    assert {row[0] for row in passages_of(document)} == {1}
    pipeline.run(document.pk)
    document.refresh_from_db()
    assert (document.status, document.current_version.number) == ("ready", 2)
    assert {row[0] for row in passages_of(document)} == {2}


# --- Generations -------------------------------------------------------------------------
def test_reindex__of_a_base__leaves_no_gap(alice, base):
    documents = [
        shelf.put_ready(alice, base, shelf.essay(9, f"文{n}"), f"{n}.txt") for n in range(3)
    ]
    old = base.active_generation
    ModelEndpoint.objects.create(
        name="bigger", kind="embedding", provider="fake", position=0, parameters={"dimensions": 128}
    )
    step_all(ModelEndpoint.objects.filter(name=shelf.ENDPOINT), position=5)
    runtime.forget()
    new = services.reindex_base(actor=alice, base_id=base.pk)
    assert (new.state, new.dimensions) == ("building", 128)
    for document in documents:
        base.refresh_from_db()
        assert base.active_generation == old
        assert Chunk.objects.filter(generation=old).count() == old.indexed.count() * len(
            Chunk.objects.filter(generation=old, document=document)
        )
        pipeline.run(document.pk)
    base.refresh_from_db()
    old.refresh_from_db()
    assert base.active_generation == new
    assert (old.state, old.chunk_count) == ("retired", 0)
    assert not Chunk.objects.filter(generation=old).exists()
    assert not TermFrequency.objects.filter(generation=old).exists()
    new.refresh_from_db()
    assert new.chunk_count == Chunk.objects.filter(generation=new).count() > 0
    assert shelf.kept_terms(new) == shelf.counted_terms(new)
    assert set(Document.objects.values_list("status", flat=True)) == {"ready"}


def test_reindex__where_a_searchable_document_fails__waits_for_it(alice, base):
    good = shelf.put_ready(alice, base, shelf.essay(3), "a.txt")
    bad = shelf.put_ready(alice, base, shelf.essay(3, "坏"), "b.txt")
    new = services.reindex_base(actor=alice, base_id=base.pk)
    pipeline.run(good.pk)
    held = jobs.claim(bad.pk)
    jobs.fail(held, "provider_rejected", "no")
    generations.switch_when_complete(base.pk)
    new.refresh_from_db()
    assert new.state == "building"
    services.retry(actor=alice, document_id=bad.pk)
    pipeline.run(bad.pk)
    new.refresh_from_db()
    assert new.state == "active"


def test_reindex__of_an_empty_base__switches_at_once(alice, base):
    assert services.reindex_base(actor=alice, base_id=base.pk).state == "active"


# --- Figures -----------------------------------------------------------------------------
def test_term_frequencies__after_random_changes__equal_a_recount(alice, base):
    dice = random.Random(7)
    documents = {}
    for step in range(24):
        name = f"{dice.randrange(6)}.txt"
        if name in documents and dice.random() < 0.4:
            services.delete_document(actor=alice, document_id=documents.pop(name))
        else:
            text = shelf.essay(dice.randrange(1, 12), f"变{step}")
            documents[name] = shelf.put_ready(alice, base, text, name, source=name).pk
        generation = IndexGeneration.objects.get(pk=base.active_generation_id)
        assert shelf.kept_terms(generation) == shelf.counted_terms(generation)
        assert generation.chunk_count == Chunk.objects.filter(generation=generation).count()
    assert IndexedVersion.objects.count() == len(documents)


@pytest.mark.django_db(transaction=True)
def test_workers__on_one_base_at_once__do_not_block_each_other(alice, base):
    ids = [shelf.put(alice, base, shelf.essay(60, f"同{n}"), f"{n}.txt").pk for n in range(6)]
    errors = []

    def work(mine):
        try:
            for document_id in mine:
                pipeline.run(document_id)
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)
        finally:
            connection.close()

    threads = [Thread(target=work, args=(ids[n::3],)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert set(Document.objects.values_list("status", "attempts")) == {("ready", 0)}
    generation = IndexGeneration.objects.get(pk=base.active_generation_id)
    assert shelf.kept_terms(generation) == shelf.counted_terms(generation)
