"""The snapshot: precedence, robustness and what counts as usable."""

import json
import time
import timeit
from dataclasses import replace

import pytest
from django.db import connection

from configs import registry, runtime
from configs.fields import Sealed
from configs.models import Config, ModelEndpoint, Release
from tests.steering import step, unguarded

pytestmark = pytest.mark.django_db


def store(key: str, value: object) -> None:
    Config.objects.create(key=key, value=value if isinstance(value, str) else json.dumps(value))


def test_current__fresh_installation__has_seeds_and_defaults():
    snapshot = runtime.current()
    assert snapshot.version == 1
    assert snapshot.get(registry.RETRIEVAL_TOP_K) == 6
    assert snapshot.source(registry.RETRIEVAL_TOP_K) == "default"
    assert [e.name for e in snapshot.endpoints("chat")] == ["local-extractive"]
    assert [e.name for e in snapshot.endpoints("embedding")] == ["local-e5"]
    assert snapshot.prompt("answer").version == 1
    assert snapshot.endpoint("local-e5").parameters == {"dimensions": 384}
    assert snapshot.endpoint("zhipu-glm") is None


def test_current__values__database_beats_default_and_environment_beats_both(monkeypatch):
    store("retrieval.top_k", 9)
    store("answers.per_user", 4)
    monkeypatch.setenv("CLAWAI_ANSWERS_PER_USER", "7")
    snapshot = runtime.refresh()
    assert snapshot.get(registry.RETRIEVAL_TOP_K) == 9
    assert snapshot.source(registry.RETRIEVAL_TOP_K) == "database"
    assert snapshot.get(registry.ANSWERS_PER_USER) == 7
    assert snapshot.source(registry.ANSWERS_PER_USER) == "environment"


@pytest.mark.parametrize("value", ["{broken", '"text"', "0", "1e999", "[1]", "null"])
def test_current__invalid_stored_value__falls_back_to_the_default(value, caplog):
    store("retrieval.top_k", value)
    assert runtime.refresh().get(registry.RETRIEVAL_TOP_K) == 6
    if value != "null":
        assert "retrieval.top_k" in caplog.text


def test_current__invalid_environment__is_ignored_with_an_error(monkeypatch, caplog):
    monkeypatch.setenv("CLAWAI_RETRIEVAL_TOP_K", "canary-many")
    assert runtime.refresh().get(registry.RETRIEVAL_TOP_K) == 6
    assert "CLAWAI_RETRIEVAL_TOP_K" in caplog.text
    assert "canary" not in caplog.text


def test_current__settings_that_contradict__fall_back_together(monkeypatch, caplog):
    monkeypatch.setenv("CLAWAI_CHUNKING_OVERLAP", "300")
    snapshot = runtime.refresh()
    assert snapshot.get(registry.CHUNKING_OVERLAP) == 32
    assert snapshot.get(registry.CHUNKING_TOKENS) == 256
    assert "chunking.overlap" in caplog.text


def test_current__sensitive_value__is_opened(monkeypatch):
    from configs import crypto

    secret = registry.Setting("test.secret", "", "", registry.Group.BRANDING, sensitive=True)
    monkeypatch.setitem(registry.SETTINGS, secret.key, secret)
    row = Config.objects.create(
        key=secret.key, value=crypto.encrypt('"canary-1"'), is_sensitive=True
    )
    snapshot = runtime.refresh()
    assert snapshot.get(secret) == "canary-1"
    assert "canary" not in repr(snapshot)
    step(row, value="enc:v1:unreadable")
    assert runtime.refresh().get(secret) == ""


def test_endpoints__zhipu__is_usable_with_a_key_of_row_or_environment(settings):
    settings.ZHIPUAI_API_KEY = "env.key"
    settings.ZHIPUAI_BASE_URL = "http://127.0.0.1:9/api/"
    first, last = runtime.refresh().endpoints("chat")
    assert (first.name, first.api_key, first.base_url) == (
        "zhipu-glm", "env.key", "http://127.0.0.1:9/api/"
    )  # fmt: skip
    assert last.name == "local-extractive"
    row = ModelEndpoint.objects.get(name="zhipu-glm")
    step(row, api_key="row.key", base_url="https://row.example/")
    first = runtime.refresh().endpoints("chat")[0]
    assert (first.api_key, first.base_url) == ("row.key", "https://row.example/")
    assert "row.key" not in repr(first)


def test_endpoints__unreadable_key__hides_only_its_own_row(caplog):
    with unguarded():
        ModelEndpoint.objects.filter(name="zhipu-glm").update(api_key=Sealed("enc:v1:unreadable"))
    assert [e.name for e in runtime.refresh().endpoints("chat")] == ["local-extractive"]
    assert "zhipu-glm" in caplog.text


def test_endpoints__disabled_or_without_address__are_left_out():
    step(ModelEndpoint.objects.get(name="local-extractive"), enabled=False)
    ModelEndpoint.objects.create(name="no-url", kind="chat", provider="openai_compatible")
    assert runtime.refresh().endpoints("chat") == ()


def test_install__older_snapshot__never_replaces_a_newer():
    newest = runtime.install(replace(runtime.build(), version=7))
    assert runtime.install(replace(newest, version=6)) is newest
    assert runtime.refresh() is newest
    assert runtime.current() is newest


async def test_current__first_use_inside_a_loop__does_not_fail(committed):
    assert runtime.current().get(registry.RETRIEVAL_TOP_K) == 6


def test_build__release_during_reading__reads_again():
    def publish_in_between(execute, sql, params, many, context):
        if "configs_prompttemplate" in sql and Release.objects.count() == 1:
            Release.objects.create(version=2, summary="in between")
            store("retrieval.top_k", 12)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(publish_in_between):
        snapshot = runtime.build()
    assert (snapshot.version, snapshot.get(registry.RETRIEVAL_TOP_K)) == (2, 12)


def test_current__thousands_of_reads__cost_under_two_microseconds(django_assert_num_queries):
    runtime.current()
    with django_assert_num_queries(0):
        once = min(
            timeit.repeat(
                lambda: runtime.current().get(registry.RETRIEVAL_TOP_K), number=20_000, repeat=5
            )
        )
    assert once / 20_000 < 2e-6


def test_build__everything__takes_few_queries(django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        runtime.build()


def test_refresher__new_release__is_taken_up(committed):
    runtime.start()
    try:
        store("retrieval.top_k", 11)
        Release.objects.create(version=2, summary="test")
        deadline = time.monotonic() + 3
        while runtime.current().version < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert runtime.current().get(registry.RETRIEVAL_TOP_K) == 11
    finally:
        runtime.stop()
