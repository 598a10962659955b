"""Changing what steers the system: versions, history, releases, and what is refused."""

import json

import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from configs import crypto, registry, runtime, services
from configs.errors import Conflict, Invalid, NotFound
from configs.models import Config, ModelEndpoint, PromptTemplate, Release
from tests.steering import unguarded

pytestmark = pytest.mark.django_db
KEY = registry.RETRIEVAL_TOP_K.key
CANARY = "canary-secret-4711"


@pytest.fixture
def secret(monkeypatch):
    setting = registry.Setting(
        "test.secret", "", "A secret.", registry.Group.BRANDING, sensitive=True
    )
    monkeypatch.setitem(registry.SETTINGS, setting.key, setting)
    return setting


def change(value: object, **more: object) -> Config:
    return services.change_setting(**{"key": KEY, "value": value, "actor": None, **more})


def test_change_setting__valid__is_in_force_with_history_and_release(
    olga, django_capture_on_commit_callbacks
):
    assert runtime.current().version == 1
    with django_capture_on_commit_callbacks(execute=True):
        row = change(8, actor=olga, reason="Longer answers " * 20)
    assert runtime.current().get(registry.RETRIEVAL_TOP_K) == 8
    assert runtime.current().version == 2
    release = Release.objects.get(version=2)
    assert (release.author, release.summary) == (olga, f"{KEY} v1")
    history = Config.history.get(key=KEY)
    assert (history.version, history.history_user, history.updated_by) == (1, olga, olga)
    assert history.history_change_reason == "Longer answers " * 20
    assert (row.version, row.plain, row.is_public) == (1, 8, False)


@pytest.mark.parametrize("value", [0, 51, "6", None, 6.5, True])
def test_change_setting__invalid__changes_nothing(value):
    with pytest.raises(Invalid):
        change(value)
    assert not Config.objects.exists()
    assert Release.objects.count() == 1


def test_change_setting__unknown_key__is_not_found():
    with pytest.raises(NotFound):
        change(1, key="no.such")


def test_change_setting__overlap_not_below_chunk__is_refused():
    change(200, key="chunking.overlap")
    with pytest.raises(Invalid, match="overlap"):
        change(128, key="chunking.tokens")
    change(500, key="chunking.tokens")
    change(300, key="chunking.overlap")
    with pytest.raises(Invalid, match="overlap"):
        services.reset_setting(key="chunking.tokens", actor=None)


def test_change_setting__stale_version__conflicts():
    change(7, expected_version=0)
    with pytest.raises(Conflict):
        change(8, expected_version=0)
    assert change(8, expected_version=1).version == 2
    assert Config.objects.get(key=KEY).plain == 8


def test_change_setting__locked_by_environment__conflicts(monkeypatch):
    monkeypatch.setenv("CLAWAI_RETRIEVAL_TOP_K", "5")
    with pytest.raises(Conflict, match="CLAWAI_RETRIEVAL_TOP_K"):
        change(7)


def test_change_setting__nul_in_reason__is_refused():
    with pytest.raises(Invalid):
        change(7, reason="a\0b")


def test_change_setting__sensitive__is_sealed_everywhere(secret, caplog):
    with pytest.raises(Invalid) as caught:
        change(CANARY, key=secret.key)
    assert "reason" in caught.value.errors
    row = change(CANARY, key=secret.key, reason="New key")
    assert row.plain == CANARY
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c::text FROM configs_config c"
            " UNION ALL SELECT h::text FROM configs_historicalconfig h"
            " UNION ALL SELECT r::text FROM configs_release r"
        )
        stored = str(cursor.fetchall())
    assert crypto.PREFIX in stored
    with pytest.raises(Invalid) as caught:
        change([CANARY], key=secret.key, reason="Wrong")
    assert CANARY not in f"{stored}{caplog.text}{row!r}{caught.value!r}{runtime.refresh()!r}"


def test_reset_setting__default_holds_again__as_a_new_version():
    change(9)
    row = services.reset_setting(key=KEY, actor=None, reason="Back")
    assert (row.version, row.plain) == (2, None)
    snapshot = runtime.refresh()
    assert snapshot.get(registry.RETRIEVAL_TOP_K) == 6
    assert snapshot.source(registry.RETRIEVAL_TOP_K) == "default"


def test_roll_back__earlier_version__becomes_a_new_one(secret):
    for value in (7, 8, 9):
        change(value)
    row = services.roll_back(key=KEY, version=1, actor=None)
    assert (row.version, row.plain) == (4, 7)
    assert Config.history.filter(key=KEY).latest().history_change_reason == "Back to version 1"
    change("one", key=secret.key, reason="r")
    change("two", key=secret.key, reason="r")
    assert services.roll_back(key=secret.key, version=1, actor=None).plain == "one"
    with pytest.raises(NotFound):
        services.roll_back(key=KEY, version=99, actor=None)


def test_roll_back__value_out_of_todays_range__is_refused():
    change(9)
    with unguarded():
        Config.history.filter(key=KEY, version=1).update(value="99")
    change(8)
    with pytest.raises(Invalid):
        services.roll_back(key=KEY, version=1, actor=None)


