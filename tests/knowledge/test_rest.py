"""The REST doors of knowledge: rights of the whole cast, uploads, versions, search."""

import uuid
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Role
from configs import runtime
from configs.errors import TooLarge
from knowledge import services
from knowledge.indexing import pipeline
from knowledge.models import Document, KnowledgeBase
from knowledge.views import BoundedUpload
from tests.cast import person
from tests.knowledge import shelf

ROOT = "/api/v1/knowledge-bases/"
EVERY_FIELD = set(
    """id base name source status progress error attempts current_version version_number size
    content_type chunks created_at updated_at""".split()  # noqa: SIM905 - as a reader scans it
)


@pytest.fixture(autouse=True)
def embedder(db):
    shelf.install_embedder()
    yield
    runtime.forget()


@pytest.fixture
def base(alice):
    return services.create_base(actor=alice, name="Handbook")


@pytest.fixture
def document(alice, base):
    return shelf.put_ready(alice, base, "年假有十五天。Annual leave is fifteen days.")


def send(client, base, data=b"hello there", name="a.txt", **more):
    body = {"file": SimpleUploadedFile(name, data), **more}
    return client.post(f"{ROOT}{base.pk}/documents/", body, format="multipart")


def routes(base, document):
    one, doc = f"{ROOT}{base}/", f"/api/v1/documents/{document}/"
    return [
        ("get", one, None),
        ("patch", one, {"name": "New"}),
        ("get", f"{one}documents/", None),
        ("post", f"{one}reindex/", {}),
        ("post", f"{one}search/", {"query": "年假"}),
        ("get", doc, None),
        ("get", f"{doc}chunks/", None),
        ("post", f"{doc}reindex/", {}),
        ("delete", doc, None),
        ("delete", one, None),
    ]


def body_of(response):
    return {key: value for key, value in response.json().items() if key != "request_id"}


# --- Rights ------------------------------------------------------------------------------
@pytest.fixture
def strangers(bob, charlie, olga, aidan):
    return (bob, charlie, olga, aidan)


def test_private_base__for_all_others__does_not_exist(base, document, strangers, api_of):
    for stranger in strangers:
        client = api_of(stranger)
        assert client.get(ROOT).json()["results"] == []
        absent = routes(uuid.uuid4(), uuid.uuid4())
        for (method, url, body), (_, nowhere, _) in zip(
            routes(base.pk, document.pk), absent, strict=True
        ):
            answer = getattr(client, method)(url, body)
            twin = getattr(client, method)(nowhere, body)
            assert (method, url, answer.status_code) == (method, url, 404)
            assert body_of(answer) == body_of(twin)
        assert send(client, base).status_code == 404
    assert Document.objects.count() == 1


def test_visitor__is_asked_to_sign_in(base, document, api_of):
    client = api_of(None)
    for method, url, body in routes(base.pk, document.pk):
        assert getattr(client, method)(url, body).status_code == 401
    assert send(client, base).status_code == 401


def test_shared_base__may_be_read_and_not_changed(base, document, bob, charlie, research, api_of):
    owner = api_of(base.owner)
    change = {"visibility": "shared", "shared_groups": [research.pk]}
    assert owner.patch(f"{ROOT}{base.pk}/", change).json()["shared_groups"] == [research.pk]
    reader = api_of(bob)
    expected = [200, 403, 200, 403, 200, 200, 200, 403, 403, 403]
    found = [
        getattr(reader, method)(url, body).status_code
        for method, url, body in routes(base.pk, document.pk)
    ]
    assert found == expected
    assert send(reader, base).status_code == 403
    assert reader.get(f"{ROOT}{base.pk}/").json()["shared_groups"] == []
    assert api_of(charlie).get(f"{ROOT}{base.pk}/").status_code == 404
    owner.patch(f"{ROOT}{base.pk}/", {"shared_groups": [], "shared_users": [str(charlie.pk)]})
    assert api_of(charlie).get(f"{ROOT}{base.pk}/").status_code == 200
    assert api_of(bob).get(f"{ROOT}{base.pk}/").status_code == 404


def test_owner__may_do_everything(base, document, alice, api_of):
    client = api_of(alice)
    found = [
        getattr(client, method)(url, body).status_code
        for method, url, body in routes(base.pk, document.pk)
    ]
    assert found == [200, 200, 200, 202, 200, 200, 200, 202, 204, 204]
    assert not KnowledgeBase.objects.exists()


def test_base_for_everyone__takes_a_knowledge_editor(base, alice, bob, api_of):
    change = {"visibility": "everyone"}
    assert api_of(alice).patch(f"{ROOT}{base.pk}/", change).status_code == 403
    assert api_of(alice).post(ROOT, {"name": "Mine", **change}).status_code == 403
    editor = person("edith", Role.KNOWLEDGE_EDITOR)
    made = api_of(editor).post(ROOT, {"name": "For all", **change})
    assert made.status_code == 201
    assert api_of(bob).get(f"{ROOT}{made.json()['id']}/").status_code == 200


def test_auditor_and_operator__make_no_bases(aidan, olga, api_of):
    for person_ in (aidan, olga):
        assert api_of(person_).post(ROOT, {"name": "X"}).status_code == 403


