"""Fill a database with a big company's rows, fast: COPY, with the audit log sealed as ever."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

Say = Callable[[str], None]
START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN_SECONDS = 200 * 86_400
PEOPLE, BASES, RELEASES = 1000, 20, 5000
ACTS = ("login.success", "login.failure", "conversation.read_by_other", "document.upload",
        "config.change", "role.grant", "export.audit", "document.delete")  # fmt: skip
WORDS = ("报销", "流程", "年度", "预算", "审批", "合同", "服务器", "密钥", "轮换", "值班",
         "handbook", "invoice", "travel", "policy", "vacation", "server", "backup", "laptop",
         "onboarding", "release", "incident", "review", "budget")  # fmt: skip


def fill(*, messages: int, audit: int, say: Say) -> None:
    """Store everything that the lists show, unless it is there already."""
    from configs.models import AuditEntry
    from conversations.models import Message

    with _unguarded():
        if not Message.objects.exists():
            people = _people(say)
            _conversations(people, messages, say)
            _documents(people, messages // 50, messages // 5, say)
            _releases(people, say)
        if AuditEntry.objects.count() < audit:
            _audit(audit, say)
    _settle(say)


class _unguarded:  # noqa: N801  # used like a function
    """No trigger of a table looks at what is copied."""

    def __enter__(self) -> None:
        _run("SET session_replication_role = replica")

    def __exit__(self, *_raised: object) -> None:
        _run("SET session_replication_role = origin")


def _run(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)


def _copy(model: Any, names: tuple[str, ...], rows: Iterable[tuple[Any, ...]], say: Say) -> None:
    from django.db import connection

    begun, count = time.monotonic(), 0
    columns = ", ".join(f'"{model._meta.get_field(name).column}"' for name in names)
    connection.ensure_connection()
    with (
        connection.connection.cursor() as cursor,
        cursor.copy(f"COPY {model._meta.db_table} ({columns}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
            count += 1
    say(f"{model._meta.db_table}: {count} rows in {time.monotonic() - begun:.0f} s")


def _defaults(model: Any, given: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns that a row needs besides, with what an empty instance has in them."""
    instance = model()
    return {
        field.name: field.get_db_prep_save(getattr(instance, field.attname), _connection())
        for field in model._meta.concrete_fields
        if field.name not in given and not field.null and not field.primary_key
    }


def _connection() -> Any:
    from django.db import connection

    return connection


def _fill(model: Any, names: tuple[str, ...], rows: Iterable[tuple[Any, ...]], say: Say) -> None:
    rest = _defaults(model, names)
    more = tuple(rest.values())
    _copy(model, names + tuple(rest), (row + more for row in rows), say)


def _uuid(kind: int, number: int) -> UUID:
    return UUID(int=(kind << 120) | (0x4 << 76) | (0x8 << 60) | number)


def _at(share: float) -> datetime:
    return START + timedelta(seconds=share * SPAN_SECONDS)


def _sentence(chance: Random, count: int) -> str:
    return " ".join(chance.choices(WORDS, k=count))


def _people(say: Say) -> list[UUID]:
    from accounts.models import User

    ids = [_uuid(1, n) for n in range(PEOPLE)]
    rows = ((pk, f"person{n:04}", f"person{n:04}", START) for n, pk in enumerate(ids))
    _fill(User, ("id", "username", "username_key", "date_joined"), rows, say)
    return ids


def _conversations(people: list[UUID], messages: int, say: Say) -> None:
    from conversations.models import Conversation, Message

    chance, each = Random(1), 10
    count = messages // each
    talks = (
        (_uuid(2, n), people[n * 7 % PEOPLE], _sentence(chance, 4), _at(n / count), _at(n / count))
        for n in range(count)
    )
    _fill(Conversation, ("id", "owner", "title", "created_at", "updated_at"), talks, say)
    names = ("id", "conversation", "parent", "role", "content", "created_at", "author", "status",
             "endpoint_name", "model", "config_version")  # fmt: skip

    def rows() -> Iterator[tuple[Any, ...]]:
        for n in range(messages):
            talk, question = n // each, n % 2 == 0
            status = "failed" if n % 5000 == 1 else "complete"
            yield (
                _uuid(3, n),
                _uuid(2, talk),
                None if n % each == 0 else _uuid(3, n - 1),
                "user" if question else "assistant",
                _sentence(chance, 12 if question else 60),
                _at(n / messages),
                people[talk * 7 % PEOPLE] if question else None,
                status,
                "" if question else "zhipu-glm",
                "" if question else "glm-4-plus",
                None if question else 1 + n * RELEASES // messages,
            )

    _fill(Message, names, rows(), say)