def test_change_endpoint__key__is_kept_sealed(olga):
    row = services.change_endpoint(
        name="zhipu-glm",
        changes={"api_key": CANARY, "model": "glm-4-air", "position": 2000},
        actor=olga,
        reason="r",
    )
    assert row.version == 2
    assert runtime.refresh().endpoint("zhipu-glm").api_key == CANARY
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e::text FROM configs_modelendpoint e"
            " UNION ALL SELECT h::text FROM configs_historicalmodelendpoint h"
        )
        assert CANARY not in str(cursor.fetchall())
    history = ModelEndpoint.history.filter(name="zhipu-glm")
    assert [(h.version, h.model) for h in history] == [(2, "glm-4-air"), (1, "glm-4-plus")]
    with pytest.raises(Conflict):
        services.change_endpoint(
            name="zhipu-glm", changes={"enabled": False}, actor=olga, expected_version=1
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"temperature": -1}},
        {"parameters": {"temperature": float("nan")}},
        {"parameters": {"max_tokens": 10**12}},
        {"parameters": {"top_p": "much"}},
        {"parameters": {"temperature": True}},
        {"parameters": {"messages": []}},
        {"parameters": [1]},
        {"base_url": "javascript:alert(1)"},
        {"base_url": "ftp://host/"},
        {"base_url": "https://user:pass@host/"},
        {"base_url": "http://[broken"},
        {"first_byte_timeout_seconds": 0},
        {"kind": "oracle"},
        {"name": "white space"},
        {"model": "line\nbreak" + "x" * 200},
        {"version": 5},
        {"position": -1},
        {"api_key": CANARY, "position": "first"},
    ],
)
def test_change_endpoint__invalid__changes_nothing(changes):
    with pytest.raises(Invalid) as caught:
        services.change_endpoint(name="zhipu-glm", changes=changes, actor=None)
    assert caught.value.errors
    assert CANARY not in f"{caught.value!r} {caught.value.errors}"
    assert Release.objects.count() == 1


def test_create_and_delete_endpoint__publish_each():
    services.create_endpoint(
        actor=None,
        values={"name": "ollama", "kind": "chat", "provider": "openai_compatible",
                "model": "qwen3", "base_url": "http://127.0.0.1:11434/v1/", "position": 2000},
    )  # fmt: skip
    assert runtime.refresh().endpoint("ollama").model == "qwen3"
    services.delete_endpoint(name="ollama", actor=None, reason="Gone")
    assert runtime.refresh().endpoint("ollama") is None
    assert [r.version for r in Release.objects.all()] == [3, 2, 1]
    with pytest.raises(Conflict):
        services.delete_endpoint(name="local-e5", actor=None)
    with pytest.raises(NotFound):
        services.delete_endpoint(name="ollama", actor=None)


def test_change_prompt__text__gets_a_version():
    row = services.change_prompt(name="title", text="Name it: {question}", actor=None, reason="r")
    assert row.version == 2
    assert runtime.refresh().prompt("title").text == "Name it: {question}"
    with pytest.raises(Invalid):
        services.change_prompt(name="title", text="{unclosed", actor=None)
    assert PromptTemplate.objects.get(name="title").version == 2
    assert [h.version for h in PromptTemplate.history.filter(name="title")] == [2, 1]


STEPS = st.one_of(
    st.tuples(st.just("change"), st.integers(-5, 60)),
    st.tuples(st.just("reset"), st.none()),
    st.tuples(st.just("back"), st.integers(1, 8)),
    st.tuples(
        st.just("prompt"), st.sampled_from(["{question}", "{broken", "Name {answer} {question}"])
    ),
)


class TestHistory(TestCase):
    @hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(STEPS, max_size=12))
    def test_any_steps__versions_are_contiguous__one_history_row_each(self, steps):
        done = sum(self.apply(step, argument) for step, argument in steps)
        releases = list(Release.objects.order_by("version").values_list("version", flat=True))
        assert releases == list(range(1, done + 2))
        self.check_history(Config.history.filter(key=KEY), Config.objects.filter(key=KEY).first())
        self.check_history(
            PromptTemplate.history.filter(name="title"), PromptTemplate.objects.get(name="title")
        )

    def apply(self, step, argument) -> bool:
        try:
            if step == "change":
                change(argument)
            elif step == "reset":
                services.reset_setting(key=KEY, actor=None)
            elif step == "back":
                services.roll_back(key=KEY, version=argument, actor=None)
            else:
                services.change_prompt(name="title", text=argument, actor=None)
        except (Invalid, NotFound):
            return False
        return True

    def check_history(self, rows, row) -> None:
        versions = [each.version for each in rows.order_by("history_id")]
        assert versions == list(range(1, (row.version if row else 0) + 1))
        if row and isinstance(row, Config):
            assert rows.latest().value == row.value
            assert row.plain is None or json.loads(row.value) == row.plain
