"""How an answer came about: its passages, the prompt as it was sent, what steered it, its cost."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Substr
from django.utils import timezone

from accounts import roles
from accounts.models import User
from accounts.rights import READ_CONVERSATIONS
from configs import audit
from configs.audit import actions
from configs.changesets.comparing import state_at
from configs.errors import Forbidden, Invalid
from configs.models import AuditEntry, Change, PromptTemplate, Release
from configs.providers.base import Source, Turn
from conversations import prompts
from conversations.answering import jobs
from conversations.models import Citation, Conversation, Message
from knowledge.models import Chunk

GOOD_FOR: Final = timedelta(hours=1)
MILLION: Final = 1_000_000
UNBOUNDED_TOKENS: Final = 10**9
"""The history is cut as it was cut then, by its count; no budget counts a second time."""
EXPORT_CHUNK: Final = 500


class State(StrEnum):
    """What became of a passage since it was quoted."""

    SAME = "same"
    OTHER = "other"
    GONE = "gone"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Passage:
    """A quoted passage, and what stands in its place in that version now."""

    citation: Citation
    state: State
    now: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The prompt, built once more; `exact` says whether it is proven to be what was sent.

    It is None for replies from before the proof was kept.
    """

    turns: tuple[Turn, ...]
    exact: bool | None
    template: Any


@dataclass(frozen=True, slots=True)
class Trace:
    """A reply with all that made it; `steering` holds history rows by kind and name."""

    reply: Message
    passages: tuple[Passage, ...]
    sent: Sent | None
    release: Release | None
    newest: int
    steering: Mapping[str, Mapping[tuple[str, ...], Any]]
    endpoint: Any
    cost: Decimal | None
    worker: str


# --- Who may look, and what for -----------------------------------------------------------------
def may_read(*, actor: User, conversation: Conversation) -> bool:
    """Return whether `actor` may read these words: their own, or anybody's by a right."""
    return conversation.owner_id == actor.pk or actor.has_perm(READ_CONVERSATIONS)


def must_explain(*, actor: User, conversation: Conversation) -> bool:
    """Return whether `actor` has to say why they read: once a conversation and hour.

    The audit log itself is what is asked, so that no session and no cache can forget it.
    """
    if conversation.owner_id == actor.pk:
        return False
    said = AuditEntry.objects.filter(
        object_type="conversation",
        object_id=str(conversation.pk),
        actor_id=actor.pk,
        action=actions.CONVERSATION_READ,
        at__gt=timezone.now() - GOOD_FOR,
    )
    return not said.exclude(reason="").exists()


def explain(*, actor: User, conversation: Conversation, reason: str) -> None:
    """Write down why `actor` reads another person's conversation.

    Raises:
        Forbidden: they may not.
        Invalid: there is no reason.
    """
    if not may_read(actor=actor, conversation=conversation):
        raise Forbidden
    audit.record(
        action=actions.CONVERSATION_READ,
        actor=actor,
        object_type="conversation",
        object_id=conversation.pk,
        object_name=conversation.pk.hex,
        reason=roles.require_reason(reason),
        detail={"owner": conversation.owner.username},
    )


# --- From a reply to what made it ---------------------------------------------------------------
def of_reply(reply: Message) -> Trace:
    """Return how `reply` came about; the caller has seen to who may know."""
    version = reply.config_version or 0
    steering = state_at(version)
    endpoint = steering[Change.Kind.ENDPOINT].get((reply.endpoint_name,))
    passages = tuple(map(_passage, _citations(reply)))
    return Trace(
        reply=reply,
        passages=passages,
        sent=_sent(reply, [each.citation for each in passages]),
        release=Release.objects.select_related("author").filter(version=version).first(),
        newest=Release.objects.values_list("version", flat=True).first() or 0,
        steering=steering,
        endpoint=endpoint,
        cost=_cost(reply, endpoint),
        worker=(reply.made_with or {}).get("worker", ""),
    )


def _citations(reply: Message) -> QuerySet[Citation]:
    """Return the citations, each with what its characters are in its version now."""
    length = F("end") - F("start")
    rows = reply.citations.select_related("document", "version").defer("version__text")
    now = Substr("version__text", F("start") + 1, length)
    return rows.defer("version__text", "version__outline").annotate(now=now)


