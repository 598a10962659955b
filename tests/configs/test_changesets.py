"""Drafts of several changes: what they say, what is refused, and the way back."""

import pytest
from django.contrib.auth.models import Group

from configs import changesets, origin, registry, runtime, services
from configs.changesets import FreeKey
from configs.errors import Conflict, Invalid, NotFound
from configs.models import (
    AuditEntry,
    ChangeSet,
    Config,
    ConfigOverride,
    ModelEndpoint,
    PromptTemplate,
    Release,
)
from tests.configs.drafts import TOP_K, acts, drafted, publish, top_k

pytestmark = pytest.mark.django_db
CANARY = "canary-secret-4711"
FAKE = {"kind": "chat", "provider": "fake", "position": 1}
State = ChangeSet.State


@pytest.fixture
def secret(monkeypatch):
    setting = registry.Setting(
        "test.secret", "", "A secret.", registry.Group.BRANDING, sensitive=True
    )
    monkeypatch.setitem(registry.SETTINGS, setting.key, setting)
    return setting


@pytest.fixture
def researchers():
    return Group.objects.create(name="researchers")


# --- One set of many changes ---------------------------------------------------------------------
def test_submit__all_kinds__are_one_release_with_one_history_row_each(olga, researchers):
    found = drafted(
        olga,
        ("setting", TOP_K, 9),
        ("setting", "house.motto", FreeKey("text", "Ask first.", "Our motto", is_public=True)),
        ("prompt", "title", "Name it: {question}"),
        ("endpoint", "local-extractive", {"position": 2000}),
    )
    changesets.draft(
        change_set=found, kind="override", target="answers.per_user", value=9,
        group=researchers, actor=olga,
    )  # fmt: skip
    changesets.draft(
        change_set=found, kind="endpoint", target="ollama", action="create", actor=olga,
        value={"kind": "chat", "provider": "openai_compatible", "position": 3000},
    )  # fmt: skip
    assert Release.objects.count() == 1
    with origin.of(origin.Origin("req-1", "192.0.2.7", "admin")):
        publish(found, olga, reason="Spring")
    assert (found.state, found.release_id) == (State.PUBLISHED, 2)
    for model, names in (
        (Config, {"key": TOP_K}), (Config, {"key": "house.motto"}),
        (PromptTemplate, {"name": "title"}), (ModelEndpoint, {"name": "local-extractive"}),
        (ModelEndpoint, {"name": "ollama"}), (ConfigOverride, {"key": "answers.per_user"}),
    ):  # fmt: skip
        [row] = model.history.filter(**names, release_version=2)
        assert row.version == model.objects.get(**names).version
        assert (row.history_user, row.history_change_reason) == (olga, "Spring")
        assert (row.request_id, row.ip) == ("req-1", "192.0.2.7")
    snapshot = runtime.refresh()
    assert snapshot.get(registry.ANSWERS_PER_USER, [researchers.pk]) == 9
    assert snapshot.free("house.motto") == "Ask first."
    assert acts().count("config.change") == 6
    assert acts()[-1] == "config.publish"


def test_draft__same_target_again__replaces_and_takes_the_new_base():
    found = top_k(None, 7)
    services.change_setting(key=TOP_K, value=8, actor=None)
    changesets.draft(change_set=found, kind="setting", target=TOP_K, value=9, actor=None)
    [change] = found.changes.all()
    assert (change.value, change.base_version) == ("9", 1)


@pytest.mark.parametrize(
    ("kind", "target", "value", "error"),
    [
        ("setting", TOP_K, 99, Invalid),
        ("setting", TOP_K, "6", Invalid),
        ("setting", "no.such", 1, NotFound),
        ("setting", "no\0such", 1, NotFound),
        ("setting", "retrieval.own", FreeKey("integer", 1), Invalid),
        ("setting", "own.key", FreeKey("number", "one"), Invalid),
        ("setting", "own.key", FreeKey("oracle", 1), Invalid),
        ("setting", "own.key", FreeKey("text", "x", is_public=True, is_sensitive=True), Invalid),
        ("setting", TOP_K, FreeKey("integer", 7), Invalid),
        ("setting", "governance.four_eyes", "answer.*", Invalid),
        ("override", "answers.per_user", 5, Invalid),
        ("override", TOP_K, 5, Invalid),
        ("endpoint", "none", {"position": 1}, NotFound),
        ("endpoint", "zhipu-glm", {"positron": 1}, Invalid),
        ("endpoint", "zhipu-glm", {"parameters": {"stop": "a\0"}}, Invalid),
        ("endpoint", "zhipu-glm", {"model": "a\0"}, Invalid),
        ("endpoint", "zhipu-glm", "fast", Invalid),
        ("prompt", "title", "{unclosed", Invalid),
        ("prompt", "none", "words", NotFound),
        ("oracle", "x", 1, Invalid),
    ],
)
def test_draft__not_valid_alone__is_refused_and_kept_nowhere(kind, target, value, error):
    found = changesets.open_draft(title="t", actor=None)
    with pytest.raises(error):
        changesets.draft(change_set=found, kind=kind, target=target, value=value, actor=None)
    assert not found.changes.exists()


