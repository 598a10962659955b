"""Every frame of the WebSocket, both ways, and the events of a reply."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final
from uuid import UUID

import orjson
from django.utils.translation import gettext as _

from configs.errors import ClawError, Invalid

Json = dict[str, Any]

VERSION: Final = 1
MAX_FRAME_BYTES: Final = 64 * 1024
MAX_CONTENT: Final = 32_000
MAX_CLIENT_ID: Final = 64
MAX_BASES: Final = 100
MAX_TOKEN: Final = 4096
MAX_NUMBER: Final = 2**31 - 1

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_STORABLE = re.compile(r"[^\x00\ud800-\udfff]*", re.DOTALL)


class _Unset:
    """The type of `UNSET`: a field that the client left out, where `null` means something."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()


# --- Client to server ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MessageSend:
    """Ask a question."""

    conversation: UUID
    client_id: str
    content: str
    knowledge_bases: tuple[UUID, ...] | None = None
    parent: UUID | _Unset | None = UNSET


@dataclass(frozen=True, slots=True)
class ReplyResume:
    """Go on with a reply's events after number `after`; epoch 0 is whichever is current."""

    reply: UUID
    epoch: int
    after: int


@dataclass(frozen=True, slots=True)
class ReplyStop:
    """Stop a reply; what it wrote stays."""

    reply: UUID


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for a `pong`."""


@dataclass(frozen=True, slots=True)
class Auth:
    """Sign in with a JWT or an API key: the first frame of a socket that has no session."""

    token: str = field(repr=False)


ClientFrame = MessageSend | ReplyResume | ReplyStop | Ping | Auth


def text(value: Any, *, longest: int) -> str:
    """Return `value` if it is a non-blank text that PostgreSQL can keep; `Invalid` otherwise."""
    if not isinstance(value, str) or not value.strip():
        raise Invalid(_("A text that is not empty is needed."))
    if len(value) > longest:
        raise Invalid(_("This is longer than %(longest)d characters.") % {"longest": longest})
    if not _STORABLE.fullmatch(value):
        raise Invalid(_("This holds characters that no text may hold."))
    return value


def _identifier(value: Any) -> UUID:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Invalid(_("An id (UUID) is needed."))
    return UUID(value)


def _optional_identifier(value: Any) -> UUID | None:
    return None if value is None else _identifier(value)


def _identifiers(value: Any) -> tuple[UUID, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_BASES:
        raise Invalid(_("A list of ids is needed."))
    return tuple(_identifier(item) for item in value)


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_NUMBER:
        raise Invalid(_("A whole number from 0 on is needed."))
    return value


def _content(value: Any) -> str:
    return text(value, longest=MAX_CONTENT)


def _client_id(value: Any) -> str:
    return text(value, longest=MAX_CLIENT_ID)


def _token(value: Any) -> str:
    return text(value, longest=MAX_TOKEN)


Reader = Callable[[Any], Any]

_CLIENT: Final[Mapping[str, tuple[type[ClientFrame], Mapping[str, Reader], frozenset[str]]]] = {
    "message.send": (
        MessageSend,
        {
            "conversation": _identifier,
            "client_id": _client_id,
            "content": _content,
            "knowledge_bases": _identifiers,
            "parent": _optional_identifier,
        },
        frozenset({"conversation", "client_id", "content"}),
    ),
    "reply.resume": (
        ReplyResume,
        {"reply": _identifier, "epoch": _number, "after": _number},
        frozenset({"reply", "epoch", "after"}),
    ),
    "reply.stop": (ReplyStop, {"reply": _identifier}, frozenset({"reply"})),
    "ping": (Ping, {}, frozenset()),
    "auth": (Auth, {"token": _token}, frozenset({"token"})),
}


def parse(raw: str | bytes) -> ClientFrame:
    """Return the frame that a client sent.

    Raises:
        Malformed: with the client's `client_id` where one can be read.
    """
    data = _object(raw)
    reference = data.get("client_id")
    client_id = (
        reference if isinstance(reference, str) and len(reference) <= MAX_CLIENT_ID else None
    )
    try:
        return _frame(data)
    except Invalid as error:
        raise Malformed(error.detail, errors=error.errors, client_id=client_id) from None


class Malformed(Invalid):
    """A frame that does not follow the protocol; `client_id` says which message it was about."""

    def __init__(
        self,
        detail: str,
        *,
        errors: dict[str, list[str]] | None = None,
        client_id: str | None = None,
    ) -> None:
        self.client_id = client_id
        super().__init__(detail, errors=errors)


def _object(raw: str | bytes) -> Json:
    if not isinstance(raw, str) or len(raw) > MAX_FRAME_BYTES:
        raise Malformed(_("A frame is one JSON object in a text message of at most 64 KiB."))
    try:
        data = orjson.loads(raw)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise Malformed(_("The frame is not valid JSON.")) from None
    if not isinstance(data, dict):
        raise Malformed(_("A frame is a JSON object."))
    return data


def _frame(data: Json) -> ClientFrame:
    kind = data.pop("type", None)
    if not isinstance(kind, str) or kind not in _CLIENT:
        raise Invalid(_("The frame's type is missing or unknown."))
    cls, readers, required = _CLIENT[kind]
    if unknown := sorted(data.keys() - readers.keys()):
        raise Invalid(
            _("Unknown field: %(name)s") % {"name": unknown[0][:50]},
            errors={name[:50]: [_("unknown field")] for name in unknown[:10]},
        )
    if missing := sorted(required - data.keys()):
        raise Invalid(
            _("Missing field: %(name)s") % {"name": missing[0]},
            errors={name: [_("missing field")] for name in missing},
        )
    return cls(**{name: _read(name, readers[name], value) for name, value in data.items()})


def _read(name: str, reader: Reader, value: Any) -> Any:
    try:
        return reader(value)
    except Invalid as error:
        raise Invalid(f"{name}: {error.detail}", errors={name: [error.detail]}) from None


# --- Server to client ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The socket is open for `user`."""

    TYPE: ClassVar[str] = "ready"
    user: UUID
    protocol: int = VERSION


