"""The WebSocket door: decode, authorise, call one service; follow each reply in its own task."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import translation
from django.utils.translation import gettext as _

from accounts import limits, sessions
from accounts.authentication import Bearer, recognise
from accounts.models import Scope, User
from configs import origin
from configs.errors import (
    ClawError,
    Conflict,
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotFound,
    Unavailable,
)
from conversations import authentication, news, protocol, services, streams
from conversations.models import Message
from conversations.protocol import Auth, Json, MessageSend, Ping, ReplyResume, ReplyStop
from conversations.streams import doorbell
from conversations.streams.rows import in_thread

T = TypeVar("T")
SIGNED_OUT: Final = 4401
SIGN_IN_SECONDS: Final = 5.0
TOO_SLOW: Final = 4408
TOO_MANY: Final = 4429
MALFORMED_FRAMES: Final = 10
MALFORMED_SECONDS: Final = 10.0
SLOW_SECONDS: Final = 30.0
MOST_FOLLOWED: Final = 50
LISTEN_AGAIN_SECONDS: Final = 2.0
CANCEL_AGAIN_SECONDS: Final = 0.5

logger = logging.getLogger(__name__)


class InternalError(ClawError):
    """A defect of ours, told without its details."""


class ChatConsumer(AsyncConsumer):  # type: ignore[misc]  # channels is not typed
    """One person's socket: questions in, the events of any number of replies out.

    The channel layer is not the consumer's own: a Redis that goes away would end the socket. A task
    listens to it instead, and begins again.
    """

    channel_layer_alias = "none"

    def __init__(self) -> None:
        self._user: User
        self._language = "en"
        self._origin = origin.Origin(door="socket")
        self._tasks: set[asyncio.Task[None]] = set()
        self._following: dict[UUID, asyncio.Task[None]] = {}
        self._malformed: deque[float] = deque(maxlen=MALFORMED_FRAMES)
        self._credential: authentication.Credential | None = None
        self._closed = False

    # --- The socket's life ----------------------------------------------------------------------

    async def websocket_connect(self, _message: Json) -> None:
        """Accept a socket with a session, or with none: its first frame has to sign it in.

        A session that does not hold is refused before the socket opens (HTTP 403).
        """
        user, session = self.scope.get("user"), self.scope.get("session")
        self._language = _language(self.scope)
        self._origin = _origin(self.scope)
        signed_in = isinstance(user, User) and session is not None and session.session_key
        if not signed_in and settings.SESSION_COOKIE_NAME in self.scope.get("cookies", {}):
            await self.send({"type": "websocket.close"})
            raise StopConsumer
        await self.send({"type": "websocket.accept"})
        if signed_in:
            await self._open(user, session=session.session_key)
        else:
            self._start(self._await_sign_in())

    async def _await_sign_in(self) -> None:
        await asyncio.sleep(SIGN_IN_SECONDS)
        if self._credential is None:
            await self._close(SIGNED_OUT)

    async def _open(
        self, user: User, *, session: str | None = None, bearer: Bearer | None = None
    ) -> None:
        """Begin to serve `user` for as long as the credential holds."""
        self._user = user
        self._language = user.language or self._language
        self._credential = authentication.Credential(session, bearer, self._sign_out, user)
        authentication.watch().add(self._credential)
        await self._say(protocol.Ready(user.pk))
        self._start(self._listen())

    async def websocket_receive(self, message: Json) -> None:
        """Act on a frame; what goes wrong is answered in a frame."""
        with translation.override(self._language):
            try:
                raw = message.get("text")
                frame = protocol.parse(message.get("bytes") or b"" if raw is None else raw)
                await self._act(frame)
            except protocol.Malformed as error:
                await self._refuse(error, error.client_id)
                await self._count_malformed()

    async def websocket_disconnect(self, _message: Json) -> None:
        """End what runs for this socket; the replies themselves go on being written."""
        self._closed = True
        if self._credential:
            authentication.watch().remove(self._credential)
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            # Again and again: a connection that fails in the same moment swallows a cancellation.
            _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
        raise StopConsumer

    # --- Frames ---------------------------------------------------------------------------------

    async def _act(self, frame: protocol.ClientFrame) -> None:
        client_id = frame.client_id if isinstance(frame, MessageSend) else None
        reply = frame.reply if isinstance(frame, ReplyResume | ReplyStop) else None
        try:
            await self._handle(frame)
        except ClawError as error:
            await self._refuse(error, client_id, reply)
        except DatabaseError:
            logger.warning("The database failed a frame.", exc_info=True)
            await self._refuse(Unavailable(), client_id, reply)
        except Exception:  # a defect must not close the socket with 1011
            logger.exception("A frame could not be handled.")
            await self._refuse(InternalError(), client_id, reply)

    async def _handle(self, frame: protocol.ClientFrame) -> None:
        if self._credential is None or isinstance(frame, Auth):
            await self._sign_in(frame)
            return
        match frame:
            case MessageSend():
                await self._ask(frame)
            case ReplyResume():
                await self._call(lambda: _visible_reply(self._user, frame.reply))
                self._follow(frame.reply, frame.epoch, frame.after)
            case ReplyStop():
                await self._call(lambda: services.stop(user=self._user, reply=frame.reply))
            case Ping():
                await self._say(protocol.Pong())

    async def _sign_in(self, frame: protocol.ClientFrame) -> None:
        """Let in whoever shows a good credential first; one attempt a socket."""
        if self._credential is not None:
            raise Conflict(_("This socket is signed in already."))
        bearer = None
        if isinstance(frame, Auth):
            bearer = await self._call(lambda: recognise(frame.token))
        if bearer is not None and bearer.allows(Scope.CHAT):
            await self._open(bearer.user, bearer=bearer)
            return
        refusal = (
            NotAuthenticated()
            if bearer is None
            else Forbidden(_("The key lacks the scope “chat”."))
        )
        await self._refuse(refusal)
        await self._close(SIGNED_OUT)

    async def _ask(self, frame: MessageSend) -> None:
        question, reply = await self._call(lambda: self._store(frame))
        await self._say(
            protocol.MessageAccepted(
                client_id=frame.client_id,
                conversation=question.conversation_id,
                message=question.pk,
                reply=reply.pk,
                epoch=reply.epoch,
            )
        )
        self._follow(reply.pk, reply.epoch, 0, queued=reply.status == Message.Status.QUEUED)

    def _store(self, frame: MessageSend) -> services.Pair:
        if self._credential and self._credential.session:
            sessions.touch(self._credential.session)
        return services.ask(
            user=self._user,
            conversation=frame.conversation,
            content=frame.content,
            client_id=frame.client_id,
            knowledge_bases=frame.knowledge_bases,
            parent=frame.parent,
        )

    async def _call(self, function: Callable[[], T]) -> T:
        """Return what a service returns, called in a thread in the person's language."""

        def call() -> T:
            with translation.override(self._language), origin.of(self._origin):
                return function()

        return await in_thread(call)

    async def _refuse(
        self, error: ClawError, client_id: str | None = None, reply: UUID | None = None
    ) -> None:
        body = protocol.error_body(error)
        if isinstance(error, Invalid) and error.errors:
            body["errors"] = error.errors
        await self._say(protocol.Error(body, client_id, reply))

    async def _count_malformed(self) -> None:
        now = time.monotonic()
        self._malformed.append(now)
        full = len(self._malformed) == MALFORMED_FRAMES
        if full and now - self._malformed[0] < MALFORMED_SECONDS:
            await self._close(TOO_MANY)

    # --- Replies --------------------------------------------------------------------------------

    def _follow(self, reply: UUID, epoch: int, after: int, *, queued: bool = False) -> None:
        """Send a reply's events from here on; what followed it before makes way."""
        if before := self._following.pop(reply, None):
            before.cancel()
        if len(self._following) >= MOST_FOLLOWED:
            self._following.pop(next(iter(self._following))).cancel()
        task = self._start(
            self._send_events(streams.follow(reply, epoch=epoch, after=after, queued=queued), reply)
        )
        self._following[reply] = task

    async def _send_events(self, frames: AsyncIterator[bytes], reply: UUID) -> None:
        try:
            async for frame in frames:
                await self._send_frame(frame)
        except streams.TooSlow:
            await self._close(TOO_SLOW)
        except DatabaseError:
            logger.warning("Reply %s cannot be followed.", reply, exc_info=True)
            await self._refuse(Unavailable(), reply=reply)
        if self._following.get(reply) is asyncio.current_task():
            del self._following[reply]

    # --- Doorbells ------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hear that something of this person's changed; begin again when Redis was away."""
        while True:
            try:
                layer = get_channel_layer()
                channel = await layer.new_channel()
                await layer.group_add(doorbell.group(self._user.pk), channel)
                try:
                    while True:
                        await self._ring(await layer.receive(channel))
                finally:
                    await layer.group_discard(doorbell.group(self._user.pk), channel)
            except (*streams.UNREACHABLE, DatabaseError) as error:
                logger.info("Doorbells cannot be heard: %s", error)
                await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _ring(self, message: Json) -> None:
        """Send what changed, read with the person's own rights."""
        if frame := await news.current().frame(self._user, message):
            await self._send_frame(frame)

    # --- Sending --------------------------------------------------------------------------------

    async def _say(self, frame: protocol.ServerFrame) -> None:
        await self._send_frame(protocol.encode(frame))

    async def _send_frame(self, frame: bytes) -> None:
        """Send a frame; a reader that takes none for half a minute is too slow."""
        if self._closed:
            return
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                await self.send({"type": "websocket.send", "text": frame.decode()})
        except TimeoutError:
            await self._close(TOO_SLOW)

    async def _close(self, code: int) -> None:
        if not self._closed:
            self._closed = True
            await self.send({"type": "websocket.close", "code": code})

    def _sign_out(self) -> None:
        self._start(self._close(SIGNED_OUT))

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("A socket's task failed.", exc_info=error)


def _language(scope: Json) -> str:
    """Return the language that the page's request asked for."""
    headers = dict(scope.get("headers", ()))
    for part in headers.get(b"accept-language", b"").decode("latin1").split(","):
        try:
            return translation.get_supported_language_variant(part.partition(";")[0].strip())
        except LookupError:
            continue
    return "en"


def _origin(scope: Json) -> origin.Origin:
    """Return where the socket's acts come from: one id for all of them, and the address."""
    peer = (scope.get("client") or ("",))[0]
    forwarded = [v for name, v in scope.get("headers", ()) if name == b"x-forwarded-for"]
    address = limits.client_ip(peer, b",".join(forwarded).decode("latin1"))
    return origin.Origin(f"socket-{uuid4().hex}", str(address) if address else None, "socket")


def _visible_reply(user: User, reply: UUID) -> None:
    found = Message.objects.visible_to(user).filter(pk=reply, role=Message.Role.ASSISTANT)
    if not found.exists():
        raise NotFound
