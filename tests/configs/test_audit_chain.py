"""The audit log's chain: acts are sealed at their commit, and nobody changes them unnoticed."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from configs import audit, origin
from configs.audit import sealing
from configs.models import AuditEntry, AuditHead
from conversations.models import Conversation
from tests.factories import ConversationFactory, UserFactory

pytestmark = pytest.mark.django_db


def sealed() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def sql(*statements: str) -> None:
    """Act as the owner of the tables who switches the guards off."""
    tables = ("configs_auditentry", "configs_audithead")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            cursor.execute(statement)
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def reseal() -> None:
    """Write positions, seals and head anew, as one can who knows everything but the keys."""
    before, last = "", 0
    for entry in AuditEntry.objects.order_by("position"):
        last += 1
        before = sealing.seal(before, last, entry.pk, entry.digest)
        sql(f"UPDATE configs_auditentry SET position={last}, seal='{before}' WHERE id={entry.pk}")
    sql(f"UPDATE configs_audithead SET position={last}, seal='{before}'")


@pytest.fixture
def chain(db: None) -> list[AuditEntry]:
    """Eight sealed entries, each recorded after the one before."""
    for number in range(8):
        audit.record(
            action="config.change",
            object_type="setting",
            object_id=f"answers.number{number}",
            old={"value": number, "text": "旧"},
            new={"value": number + 0.5, "list": [1.0, 1e16, 1e-7, 2**70, True, None]},
        )
        sealed()
    return list(AuditEntry.objects.order_by("position"))


class TestRecording:
    def test_record__in_a_request__keeps_origin_actor_and_both_values(self, alice: User) -> None:
        here = origin.Origin(request_id="abcdefgh", ip="2001:db8::7", door="admin")
        with origin.of(here):
            audit.record(
                action=audit.actions.CONFIG_CHANGE,
                actor=alice,
                object_type="setting",
                object_id="a.b",
                old=1,
                new=2,
                reason="why not",
                detail={"n": 1},
            )
        entry = AuditEntry.objects.get()
        assert (entry.actor_id, entry.actor_name) == (alice.pk, "alice")
        assert (entry.old, entry.new, entry.reason, entry.detail) == (1, 2, "why not", {"n": 1})
        assert (entry.request_id, entry.ip, entry.door) == ("abcdefgh", "2001:db8::7", "admin")

    def test_record__values_that_json_writes_in_many_ways__still_proves_whole(
        self, chain: list[AuditEntry]
    ) -> None:
        values = [1.0, -0.0, 1e22, 5e-324, 0.1, float("nan"), float("inf"), 10**400, "\x00\ud800"]
        audit.record(
            action="x", old=values, new={1: {"b": (1,), "a": {UUID(int=1)}}}, reason="nul\x00"
        )
        sealed()
        assert audit.verify().fault is None

    def test_record__what_looks_like_a_secret__is_dots(self) -> None:
        audit.record(
            action="x",
            new={"header": "Bearer eyJabcdefghij.klmnop.qrstuv"},
            reason="sk-abcdefghijklmnopqrst",
        )
        entry = AuditEntry.objects.get()
        assert "abcdefgh" not in str(entry.new) + entry.reason

    def test_record__rolled_back__leaves_neither_entry_nor_position(self) -> None:
        with transaction.atomic():
            audit.record(action="x")
            transaction.set_rollback(True)
        audit.record(action="y")
        sealed()
        assert list(AuditEntry.objects.values_list("action", "position")) == [("y", 1)]


class TestGuards:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE configs_auditentry SET reason = 'other'",
            "UPDATE configs_auditentry SET position = position + 100",
            "UPDATE configs_auditentry SET seal = ''",
            "DELETE FROM configs_auditentry",
            "UPDATE configs_audithead SET position = 1",
            "UPDATE configs_audithead SET position = position + 1, seal = 'x'",
            "DELETE FROM configs_audithead",
            "INSERT INTO configs_audithead VALUES (2, 0, '')",
            "INSERT INTO configs_auditentry (position, seal, at, actor_name, action, object_type,"
            " object_id, object_name, reason, detail, request_id, door, key_id, digest, follows)"
            " VALUES (99, 'x', now(), '', 'x', '', '', '', '', '{}', '', '', '', '', 0)",
        ],
    )
    def test_tables__direct_sql__is_refused(self, chain: list[AuditEntry], statement: str) -> None:
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
        assert audit.verify().fault is None

    def test_entry__of_the_same_transaction__cannot_be_changed_either(self) -> None:
        audit.record(action="x")
        with pytest.raises(IntegrityError), transaction.atomic():
            AuditEntry.objects.update(position=1, seal="mine")
        with pytest.raises(IntegrityError), transaction.atomic():
            AuditEntry.objects.all().delete()

    def test_truncate__of_an_installation__is_refused(self, chain: list[AuditEntry]) -> None:
        with connection.cursor() as cursor:
            for table, name in (
                ("configs_auditentry", "audit_no_truncate"),
                ("configs_audithead", "audit_head_no_truncate"),
            ):
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {name}")
                with pytest.raises(IntegrityError), transaction.atomic():
                    cursor.execute(f"TRUNCATE {table}")
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")


ATTACKS = {
    "reason altered": ("UPDATE configs_auditentry SET reason='other' WHERE position=4", 4),
    "author altered": ("UPDATE configs_auditentry SET actor_name='eve' WHERE position=4", 4),
    "time altered": ("UPDATE configs_auditentry SET at=at+interval '1 us' WHERE position=4", 4),
    "value altered": (
        "UPDATE configs_auditentry SET new=jsonb_set(new,'{value}','9') WHERE position=4", 4),
    "address altered": ("UPDATE configs_auditentry SET ip='10.0.0.1' WHERE position=4", 4),
    "digest altered": (
        "UPDATE configs_auditentry SET digest=repeat('0',64) WHERE position=4", 4),
    "key's name altered": ("UPDATE configs_auditentry SET key_id='none' WHERE position=4", 4),
    "recorded-after altered": ("UPDATE configs_auditentry SET follows=1 WHERE position=4", 4),
    "removed in the middle": ("DELETE FROM configs_auditentry WHERE position=4", 4),
    "removed at the start": ("DELETE FROM configs_auditentry WHERE position=1", 1),
    "removed at the end": ("DELETE FROM configs_auditentry WHERE position=8", 8),
    "all removed": ("DELETE FROM configs_auditentry", 1),
    "head altered": ("UPDATE configs_audithead SET seal=repeat('0',64)", 8),
    "head set back": ("UPDATE configs_audithead SET position=7", 8),
    "head removed": ("DELETE FROM configs_audithead", 8),
    "two swapped": (
        "UPDATE configs_auditentry SET position=-1 WHERE position=4;"
        "UPDATE configs_auditentry SET position=4 WHERE position=5;"
        "UPDATE configs_auditentry SET position=5 WHERE position=-1", 4),
    "content moved to another row": (
        "UPDATE configs_auditentry a SET reason=b.reason, old=b.old, new=b.new, at=b.at,"
        " object_id=b.object_id, digest=b.digest, follows=b.follows"
        " FROM configs_auditentry b WHERE a.position=4 AND b.position=5", 4),
    "row inserted without a seal": (
        "INSERT INTO configs_auditentry (seal, at, actor_name, action, object_type, object_id,"
        " object_name, reason, detail, request_id, door, key_id, digest, follows)"
        " SELECT '', at, 'eve', action, object_type, object_id, object_name, reason, detail,"
        " request_id, door, key_id, digest, follows FROM configs_auditentry WHERE position=4", 9),
    "row inserted behind the end": (
        "INSERT INTO configs_auditentry (position, seal, at, actor_name, action, object_type,"
        " object_id, object_name, reason, detail, request_id, door, key_id, digest, follows)"
        " SELECT 9, seal, at, actor_name, action, object_type, object_id, object_name, reason,"
        " detail, request_id, door, key_id, digest, follows FROM configs_auditentry"
        " WHERE position=8", 9),
}  # fmt: skip


class TestVerification:
    def test_verify__untouched__is_whole_and_tells_the_head(self, chain: list[AuditEntry]) -> None:
        verdict = audit.verify()
        assert (verdict.fault, verdict.checked) == (None, 8)
        assert verdict.head == audit.Head(8, chain[-1].seal)

    @pytest.mark.parametrize("attack", ATTACKS)
    def test_verify__attack_with_sql__finds_the_first_bad_position(
        self, chain: list[AuditEntry], attack: str
    ) -> None:
        statement, position = ATTACKS[attack]
        sql(*statement.split(";"))
        fault = audit.verify().fault
        assert fault is not None
        assert fault.position == position
        assert fault.why

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM configs_auditentry WHERE position=4",
            "DELETE FROM configs_auditentry WHERE position<=4",
            "UPDATE configs_auditentry SET position=-1 WHERE position=4;"
            "UPDATE configs_auditentry SET position=4 WHERE position=5;"
            "UPDATE configs_auditentry SET position=5 WHERE position=-1",
            "UPDATE configs_auditentry SET reason='other' WHERE position=8",
            ATTACKS["row inserted behind the end"][0],
        ],
    )
    def test_verify__the_whole_chain_written_anew_after_an_attack__finds_it(
        self, chain: list[AuditEntry], statement: str
    ) -> None:
        sql(*statement.split(";"))
        reseal()
        assert audit.verify().fault is not None

    def test_verify__two_of_one_commit_swapped_and_all_written_anew__later_digests_tell(
        self, chain: list[AuditEntry]
    ) -> None:
        audit.record(action="first")
        audit.record(action="second")
        sealed()
        audit.record(action="after")
        sealed()
        sql(
            "UPDATE configs_auditentry SET position=-1 WHERE position=9",
            "UPDATE configs_auditentry SET position=9 WHERE position=10",
            "UPDATE configs_auditentry SET position=10 WHERE position=-1",
        )
        reseal()
        fault = audit.verify().fault
        assert fault
        assert fault.position == 11

    def test_verify__end_cut_off_and_head_rewritten__is_found_by_what_was_noted(
        self, chain: list[AuditEntry]
    ) -> None:
        noted = audit.head()
        sql("DELETE FROM configs_auditentry WHERE position>=7")
        reseal()
        assert audit.verify().fault is None  # nothing inside the database can tell
        fault = audit.verify(expected=noted).fault
        assert fault
        assert fault.position == 7

    def test_verify__noted_head__holds_after_more_entries(self, chain: list[AuditEntry]) -> None:
        noted = audit.head()
        audit.record(action="more")
        sealed()
        assert audit.verify(expected=noted).fault is None
        wrong = audit.Head(noted.position, "0" * 64)
        fault = audit.verify(expected=wrong).fault
        assert fault
        assert fault.position == 8

    def test_verify__from_a_position__leaves_what_is_before_unchecked(
        self, chain: list[AuditEntry]
    ) -> None:
        sql("UPDATE configs_auditentry SET reason='other' WHERE position=2")
        verdict = audit.verify(first=4)
        assert (verdict.fault, verdict.checked) == (None, 5)

    def test_verify__seals_no_longer_at_hand__are_looked_up(
        self, chain: list[AuditEntry], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("configs.audit.verification.SEALS_AT_HAND", 1)
        with transaction.atomic():
            audit.record(action="late")
        sealed()
        assert audit.verify().fault is None

    def test_verify__keys_turned_over__old_entries_hold_while_their_key_is_there(
        self, chain: list[AuditEntry], settings: pytest.FixtureRequest
    ) -> None:
        old = list(settings.FIELD_KEYS)
        new = "A" * 43 + "="
        settings.FIELD_KEYS = [new, *old]
        audit.record(action="after")
        sealed()
        assert audit.verify().fault is None
        settings.FIELD_KEYS = [new]
        fault = audit.verify().fault
        assert fault
        assert fault.position == 1
        assert "CLAWAI_FIELD_KEYS" in fault.why


@pytest.mark.django_db(transaction=True)
class TestCommits:
    @pytest.fixture(autouse=True)
    def closed(self) -> Iterator[None]:
        yield
        connection.close()

    def test_record__many_commits_at_once__positions_are_contiguous(self) -> None:
        def work() -> None:
            audit.record(action="a")
            audit.record(action="b")

        for _ in range(10):
            run(work, work, work, work)
        verdict = audit.verify()
        assert (verdict.fault, verdict.checked) == (None, 80)
        assert list(AuditEntry.objects.order_by("position").values_list("position", flat=True)) == (
            list(range(1, 81))
        )

    def test_record__head_gone_with_a_flush__begins_anew(self) -> None:
        assert not AuditHead.objects.exists()
        audit.record(action="first")
        assert audit.verify().checked == 1

    def test_commit__while_another_holds_a_row_that_it_refers_to__no_deadlock(self) -> None:
        conversation, other = ConversationFactory.create(), UserFactory.create()
        locked, recorded = threading.Event(), threading.Event()

        def refer() -> None:
            audit.record(action="refers")
            # Its foreign key is checked at the commit, and waits for the new owner's row.
            Conversation.objects.filter(pk=conversation.pk).update(owner=other)
            recorded.set()
            locked.wait(5)

        def hold() -> None:
            recorded.wait(5)
            User.objects.select_for_update().get(pk=other.pk)
            locked.set()
            audit.record(action="holds")
            time.sleep(0.3)

        run(refer, hold)
        assert audit.verify().checked == 2


def run(*works: Callable[[], None]) -> None:
    """Do each work in a thread and a transaction of its own; let what fails be seen."""

    def alone(work: Callable[[], None]) -> None:
        try:
            with transaction.atomic():
                work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(alone, works))