@dataclass(frozen=True, slots=True)
class MessageAccepted:
    """A question is stored; its reply's events follow on this socket."""

    TYPE: ClassVar[str] = "message.accepted"
    client_id: str
    conversation: UUID
    message: UUID
    reply: UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class ReplyStatus:
    """A reply entered a stage: queued, retrieving or generating."""

    TYPE: ClassVar[str] = "reply.status"
    reply: UUID
    epoch: int
    seq: int
    stage: str


@dataclass(frozen=True, slots=True)
class ReplyCitations:
    """The passages that the reply may rest on."""

    TYPE: ClassVar[str] = "reply.citations"
    reply: UUID
    epoch: int
    seq: int
    citations: list[Json]


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """More text."""

    TYPE: ClassVar[str] = "reply.delta"
    reply: UUID
    epoch: int
    seq: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """The end of a reply that is complete or was stopped."""

    TYPE: ClassVar[str] = "reply.done"
    reply: UUID
    epoch: int
    seq: int
    message: Json


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The end of a reply that failed or was interrupted; the text so far stays."""

    TYPE: ClassVar[str] = "reply.failed"
    reply: UUID
    epoch: int
    seq: int
    error: Json


@dataclass(frozen=True, slots=True)
class ReplyResync:
    """The whole text so far, in place of what the client has; the stream goes on from `seq`."""

    TYPE: ClassVar[str] = "reply.resync"
    reply: UUID
    epoch: int
    seq: int
    text: str
    status: str
    citations: list[Json]


@dataclass(frozen=True, slots=True)
class DocumentProgress:
    """How far the indexing of a document is."""

    TYPE: ClassVar[str] = "document.progress"
    document: UUID
    status: str
    progress: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationUpdated:
    """A conversation got its title."""

    TYPE: ClassVar[str] = "conversation.updated"
    conversation: Json


@dataclass(frozen=True, slots=True)
class Error:
    """Something that the client asked for was refused."""

    TYPE: ClassVar[str] = "error"
    error: Json
    client_id: str | None = None
    reply: UUID | None = None


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a `ping`."""

    TYPE: ClassVar[str] = "pong"


Event = ReplyStatus | ReplyCitations | ReplyDelta | ReplyDone | ReplyFailed
ServerFrame = (
    Event
    | Ready
    | MessageAccepted
    | ReplyResync
    | DocumentProgress
    | ConversationUpdated
    | Error
    | Pong
)

LAST_EVENTS: Final = frozenset({ReplyDone.TYPE, ReplyFailed.TYPE})
QUEUED_SEQ: Final = 1
"""Event 1 of every epoch is the stage "queued"."""


def encode(frame: ServerFrame) -> bytes:
    """Return the frame as it goes over the wire; optional fields that are not set stay out."""
    body: Json = {"type": frame.TYPE}
    for each in fields(frame):
        value = getattr(frame, each.name)
        if value is not None:
            body[each.name] = value
    return orjson.dumps(body)


def error_body(error: ClawError) -> Json:
    """Return an error as frames carry it."""
    body: Json = {"code": error.code, "detail": str(error.detail), "retryable": error.retryable}
    if error.retry_after is not None:
        body["retry_after"] = error.retry_after
    return body
