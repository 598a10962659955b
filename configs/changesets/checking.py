"""Why a change set cannot be published as it is: alone, across keys, and for want of an answer."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from asgiref.sync import async_to_sync
from django.db import connection
from django.utils.translation import gettext

from configs import providers, registry, runtime
from configs.changesets import kinds
from configs.changesets.content import changes_of, version_of
from configs.changesets.endpoints import foresee
from configs.changesets.settings import REMOVALS
from configs.changesets.values import (
    ENDPOINT,
    INVALID,
    LOCKED,
    RULE,
    STALE,
    UNANSWERED,
    FreeKey,
    Problem,
    Wanted,
    wanted_by,
)
from configs.errors import ClawError, Conflict, Invalid
from configs.models import Change, ChangeSet, ModelEndpoint
from configs.providers import Endpoint, Health

PATIENCE_SECONDS: Final = 5.0
WHERE: Final = registry.EMBEDDING_ENDPOINT.key
CALLED: Final = ("kind", "provider", "model", "base_url", "api_key", "parameters")
"""What of an endpoint a test call says something about."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What steers the system, now or after a change set: values of settings, and endpoints."""

    values: Mapping[str, Any] = field(repr=False)
    rows: Mapping[str, ModelEndpoint] = field(repr=False)

    @property
    def embedding(self) -> str:
        """Return the name of the endpoint that makes vectors of new documents."""
        return str(self.values[WHERE])

    def usable(self, name: str) -> Endpoint | None:
        """Return the endpoint of that name if it can be asked."""
        row = self.rows.get(name)
        return runtime.endpoint_of(row) if row is not None and row.enabled else None

    def chat(self) -> Endpoint | None:
        """Return the endpoint that answers."""
        rows = [row for row in self.rows.values() if row.kind == ModelEndpoint.Kind.CHAT]
        rows.sort(key=lambda row: (row.position, row.name))
        return next(filter(None, (self.usable(row.name) for row in rows)), None)


def problems(change_set: ChangeSet) -> list[Problem]:
    """Return why the change set cannot be published now; the models are asked, for 5 s at most."""
    changes = changes_of(change_set)
    found = standing(changes)
    return found or unanswered(changes)


def standing(changes: Iterable[Change]) -> list[Problem]:
    """Return the problems that the database knows of; no model is asked."""
    changes = list(changes)
    found = [problem for change in changes if (problem := _alone(change)) is not None]
    if found:
        return found
    before = outlook()
    after = outlook(changes)
    return [*_broken_rules(changes, after), *_lost_endpoints(before, after)]


def _alone(change: Change) -> Problem | None:
    row = kinds.row_of(change.kind, change.target, change.group)
    now = version_of(row)
    if now != change.base_version:
        words = gettext(
            "%(name)s: somebody changed this in between, it is version %(version)d now. "
            "Look at it and draft the change again."
        )
        return _problem(STALE, change, words % {"name": change.target, "version": now})
    try:
        kinds.check(change.kind, wanted_by(change), row)
    except Conflict as refusal:
        return _problem(LOCKED, change, refusal.detail)
    except Invalid as refusal:
        details = [text for texts in refusal.errors.values() for text in texts]
        return _problem(INVALID, change, " ".join(details) or refusal.detail)
    except ClawError as refusal:
        return _problem(INVALID, change, refusal.detail)
    return None


def _problem(code: str, change: Change, text: str) -> Problem:
    return Problem(code, change.kind, change.target, text)


# --- Across keys -------------------------------------------------------------------------------
def outlook(changes: Iterable[Change] = ()) -> Outlook:
    """Return what steers the system, as it will be after the changes; nothing is written."""
    values = dict(runtime.build().values)
    rows = {row.name: row for row in ModelEndpoint.objects.all()}
    for change in changes:
        wanted = wanted_by(change)
        if change.kind == Change.Kind.ENDPOINT:
            _foresee_endpoint(wanted, rows)
        elif change.kind == Change.Kind.SETTING and change.target in registry.SETTINGS:
            setting = registry.SETTINGS[change.target]
            reset = wanted.action in REMOVALS or isinstance(wanted.value, FreeKey)
            values[change.target] = setting.default if reset else setting.check(wanted.value)
    return Outlook(values, rows)


def _foresee_endpoint(wanted: Wanted, rows: dict[str, ModelEndpoint]) -> None:
    row = rows.pop(wanted.target, None)
    if wanted.action == Change.Action.DELETE:
        return
    row = row or ModelEndpoint(version=0)
    foresee(row, wanted.value)
    rows[row.name] = row


