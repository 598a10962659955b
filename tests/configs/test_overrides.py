"""Exceptions for roles: the most generous counts, the environment beats them, and where from."""

import json

import pytest
from django.contrib.auth.models import Group

from accounts import limits
from configs import registry, runtime
from configs.models import Config, ConfigOverride

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten_roles():
    limits.forget_roles()
    yield
    limits.forget_roles()


def allow(role: str, value: object, setting=registry.ANSWERS_PER_USER) -> int:
    group = Group.objects.get_or_create(name=role)[0]
    ConfigOverride.objects.create(key=setting.key, group=group, value=json.dumps(value))
    runtime.refresh()
    return group.pk


def test_get__roles_with_exceptions__the_most_generous_holds():
    few, many = allow("trainee", 1), allow("analyst", 9)
    snapshot = runtime.current()
    assert snapshot.get(registry.ANSWERS_PER_USER) == 3
    assert snapshot.get(registry.ANSWERS_PER_USER, [few]) == 1
    assert snapshot.get(registry.ANSWERS_PER_USER, [few, many]) == 9
    assert snapshot.get(registry.ANSWERS_PER_USER, [0]) == 3
    assert snapshot.most(registry.ANSWERS_PER_USER) == 9
    assert snapshot.source(registry.ANSWERS_PER_USER, [few]) == "override"
    assert snapshot.source(registry.ANSWERS_PER_USER) == "default"


def test_get__switch__yes_before_no():
    Config.objects.create(key="features.feedback", value="false")
    no = allow("trainee", False, registry.FEEDBACK_ENABLED)
    yes = allow("analyst", True, registry.FEEDBACK_ENABLED)
    snapshot = runtime.current()
    assert snapshot.get(registry.FEEDBACK_ENABLED) is False
    assert snapshot.get(registry.FEEDBACK_ENABLED, [no, yes]) is True


def test_get__environment__fixes_it_for_every_role(monkeypatch):
    monkeypatch.setenv("CLAWAI_ANSWERS_PER_USER", "5")
    role = allow("analyst", 9)
    snapshot = runtime.current()
    assert snapshot.get(registry.ANSWERS_PER_USER, [role]) == 5
    assert snapshot.source(registry.ANSWERS_PER_USER, [role]) == "environment"
    assert runtime.locked_by(registry.ANSWERS_PER_USER) == "CLAWAI_ANSWERS_PER_USER"


@pytest.mark.parametrize("value", ["0", '"many"', "{broken", "true"])
def test_get__exception_that_is_not_valid__does_not_count(value, caplog):
    group = Group.objects.create(name="analyst")
    ConfigOverride.objects.create(key="answers.per_user", group=group, value=value)
    assert runtime.refresh().get(registry.ANSWERS_PER_USER, [group.pk]) == 3
    assert "answers.per_user" in caplog.text


def test_get__exception_of_a_setting_without_any__does_not_count():
    role = allow("analyst", 9, registry.RETRIEVAL_TOP_K)
    assert runtime.current().get(registry.RETRIEVAL_TOP_K, [role]) == 6


def test_of_person__no_exception_anywhere__asks_nothing(alice, django_assert_num_queries):
    runtime.current()
    with django_assert_num_queries(0):
        assert limits.of_person(alice, registry.ANSWERS_PER_USER) == 3


def test_of_person__exception_of_a_role__one_question_for_many_reads(
    alice, bob, django_assert_num_queries
):
    group = Group.objects.get(pk=allow("analyst", 9))
    alice.groups.add(group)
    with django_assert_num_queries(1):
        for _ in range(20):
            assert limits.of_person(alice, registry.ANSWERS_PER_USER) == 9
    assert limits.of_person(bob, registry.ANSWERS_PER_USER) == 3


def test_of_person__change_of_roles__counts_within_seconds(alice, monkeypatch):
    group = Group.objects.get(pk=allow("analyst", 9))
    assert limits.of_person(alice, registry.ANSWERS_PER_USER) == 3
    alice.groups.add(group)
    monkeypatch.setattr(limits, "ROLES_REMEMBERED_SECONDS", 0)
    limits.forget_roles()
    assert limits.of_person(alice, registry.ANSWERS_PER_USER) == 9
    alice.groups.remove(group)
    assert limits.of_person(alice, registry.ANSWERS_PER_USER) == 3
