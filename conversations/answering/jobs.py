"""A reply's row as a leased job: every write of a worker names the epoch that it holds.

A write that finds no row (another epoch, or no longer claimed) says that the claim is lost. Leases
are kept by the database's clock, so that no clock of a worker matters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from accounts.models import User
from configs import registry, runtime
from configs.errors import ClawError
from configs.providers.base import Usage
from conversations.models import Citation, Message
from conversations.prompts import Said

LONGEST_PATH = 400


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed reply, with what is needed to write it."""

    reply: UUID
    epoch: int
    seq: int
    conversation: UUID
    user: User
    question: str
    knowledge_bases: tuple[UUID, ...] | None
    history: tuple[Said, ...]
    is_first: bool


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The text of the events 1..`seq` of a reply."""

    reply: UUID
    epoch: int
    seq: int
    content: str
    begun: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """How a reply ends."""

    status: Message.Status
    seq: int
    content: str
    model: str = ""
    endpoint: str = ""
    usage: Usage | None = None
    error: ClawError | None = None


def lease() -> timedelta:
    """Return for how long a claim holds without a sign of life."""
    return timedelta(seconds=runtime.current().get(registry.ANSWERS_LEASE_SECONDS))


def claim(reply: UUID) -> Job | None:
    """Claim a reply whose turn it is, or return nothing: it is taken, over, or has to wait.

    A reply waits while an earlier one of its conversation is open, or while its asker has as many
    in progress as one person may.
    """
    waiting = Message.objects.filter(pk=reply, status=Message.Status.QUEUED)
    free = waiting.filter(~Exists(_earlier()), ~Exists(_too_many()))
    claimed = free.update(
        status=Message.Status.RETRIEVING,
        attempts=F("attempts") + 1,
        lease_expires_at=Now() + lease(),
        started_at=Coalesce("started_at", Now()),
    )
    return _job(reply) if claimed else None


def _earlier() -> QuerySet[Message]:
    return Message.objects.filter(
        Q(created_at__lt=OuterRef("created_at"))
        | Q(created_at=OuterRef("created_at"), pk__lt=OuterRef("pk")),
        conversation=OuterRef("conversation"),
        status__in=Message.OPEN,
    )


def _too_many() -> QuerySet[Any, Any]:
    most = runtime.current().get(registry.ANSWERS_PER_USER)
    return (
        Message.objects.filter(
            conversation__owner=OuterRef("conversation__owner"), status__in=Message.CLAIMED
        )
        .order_by()
        .values("conversation__owner")
        .annotate(count=Count("pk"))
        .filter(count__gte=most)
    )


def _job(reply: UUID) -> Job:
    row = (
        Message.objects.select_related("conversation__owner", "parent")
        .prefetch_related("conversation__knowledge_bases")
        .get(pk=reply)
    )
    path = _path_to(row.parent_id)
    return Job(
        reply=row.pk,
        epoch=row.epoch,
        seq=row.seq,
        conversation=row.conversation_id,
        user=row.conversation.owner,
        question=path[-1].content if path else "",
        knowledge_bases=_bases(row),
        history=tuple(path[:-1]),
        is_first=len(path) <= 1 and not row.conversation.title,
    )


def _bases(row: Message) -> tuple[UUID, ...] | None:
    asked = row.parent.knowledge_bases if row.parent else None
    if asked is not None:
        return tuple(asked)
    return tuple(base.pk for base in row.conversation.knowledge_bases.all()) or None


def _path_to(message: UUID | None) -> list[Said]:
    """Return the messages from the beginning of the branch to `message`, the newest 400 at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE path AS (
                SELECT id, parent_id, role, content, 1 AS depth
                FROM conversations_message WHERE id = %s
                UNION ALL
                SELECT m.id, m.parent_id, m.role, m.content, path.depth + 1
                FROM conversations_message m JOIN path ON m.id = path.parent_id
                WHERE path.depth < %s
            )
            SELECT role, content FROM path ORDER BY depth DESC
            """,
            [message, LONGEST_PATH],
        )
        return [Said(role, content) for role, content in cursor.fetchall()]


def _held(job: Job) -> QuerySet[Message]:
    """Return the job's row if the claim still holds."""
    return Message.objects.filter(pk=job.reply, epoch=job.epoch, status__in=Message.CLAIMED)


def begin(job: Job, citations: Sequence[Citation], *, config: int, prompt: int) -> bool:
    """Store the citations and what steers the reply; return whether the claim still holds."""
    with transaction.atomic():
        held = _held(job).update(
            status=Message.Status.GENERATING,
            lease_expires_at=Now() + lease(),
            config_version=config,
            prompt_version=prompt,
        )
        if held:
            Citation.objects.filter(message=job.reply).delete()
            Citation.objects.bulk_create(citations)
    return bool(held)


def checkpoint(points: Sequence[Checkpoint]) -> dict[UUID, bool]:
    """Store how far replies are and renew their leases, in one statement.

    Returns for each reply whose claim still holds whether it was asked to stop.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE conversations_message m
            SET seq = v.seq, content = v.content,
                lease_expires_at = now() + make_interval(secs => %s),
                first_token_at = CASE WHEN v.begun THEN coalesce(m.first_token_at, now())
                                      ELSE m.first_token_at END
            FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::text[], %s::bool[])
                 AS v(id, epoch, seq, content, begun)
            WHERE m.id = v.id AND m.epoch = v.epoch AND m.status IN ('retrieving', 'generating')
            RETURNING m.id, m.stop_requested_at IS NOT NULL
            """,
            [
                lease().total_seconds(),
                [point.reply for point in points],
                [point.epoch for point in points],
                [point.seq for point in points],
                [point.content for point in points],
                [point.begun for point in points],
            ],
        )
        return dict(cursor.fetchall())


def finish(job: Job, ending: Ending) -> Message | None:
    """Store the end of a reply; return its row, or nothing when the claim is lost."""
    usage, error = ending.usage, ending.error
    held = _held(job).update(
        status=ending.status,
        seq=ending.seq,
        content=ending.content,
        model=ending.model,
        endpoint_name=ending.endpoint,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        usage_exact=bool(usage and usage.exact),
        error_code=error.code if error else "",
        error=str(error.detail) if error else "",
        error_retryable=bool(error and error.retryable),
        lease_expires_at=None,
        finished_at=Now(),
        first_token_at=Coalesce("first_token_at", Now()) if ending.content else F("first_token_at"),
    )
    return ended(job.reply) if held else None


def ended(reply: UUID) -> Message:
    """Return a reply as its last event shows it."""
    rows = Message.objects.select_related("feedback").prefetch_related("citations")
    return rows.get(pk=reply)


def release(job: Job) -> None:
    """Let the claim run out now, so that the sweeper takes the reply at once."""
    _held(job).update(lease_expires_at=Now())


def next_in_line(owner: UUID) -> list[UUID]:
    """Return the person's queued replies that were asked first, one a conversation."""
    queued = Message.objects.filter(conversation__owner=owner, status=Message.Status.QUEUED)
    first = queued.order_by("conversation_id", "created_at", "pk").distinct("conversation_id")
    return list(first.values_list("pk", flat=True)[:10])