def _broken_rules(changes: list[Change], after: Outlook) -> list[Problem]:
    touched = {c.target: c for c in changes if c.kind == Change.Kind.SETTING}
    found = []
    for rule in registry.broken_rules(after.values):
        culprit = next((touched[s.key] for s in rule.settings if s.key in touched), None)
        if culprit is not None:
            found.append(_problem(RULE, culprit, str(rule.complaint)))
    return found


def _lost_endpoints(before: Outlook, after: Outlook) -> list[Problem]:
    """Return what is wrong with the endpoint of new documents, if it was not wrong before."""
    complaint = _embedding_complaint(after)
    if not complaint or complaint == _embedding_complaint(before):
        return []
    return [Problem(ENDPOINT, Change.Kind.SETTING, WHERE, complaint)]


def _embedding_complaint(outlook: Outlook) -> str:
    """Return why no vectors can be made of new documents, or nothing."""
    name = outlook.embedding
    row = outlook.rows.get(name)
    if row is None:
        words = gettext(
            "New documents are embedded by the endpoint %(name)s, which does not exist: "
            "choose another one first."
        )
    elif row.kind != ModelEndpoint.Kind.EMBEDDING:
        words = gettext("The endpoint %(name)s makes no vectors: choose one of the kind embedding.")
    elif not row.enabled:
        words = gettext(
            "New documents are embedded by the endpoint %(name)s, which is switched off: "
            "choose another one first."
        )
    elif runtime.endpoint_of(row) is None:
        words = gettext("The endpoint %(name)s lacks a key or an address.")
    else:
        return ""
    return words % {"name": name}


# --- Test calls --------------------------------------------------------------------------------
def unanswered(changes: Iterable[Change]) -> list[Problem]:
    """Ask the default models that the changes touch, and return those that do not answer.

    A model is default for chat when it is tried first, for embedding when new documents use it.
    """
    changes = list(changes)
    if not any(c.kind == Change.Kind.ENDPOINT or c.target == WHERE for c in changes):
        return []
    before, after = outlook(), outlook(changes)
    pairs = [
        (before.chat(), after.chat()),
        (before.usable(before.embedding), after.usable(after.embedding)),
    ]
    touched = {new.name: new for old, new in pairs if new is not None and _other(old, new)}
    if not touched:
        return []
    if not connection.in_atomic_block:
        connection.close()  # it goes back to the pool while the models are asked
    return [problem for each in touched.values() if (problem := _ask(each)) is not None]


def _other(old: Endpoint | None, new: Endpoint) -> bool:
    """Say whether a call to `new` is another than to `old`; the built-in answerer needs none."""
    if new.provider == "local" and new.kind == ModelEndpoint.Kind.CHAT:
        return False
    return old is None or any(getattr(old, name) != getattr(new, name) for name in CALLED)


def _ask(endpoint: Endpoint) -> Problem | None:
    hasty = replace(
        endpoint,
        first_byte_timeout_seconds=min(endpoint.first_byte_timeout_seconds, PATIENCE_SECONDS),
        idle_timeout_seconds=min(endpoint.idle_timeout_seconds, PATIENCE_SECONDS),
    )
    health = async_to_sync(_within)(hasty)
    if not health.error:
        return None
    words = gettext("%(name)s did not answer its test call: %(why)s.") % {
        "name": endpoint.name,
        "why": health.detail.rstrip("."),
    }
    return Problem(UNANSWERED, Change.Kind.ENDPOINT, endpoint.name, words)


async def _within(endpoint: Endpoint) -> Health:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS + 1):
            return await providers.health_check(endpoint)
    except TimeoutError:
        detail = gettext("there was no answer within %(count)d seconds") % {
            "count": PATIENCE_SECONDS
        }
        return Health(PATIENCE_SECONDS * 1000, "provider_timeout", detail)


# --- Refusing ----------------------------------------------------------------------------------
def require_none(found: Iterable[Problem]) -> None:
    """Refuse when there are problems, naming all of them.

    Raises:
        Invalid: a value is not valid, alone or with others.
        Conflict: the state of the rows, the environment or a model stands against it.
    """
    found = list(found)
    wrong = [problem.text for problem in found if problem.code in (INVALID, RULE)]
    others = [problem.text for problem in found if problem.code not in (INVALID, RULE)]
    if others:
        raise Conflict(" ".join([*others, *wrong]))
    if wrong:
        raise Invalid(" ".join(wrong), errors={"value": wrong})
