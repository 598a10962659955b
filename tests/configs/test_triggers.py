"""No way around versions and history: every other way of changing a steering row is refused."""

import json
from importlib import import_module
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from configs import changesets, crypto, origin, registry, services
from configs.fields import Sealed
from configs.models import Config, ConfigOverride, ModelEndpoint, PromptTemplate, Release
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
KEY = registry.RETRIEVAL_TOP_K.key
MODELS = [Config, ConfigOverride, ModelEndpoint, PromptTemplate]
HERE = origin.Origin("req-7", "192.0.2.7", "admin")


@pytest.fixture
def role():
    return Group.objects.create(name="trainee")


@pytest.fixture
def rows(olga, role):
    """One row of each kind, as the services left them, all committed checks done."""
    services.change_setting(key=KEY, value=8, actor=olga, reason="r")
    services.change_override(key="answers.per_user", group=role, value=5, actor=olga)
    at_commit()
    return {
        Config: Config.objects.get(key=KEY),
        ConfigOverride: ConfigOverride.objects.get(group=role),
        ModelEndpoint: ModelEndpoint.objects.get(name="zhipu-glm"),
        PromptTemplate: PromptTemplate.objects.get(name="title"),
    }


def at_commit():
    """Check now what is checked at the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def refused(act, words):
    with pytest.raises(IntegrityError, match=words):
        attempt(act)


@transaction.atomic
def attempt(act):
    act()
    at_commit()


def sql(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


FIELD = {Config: "value", ConfigOverride: "value", ModelEndpoint: "model", PromptTemplate: "text"}


@pytest.mark.parametrize("model", MODELS)
def test_row__changed_past_its_version__is_refused(rows, model):
    row, field = rows[model], FIELD[model]
    these = model.objects.filter(pk=row.pk)
    refused(lambda: these.update(**{field: "7"}), "publish the change")
    refused(lambda: these.update(**{field: "7"}, version=row.version + 2), "publish the change")
    refused(lambda: these.update(version=row.version - 1), "publish the change")
    setattr(row, field, "7")
    refused(row.save, "publish the change")
    refused(lambda: model.objects.bulk_update([row], [field]), "publish the change")
    table = model._meta.db_table
    refused(lambda: sql(f"UPDATE {table} SET {field} = '7' WHERE id = %s", row.pk), "publish")


@pytest.mark.parametrize("model", MODELS)
def test_row__stepped_without_history__is_refused_at_the_commit(rows, model):
    row, field = rows[model], FIELD[model]
    these = model.objects.filter(pk=row.pk)
    refused(lambda: these.update(**{field: "7"}, version=row.version + 1), "no history row")
    refused(lambda: these._raw_delete(these.db), "no history row")
    row.pk, row.version = None, 1
    if model is not ConfigOverride:
        setattr(row, "key" if model is Config else "name", "another")
        if model is ModelEndpoint:
            row.id = uuid4()
        refused(lambda: model.objects.bulk_create([row]), "no history row")


def test_row__history_says_something_else__is_refused(rows):
    row = rows[Config]

    def act():
        row.version += 1
        row.value = "9"
        row.save()
        sql("UPDATE configs_config SET value = '10', version = version + 1 WHERE id = %s", row.pk)
        row.refresh_from_db()
        forged = row.history.latest()
        forged.history_id, forged.version = None, row.version
        forged._state.adding = True
        forged.save(force_insert=True)

    refused(act, "something else")


def test_history__forged_ahead_or_twice__is_refused(rows):
    for version in (rows[Config].version, rows[Config].version + 1, 0):

        def act(version=version):
            forged = rows[Config].history.latest()
            forged.history_id, forged.version = None, version
            forged._state.adding = True
            forged.save(force_insert=True)

        refused(act, "no change that was made")


@pytest.mark.parametrize("model", [*(each.history.model for each in MODELS), Release])
def test_history_and_releases__changed_or_deleted__are_refused(rows, olga, model):
    these = model.objects.all()
    text = "reason" if model is Release else "history_change_reason"
    refused(lambda: these.update(**{text: "Another"}), "never changed")
    refused(lambda: these._raw_delete(these.db), "never changed")
    refused(lambda: sql(f"DELETE FROM {model._meta.db_table}"), "never changed")


def test_truncate__every_table__has_a_guard():
    """The guards themselves are off in the database of tests, whose flush truncates."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger"
            " WHERE tgfoid = 'steering_no_truncate'::regproc"
        )
        guarded = {name for (name,) in cursor.fetchall()}
        cursor.execute("ALTER TABLE configs_historicalconfig ENABLE TRIGGER ALL")
    wanted = {each._meta.db_table for each in MODELS}
    wanted |= {each.history.model._meta.db_table for each in MODELS} | {"configs_release"}
    assert guarded == wanted
    refused(lambda: sql("TRUNCATE configs_historicalconfig"), "not emptied")


