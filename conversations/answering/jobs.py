"""A reply's row as a leased job: every write of a worker names the epoch that it holds.

A write that finds no row (another epoch, or no longer claimed) says that the claim is lost. Leases
are kept by the database's clock, so that no clock of a worker matters.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet, prefetch_related_objects
from django.db.models.functions import Now
from psycopg.types.json import Jsonb

from accounts import limits
from accounts.models import User
from configs import registry, runtime
from configs.errors import ClawError
from configs.providers.base import Usage
from conversations.models import Citation, Message
from conversations.prompts import Said

LONGEST_PATH = 400
CLOSE_TO_LIMIT = 3


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
    snapshot = runtime.current()
    by_role = snapshot.overrides.get(registry.ANSWERS_PER_USER.key, {})
    # The owner, with what the statement says about the reply as further attributes.
    owners: Iterable[Any] = User.objects.raw(
        """
        WITH claimed AS (
            UPDATE conversations_message m
            SET status = 'retrieving', attempts = m.attempts + 1,
                lease_expires_at = statement_timestamp() + %(lease)s,
                started_at = coalesce(m.started_at, statement_timestamp())
            FROM conversations_conversation c
            WHERE m.id = %(reply)s AND m.status = 'queued' AND c.id = m.conversation_id
                AND NOT EXISTS (
                    SELECT FROM conversations_message e
                    WHERE e.conversation_id = m.conversation_id
                        AND e.status IN ('queued', 'retrieving', 'generating')
                        AND (e.created_at, e.id) < (m.created_at, m.id)
                )
                AND (
                    SELECT count(*) FROM conversations_message b
                    JOIN conversations_conversation o ON o.id = b.conversation_id
                    WHERE o.owner_id = c.owner_id AND b.status IN ('retrieving', 'generating')
                ) < coalesce((
                    SELECT max(r.most)
                    FROM unnest(%(roles)s::int[], %(mosts)s::int[]) AS r(role, most)
                    JOIN accounts_user_groups g ON g.group_id = r.role
                    WHERE g.user_id = c.owner_id
                ), %(most)s)
            RETURNING m.epoch, m.seq, m.parent_id, c.id AS conversation, c.owner_id, c.title
        )
        SELECT u.*, claimed.epoch, claimed.seq, claimed.parent_id, claimed.conversation,
            claimed.title, coalesce(q.knowledge_bases, nullif(ARRAY(
                SELECT knowledgebase_id FROM conversations_conversation_knowledge_bases
                WHERE conversation_id = claimed.conversation
            ), '{}')) AS knowledge_bases
        FROM claimed
        JOIN accounts_user u ON u.id = claimed.owner_id
        LEFT JOIN conversations_message q ON q.id = claimed.parent_id
        """,
        {
            "reply": reply,
            "lease": lease(),
            "most": snapshot.get(registry.ANSWERS_PER_USER),
            "roles": list(by_role),
            "mosts": list(by_role.values()),
        },
    )
    return next((_job(reply, owner) for owner in owners), None)


def _job(reply: UUID, claimed: Any) -> Job:
    path = path_to(claimed.parent_id)
    bases = claimed.knowledge_bases
    return Job(
        reply=reply,
        epoch=claimed.epoch,
        seq=claimed.seq,
        conversation=claimed.conversation,
        user=claimed,
        question=path[-1].content if path else "",
        knowledge_bases=None if bases is None else tuple(bases),
        history=tuple(path[:-1]),
        is_first=len(path) <= 1 and not claimed.title,
    )


def path_to(message: UUID | None) -> list[Said]:
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


def begin(
    job: Job,
    citations: Sequence[Citation],
    *,
    config: int,
    prompt: int,
    made_with: Mapping[str, Any] | None = None,
) -> bool:
    """Store the citations and what steers the reply; return whether the claim still holds.

    `made_with` is what it takes to build the prompt once more (see `conversations.trace`).
    """
    with transaction.atomic() if citations else nullcontext():
        held = _begin(job, config, prompt, made_with)
        if held and citations:
            Citation.objects.bulk_create(citations)
    return held


def _begin(job: Job, config: int, prompt: int, made_with: Mapping[str, Any] | None) -> bool:
    """Note that the model is asked; the citations of an earlier attempt go."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH held AS (
                UPDATE conversations_message
                SET status = 'generating', config_version = %s, prompt_version = %s,
                    made_with = %s,
                    lease_expires_at = statement_timestamp() + make_interval(secs => %s)
                WHERE id = %s AND epoch = %s AND status IN ('retrieving', 'generating')
                RETURNING id
            ), earlier AS (
                DELETE FROM conversations_citation WHERE message_id IN (SELECT id FROM held)
            )
            SELECT id FROM held
            """,
            [
                config,
                prompt,
                Jsonb(made_with) if made_with else None,  # type: ignore[list-item]  # psycopg's own
                lease().total_seconds(),
                job.reply,
                job.epoch,
            ],
        )
        return cursor.fetchone() is not None


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
    """Store the end of a reply; return its row as its last event shows it.

    Returns nothing when the claim is lost.
    """
    usage, error = ending.usage, ending.error
    rows = Message.objects.raw(
        """
        UPDATE conversations_message m
        SET status = %(status)s, seq = %(seq)s, content = %(content)s, model = %(model)s,
            endpoint_name = %(endpoint)s, prompt_tokens = %(prompt_tokens)s,
            completion_tokens = %(completion_tokens)s, usage_exact = %(exact)s,
            error_code = %(code)s, error = %(detail)s, error_retryable = %(retryable)s,
            lease_expires_at = NULL, finished_at = statement_timestamp(),
            first_token_at = CASE WHEN %(content)s = '' THEN m.first_token_at
                             ELSE coalesce(m.first_token_at, statement_timestamp()) END
        WHERE m.id = %(reply)s AND m.epoch = %(epoch)s
            AND m.status IN ('retrieving', 'generating')
        RETURNING m.*,
            EXISTS (SELECT FROM conversations_citation WHERE message_id = m.id) AS is_cited,
            EXISTS (SELECT FROM conversations_feedback WHERE message_id = m.id) AS is_judged
        """,
        {
            "reply": job.reply,
            "epoch": job.epoch,
            "status": ending.status.value,
            "seq": ending.seq,
            "content": ending.content,
            "model": ending.model,
            "endpoint": ending.endpoint,
            "prompt_tokens": usage.prompt_tokens if usage else None,
            "completion_tokens": usage.completion_tokens if usage else None,
            "exact": bool(usage and usage.exact),
            "code": error.code if error else "",
            "detail": str(error.detail) if error else "",
            "retryable": bool(error and error.retryable),
        },
    )
    return next((_with_relations(row) for row in rows), None)


def _with_relations(row: Any) -> Message:
    """Load what belongs to the row; what does not exist is not asked for again."""
    there = {"citations": row.is_cited, "feedback": row.is_judged}
    prefetch_related_objects([row], *(name for name, exists in there.items() if exists))
    if not row.is_cited:
        row._prefetched_objects_cache = {"citations": Citation.objects.none()}
    if not row.is_judged:
        row._state.fields_cache["feedback"] = None
    return cast("Message", row)


def release(job: Job) -> None:
    """Let the claim run out now, so that the sweeper takes the reply at once."""
    _held(job).update(lease_expires_at=Now())


def next_in_line(job: Job) -> list[UUID]:
    """Return the queued replies that may be waiting for the end of this one.

    Those are the next of its conversation and, while the person is close to the limit, those that
    were asked first elsewhere. Any other has a nudge of its own under way: a second one for each
    would bury the workers when many wait.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (m.conversation_id = %(conversation)s, m.conversation_id) m.id
            FROM conversations_message m JOIN conversations_conversation c
                ON c.id = m.conversation_id
            WHERE c.owner_id = %(owner)s AND m.status = 'queued' AND (
                m.conversation_id = %(conversation)s
                OR (
                    SELECT count(*) FROM conversations_message b
                    JOIN conversations_conversation o ON o.id = b.conversation_id
                    WHERE o.owner_id = %(owner)s AND b.status IN ('retrieving', 'generating')
                ) + %(close)s >= %(most)s
            )
            ORDER BY m.conversation_id = %(conversation)s DESC, m.conversation_id,
                m.created_at, m.id
            LIMIT 10
            """,
            {
                "conversation": job.conversation,
                "owner": job.user.pk,
                "close": CLOSE_TO_LIMIT,
                "most": limits.of_person(job.user, registry.ANSWERS_PER_USER),
            },
        )
        return [row[0] for row in cursor.fetchall()]