def _passage(citation: Any) -> Passage:
    now: str | None = citation.now
    if hashlib.sha256(citation.quote.encode()).hexdigest() != citation.quote_sha256:
        return Passage(citation, State.ALTERED, now or "")
    if now is None:
        return Passage(citation, State.GONE, "")
    return Passage(citation, State.SAME if now == citation.quote else State.OTHER, now)


def _sent(reply: Message, citations: list[Citation]) -> Sent | None:
    """Build the prompt once more; nothing where it never came to one."""
    template = _template(reply.prompt_version)
    if template is None:
        return None
    made = reply.made_with or {}
    path = jobs.path_to(reply.parent_id)
    turns = prompts.build(
        template.text,
        values={"name": "", "date": "", **made.get("values", {})},
        sources=[Source(c.number, c.quote, c.document_name, c.heading_path) for c in citations],
        history=prompts.last_turns(path[:-1], count=made.get("history", 0)),
        question=path[-1].content if path else "",
        context_tokens=UNBOUNDED_TOKENS,
    )
    proof = made.get("sha256")
    return Sent(turns, None if proof is None else proof == prompts.fingerprint(turns), template)


def _template(version: int | None) -> Any:
    rows = PromptTemplate.history.filter(name="answer", version=version)
    return rows.order_by("-history_id").first() if version else None


def _cost(reply: Message, endpoint: Any) -> Decimal | None:
    """Return what the tokens cost at the prices of then."""
    if endpoint is None or reply.prompt_tokens is None:
        return None
    tokens_in, tokens_out = reply.prompt_tokens, reply.completion_tokens or 0
    price = tokens_in * endpoint.input_price + tokens_out * endpoint.output_price
    return Decimal(price / MILLION)


# --- From a passage or a document to the answers ------------------------------------------------
@dataclass(frozen=True, slots=True)
class Used:
    """Whose uses are asked for: a document, one version of it, or one passage of a version."""

    document: UUID | None = None
    version: UUID | None = None
    chunk: int | None = None


def uses(used: Used, *, before: int | None = None) -> QuerySet[Citation]:
    """Return the citations of what was used, the newest first, by an index; `before` pages on.

    Raises:
        Invalid: nothing is named, or the passage is not there any more.
    """
    rows = Citation.objects.select_related("message__conversation__owner").order_by("-id")
    rows = rows.defer("message__content", "message__conversation__title")
    if used.chunk is not None:
        rows = _overlapping(rows, used.chunk)
    elif used.version is not None:
        rows = rows.filter(version=used.version)
    elif used.document is not None:
        rows = rows.filter(document=used.document)
    else:
        raise Invalid
    return rows if before is None else rows.filter(pk__lt=before)


def _overlapping(rows: QuerySet[Citation], chunk: int) -> QuerySet[Citation]:
    """Return the citations that share characters with a passage, however it was cut then."""
    found = Chunk.objects.filter(pk=chunk).values("version", "start", "end").first()
    if found is None:
        raise Invalid
    return rows.filter(version=found["version"], start__lt=found["end"], end__gt=found["start"])


COLUMNS: Final = (
    "reply",
    "conversation",
    "person",
    "time",
    "status",
    "endpoint",
    "model",
    "config_version",
    "prompt_version",
    "document",
    "version",
    "number",
    "start",
    "end",
    "page",
    "rank_vector",
    "rank_text",
    "quote_sha256",
)


def table_of(used: Used, *, actor: User) -> Iterator[list[Any]]:
    """Yield the uses as rows under their `COLUMNS`, in constant memory; noted in the audit log."""
    audit.record(
        action=actions.TRACE_EXPORT,
        actor=actor,
        object_type="document",
        object_id=used.document or used.version or used.chunk or "",
        detail={"version": str(used.version or ""), "chunk": str(used.chunk or "")},
    )
    return _rows(uses(used))


def _rows(citations: QuerySet[Citation]) -> Iterator[list[Any]]:
    yield list(COLUMNS)
    for each in citations.iterator(chunk_size=EXPORT_CHUNK):
        reply = each.message
        yield [
            reply.pk,
            reply.conversation_id,
            reply.conversation.owner.username,
            reply.created_at.isoformat(),
            reply.status,
            reply.endpoint_name,
            reply.model,
            reply.config_version,
            reply.prompt_version,
            each.document_name,
            each.version_number,
            each.number,
            each.start,
            each.end,
            each.page,
            each.rank_vector,
            each.rank_text,
            each.quote_sha256,
        ]
