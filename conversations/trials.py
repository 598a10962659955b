"""Try the words of a prompt on a question, as a reply would use them; nothing is stored."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, cast

from asgiref.sync import async_to_sync
from django.db import connection
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import User
from configs import prompts as templates
from configs import providers, registry, runtime
from configs.errors import ClawError, NoEndpoint, ProviderTimeout
from configs.models import ModelEndpoint
from configs.providers.base import Delta, Endpoint, Source, Turn, Usage
from conversations import prompts
from knowledge import retrieval
from knowledge.models import KnowledgeBase

PATIENCE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Material:
    """What the words are tried on: a question, the bases to search, and an answer given before."""

    question: str
    bases: tuple[KnowledgeBase, ...] = ()
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What was sent to the model, and what came back; `error` says why nothing did."""

    turns: tuple[Turn, ...]
    passages: int = 0
    text: str = ""
    model: str = ""
    usage: Usage | None = None
    first_ms: int | None = None
    total_ms: int | None = None
    error: str = ""


def build(name: str, text: str, material: Material, *, user: User) -> tuple[Turn, ...]:
    """Return what would be sent to a model with `text` as the template `name`.

    Raises:
        Invalid: the words cannot be filled.
        ClawError: the search failed.
    """
    templates.check(name, text)
    if name == "title":
        words = templates.render(text, question=material.question, answer=material.answer)
        return (Turn("user", words),)
    if name == "answer":
        return _answer(text, material, user)
    before = (Turn("user", material.question), Turn("assistant", material.answer))
    return (*before, Turn("user", templates.render(text)))


def _answer(text: str, material: Material, user: User) -> tuple[Turn, ...]:
    snapshot = runtime.current()
    sources = _sources(material, user) if material.bases else ()
    today = date_format(timezone.localtime(), "Y-m-d l")
    contexts = [endpoint.context_tokens for endpoint in snapshot.endpoints("chat")]
    context = min(contexts, default=ModelEndpoint().context_tokens)
    return prompts.build(
        text,
        values={"name": snapshot.get(registry.BRANDING_NAME), "date": today},
        sources=sources,
        history=(),
        question=material.question,
        context_tokens=context - snapshot.get(registry.REPLY_TOKENS),
    )


def _sources(material: Material, user: User) -> tuple[Source, ...]:
    snapshot = runtime.current()
    passages = retrieval.search(
        material.question,
        user=user,
        bases=[base.pk for base in material.bases],
        limit=snapshot.get(registry.RETRIEVAL_TOP_K),
    )
    numbered = (
        Source(number, passage.text, passage.document_name, passage.heading_path)
        for number, passage in enumerate(passages, 1)
    )
    return prompts.chosen(numbered, tokens=snapshot.get(registry.RETRIEVAL_CONTEXT_TOKENS))


def run(name: str, text: str, material: Material, *, user: User) -> Trial:
    """Build the prompt and ask the model that is in force; failures are part of the answer.

    Raises:
        Invalid: the words cannot be filled.
    """
    turns = build(name, text, material, user=user)
    passages = max((len(turn.sources) for turn in turns), default=0)
    endpoints = _writers(name)
    if not connection.in_atomic_block:
        connection.close()  # it goes back to the pool while the model speaks
    try:
        said = async_to_sync(_ask)(turns, endpoints)
    except ClawError as failure:
        return Trial(turns, passages, error=failure.detail)
    return Trial(turns, passages, **said)


def _writers(name: str) -> list[Endpoint]:
    """Return who is asked; the built-in answerer quotes passages and writes nothing else."""
    endpoints = runtime.current().endpoints("chat")
    return [each for each in endpoints if name == "answer" or each.provider != "local"]


async def _ask(turns: Sequence[Turn], endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    if not endpoints:
        raise NoEndpoint
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await _listen(turns, endpoints)
    except TimeoutError:
        raise ProviderTimeout from None


async def _listen(turns: Sequence[Turn], endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Read the whole reply, and when its first word came."""
    started = time.perf_counter()
    said: dict[str, Any] = {"text": "", "first_ms": None, "model": "", "usage": None}
    stream = providers.stream_chat(turns, endpoints=endpoints)
    async with aclosing(cast("Any", stream)) as deltas:
        async for delta in deltas:
            _take(said, delta, round((time.perf_counter() - started) * 1000))
    said["total_ms"] = round((time.perf_counter() - started) * 1000)
    said["usage"] = said["usage"] or providers.estimate_usage(turns, said["text"])
    return said


def _take(said: dict[str, Any], delta: Delta, at_ms: int) -> None:
    if delta.text and said["first_ms"] is None:
        said["first_ms"] = at_ms
    said["text"] += delta.text
    said["usage"] = delta.usage or said["usage"]
    if delta.endpoint:
        said["model"] = delta.endpoint.model or delta.endpoint.name
