"""REST and Server-Sent Events: the contract's doors, for their owner and for nobody else."""

import asyncio
import threading
from uuid import uuid4

import orjson
import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.db import connections

from clawai.asgi import application
from conversations import services
from conversations.models import Conversation, Message
from tests.conversations.conftest import eventually
from tests.conversations.test_consumers import signed_in

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/"
ROUTES = [
    ("get", "conversations/{c}/", None),
    ("patch", "conversations/{c}/", {"title": "x"}),
    ("delete", "conversations/{c}/", None),
    ("get", "conversations/{c}/messages/", None),
    ("post", "conversations/{c}/messages/", {"content": "hello"}),
    ("get", "conversations/{c}/export/", None),
    ("get", "messages/{r}/", None),
    ("get", "messages/{r}/stream/", None),
    ("post", "messages/{r}/stop/", {}),
    ("post", "messages/{r}/regenerate/", {}),
    ("put", "messages/{r}/feedback/", {"rating": 1}),
]


@pytest.fixture
def thread(alice, broker):
    return services.create_conversation(user=alice)


def ask(user, thread, **fields):
    return services.ask(user=user, conversation=thread.pk, **{"content": "Why?"} | fields)


def call(api, method, path, body):
    return getattr(api, method)(ROOT + path, body, format="json")


def test_messages__asked__both_messages_and_their_fields(alice, api_of, thread):
    api = api_of(alice)
    body = {"content": "Why?", "client_id": "c1"}
    answer = api.post(f"{ROOT}conversations/{thread.pk}/messages/", body)
    assert answer.status_code == 202
    asked = answer.json()
    assert set(asked) == {"message", "reply"}
    assert asked["reply"]["status"] == "queued"
    assert asked["reply"]["parent"] == asked["message"]["id"]
    again = api.post(f"{ROOT}conversations/{thread.pk}/messages/", body)
    assert (again.status_code, again.json()) == (202, asked)
    listed = api.get(f"{ROOT}conversations/{thread.pk}/messages/").json()
    assert listed["results"] == [asked["message"], asked["reply"]]
    assert asked["reply"] == api.get(f"{ROOT}messages/{asked['reply']['id']}/").json()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": ""},
        {"content": " "},
        {"content": None},
        {"content": ["x"]},
        {"content": "x" * 32_001},
        {"content": "x", "role": "assistant"},
        {"content": "x", "author": str(uuid4())},
        {"content": "x", "client_id": "x" * 65},
        {"content": "x", "knowledge_bases": "x"},
        {"content": "x", "parent": "x"},
    ],
)
def test_messages__wrong_body__400_and_nothing_stored(alice, api_of, thread, body):
    answer = api_of(alice).post(f"{ROOT}conversations/{thread.pk}/messages/", body, format="json")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert Message.objects.count() == 0


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: " ".join(route[:2]))
@pytest.mark.parametrize("person", ["bob", "charlie", "olga", "aidan"])
def test_routes__not_the_owner__404_like_any_other(alice, api_of, thread, route, person, request):
    method, path, body = route
    _, reply = ask(alice, thread)
    before = list(Message.objects.values())
    api = api_of(request.getfixturevalue(person))
    theirs = call(api, method, path.format(c=thread.pk, r=reply.pk), body)
    nobodys = call(api, method, path.format(c=uuid4(), r=uuid4()), body)
    assert theirs.status_code == nobodys.status_code == 404
    one, other = theirs.json(), nobodys.json()
    assert one.pop("request_id") != other.pop("request_id")
    assert one == other
    assert list(Message.objects.values()) == before
    assert Conversation.objects.get().deleted_at is None


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_routes__nobody_signed_in__401(alice, api_of, thread, method, path, body):
    _, reply = ask(alice, thread)
    answer = call(api_of(None), method, path.format(c=thread.pk, r=reply.pk), body)
    assert answer.status_code == 401


def test_conversations__list__own_ones_newest_first_in_few_queries(
    alice, bob, api_of, broker, django_assert_max_num_queries
):
    made = [services.create_conversation(user=alice, title=f"t{n}") for n in range(5)]
    services.create_conversation(user=bob, title="bob's")
    ask(alice, made[0], content="the needle in the text")
    api = api_of(alice)
    with django_assert_max_num_queries(5):
        page = api.get(f"{ROOT}conversations/?page_size=3").json()
    assert [one["title"] for one in page["results"]] == ["t0", "t4", "t3"]
    assert page["previous"] is None
    rest = api.get(page["next"]).json()
    assert [one["title"] for one in rest["results"]] == ["t2", "t1"]
    found = api.get(f"{ROOT}conversations/?search=NEEDLE").json()
    assert [one["title"] for one in found["results"]] == ["t0"]
    assert api.get(f"{ROOT}conversations/?unknown=1").status_code == 400
    assert api.get(f"{ROOT}conversations/?search=%00").status_code == 400


def test_conversation__changed_and_deleted__by_its_owner(alice, api_of, broker):
    api = api_of(alice)
    made = api.post(f"{ROOT}conversations/", {"title": "One"})
    assert made.status_code == 201
    address = f"{ROOT}conversations/{made.json()['id']}/"
    changed = api.patch(address, {"title": "Two", "pinned": True, "archived": True}).json()
    assert (changed["title"], changed["pinned"], changed["archived"]) == ("Two", True, True)
    assert api.get(f"{ROOT}conversations/").json()["results"] == []
    assert api.get(f"{ROOT}conversations/?archived=true").json()["results"] == [changed]
    assert api.patch(address, {"owner": str(uuid4())}).status_code == 400
    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == 404