# --- Bases -------------------------------------------------------------------------------
def test_base__made_and_listed__has_its_figures(alice, api_of):
    client = api_of(alice)
    made = client.post(ROOT, {"name": "产品 手册", "description": "d"})
    assert (made.status_code, made.json()["slug"]) == (201, "产品-手册")
    assert client.post(ROOT, {"name": "产品 手册"}).json()["slug"].startswith("产品-手册-")
    base = KnowledgeBase.objects.get(slug="产品-手册")
    shelf.put_ready(alice, base, "hello")
    shelf.put_ready(alice, base, "", "b.txt")
    shown = client.get(f"{ROOT}{base.pk}/").json()
    assert (shown["documents"], shown["failed"], shown["size"], shown["editable"]) == (
        2,
        1,
        5,
        True,
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 121},
        {"name": "x", "owner": "me"},
        {"name": "x", "id": str(uuid.uuid4())},
        {"name": "x", "visibility": "public"},
        {"name": "x", "shared_users": ["nobody"]},
        {"name": "x", "shared_users": [str(uuid.uuid4())]},
        {"name": "x", "slug": "not a slug"},
        {"name": "x\u0000"},
    ],
)
def test_base__with_bad_fields__is_400_and_none_is_made(alice, api_of, body):
    assert api_of(alice).post(ROOT, body).status_code == 400
    assert not KnowledgeBase.objects.exists()


def test_documents__listed__show_their_own_figures(alice, base, api_of):
    for n in range(1, 4):
        shelf.put_ready(alice, base, shelf.essay(10 * n, f"文{n}"), f"{n}.txt")
    services.reindex_base(actor=alice, base_id=base.pk)
    pipeline.run(Document.objects.get(name="1.txt").pk)
    rows = api_of(alice).get(f"{ROOT}{base.pk}/documents/").json()["results"]
    generation = KnowledgeBase.objects.get().active_generation
    for row in rows:
        own = generation.chunks.filter(document=row["id"])
        assert (row["chunks"], row["version_number"]) == (own.count(), 1)


def test_lists__of_any_length__take_the_same_queries(
    alice, base, api_of, django_assert_max_num_queries
):
    client = api_of(alice)
    for n in range(12):
        shelf.put(alice, base, f"text {n}", f"{n}.txt")
        services.create_base(actor=alice, name=f"Base {n}")
    with django_assert_max_num_queries(8):
        assert len(client.get(ROOT).json()["results"]) == 13
    with django_assert_max_num_queries(6):
        assert len(client.get(f"{ROOT}{base.pk}/documents/").json()["results"]) == 12


# --- Uploads -----------------------------------------------------------------------------
def test_upload__new_bytes__is_202_and_the_same_again_200(alice, base, api_of):
    client = api_of(alice)
    first = send(client, base)
    assert first.status_code == 202
    assert set(first.json()) == EVERY_FIELD
    assert (first.json()["status"], first.json()["version_number"]) == ("queued", 1)
    again = send(client, base, name="other name.txt")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert Document.objects.count() == 1


def test_upload__same_bytes_of_another_person__tells_nothing(alice, bob, base, api_of):
    send(api_of(alice), base)
    other = services.create_base(actor=bob, name="Bob's")
    assert send(api_of(bob), other).status_code == 202


def test_upload__same_source_other_bytes__is_a_new_version(alice, base, api_of):
    client = api_of(alice)
    first = send(client, base, b"one", source="/docs/a").json()
    second = send(client, base, b"two", source="/docs/a")
    assert (second.status_code, second.json()["id"]) == (202, first["id"])
    assert second.json()["version_number"] == 2
    assert send(client, base, b"two", source="/docs/a").status_code == 200


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../x.txt", "x.txt"),
        ("/etc/x.txt", "x.txt"),
        ("..\\..\\x.txt", "x.txt"),
        ("%2e%2e%2fx.txt", "%2e%2e%2fx.txt"),
        ("CON.txt", "CON.txt"),
        ("a" * 300 + ".txt", "a" * 251 + ".txt"),
        ('"><img src=x onerror=alert(1)>{{7*7}}.txt', None),
    ],
)
def test_upload__nasty_names__are_stored_at_random(alice, base, api_of, sent, kept):
    answer = send(api_of(alice), base, name=sent)
    assert answer.status_code == 202
    assert kept is None or answer.json()["name"] == kept
    stored = Path(Document.objects.get().versions.get().file.path)
    assert Path(settings.MEDIA_ROOT).resolve() in stored.resolve().parents
    assert len(stored.stem) == 32
    assert stored.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.exe", b"MZ"),
        ("a.svg", b"<svg/>"),
        ("a.pdf", b"<html></html>"),
        ("a.png", b"\x89PNG"),
        ("a.docx", b"PK\x03\x04not"),
        ("archive.zip", b"PK\x03\x04"),
        ("noextension", b"text"),
    ],
)
def test_upload__of_another_kind__is_415_or_fails_in_words(alice, base, api_of, name, data):
    answer = send(api_of(alice), base, data, name)
    if answer.status_code == 202:
        pipeline.run(uuid.UUID(answer.json()["id"]))
        assert Document.objects.get().status == "failed"
    else:
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_type")
        assert not Document.objects.exists()