def test_draft__environment_fixes_it__is_refused_then_and_at_publication(monkeypatch):
    found = top_k(None, 7)
    monkeypatch.setenv("CLAWAI_RETRIEVAL_TOP_K", "5")
    with pytest.raises(Conflict, match="CLAWAI_RETRIEVAL_TOP_K"):
        top_k(None, 8)
    assert [each.code for each in changesets.problems(found)] == ["locked"]
    with pytest.raises(Conflict, match="CLAWAI_RETRIEVAL_TOP_K"):
        publish(found)


def test_submit__rules_across_keys__count_the_whole_set():
    alone = drafted(None, ("setting", "chunking.overlap", 300))
    assert [each.code for each in changesets.problems(alone)] == ["rule"]
    with pytest.raises(Invalid, match="overlap"):
        publish(alone)
    together = drafted(
        None, ("setting", "chunking.overlap", 300), ("setting", "chunking.tokens", 600)
    )
    assert not changesets.problems(together)
    publish(together)
    assert runtime.build().get(registry.CHUNKING_OVERLAP) == 300


def test_submit__somebody_was_quicker__is_stale_and_says_so():
    found = top_k(None, 7)
    services.change_setting(key=TOP_K, value=8, actor=None)
    [difference] = changesets.differences(found)
    assert (difference.stale, difference.old, difference.new) == (True, "8", "7")
    with pytest.raises(Conflict, match="version 1"):
        publish(found)
    assert Config.objects.get(key=TOP_K).plain == 8


def test_submit__removed_and_made_again__is_stale_too(researchers):
    override = {"key": "answers.per_user", "group": researchers}
    services.change_override(**override, value=5, actor=None)
    found = changesets.open_draft(title="t", actor=None)
    changesets.draft(
        change_set=found, kind="override", target="answers.per_user", value=7,
        group=researchers, actor=None,
    )  # fmt: skip
    services.drop_override(**override, actor=None)
    again = services.change_override(**override, value=6, actor=None)
    assert again.version == 3
    with pytest.raises(Conflict):
        publish(found)
    versions = ConfigOverride.history.order_by("history_id").values_list("version", "history_type")
    assert list(versions) == [(1, "+"), (2, "-"), (3, "+")]


def test_submit__empty__is_refused():
    with pytest.raises(Conflict, match="no change"):
        publish(changesets.open_draft(title="t", actor=None))


def test_submit__twice__publishes_once():
    found = publish(top_k(None, 7))
    with pytest.raises(Conflict):
        publish(found)
    assert Release.objects.count() == 2


def test_drop_describe_discard__draft__leave_what_is_said(olga):
    found = drafted(olga, ("setting", TOP_K, 7), ("prompt", "title", "{question}"))
    changesets.drop(change=found.changes.get(kind="prompt"), actor=olga)
    changesets.describe(change_set=found, title="Named", reason="Because", actor=olga)
    assert (found.title, found.reason, found.changes.count()) == ("Named", "Because", 1)
    changesets.discard(change_set=found, actor=olga)
    assert found.state == State.DISCARDED
    for verb in (publish, lambda it: changesets.discard(change_set=it, actor=olga)):
        with pytest.raises(Conflict):
            verb(found)
    with pytest.raises(Conflict, match="closed"):
        changesets.draft(change_set=found, kind="setting", target=TOP_K, value=8, actor=olga)


# --- Secrets -------------------------------------------------------------------------------------
def test_secrets__drafted__are_sealed_and_shown_as_dots(secret, olga):
    found = drafted(olga, ("setting", secret.key, CANARY))
    changesets.draft(
        change_set=found, kind="endpoint", target="zhipu-glm", actor=olga,
        value={"api_key": CANARY, "position": 2000},
    )  # fmt: skip
    shown = repr(changesets.differences(found))
    stored = repr(list(found.changes.values()))
    assert "••••4711" in shown
    with pytest.raises(Invalid) as caught:
        publish(found, olga)
    assert "reason" in caught.value.errors
    publish(found, olga, reason="New keys")
    audited = repr(list(AuditEntry.objects.values()))
    compared = repr(changesets.compare(1, 2))
    assert CANARY not in shown + stored + audited + compared + repr(caught.value.errors)
    assert Config.objects.get(key=secret.key).plain == CANARY
    assert ModelEndpoint.objects.get(name="zhipu-glm").api_key == CANARY