def _documents(people: list[UUID], documents: int, chunks: int, say: Say) -> None:
    from knowledge.models import Chunk, Document, DocumentVersion, IndexGeneration, KnowledgeBase

    chance, each = Random(2), chunks // documents
    bases = [(_uuid(4, n), people[n], f"Base {n}", f"base-{n}", START, START) for n in range(BASES)]
    names = ("id", "owner", "name", "slug", "created_at", "updated_at")
    _fill(KnowledgeBase, names, bases, say)
    generations = [(n + 1, _uuid(4, n), "active", "local-e5", 384, 400, 40, 150.0, START)
                   for n in range(BASES)]  # fmt: skip
    names = ("id", "base", "state", "endpoint_name", "dimensions", "chunk_tokens",
             "overlap_tokens", "average_terms", "created_at")  # fmt: skip
    _fill(IndexGeneration, names, generations, say)
    rows: Iterator[tuple[Any, ...]] = (
        (_uuid(5, n), _uuid(4, n % BASES), f"{_sentence(chance, 3)} {n}.pdf", people[n % PEOPLE],
         "failed" if n % 500 == 0 else "ready", _uuid(6, n), _at(n / documents), _at(n / documents))
        for n in range(documents)
    )  # fmt: skip
    names = ("id", "base", "name", "uploaded_by", "status", "current_version", "created_at",
             "updated_at")  # fmt: skip
    _fill(Document, names, rows, say)
    rows = (
        (_uuid(6, n), _uuid(5, n), 1, f"documents/{n}", "application/pdf", 1000, f"{n:064x}",
         _sentence(chance, 200), _at(n / documents))
        for n in range(documents)
    )  # fmt: skip
    names = ("id", "document", "number", "file", "content_type", "size", "sha256", "text",
             "created_at")  # fmt: skip
    _fill(DocumentVersion, names, rows, say)
    rows = (
        (_uuid(4, n // each % BASES), n // each % BASES + 1, _uuid(5, n // each),
         _uuid(6, n // each), n % each, _sentence(chance, 60), "Chapter", n, n + 300, 384)
        for n in range(each * documents)
    )  # fmt: skip
    names = ("base", "generation", "document", "version", "ordinal", "text", "heading_path",
             "start", "end", "dimensions")  # fmt: skip
    _fill(Chunk, names, rows, say)


def _releases(people: list[UUID], say: Say) -> None:
    from configs.models import Config, Release

    rows: Iterator[tuple[Any, ...]] = (
        (n, people[n % PEOPLE], f"reason {n}", f"answers.number{n % 200}", _at(n / RELEASES))
        for n in range(2, RELEASES)
    )
    _fill(Release, ("version", "author", "reason", "summary", "created_at"), rows, say)
    past = Config.history.model
    rows = (
        (n, n % 200 + 1, f"answers.number{n % 200}", json.dumps(n), n // 200 + 1,
         _at(n / RELEASES / 20), "~", people[n % PEOPLE], START, START)
        for n in range(1, RELEASES * 20)
    )  # fmt: skip
    names = ("history_id", "id", "key", "value", "version", "history_date", "history_type",
             "history_user_id", "created_at", "updated_at")  # fmt: skip
    held = tuple(n for n in names if n in {f.name for f in past._meta.concrete_fields})
    keep = [names.index(n) for n in held]
    _fill(past, held, (tuple(row[i] for i in keep) for row in rows), say)


def _audit(count: int, say: Say) -> None:
    """Store a chain that verifies: as the entries' digests and the trigger's seals would be."""
    from configs.models import AuditEntry, AuditHead

    _run("DELETE FROM configs_auditentry")
    _run("DELETE FROM configs_audithead")
    _run("DROP INDEX IF EXISTS audit_words")
    end = {"seal": ""}
    names = ("id", "position", "at", "actor", "actor_name", "action", "object_type", "object_id",
             "object_name", "old", "new", "reason", "detail", "request_id", "ip", "door", "key_id",
             "digest", "follows", "seal")  # fmt: skip
    _copy(AuditEntry, names, _entries(count, end), say)
    head = (1, count, end["seal"])
    _copy(AuditHead, ("id", "position", "seal"), [head], say)
    begun = time.monotonic()
    _run(
        "CREATE INDEX audit_words ON configs_auditentry USING gin "
        "((object_name || ' ' || object_id || ' ' || actor_name || ' ' || reason) gin_trgm_ops)"
    )
    _run(f"SELECT setval(pg_get_serial_sequence('configs_auditentry', 'id'), {count})")
    say(f"index of the words in {time.monotonic() - begun:.0f} s")


def _entries(count: int, end: dict[str, str]) -> Iterator[tuple[Any, ...]]:
    from configs.audit import sealing

    chance, key_id = Random(3), sealing.newest_key()
    key, before = sealing.known_keys()[key_id], ""
    for n in range(count):
        person = n * 7 % PEOPLE
        values: dict[str, Any] = {
            "at": _at(n / count),
            "actor_id": _uuid(1, person),
            "actor_name": f"person{person:04}",
            "action": "config.roll_back" if n % 50_000 == 0 else ACTS[n % len(ACTS)],
            "object_type": ("user", "conversation", "document", "setting")[n % 4],
            "object_id": str(_uuid(5, n % 20_000)),
            "object_name": f"{_sentence(chance, 3)} {n}.pdf",
            "old": {"value": n},
            "new": {"value": n + 1},
            "reason": _sentence(chance, 6),
            "detail": {},
            "request_id": f"{n // 2:032x}",
            "ip": f"10.{n % 200}.{n // 200 % 200}.7",
            "door": "admin",
            "key_id": key_id,
            "follows": n,
        }
        digest = sealing.digest(values, before, key)
        before = sealing.seal(before, n + 1, n + 1, digest)
        follows = values.pop("follows")
        for name in ("old", "new", "detail"):
            values[name] = json.dumps(values[name])
        yield (n + 1, n + 1, *values.values(), digest, follows, before)
    end["seal"] = before


def _settle(say: Say) -> None:
    """Leave the tables as autovacuum would: with statistics and a map of what is visible."""
    begun = time.monotonic()
    for table in ("configs_auditentry", "conversations_message", "conversations_conversation",
                  "knowledge_document", "knowledge_documentversion", "knowledge_chunk",
                  "configs_release", "configs_historicalconfig", "accounts_user"):  # fmt: skip
        _run(f"VACUUM ANALYZE {table}")
    say(f"vacuumed in {time.monotonic() - begun:.0f} s ({os.cpu_count()} cores)")
