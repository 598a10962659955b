"""REST: conversations, their messages, and a reply's events as a stream."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import orjson
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import REPLAYED
from accounts.models import Scope
from accounts.rest import RestView, caller, valid
from configs.errors import Invalid, NotFound
from conversations import services, streams
from conversations.models import Conversation, Message
from conversations.serializers import (
    AskedSerializer,
    ConversationChanges,
    ConversationInput,
    ConversationSerializer,
    FeedbackInput,
    FeedbackSerializer,
    MessageSerializer,
    NothingInput,
    QuestionInput,
)

KEEP_ALIVE_SECONDS: Final = 15.0
ACCEPTED: Final = status.HTTP_202_ACCEPTED
POSITION: Final = re.compile(r"(?:(\d{1,9})-)?(\d{1,9})")


class EventStreamRenderer(BaseRenderer):
    """Lets a client ask for `text/event-stream`; the stream itself is no rendered object."""

    media_type = "text/event-stream"
    format = "events"

    def render(self, data: Any, *_args: Any, **_kwargs: Any) -> bytes:
        """Return `data` as JSON: only what is not a stream gets here."""
        return orjson.dumps(data)


def _conversation(request: Request, pk: UUID) -> Conversation:
    row = (
        Conversation.objects.visible_to(caller(request))
        .prefetch_related("knowledge_bases")
        .filter(pk=pk)
        .first()
    )
    if row is None:
        raise NotFound
    return row


def _messages(request: Request) -> QuerySet[Message]:
    rows = Message.objects.visible_to(caller(request))
    return rows.select_related("feedback").prefetch_related("citations")


def _message(request: Request, pk: UUID) -> Message:
    row = _messages(request).filter(pk=pk).first()
    if row is None:
        raise NotFound
    return row


@extend_schema(tags=["conversations"])
class ConversationsView(RestView[Conversation]):
    """The caller's conversations."""

    scope = Scope.CHAT

    serializer_class = ConversationSerializer
    ordering = ("-updated_at", "id")
    query_params = ("search", "archived", "pinned")

    @extend_schema(
        parameters=[
            OpenApiParameter("search", OpenApiTypes.STR),
            OpenApiParameter("archived", OpenApiTypes.BOOL),
            OpenApiParameter("pinned", OpenApiTypes.BOOL),
        ]
    )
    def get(self, request: Request) -> Response:
        """List them, those used last first."""
        page = self.paginate_queryset(self._found(request))
        return self.get_paginated_response(ConversationSerializer(page, many=True).data)

    @extend_schema(request=ConversationInput, responses={201: ConversationSerializer})
    def post(self, request: Request) -> Response:
        """Start one."""
        values = valid(ConversationInput, request)
        made = services.create_conversation(user=caller(request), **values)
        return Response(made.to_json(), status=status.HTTP_201_CREATED)

    def _found(self, request: Request) -> QuerySet[Conversation]:
        rows = Conversation.objects.visible_to(caller(request)).prefetch_related("knowledge_bases")
        rows = rows.filter(archived=_flag(request, "archived") or False)
        pinned = _flag(request, "pinned")
        if pinned is not None:
            rows = rows.filter(pinned=pinned)
        if words := request.query_params.get("search", "").strip():
            if "\0" in words:
                raise Invalid(errors={"search": [_("This holds characters no text may hold.")]})
            within = Message.objects.filter(conversation=OuterRef("pk"), content__icontains=words)
            rows = rows.filter(Q(title__icontains=words) | Q(Exists(within)))
        return rows


def _flag(request: Request, name: str) -> bool | None:
    value = request.query_params.get(name)
    if value not in (None, "true", "false"):
        raise Invalid(errors={name: [_("Use true or false.")]})
    return None if value is None else value == "true"