def stored_files():
    return {path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()}


def test_upload__over_the_limit__is_413_and_leaves_nothing(alice, base, api_of, monkeypatch):
    monkeypatch.setenv("CLAWAI_UPLOADS_MAX_MB", "1")
    runtime.forget()
    before = stored_files()
    for size in ((1 << 20) + 1, 3 << 20):
        answer = send(api_of(alice), base, b"x" * size)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert stored_files() == before
    assert send(api_of(alice), base, b"x" * (1 << 20)).status_code == 202


def test_upload__malformed_forms__are_400(alice, base, api_of):
    client = api_of(alice)
    url = f"{ROOT}{base.pk}/documents/"
    assert client.post(url, {}, format="multipart").status_code == 400
    assert client.post(url, {"file": "text"}, format="multipart").status_code == 400
    assert send(client, base, status="ready").status_code == 400
    assert send(client, base, source="x" * 1001).status_code == 400
    assert client.post(url, {"file": "x"}, format="json").status_code == 415


def test_document__failed__says_why_in_the_readers_words(alice, base, api_of):
    document = shelf.put_ready(alice, base, "", "empty.txt")
    shown = api_of(alice).get(f"/api/v1/documents/{document.pk}/").json()
    assert (shown["status"], shown["error"]["code"]) == ("failed", "empty")
    assert "OCR" in shown["error"]["detail"]
    again = api_of(alice).post(f"/api/v1/documents/{document.pk}/reindex/")
    assert (again.status_code, again.json()["status"], again.json()["error"]) == (
        202,
        "queued",
        None,
    )


def test_document__deleted__takes_its_files_along(
    alice, base, document, api_of, django_capture_on_commit_callbacks
):
    path = Path(document.current_version.file.path)
    assert path.exists()
    with django_capture_on_commit_callbacks(execute=True):
        assert api_of(alice).delete(f"/api/v1/documents/{document.pk}/").status_code == 204
    assert not path.exists()


# --- Passages and search ---------------------------------------------------------------------
def test_chunks__come_in_order_with_positions(alice, base, api_of):
    document = shelf.put_ready(alice, base, shelf.essay(30))
    client, rows = api_of(alice), []
    url = f"/api/v1/documents/{document.pk}/chunks/?page_size=4"
    while url:
        page = client.get(url).json()
        rows += page["results"]
        url = page["next"]
    assert [row["ordinal"] for row in rows] == list(range(len(rows)))
    text = document.current_version.text
    assert all(text[row["start"] : row["end"]] == row["text"] for row in rows)


def test_search__finds_with_ranks_and_positions(alice, base, document, api_of):
    client = api_of(alice)
    for mode in ("hybrid", "vector", "text"):
        answer = client.post(f"{ROOT}{base.pk}/search/", {"query": "年假多少天", "mode": mode})
        hit = answer.json()["hits"][0]
        assert hit["document"] == str(document.pk)
        assert hit["text"] == document.current_version.text[hit["start"] : hit["end"]]
        assert (hit["rank_vector"] is not None) == (mode != "text")
        assert (hit["rank_text"] is not None) == (mode != "vector")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": "x" * 2001},
        {"query": "x", "top_k": 0},
        {"query": "x", "top_k": 51},
        {"query": "x", "mode": "magic"},
        {"query": "x", "user": "olga"},
    ],
)
def test_search__bad_input__is_400(alice, base, api_of, body):
    assert api_of(alice).post(f"{ROOT}{base.pk}/search/", body).status_code == 400


@pytest.mark.parametrize("query", ["a & b | !c:*", "%_\\", "' OR 1=1 --", "\u202e😀", "的" * 2000])
def test_search__odd_questions__are_answered(alice, base, document, api_of, query):
    answer = api_of(alice).post(f"{ROOT}{base.pk}/search/", {"query": query})
    assert answer.status_code == 200


def test_redis__away__does_not_fail_an_upload(
    alice, base, api_of, settings, django_capture_on_commit_callbacks
):
    from celery import current_app

    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]},
        }
    }
    working = current_app.conf.broker_write_url
    current_app.conf.broker_write_url = "redis://127.0.0.1:1/0"
    try:
        with django_capture_on_commit_callbacks(execute=True):
            assert send(api_of(alice), base).status_code == 202
    finally:
        current_app.conf.broker_write_url = working
    assert Document.objects.get().status == "queued"


def test_form__longer_than_it_said__is_cut_off_at_the_limit(rf, monkeypatch):
    monkeypatch.setenv("CLAWAI_UPLOADS_MAX_MB", "1")
    runtime.forget()
    handler = BoundedUpload(rf.get("/"))
    handler.handle_raw_input(None, {}, 100, b"")
    handler.receive_data_chunk(b"x" * (1 << 20), 0)
    with pytest.raises(TooLarge):
        handler.receive_data_chunk(b"x" * (1 << 17), 1 << 20)
