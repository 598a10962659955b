"""The socket: who gets in, what comes back, what closes it."""

import asyncio
from uuid import UUID, uuid4

import orjson
import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import Client as Browser
from django.utils import timezone

from accounts import api_keys, tokens
from accounts.models import ApiKey
from clawai.asgi import application
from conversations import authentication, consumers, services
from conversations.models import Conversation
from conversations.streams import doorbell
from tests.factories import PASSWORD, DocumentFactory, KnowledgeBaseFactory

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = (b"origin", b"http://localhost")


class Socket:
    """A signed-in browser's socket."""

    def __init__(self, browser, *headers):
        cookie = browser.cookies.get(settings.SESSION_COOKIE_NAME)
        carried = f"{settings.SESSION_COOKIE_NAME}={cookie.value}" if cookie else "x=y"
        scope = {
            "type": "websocket",
            "path": "/ws/chat/",
            "query_string": b"",
            "headers": [(b"cookie", carried.encode()), *(headers or (ORIGIN,))],
            "subprotocols": [],
        }
        self.wire = ApplicationCommunicator(application, scope)

    async def connect(self):
        """Return whether the socket was accepted."""
        await self.wire.send_input({"type": "websocket.connect"})
        return (await self.wire.receive_output(5))["type"] == "websocket.accept"

    async def __aenter__(self):
        assert await self.connect()
        assert (await self.next())["type"] == "ready"
        return self

    async def __aexit__(self, *_):
        await self.wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wire.wait(5)

    async def say(self, **frame):
        text = orjson.dumps(frame).decode()
        await self.wire.send_input({"type": "websocket.receive", "text": text})

    async def next(self, *, seconds=5):
        return orjson.loads((await self.wire.receive_output(seconds))["text"])

    async def until(self, kind, *, seconds=10):
        frames = []
        async with asyncio.timeout(seconds):
            while not frames or frames[-1]["type"] != kind:
                frames.append(await self.next(seconds=seconds))
        return frames

    async def closed(self, *, seconds=5):
        message = await self.wire.receive_output(seconds)
        while message["type"] != "websocket.close":
            message = await self.wire.receive_output(seconds)
        return message["code"]


def signed_in(user):
    browser = Browser()
    browser.force_login(user)
    return browser


def play(scenario):
    """Run a scenario on an event loop of its own."""
    return asyncio.run(scenario())


def question(conversation, **fields):
    frame = {
        "type": "message.send",
        "conversation": str(conversation.pk),
        "client_id": uuid4().hex,
        "content": "Why?",
        "knowledge_bases": [],
    }
    return frame | fields


def test_connect__session_that_does_not_hold__refused_before_accept(broker, alice):
    browser = signed_in(alice)
    browser.cookies[settings.SESSION_COOKIE_NAME] = "gone"

    async def scenario():
        assert not await Socket(browser).connect()

    play(scenario)


def test_connect__no_sign_in_in_time__closes_with_4401(broker, db, monkeypatch):
    monkeypatch.setattr(consumers, "SIGN_IN_SECONDS", 0.3)

    async def scenario():
        socket = Socket(Browser())
        assert await socket.connect()
        assert await socket.closed(seconds=2) == 4401

    play(scenario)


def secret_of(kind, user):
    if kind == "key":
        return api_keys.create(actor=user, name="x", scopes=["chat"])[1]
    return tokens.obtain(request=None, username=user.username, password=PASSWORD).access


@pytest.mark.parametrize("kind", ["key", "token"])
def test_auth__good_credential__is_the_persons_socket(alice, ask, broker, kind):
    alice.set_password(PASSWORD)
    alice.save()
    secret = secret_of(kind, alice)
    reply = ask()

    async def scenario():
        socket = Socket(Browser())
        assert await socket.connect()
        await socket.say(type="auth", token=secret)
        assert (await socket.next())["user"] == str(alice.pk)
        await socket.say(type="reply.resume", reply=str(reply.pk), epoch=0, after=0)
        assert (await socket.next())["type"] in {"reply.resync", "reply.status"}
        await socket.say(type="auth", token=secret)
        assert (await socket.until("error"))[-1]["error"]["code"] == "conflict"

    play(scenario)


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "auth", "token": "claw_wrong"},
        {"type": "auth", "token": "a.b.c"},
        {"type": "auth", "token": "OTHER SCOPE"},
        {"type": "ping"},
        {"type": "reply.stop", "reply": str(uuid4())},
    ],
    ids=str,
)
def test_auth__anything_else_first__is_refused_and_closes(alice, broker, frame):
    if frame.get("token") == "OTHER SCOPE":
        frame = frame | {
            "token": api_keys.create(actor=alice, name="x", scopes=["knowledge:read"])[1]
        }

    async def scenario():
        socket = Socket(Browser())
        assert await socket.connect()
        await socket.say(**frame)
        assert (await socket.next())["error"]["code"] in {"not_authenticated", "forbidden"}
        assert await socket.closed() == 4401

    play(scenario)


