"""Write one reply: claim, search, ask the model, store, tell."""

import hashlib
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone, translation
from django.utils.formats import date_format

from configs import registry, runtime
from configs.errors import ClawError, NoEndpoint
from configs.providers.base import Endpoint, Source, Turn, Usage
from configs.providers.tokens import estimate_tokens, estimate_usage
from configs.runtime import Snapshot
from conversations import metrics, prompts
from conversations.answering import engine, jobs
from conversations.models import Citation, Message
from conversations.protocol import ReplyCitations, ReplyStatus
from conversations.streams import Outgoing, rows
from knowledge import retrieval
from knowledge.retrieval import Passage

T = TypeVar("T")
PATIENCE_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 0.5

logger = logging.getLogger(__name__)


def answer(reply: UUID) -> jobs.Job | None:
    """Write a reply to its end; return its job, or nothing when it was not ours to write.

    An unexpected error leaves the reply to the sweeper at once.
    """
    job = jobs.claim(reply)
    if job is None:
        return None
    try:
        with translation.override(job.user.language or None):
            _answer(job)
    except Exception:
        jobs.release(job)
        raise
    return job


def _answer(job: jobs.Job) -> None:
    loop = engine.current()
    outgoing = loop.open(job)
    try:
        loop.put(outgoing, ReplyStatus, stage=Message.Status.QUEUED.value)
        loop.put(outgoing, ReplyStatus, stage=Message.Status.RETRIEVING.value)
        written = _write(job, loop, outgoing)
        if not outgoing.lost:
            _end(job, loop, outgoing, written)
    finally:
        loop.close(outgoing)


def _write(job: jobs.Job, loop: engine.Engine, outgoing: Outgoing) -> engine.Written:
    """Search, then stream what the model says into `outgoing`."""
    snapshot = runtime.current()
    try:
        endpoints = snapshot.endpoints("chat")
        if not endpoints:
            raise NoEndpoint
        with runtime.pinned(snapshot):  # the search too runs with what the reply says it ran with
            turns = _prepare(job, snapshot, loop, outgoing, endpoints)
    except ClawError as error:
        return engine.Written(error=error)
    if turns is None:
        outgoing.lost = True
        return engine.Written()
    close_old_connections()  # the connection goes back to the pool while the model speaks
    written = loop.write(outgoing, turns, endpoints)
    written.estimated_prompt_tokens = estimate_usage(turns, "").prompt_tokens
    return written


def _prepare(
    job: jobs.Job,
    snapshot: Snapshot,
    loop: engine.Engine,
    outgoing: Outgoing,
    endpoints: Sequence[Endpoint],
) -> tuple[Turn, ...] | None:
    """Return what to send to the model, or nothing when the claim is lost."""
    passages = _search(job, snapshot)
    sources = _sources(passages, snapshot)
    citations = [
        _citation(job, n, passage) for n, passage in enumerate(passages[: len(sources)], 1)
    ]
    template, values = snapshot.prompt("answer"), _values(snapshot, timezone.localtime())
    turns = prompts.build(
        template.text,
        values=values,
        sources=sources,
        history=prompts.recent(job.history, tokens=snapshot.get(registry.HISTORY_TOKENS)),
        question=job.question,
        context_tokens=min(endpoint.context_tokens for endpoint in endpoints)
        - snapshot.get(registry.REPLY_TOKENS),
    )
    made_with = _made_with(values, turns)
    if not jobs.begin(
        job, citations, config=snapshot.version, prompt=template.version, made_with=made_with
    ):
        return None
    if citations:
        loop.put(outgoing, ReplyCitations, citations=[each.to_json() for each in citations])
    loop.put(outgoing, ReplyStatus, stage=Message.Status.GENERATING.value)
    return turns


def _made_with(values: dict[str, str], turns: Sequence[Turn]) -> dict[str, Any]:
    """Return what the trace needs besides the citations and the messages before the question."""
    return {
        "values": values,
        "history": len(turns) - len(("instructions", "question")),
        "sha256": prompts.fingerprint(turns),
        "worker": f"{socket.gethostname()}:{os.getpid()}",
    }


def _search(job: jobs.Job, snapshot: Snapshot) -> list[Passage]:
    if job.knowledge_bases == ():
        return []
    return retrieval.search(
        job.question,
        user=job.user,
        bases=job.knowledge_bases,
        limit=snapshot.get(registry.RETRIEVAL_TOP_K),
    )


def _sources(passages: Sequence[Passage], snapshot: Snapshot) -> tuple[Source, ...]:
    numbered = (
        Source(number, passage.text, passage.document_name, passage.heading_path)
        for number, passage in enumerate(passages, 1)
    )
    return prompts.chosen(numbered, tokens=snapshot.get(registry.RETRIEVAL_CONTEXT_TOKENS))


def _values(snapshot: Snapshot, now: datetime) -> dict[str, str]:
    return {"name": snapshot.get(registry.BRANDING_NAME), "date": date_format(now, "Y-m-d l")}


def _citation(job: jobs.Job, number: int, passage: Passage) -> Citation:
    return Citation(
        message_id=job.reply,
        number=number,
        document_id=passage.document_id,
        version_id=passage.version_id,
        document_name=passage.document_name,
        version_number=passage.version_number,
        start=passage.start,
        end=passage.end,
        page=passage.page,
        heading_path=passage.heading_path,
        quote=passage.text,
        quote_sha256=hashlib.sha256(passage.text.encode()).hexdigest(),
        score=passage.score,
        rank_vector=passage.rank_vector,
        rank_text=passage.rank_text,
        matched_terms=[term[:100] for term in passage.matched_terms],
    )


def _usage(written: engine.Written, content: str) -> Usage | None:
    """Return what the provider counted, or our estimate of a reply that has text."""
    if written.usage or not content:
        return written.usage
    return Usage(written.estimated_prompt_tokens, estimate_tokens(content), exact=False)


def _end(job: jobs.Job, loop: engine.Engine, outgoing: Outgoing, written: engine.Written) -> None:
    """Store the end first, then tell it."""
    seq, content = loop.settle(outgoing)
    ending = jobs.Ending(
        status=_status(outgoing, written, content),
        seq=seq + 1,
        content=content,
        model=written.endpoint.model if written.endpoint else "",
        endpoint=written.endpoint.name if written.endpoint else "",
        usage=_usage(written, content),
        error=None if outgoing.stop_requested else written.error,
    )
    row = _insist(lambda: jobs.finish(job, ending))
    if row is None:
        outgoing.lost = True
        return
    metrics.REPLIES.labels(status=row.status).inc()
    if row.first_token_at:
        metrics.FIRST_TOKEN.observe((row.first_token_at - row.created_at).total_seconds())
    event = rows.last_event(row)
    fields = {"message": event.message} if hasattr(event, "message") else {"error": event.error}
    loop.put(outgoing, type(event), **fields)


def _status(outgoing: Outgoing, written: engine.Written, content: str) -> Message.Status:
    if outgoing.stop_requested:
        return Message.Status.STOPPED
    if written.error is None:
        return Message.Status.COMPLETE
    return Message.Status.INTERRUPTED if content else Message.Status.FAILED


def _insist(act: Callable[[], T]) -> T:
    """Return what `act` returns; a database that restarts is waited for."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError):
            if time.monotonic() > give_up:
                raise
            logger.warning("The end of a reply cannot be stored yet.", exc_info=True)
            connection.close()
            time.sleep(PAUSE_SECONDS)
