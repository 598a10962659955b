"""What the dashboard counts, in a few aggregates over what the indexes hold."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection

from clawai.dashboard.periods import Period
from configs import runtime

FINENESS: Final = 20
"""Steps of the times' logarithm that are told apart: each is 5 % wide."""
TOP: Final = 8

# All columns stand in the index `message_reply_time`: the rows themselves are not read.
_CELLS = """
SELECT width_bucket(created_at, %(begins)s::timestamptz[]) - 1 AS slot, status,
    CASE WHEN first_token_at IS NOT NULL THEN floor(ln(greatest(
        extract(epoch FROM first_token_at - created_at)::float8, 0.001)) * %(fine)s)::int
    END,
    count(*), coalesce(sum(prompt_tokens), 0)::bigint, coalesce(sum(completion_tokens), 0)::bigint
FROM conversations_message
WHERE role = 'assistant' AND created_at >= %(since)s
GROUP BY 1, 2, 3
"""
_SHARES = """
SELECT endpoint_name, model, count(*)
FROM conversations_message
WHERE role = 'assistant' AND created_at >= %(since)s AND endpoint_name <> ''
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT %(top)s
"""
_PEOPLE = """
SELECT u.id::text, coalesce(nullif(u.display_name, ''), u.username), sum(m.replies)::int
FROM (
    SELECT conversation_id, count(*) AS replies
    FROM conversations_message
    WHERE role = 'assistant' AND created_at >= %(since)s
    GROUP BY 1
) m
JOIN conversations_conversation c ON c.id = m.conversation_id
JOIN accounts_user u ON u.id = c.owner_id
GROUP BY 1, 2 ORDER BY 3 DESC, 2 LIMIT %(top)s
"""
_QUEUES = """
SELECT 'answers', count(*) FILTER (WHERE status = 'queued'),
    count(*) FILTER (WHERE status <> 'queued'),
    extract(epoch FROM now() - min(created_at) FILTER (WHERE status = 'queued'))::float8
FROM conversations_message WHERE status IN ('queued', 'retrieving', 'generating')
UNION ALL
SELECT 'indexing', count(*) FILTER (WHERE status = 'queued'),
    count(*) FILTER (WHERE status <> 'queued'),
    extract(epoch FROM now() - min(updated_at) FILTER (WHERE status = 'queued'))::float8
FROM knowledge_document WHERE status IN ('queued', 'processing')
UNION ALL
SELECT 'jobs', count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state <> 'queued'),
    extract(epoch FROM now() - min(created_at) FILTER (WHERE state = 'queued'))::float8
FROM configs_job WHERE state IN ('queued', 'running')
"""
_DOCUMENTS = "SELECT status, count(*) FROM knowledge_document GROUP BY 1"
_FEEDBACK = """
SELECT rating, count(*) FROM conversations_feedback WHERE created_at >= %(since)s GROUP BY 1
"""
_HOUSE = """
SELECT (SELECT count(*) FROM accounts_user WHERE is_active) > 1,
    EXISTS (SELECT FROM knowledge_document),
    EXISTS (SELECT FROM conversations_message WHERE role = 'assistant')
"""


@dataclass(slots=True)
class Figures:
    """All that is counted, as plain JSON; lists of numbers have one entry a slot."""

    slots: list[str]
    replies: list[int]
    failed: list[int]
    broken_off: list[int]
    tokens_in: list[int]
    tokens_out: list[int]
    first_half: list[float | None]
    first_most: list[float | None]
    wait_half: float | None = None
    wait_most: float | None = None
    shares: list[dict[str, Any]] = field(default_factory=list)
    people: list[dict[str, Any]] = field(default_factory=list)
    queues: list[dict[str, Any]] = field(default_factory=list)
    documents: dict[str, int] = field(default_factory=dict)
    good: int = 0
    bad: int = 0
    has_people: bool = False
    has_documents: bool = False
    has_replies: bool = False
    has_model: bool = False


def count(period: Period) -> Figures:
    """Count everything for a period, in seven queries."""
    begins = period.slots()
    values = {
        "begins": list(begins),
        "fine": FINENESS,
        "since": begins[0],
        "top": TOP,
    }
    slots = [begin.replace(tzinfo=None).isoformat() for begin in begins]
    figures = _cells(slots, _rows(_CELLS, values))
    replies = sum(figures.replies)
    figures.shares = [
        {"endpoint": endpoint, "model": model, "replies": found, "share": found / replies}
        for endpoint, model, found in _rows(_SHARES, values)
    ]
    figures.people = [
        dict(zip(("id", "name", "replies"), row, strict=True)) for row in _rows(_PEOPLE, values)
    ]
    figures.queues = [
        dict(zip(("name", "waiting", "running", "oldest"), row, strict=True))
        for row in _rows(_QUEUES)
    ]
    figures.documents = dict(_rows(_DOCUMENTS))
    ratings = dict(_rows(_FEEDBACK, values))
    figures.good, figures.bad = ratings.get(1, 0), ratings.get(-1, 0)
    house = _rows(_HOUSE)[0]
    figures.has_people, figures.has_documents, figures.has_replies = house
    usable = runtime.current().endpoints("chat")
    figures.has_model = any(endpoint.provider != "local" for endpoint in usable)
    return figures


def _rows(statement: str, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: Sequence[Any] = cursor.fetchall()
        return found


def _cells(slots: Sequence[str], rows: Sequence[Any]) -> Figures:
    """Add up the cells: a slot's replies of one status that began to answer equally fast."""
    sums: Counter[tuple[int, str]] = Counter()
    waits: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for at, status, wait, replies, tokens_in, tokens_out in rows:
        sums.update({(at, "replies"): replies, (at, status): replies})
        sums.update({(at, "in"): tokens_in, (at, "out"): tokens_out})
        if wait is not None:
            waits[at][wait] += replies
    places = range(len(slots))
    everything = sum((waits[at] for at in places), Counter[int]())
    return Figures(
        slots=list(slots),
        replies=[sums[at, "replies"] for at in places],
        failed=[sums[at, "failed"] for at in places],
        broken_off=[sums[at, "interrupted"] for at in places],
        tokens_in=[sums[at, "in"] for at in places],
        tokens_out=[sums[at, "out"] for at in places],
        first_half=[quantile(waits[at], 0.5) for at in places],
        first_most=[quantile(waits[at], 0.95) for at in places],
        wait_half=quantile(everything, 0.5),
        wait_most=quantile(everything, 0.95),
    )


def quantile(steps: Mapping[int, int], share: float) -> float | None:
    """Return the seconds below which that share of the replies began, within 2.5 %."""
    total = sum(steps.values())
    seen = 0
    for step in sorted(steps):
        seen += steps[step]
        if seen >= total * share:
            return math.exp((step + 0.5) / FINENESS)
    return None