@pytest.mark.parametrize("end", ["revoked", "family", "expired"])
def test_auth__credential_ends__socket_closes_with_4401(alice, broker, monkeypatch, end):
    monkeypatch.setattr(authentication, "EVERY_SECONDS", 0.2)
    alice.set_password(PASSWORD)
    alice.save()
    secret = secret_of("token" if end == "family" else "key", alice)

    def act():
        if end == "family":
            tokens.end_all(user=alice, reason="roles")
        else:
            field = {"revoked": "revoked_at", "expired": "expires_at"}[end]
            ApiKey.objects.update(**{field: timezone.now()})

    async def scenario():
        socket = Socket(Browser())
        assert await socket.connect()
        await socket.say(type="auth", token=secret)
        assert (await socket.next())["type"] == "ready"
        await asyncio.sleep(0.5)
        await socket.say(type="ping")
        assert (await socket.next())["type"] == "pong"
        await sync_to_async(act, thread_sensitive=False)()
        assert await socket.closed(seconds=3) == 4401

    play(scenario)


@pytest.mark.parametrize(
    "origin",
    [b"null", b"https://evil.example", b"https://localhost", b"http://localhost:81", None],
)
def test_connect__cookie_from_another_page__refused_before_accept(broker, alice, origin):
    browser = signed_in(alice)

    async def scenario():
        socket = Socket(browser, (b"origin", origin) if origin else (b"x", b"y"))
        assert not await socket.connect()

    play(scenario)


def test_send__question__accepted_then_every_event_of_its_reply(
    alice, conversation, worker, script
):
    script(deltas=["one ", "two"], delay_seconds=0.05)
    browser = signed_in(alice)

    async def scenario():
        async with Socket(browser) as socket:
            await socket.say(**question(conversation, client_id="c1"))
            accepted = await socket.next()
            assert accepted["type"] == "message.accepted"
            assert accepted["client_id"] == "c1"
            assert accepted["epoch"] == 1
            worker.write(UUID(accepted["reply"]))
            frames = await socket.until("reply.done")
        assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
        deltas = [frame["text"] for frame in frames if frame["type"] == "reply.delta"]
        assert "".join(deltas) == frames[-1]["message"]["content"] == "one two"

    play(scenario)


def test_send__same_client_id_on_two_sockets__one_question_and_both_follow(
    alice, conversation, worker
):
    browser = signed_in(alice)

    async def scenario():
        async with Socket(browser) as one, Socket(browser) as two:
            frame = question(conversation, client_id="same")
            await asyncio.gather(one.say(**frame), two.say(**frame))
            first, second = await one.next(), await two.next()
            assert first == second
            worker.write(UUID(first["reply"]))
            assert (await one.until("reply.done"))[-1] == (await two.until("reply.done"))[-1]

    play(scenario)


def test_frames__malformed__answered_and_the_tenth_closes(alice, broker):
    browser = signed_in(alice)

    async def scenario():
        async with Socket(browser) as socket:
            for _ in range(9):
                await socket.say(type="message.send", client_id="c9", content="")
                error = await socket.next()
                assert (error["type"], error["client_id"]) == ("error", "c9")
                assert error["error"]["code"] == "invalid"
            await socket.say(type="ping")
            assert (await socket.next()) == {"type": "pong"}
            await socket.wire.send_input({"type": "websocket.receive", "bytes": b"\xff"})
            assert await socket.closed() == 4429

    play(scenario)


@pytest.mark.parametrize("person", ["bob", "charlie", "olga", "aidan"])
def test_frames__about_what_is_another_persons__not_found_and_no_event(
    alice, conversation, ask, worker, person, request
):
    browser = signed_in(request.getfixturevalue(person))
    reply = ask()
    worker.write(reply.pk).result()

    async def scenario():
        async with Socket(browser) as socket:
            for frame in (
                {"type": "reply.resume", "reply": str(reply.pk), "epoch": 1, "after": 0},
                {"type": "reply.stop", "reply": str(reply.pk)},
                question(conversation),
            ):
                await socket.say(**frame)
                theirs = await socket.next()
                await socket.say(**frame | {"reply": str(uuid4())} if "reply" in frame else frame)
                nobodys = await socket.next()
                assert theirs["error"] == nobodys["error"]
                assert theirs["error"]["code"] == "not_found"
            assert await socket.wire.receive_nothing(timeout=0.3)

    play(scenario)


