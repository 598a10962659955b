"""Pages of the trace: from an answer to what made it, from a document to its answers."""

import csv
import io
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.admin.options import ModelAdmin
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    Http404,
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.utils.http import urlencode
from django.utils.translation import gettext

from configs import changesets, registry
from configs.admin.screens import actor_of, show, whole_number
from configs.changesets import showing
from configs.errors import Invalid
from configs.models import Change
from configs.registry import AnySetting
from conversations import trace
from conversations.models import Citation, Conversation, Message
from conversations.trace import Trace, Used
from knowledge.models import Document, DocumentVersion

PER_PAGE: Final = 50
SHOWN_QUOTE: Final = 200
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
BYTE_ORDER_MARK: Final = "\ufeff"
STEERING: Final = (
    registry.RETRIEVAL_TOP_K,
    registry.RETRIEVAL_CONTEXT_TOKENS,
    registry.HISTORY_TOKENS,
    registry.REPLY_TOKENS,
    registry.BRANDING_NAME,
)
"""Settings that shape every answer; others are shown where they were set."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a setting was for a reply."""

    key: str
    meaning: str
    value: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Talk:
    """A page of a conversation's messages; `older` continues it."""

    messages: list[Message]
    older: str


# --- One answer ---------------------------------------------------------------------------------
def page(admin: ModelAdmin[Any], request: HttpRequest, reply: Message) -> HttpResponseBase:
    """Show how a reply came about; what steered it only to those who may see settings."""
    found = trace.of_reply(reply)
    steers = request.user.has_perm("configs.view_config")
    version = reply.config_version
    differences = changesets.compare(version, found.newest) if steers and version else []
    return show(
        admin,
        request,
        "admin/conversations/message/trace.html",
        title=gettext("How this answer was made"),
        trace=found,
        reply=reply,
        question=reply.parent,
        steers=steers,
        values=_values(found) if steers else [],
        endpoint=showing.endpoint(found.endpoint) if steers and found.endpoint else {},
        differences=differences,
    )


def _values(found: Trace) -> list[Value]:
    """Return the settings of then: those that shape answers, and those that were set."""
    rows = {key[0]: row for key, row in found.steering[Change.Kind.SETTING].items()}
    first = [each for each in STEERING if each.key not in rows]
    known = [registry.SETTINGS[key] for key in sorted(rows) if key in registry.SETTINGS]
    return [_value(each, rows.get(each.key)) for each in [*first, *known]]


def _value(setting: AnySetting, row: Any) -> Value:
    text = showing.row(Change.Kind.SETTING, row) if row else showing.default_of(setting.key)
    is_default = row is None or not row.value
    return Value(setting.key, str(setting.help), text, is_default)


def messages_of(conversation: Conversation, *, before: str) -> Talk:
    """Return a page of messages, the newest first, without counting them."""
    rows = conversation.messages.order_by("-created_at", "-id").defer("error")
    if last := _message(conversation, before):
        rows = rows.filter(created_at__lt=last.created_at) | rows.filter(
            created_at=last.created_at, pk__lt=last.pk
        )
    found = list(rows[: PER_PAGE + 1])
    older = str(found[PER_PAGE - 1].pk) if len(found) > PER_PAGE else ""
    return Talk(found[:PER_PAGE], older)


def _message(conversation: Conversation, text: str) -> Message | None:
    pk = _uuid(text)
    return conversation.messages.filter(pk=pk).first() if pk else None


# --- One document -------------------------------------------------------------------------------
def named(query: Mapping[str, str]) -> Used:
    """Return what an address asks about.

    Raises:
        Http404: it names nothing.
    """
    used = Used(
        document=_uuid(query.get("document", "")),
        version=_uuid(query.get("version", "")),
        chunk=whole_number(query.get("chunk")),
    )
    if used == Used():
        raise Http404
    return used


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def uses_page(
    admin: ModelAdmin[Any], request: HttpRequest, used: Used, before: int | None
) -> HttpResponseBase:
    """Show a page of the answers that rest on what is named, the newest first.

    Raises:
        Http404: there is no such passage.
    """
    try:
        found = list(trace.uses(used, before=before)[: PER_PAGE + 1])
    except Invalid as nothing:
        raise Http404 from nothing
    query = {"document": used.document, "version": used.version, "chunk": used.chunk}
    same = urlencode({name: str(value) for name, value in query.items() if value is not None})
    more = f"{same}&before={found[PER_PAGE - 1].pk}" if len(found) > PER_PAGE else ""
    return show(
        admin,
        request,
        "admin/conversations/citation/uses.html",
        title=gettext("Answers that used this"),
        about=_about(used),
        uses=found[:PER_PAGE],
        quotes=_quotes(request, found),
        query=same,
        more=more,
        first=before is None,
    )


def _about(used: Used) -> dict[str, Any]:
    """Return what is asked about; a passage is named by the version that it is in."""
    if used.document and not used.version and used.chunk is None:
        return {"document": Document.objects.filter(pk=used.document).first()}
    versions = DocumentVersion.objects.select_related("document").defer("text", "outline")
    if used.chunk is not None:
        version = versions.filter(chunks=used.chunk).first()
    else:
        version = versions.filter(pk=used.version).first() if used.version else None
    return {"version": version, "document": version and version.document, "chunk": used.chunk}


def _quotes(request: HttpRequest, found: list[Citation]) -> dict[int, str]:
    """Return the beginnings of those quotes whose documents this person may read."""
    ids = {each.document_id for each in found if each.document_id}
    seen = Document.objects.filter(pk__in=ids)
    if not request.user.is_superuser:
        seen = seen.visible_to(actor_of(request))
    open_to = set(seen.order_by().values_list("pk", flat=True))
    return {each.pk: each.quote[:SHOWN_QUOTE] for each in found if each.document_id in open_to}


def export(request: HttpRequest) -> HttpResponseBase:
    """Return the uses as a CSV file, streamed; asked for by POST, since it is noted."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        rows = trace.table_of(named(request.POST), actor=actor_of(request))
    except Invalid as nothing:
        raise Http404 from nothing
    parts = _as_csv(rows)
    # An asynchronous server would collect what a plain iterator yields before it sends any of it.
    streamed = _in_thread(parts) if isinstance(request, ASGIRequest) else parts
    answer = StreamingHttpResponse(streamed, content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="answers.csv"'
    return answer


async def _in_thread(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(parts, None))
    while (part := await following()) is not None:
        yield part


def _as_csv(rows: Iterator[list[Any]]) -> Iterator[bytes]:
    yield BYTE_ORDER_MARK.encode()
    for row in rows:
        text = io.StringIO()
        csv.writer(text).writerow(map(_cell, row))
        yield text.getvalue().encode()


def _cell(value: Any) -> Any:
    """Return a cell; a text that a spreadsheet would calculate begins with an apostrophe."""
    if value is None or isinstance(value, int):
        return value
    text = str(value)
    return "'" + text if text.startswith(FORMULA) else text