def test_release__out_of_order__is_refused():
    for version in (1, 3, 0):
        refused(lambda version=version: Release.objects.create(version=version), "release")


def test_person__deleted__leaves_rows_and_their_history(role):
    leaver = UserFactory.create(username="leaver")
    row = Config.objects.create(key="own.key", value="1", value_type="integer", updated_by=leaver)
    at_commit()
    pk = leaver.pk
    leaver.delete()
    at_commit()
    row.refresh_from_db()
    assert (row.updated_by, row.version) == (None, 1)
    assert row.history.get().updated_by_id == pk


def test_role__deleted__takes_its_exceptions_along_with_a_history_row(rows, role):
    pk = rows[ConfigOverride].pk
    with origin.of(HERE):
        role.delete()
    at_commit()
    past = ConfigOverride.history.filter(id=pk).order_by("history_id")
    assert [(row.version, row.history_type) for row in past] == [(1, "+"), (2, "-")]
    assert past[1].ip == "192.0.2.7"


def test_seal__renewed__changes_nothing_else(rows, olga):
    services.change_endpoint(
        name="zhipu-glm", changes={"api_key": "a-secret-4711", "position": 2000},
        actor=olga, reason="r",
    )  # fmt: skip
    at_commit()
    these = ModelEndpoint.objects.filter(name="zhipu-glm")
    [stored] = these.values_list("api_key", flat=True)
    fresh, other = Sealed(crypto.rewrap(stored)), Sealed(crypto.encrypt("another"))
    refused(lambda: these.update(api_key=fresh), "publish")
    sql("SET LOCAL clawai.rewrapping = 'on'")
    refused(lambda: these.update(api_key=other), "publish")
    refused(lambda: these.update(api_key=fresh, model="x"), "publish")
    these.update(api_key=fresh)
    at_commit()
    assert these.get().api_key == "a-secret-4711"


# --- Every supported way leaves exactly one history row ------------------------------------------
def by_service(olga):
    services.change_setting(key=KEY, value=9, actor=olga, reason="Why")


def by_change_set(olga):
    found = changesets.open_draft(title="t", actor=olga)
    changesets.draft(change_set=found, kind="setting", target=KEY, value=9, actor=olga)
    changesets.submit(change_set=found, actor=olga, reason="Why")


def by_reset(olga):
    services.reset_setting(key=KEY, actor=olga, reason="Why")


def by_roll_back(olga):
    services.roll_back(key=KEY, version=1, actor=olga, reason="Why")


def by_release(olga):
    changesets.roll_back_release(version=1, actor=olga, reason="Why")


@pytest.mark.parametrize("way", [by_service, by_change_set, by_reset, by_roll_back, by_release])
def test_change__by_each_way__leaves_one_history_row_with_all_it_needs(olga, rows, way):
    before = Config.history.filter(key=KEY).count()
    with origin.of(HERE):
        way(olga)
    at_commit()
    assert Config.history.filter(key=KEY).count() == before + 1
    newest = Config.history.filter(key=KEY).latest()
    assert (newest.version, newest.history_user, newest.history_change_reason) == (2, olga, "Why")
    assert (newest.ip, newest.request_id) == ("192.0.2.7", "req-7")
    assert newest.release_version == Release.objects.first().version
    assert Config.objects.get(key=KEY).version == 2


@pytest.mark.django_db(transaction=True)
def test_commit__of_a_bypass__is_refused_and_nothing_of_it_stays():
    import_module("configs.migrations.0003_first_release").seed(apps, None)
    with pytest.raises(IntegrityError, match="no history row"), transaction.atomic():
        PromptTemplate.objects.filter(name="title").update(text="x", version=2)
    assert PromptTemplate.objects.get(name="title").version == 1
    with pytest.raises(IntegrityError, match="no history row"):
        Config.objects.bulk_create([Config(key="own.key", value=json.dumps(1))])
    assert not Config.objects.exists()


def test_migrations__say_what_the_models_say():
    call_command("makemigrations", "configs", check=True, dry_run=True, verbosity=0)