def test_resume__after_reconnect__exactly_the_missing_events(alice, ask, worker, script):
    script(deltas=["a", "b", "c"], delay_seconds=0.05)
    reply = ask()
    worker.write(reply.pk).result()
    browser = signed_in(alice)

    async def scenario():
        async with Socket(browser) as socket:
            await socket.say(type="reply.resume", reply=str(reply.pk), epoch=1, after=4)
            frames = await socket.until("reply.done")
        assert [frame["seq"] for frame in frames] == list(range(5, 5 + len(frames)))

    play(scenario)


def test_stop__while_it_is_written__done_with_what_there_is(alice, conversation, worker, script):
    script(deltas=["x "] * 1000, delay_seconds=0.02)
    browser = signed_in(alice)

    async def scenario():
        async with Socket(browser) as socket:
            await socket.say(**question(conversation))
            accepted = await socket.next()
            worker.write(UUID(accepted["reply"]))
            await socket.until("reply.delta")
            await socket.say(type="reply.stop", reply=accepted["reply"])
            done = (await socket.until("reply.done", seconds=3))[-1]
            assert done["message"]["status"] == "stopped"
            assert done["message"]["content"].startswith("x ")

    play(scenario)


def end_session(browser, user):
    browser.logout()


def deactivate(browser, user):
    user.is_active = False
    user.save()


def change_password(browser, user):
    user.set_password("another long passphrase 7")
    user.save()


def expire_session(browser, user):
    from django.contrib.sessions.models import Session

    Session.objects.update(expire_date=timezone.now())


@pytest.mark.parametrize(
    "end", [end_session, deactivate, change_password, expire_session], ids=lambda end: end.__name__
)
def test_credential_ends__socket_closes_with_4401(alice, bob, broker, monkeypatch, end):
    monkeypatch.setattr(authentication, "EVERY_SECONDS", 0.2)
    browser, other = signed_in(alice), signed_in(bob)

    async def scenario():
        async with Socket(browser) as socket, Socket(other) as bystander:
            await asyncio.sleep(0.5)
            await bystander.say(type="ping")
            assert (await bystander.next())["type"] == "pong"
            await sync_to_async(end, thread_sensitive=False)(browser, alice)
            assert await socket.closed(seconds=3) == 4401
            if end is not expire_session:
                await bystander.say(type="ping")
                assert (await bystander.next())["type"] == "pong"

    play(scenario)


def test_doorbell__document_and_title__read_again_with_the_persons_rights(
    alice, bob, conversation, broker
):
    base = KnowledgeBaseFactory(owner=alice)
    document = DocumentFactory(base=base, status="processing", progress=40)
    Conversation.objects.update(title="Named")
    browser, other = signed_in(alice), signed_in(bob)

    async def scenario():
        async with Socket(browser) as socket, Socket(other) as stranger:
            await asyncio.sleep(0.3)
            for user in (alice, bob):
                for message in (
                    {"type": "document.progress", "document": str(document.pk)},
                    {"type": "conversation.updated", "conversation": str(conversation.pk)},
                ):
                    await doorbell.ring(user.pk, message)
            progress = await socket.next()
            assert progress == {
                "type": "document.progress",
                "document": str(document.pk),
                "status": "processing",
                "progress": 40,
            }
            assert (await socket.next())["conversation"]["title"] == "Named"
            assert await stranger.wire.receive_nothing(timeout=0.5)

    play(scenario)


def test_frame__service_fails_with_a_defect__error_frame_and_the_socket_stays(
    alice, conversation, broker, monkeypatch
):
    def broken(**_):
        raise ZeroDivisionError

    monkeypatch.setattr(services, "ask", broken)
    browser = signed_in(alice)

    async def scenario():
        async with Socket(browser) as socket:
            await socket.say(**question(conversation, client_id="c1"))
            error = await socket.next()
            assert error["client_id"] == "c1"
            assert error["error"]["code"] == "error"
            assert "Zero" not in str(error)
            await socket.say(type="ping")
            assert (await socket.next())["type"] == "pong"

    play(scenario)