def test_stop_regenerate_feedback__own_reply__as_the_contract_says(alice, api_of, thread):
    question, reply = ask(alice, thread)
    api = api_of(alice)
    assert api.post(f"{ROOT}messages/{reply.pk}/regenerate/").status_code == 409
    stopped = api.post(f"{ROOT}messages/{reply.pk}/stop/")
    assert (stopped.status_code, stopped.json()["status"]) == (200, "stopped")
    again = api.post(f"{ROOT}messages/{reply.pk}/regenerate/")
    assert again.status_code == 202
    assert again.json()["reply"]["parent"] == str(question.pk)
    judged = api.put(f"{ROOT}messages/{reply.pk}/feedback/", {"rating": -1, "comment": "no"})
    assert judged.json() == {"rating": -1, "comment": "no"}
    assert api.put(f"{ROOT}messages/{reply.pk}/feedback/", {"rating": 2}).status_code == 400
    shown = api.get(f"{ROOT}messages/{reply.pk}/").json()
    assert shown["feedback"] == {"rating": -1, "comment": "no"}


def test_export__both_formats__downloads(alice, api_of, thread):
    ask(alice, thread, content="Why **so**?")
    api = api_of(alice)
    markdown = api.get(f"{ROOT}conversations/{thread.pk}/export/?format=markdown")
    assert markdown.headers["Content-Disposition"].startswith("attachment")
    assert "Why **so**?" in markdown.content.decode()
    exported = api.get(f"{ROOT}conversations/{thread.pk}/export/?format=json").json()
    assert [message["role"] for message in exported["messages"]] == ["user", "assistant"]
    assert api.get(f"{ROOT}conversations/{thread.pk}/export/?format=pdf").status_code == 400


# --- Server-Sent Events ------------------------------------------------------------------------


def stream(browser, path, *, method="GET", body=b"", headers=()):
    """Return status, headers and body of a request, read to the end of its stream."""
    cookies = "; ".join(f"{name}={each.value}" for name, each in browser.cookies.items())
    scope = {
        "type": "http",
        "method": method,
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "headers": [
            (b"host", b"localhost"),
            (b"cookie", cookies.encode()),
            (b"accept", b"text/event-stream"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *headers,
        ],
    }

    async def run():
        wire = ApplicationCommunicator(application, scope)
        await wire.send_input({"type": "http.request", "body": body})
        start, parts, more = await wire.receive_output(10), [], True
        while more:
            part = await wire.receive_output(20)
            parts.append(part.get("body", b""))
            more = part.get("more_body", False)
        await wire.wait()
        return start["status"], dict(start["headers"]), b"".join(parts)

    return asyncio.run(run())


def events(body):
    """Return `(id, frame)` of each event."""
    found = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        if fields:
            frame = orjson.loads(fields["data"])
            assert fields["event"] == frame["type"]
            found.append((fields["id"], frame))
    return found


@pytest.mark.django_db(transaction=True)
def test_stream__resumed_after_each_id__exactly_the_missing_events(
    alice, conversation, worker, script
):
    script(deltas=["one ", "two ", "three"], delay_seconds=0.06)
    reply = ask(alice, conversation, knowledge_bases=[])[1]
    worker.write(reply.pk)
    browser = signed_in(alice)
    path = f"{ROOT}messages/{reply.pk}/stream/"
    status, headers, body = stream(browser, path)
    assert status == 200
    assert headers[b"Content-Type"] == b"text/event-stream"
    whole = events(body)
    assert [id_ for id_, _ in whole] == [f"1-{n}" for n in range(1, len(whole) + 1)]
    assert whole[-1][1]["message"]["content"] == "one two three"
    for n, (id_, _) in enumerate(whole, 1):
        again = stream(browser, path, headers=[(b"last-event-id", id_.encode())])[2]
        assert events(again) == whole[n:]
        assert events(stream(browser, f"{path}?after={n}")[2]) == whole[n:]
    assert stream(browser, f"{path}?after=-1")[0] == 400
    assert stream(browser, f"{path}?after=9-9-9")[0] == 400


@pytest.mark.django_db(transaction=True)
def test_messages__asked_with_accept_event_stream__the_replys_stream(
    alice, conversation, worker, script
):
    browser = signed_in(alice)
    token = "a" * 32
    browser.cookies[settings.CSRF_COOKIE_NAME] = token
    waiting = _write_when_asked(worker)
    status, _, body = stream(
        browser,
        f"{ROOT}conversations/{conversation.pk}/messages/",
        method="POST",
        body=b'{"content": "Why?", "knowledge_bases": []}',
        headers=[(b"x-csrftoken", token.encode()), (b"origin", b"http://localhost")],
    )
    waiting.join()
    assert status == 200, body
    assert events(body)[-1][1]["type"] == "reply.done"


def _write_when_asked(worker):
    def run():
        replies = Message.objects.filter(role="assistant").values_list("pk", flat=True)
        try:
            worker.write(eventually(lambda: list(replies.all()))[0])
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