@extend_schema(tags=["conversations"])
class ConversationView(RestView[Conversation]):
    """One conversation."""

    scope = Scope.CHAT

    @extend_schema(responses=ConversationSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """Return it."""
        return Response(_conversation(request, pk).to_json())

    @extend_schema(request=ConversationChanges, responses=ConversationSerializer)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change its title, place or knowledge bases."""
        values = valid(ConversationChanges, request)
        services.change_conversation(user=caller(request), conversation=pk, **values)
        return Response(_conversation(request, pk).to_json())

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Delete it; what is being written in it is stopped."""
        services.delete_conversation(user=caller(request), conversation=pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


class StreamableView(RestView[Message]):
    """Accepts a question: with `Accept: text/event-stream` the answer is the reply's stream."""

    renderer_classes = (JSONRenderer, EventStreamRenderer)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Turn what was accepted, now or by an earlier call of this key, into its stream."""
        wanted = getattr(request, "accepted_media_type", None) == EventStreamRenderer.media_type
        answer: Any = response
        if wanted and response.status_code == ACCEPTED:
            reply = response.data["reply"]
            answer = _event_stream(UUID(reply["id"]), reply["epoch"], 0)
            if replayed := response.get(REPLAYED):
                answer.headers[REPLAYED] = replayed
        return super().finalize_response(request, answer, *args, **kwargs)


@extend_schema(tags=["messages"])
class MessagesView(StreamableView):
    """The messages of a conversation."""

    scope = Scope.CHAT

    serializer_class = MessageSerializer
    ordering = ("created_at", "id")
    query_params = ()

    def get(self, request: Request, pk: UUID) -> Response:
        """List them, oldest first."""
        conversation = _conversation(request, pk)
        page = self.paginate_queryset(_messages(request).filter(conversation=conversation))
        return self.get_paginated_response(MessageSerializer(page, many=True).data)

    @extend_schema(request=QuestionInput, responses={202: AskedSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Ask a question; with `Accept: text/event-stream` the answer is the reply's stream."""
        values = valid(QuestionInput, request)
        question, reply = services.ask(user=caller(request), conversation=pk, **values)
        return _accepted(question, reply)


def _accepted(question: Message, reply: Message) -> Response:
    body = {"message": question.to_json(), "reply": reply.to_json()}
    return Response(body, status=ACCEPTED)


@extend_schema(tags=["messages"])
class MessageView(RestView[Message]):
    """One message."""

    scope = Scope.CHAT

    @extend_schema(responses=MessageSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """Return it."""
        return Response(_message(request, pk).to_json())


@extend_schema(tags=["messages"])
class StreamView(RestView[Message]):
    """A reply's events."""

    scope = Scope.CHAT

    renderer_classes = (EventStreamRenderer, JSONRenderer)

    @extend_schema(
        parameters=[
            OpenApiParameter("after", OpenApiTypes.STR),
            OpenApiParameter("Last-Event-ID", OpenApiTypes.STR, OpenApiParameter.HEADER),
        ],
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def get(self, request: Request, pk: UUID) -> StreamingHttpResponse:
        """Stream the events after the given one, without loss or repeat."""
        reply = _message(request, pk)
        if reply.role != Message.Role.ASSISTANT:
            raise NotFound
        epoch, after = _position(request)
        return _event_stream(reply.pk, epoch, after)


def _position(request: Request) -> tuple[int, int]:
    """Return the epoch (0: whichever is current) and the number of the last event received."""
    given = request.headers.get("Last-Event-ID") or request.query_params.get("after") or "0"
    found = POSITION.fullmatch(given)
    if not found or not given.isascii():
        raise Invalid(errors={"after": [_("Use <epoch>-<seq>, or <seq>.")]})
    return int(found[1] or 0), int(found[2])


def _event_stream(reply: UUID, epoch: int, after: int) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _events(streams.follow(reply, epoch=epoch, after=after)),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def _events(frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the frames as Server-Sent Events, with a comment where none comes for 15 s."""
    upcoming = asyncio.ensure_future(anext(frames, None))
    try:
        while True:
            await asyncio.wait({upcoming}, timeout=KEEP_ALIVE_SECONDS)
            if not upcoming.done():
                yield b": keep-alive\n\n"
                continue
            frame = upcoming.result()
            if frame is None:
                return
            yield _event(frame)
            upcoming = asyncio.ensure_future(anext(frames, None))
    except streams.TooSlow:
        return
    finally:
        upcoming.cancel()
        await asyncio.wait({upcoming})


def _event(frame: bytes) -> bytes:
    body = orjson.loads(frame)
    head = f"id: {body['epoch']}-{body['seq']}\nevent: {body['type']}\ndata: "
    return head.encode() + frame + b"\n\n"


@extend_schema(tags=["messages"])
class StopView(RestView[Message]):
    """Stopping a reply."""

    scope = Scope.CHAT

    @extend_schema(request=None, responses=MessageSerializer)
    def post(self, request: Request, pk: UUID) -> Response:
        """Have it written no further; what there is stays."""
        valid(NothingInput, request)
        services.stop(user=caller(request), reply=pk)
        return Response(_message(request, pk).to_json())


@extend_schema(tags=["messages"])
class RegenerateView(StreamableView):
    """Writing a reply once more."""

    scope = Scope.CHAT

    @extend_schema(request=None, responses={202: AskedSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Have the question answered again, beside the replies that it has."""
        valid(NothingInput, request)
        question, reply = services.regenerate(user=caller(request), reply=pk)
        return _accepted(question, reply)


@extend_schema(tags=["messages"])
class FeedbackView(RestView[Message]):
    """What the caller thinks of a reply."""

    scope = Scope.CHAT

    @extend_schema(request=FeedbackInput, responses=FeedbackSerializer)
    def put(self, request: Request, pk: UUID) -> Response:
        """Store it; the last word counts."""
        values = valid(FeedbackInput, request)
        feedback = services.give_feedback(user=caller(request), message=pk, **values)
        return Response(feedback.to_json())


class AnyFormat(DefaultContentNegotiation):
    """Leaves `?format=` to the view."""

    def filter_renderers(self, renderers: Any, format: str) -> Any:  # the name is DRF's
        """Return all of them."""
        return renderers


@extend_schema(tags=["conversations"])
class ExportView(RestView[Conversation]):
    """A conversation as a file."""

    scope = Scope.CHAT

    content_negotiation_class = AnyFormat

    @extend_schema(
        parameters=[OpenApiParameter("format", OpenApiTypes.STR, enum=["markdown", "json"])],
        responses={(200, "text/markdown"): OpenApiTypes.STR},
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        """Download it as Markdown or JSON."""
        conversation = _conversation(request, pk)
        messages = list(_messages(request).filter(conversation=conversation))
        kind = request.query_params.get("format", "markdown")
        if kind not in EXPORTS:
            raise Invalid(errors={"format": [_("Use markdown or json.")]})
        write, media_type, ending = EXPORTS[kind]
        services.note_export(user=caller(request), conversation=conversation, kind=kind)
        return HttpResponse(
            write(conversation, messages),
            content_type=media_type,
            headers={
                "Content-Disposition": f'attachment; filename="conversation-{pk}.{ending}"',
            },
        )


def _json_file(conversation: Conversation, messages: list[Message]) -> bytes:
    body = conversation.to_json() | {"messages": [message.to_json() for message in messages]}
    return orjson.dumps(body, option=orjson.OPT_INDENT_2)


def _markdown_file(conversation: Conversation, messages: list[Message]) -> str:
    parts = [f"# {conversation.title or _('Conversation')}"]
    for message in messages:
        parts.append(f"## {message.get_role_display()} · {message.created_at:%Y-%m-%d %H:%M}")
        parts.append(message.content)
        parts += [
            f"[{each.number}] {each.document_name} v{each.version_number}"
            for each in message.citations.all()
        ]
    return "\n\n".join(parts) + "\n"


EXPORTS: Final = {
    "markdown": (_markdown_file, "text/markdown; charset=utf-8", "md"),
    "json": (_json_file, "application/json", "json"),
}