# --- Default models ------------------------------------------------------------------------------
def test_embedding__does_not_exist_or_is_off__is_refused():
    for value in ("nowhere", "zhipu-glm", "zhipu-embedding-3"):
        found = drafted(None, ("setting", "retrieval.embedding_endpoint", value))
        assert [each.code for each in changesets.problems(found)] == ["endpoint"]
        with pytest.raises(Conflict, match=value):
            publish(found)
    off = drafted(None, ("endpoint", "local-e5", {"enabled": False}))
    with pytest.raises(Conflict, match="switched off"):
        publish(off)


def test_embedding__made_and_chosen_in_one_set__is_published():
    found = drafted(None, ("endpoint", "local-e5", {"position": 30}))
    changesets.draft(
        change_set=found, kind="endpoint", target="fake-vectors", action="create", actor=None,
        value={"kind": "embedding", "provider": "fake", "parameters": {"dimensions": 64}},
    )  # fmt: skip
    changesets.draft(
        change_set=found, kind="setting", target="retrieval.embedding_endpoint",
        value="fake-vectors", actor=None,
    )  # fmt: skip
    publish(found)
    assert runtime.build().get(registry.EMBEDDING_ENDPOINT) == "fake-vectors"


def test_default_chat__does_not_answer__is_refused_but_a_way_back_is_open():
    dead = {"kind": "chat", "provider": "openai_compatible", "position": 1,
            "base_url": "http://127.0.0.1:9/v1", "model": "m"}  # fmt: skip
    with pytest.raises(Conflict, match="test call"):
        services.create_endpoint(actor=None, values={"name": "dead", **dead})
    assert not ModelEndpoint.objects.filter(name="dead").exists()
    services.create_endpoint(actor=None, values={"name": "dead", **dead, "position": 5000})
    with pytest.raises(Conflict, match="test call"):
        services.change_endpoint(name="dead", changes={"position": 1}, actor=None)
    services.create_endpoint(actor=None, values={"name": "fake", **FAKE})
    services.delete_endpoint(name="dead", actor=None)
    services.delete_endpoint(name="fake", actor=None)
    changesets.roll_back_release(version=3, actor=None)
    assert ModelEndpoint.objects.get(name="fake").position == 1
    assert ModelEndpoint.objects.get(name="dead").position == 5000


# --- The way back --------------------------------------------------------------------------------
def test_roll_back_release__all_kinds__is_as_it_was_and_a_new_release(olga, researchers, secret):
    override = {"key": "answers.per_user", "group": researchers}
    services.change_setting(key=TOP_K, value=8, actor=olga)
    services.change_override(**override, value=5, actor=olga)
    services.change_setting(key=secret.key, value="first", actor=olga, reason="r")
    services.change_setting(key="own.key", value=FreeKey("json", [1, {"a": None}]), actor=olga)
    then = Release.objects.count()
    services.reset_setting(key=TOP_K, actor=olga)
    services.drop_override(**override, actor=olga)
    services.change_setting(key=secret.key, value="second", actor=olga, reason="r")
    services.delete_key(key="own.key", actor=olga)
    services.change_setting(key="new.key", value=FreeKey("boolean", value=True), actor=olga)
    services.change_prompt(name="title", text="Now {question}", actor=olga)
    services.delete_endpoint(name="zhipu-glm", actor=olga)
    services.change_endpoint(name="zhipu-embedding-3", changes={"name": "renamed"}, actor=olga)
    before = Release.objects.count()
    made = changesets.roll_back_release(version=then, actor=olga, reason="Undo")
    assert (made.state, made.release_id) == (State.PUBLISHED, before + 1)
    assert changesets.compare(then, before + 1) == []
    assert len(changesets.compare(then, before)) == len(changesets.differences(made)) > 7
    snapshot = runtime.refresh()
    assert snapshot.get(registry.RETRIEVAL_TOP_K) == 8
    assert snapshot.get(secret) == "first"
    assert snapshot.free("own.key") == [1, {"a": None}]
    assert snapshot.free("new.key") is None
    assert Config.history.filter(key="own.key").latest().version == 3
    with pytest.raises(Conflict, match="Nothing"):
        changesets.roll_back_release(version=then, actor=olga)
    with pytest.raises(NotFound):
        changesets.roll_back_release(version=999, actor=olga)


def test_compare__any_two__shows_what_is_different_and_nothing_else(olga):
    services.change_setting(key=TOP_K, value=8, actor=olga)
    services.change_setting(key=TOP_K, value=9, actor=olga)
    services.change_endpoint(name="zhipu-glm", changes={"position": 40}, actor=olga)
    [first] = changesets.compare(1, 2)
    assert (first.target, first.old, first.new) == (TOP_K, "6", "8")
    assert [(d.target, d.old, d.new) for d in changesets.compare(2, 4)] == [
        (TOP_K, "8", "9"), ("zhipu-glm", "position: 10", "position: 40"),
    ]  # fmt: skip
    assert changesets.compare(4, 1)[0].old == "9"
    assert changesets.compare(3, 3) == []
    assert {d.kind for d in changesets.compare(0, 1)} == {"endpoint", "prompt"}
