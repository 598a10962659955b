"""A change of keys: every stored secret gets the newest key's seal, and nothing else changes."""

import pytest
from cryptography.fernet import Fernet
from django.db import DatabaseError, connection, transaction

from configs import audit, changesets, checks, crypto, rotation, services
from configs.changesets import FreeKey
from configs.fields import Sealed
from configs.models import AuditEntry, Config, ModelEndpoint
from tests.configs.keys import NEW, OLD

SECRET = "sk-canary-4711-0815"
KEY = "shop.token"
ENDPOINT = "zhipu-embedding-3"
STORED = 10
"""Two rows with two history rows each, and the four changes that made them."""


@pytest.fixture
def stored(settings, olga):
    """Secrets of an installation under the old key: a setting, an endpoint, and their history."""
    settings.FIELD_KEYS = [OLD]
    for number in (1, 2):
        drafted = changesets.open_draft(title="t", actor=olga)
        value = FreeKey("text", f"{SECRET}-{number}", is_sensitive=True)
        changesets.draft(change_set=drafted, kind="setting", target=KEY, value=value, actor=olga)
        changesets.submit(change_set=drafted, actor=olga, reason="r")
        services.change_endpoint(
            name=ENDPOINT, changes={"api_key": f"{SECRET}-{number}"}, actor=olga, reason="r"
        )
    settings.FIELD_KEYS = [NEW, OLD]
    with connection.cursor() as cursor:  # as a commit does: keys change long after
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def texts() -> dict[tuple[str, object], str]:
    return {
        (shelf.name, pk): text
        for shelf in rotation.shelves()
        for pk, text in shelf.sealed().values_list("pk", "stored")
    }


def plain_texts() -> list[str]:
    return [
        *(crypto.decrypt(row.value, f"config:{KEY}") for row in Config.history.filter(key=KEY)),
        Config.objects.get(key=KEY).plain,
        ModelEndpoint.objects.get(name=ENDPOINT).api_key,
        *(row.api_key for row in ModelEndpoint.history.filter(name=ENDPOINT) if row.api_key),
    ]


def test_rotate__older_seals__are_renewed_with_the_history_and_open_without_the_old_key(
    stored, settings
):
    before, opened = texts(), plain_texts()
    seen = []
    report = rotation.rotate(actor=None, step=seen.append)
    assert (report.renewed, report.left, report.unreadable) == (len(before), 0, ())
    assert sum(seen) == len(before) == STORED
    after = texts()
    assert after.keys() == before.keys()
    assert all(crypto.is_newest(text) for text in after.values())
    assert [t.split(":")[-1] for t in after.values()] == [t.split(":")[-1] for t in before.values()]
    settings.FIELD_KEYS = [NEW]
    assert plain_texts() == opened
    assert AuditEntry.objects.get(action=audit.actions.KEYS_ROTATE).detail["renewed"] == STORED


def test_rotate__again__finds_nothing_to_do(stored):
    rotation.rotate(actor=None)
    before = texts()
    assert rotation.rotate(actor=None).renewed == 0
    assert texts() == before
    assert AuditEntry.objects.filter(action=audit.actions.KEYS_ROTATE).count() == 1


def test_rotate__dry_run__changes_nothing(stored):
    before = texts()
    report = rotation.rotate(actor=None, dry_run=True)
    assert (report.renewed, report.left) == (STORED, STORED)
    assert texts() == before
    assert not AuditEntry.objects.filter(action=audit.actions.KEYS_ROTATE).exists()


def test_rotate__interrupted__goes_on_where_it_ended(stored, monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 2)
    looked_at = []

    def stop(count: int) -> None:
        looked_at.append(count)
        if len(looked_at) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation.rotate(actor=None, step=stop)
    left = rotation.stale()
    assert 0 < left < STORED
    assert rotation.rotate(actor=None).renewed == left
    assert rotation.stale() == 0


def test_rotate__first_format__is_bound_to_its_place(stored, settings):
    token = Fernet(OLD).encrypt(SECRET.encode()).decode()
    row = ModelEndpoint.objects.get(name="zhipu-glm")
    row.api_key, row.version = Sealed(f"enc:v1:{token}"), row.version + 1
    row.save()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    rotation.rotate(actor=None)
    settings.FIELD_KEYS = [NEW]
    row = ModelEndpoint.objects.get(pk=row.pk)
    assert vars(row)["api_key"].startswith("enc:v2:")
    assert row.api_key == SECRET


def test_rotate__a_key_is_gone__names_the_rows_and_renews_the_others(stored, settings):
    settings.FIELD_KEYS = [NEW]
    gone = rotation.missing_keys()
    assert list(gone.values()) == [STORED]
    [warning] = checks.secrets_open(databases=["default"])
    assert next(iter(gone)) in warning.msg
    report = rotation.rotate(actor=None)
    assert (report.renewed, report.left) == (0, STORED)
    assert {each.key for each in report.unreadable} == set(gone)
    assert KEY in {each.whose for each in report.unreadable}
    settings.FIELD_KEYS = [NEW, OLD]
    assert checks.secrets_open(databases=["default"]) == []


def test_check__without_a_database__says_nothing():
    assert checks.secrets_open() == []


def test_history__with_the_setting_that_lets_seals_change__changes_in_nothing_else(stored):
    past = ModelEndpoint.history.filter(name=ENDPOINT).first()
    [sealed] = type(past).objects.filter(pk=past.pk).values_list("api_key", flat=True)
    forged = Sealed(crypto.encrypt("another secret", f"api_key:{past.id}"))
    moved = Sealed(crypto.rewrap(sealed).rpartition(":")[0] + ":" + forged.rpartition(":")[2])
    for change in (
        {"api_key": forged},
        {"api_key": moved},
        {"api_key": Sealed("")},
        {"api_key": Sealed(crypto.rewrap(sealed)), "model": "another"},
        {"history_change_reason": "another"},
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            _update_while_seals_may_change(past, change)
    with pytest.raises(DatabaseError), transaction.atomic():
        type(past).objects.filter(pk=past.pk).update(api_key=Sealed(crypto.rewrap(sealed)))


def _update_while_seals_may_change(past, change) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL clawai.rewrapping = 'on'")
    type(past).objects.filter(pk=past.pk).update(**change)
