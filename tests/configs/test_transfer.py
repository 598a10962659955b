"""Out as a bundle, in as a change set: nothing is written before it is seen; secrets stay shut."""

import pytest
import yaml
from django.contrib.auth.models import Group

from accounts.models import Role
from configs import audit, bundles, changesets, registry, runtime, services, transfer
from configs.bundles import Bundle, RoleValue
from configs.changesets import FreeKey
from configs.errors import Invalid
from configs.models import (
    AuditEntry,
    Change,
    ChangeSet,
    Release,
)

SECRET = "sk-canary-4711-0815"
PASSPHRASE = "correct horse battery"
TOP_K = registry.RETRIEVAL_TOP_K.key
PER_ROLE = next(each for each in registry.SETTINGS.values() if each.per_role and each.type is int)


def publish(olga, **change) -> None:
    drafted = changesets.open_draft(title="t", actor=olga)
    changesets.draft(change_set=drafted, actor=olga, **change)
    changesets.submit(change_set=drafted, actor=olga, reason="r")


@pytest.fixture
def filled(olga):
    """An installation with one of everything that can be set."""
    services.change_setting(key=TOP_K, value=7, actor=olga, reason="r")
    services.change_endpoint(
        name="zhipu-embedding-3",
        changes={"api_key": SECRET, "model": "embedding-9"},
        actor=olga,
        reason="r",
    )
    services.change_prompt(name="title", text="Name it: {question}", actor=olga, reason="r")
    publish(olga, kind="setting", target="shop.open", value=FreeKey("json", [1, 2], "hours", True))
    publish(
        olga, kind="setting", target="shop.token",
        value=FreeKey("text", SECRET + "-2", "", False, True),
    )  # fmt: skip
    group = Group.objects.get(name=Role.MEMBER)
    publish(olga, kind="override", target=PER_ROLE.key, value=PER_ROLE.default - 1, group=group)


def test_export__everything_set__stands_in_it_and_no_secret(filled, olga):
    text = transfer.export(actor=olga)
    read = yaml.safe_load(text)
    assert SECRET not in text
    assert SECRET[:12] not in text
    assert read["settings"][TOP_K] == 7
    assert read["keys"]["shop.open"]["value"] == [1, 2]
    assert "value" not in read["keys"]["shop.token"]
    assert read["endpoints"]["zhipu-embedding-3"]["model"] == "embedding-9"
    assert "api_key" not in read["endpoints"]["zhipu-embedding-3"]
    assert read["prompts"]["title"] == "Name it: {question}"
    assert read["exceptions"] == [
        {"key": PER_ROLE.key, "role": "member", "value": PER_ROLE.default - 1}
    ]
    assert set(read["withheld"]) == {"endpoints.zhipu-embedding-3.api_key", "settings.shop.token"}
    assert "sealed" not in read
    [entry] = AuditEntry.objects.filter(action=audit.actions.CONFIG_EXPORT)
    assert entry.actor_name == "olga"


def test_export__with_a_passphrase__seals_the_secrets(filled, olga):
    text = transfer.export(actor=olga, passphrase=PASSPHRASE)
    bundle = bundles.from_text(text)
    assert SECRET not in text
    assert SECRET not in repr(bundle)
    assert set(bundle.sealed) == {"endpoints.zhipu-embedding-3.api_key", "settings.shop.token"}
    assert not bundle.withheld
    [entry] = AuditEntry.objects.filter(action=audit.actions.CONFIG_EXPORT_SECRETS)
    assert SECRET not in str(entry.detail)


def test_import__own_export__changes_nothing(filled, olga):
    bundle = bundles.from_text(transfer.export(actor=olga, passphrase=PASSPHRASE))
    assert transfer.steps(bundle, passphrase=PASSPHRASE) == []
    with pytest.raises(Invalid, match="already"):
        transfer.bring_in(bundle=bundle, title="t", actor=olga, passphrase=PASSPHRASE)


def test_import__after_changes__brings_everything_back_as_one_release(filled, olga):
    text = transfer.export(actor=olga, passphrase=PASSPHRASE)
    services.reset_setting(key=TOP_K, actor=olga, reason="r")
    services.change_endpoint(
        name="zhipu-embedding-3",
        changes={"api_key": "another-secret", "model": "x"},
        actor=olga,
        reason="r",
    )
    services.change_prompt(name="title", text="Else: {question}", actor=olga, reason="r")
    publish(olga, kind="setting", target="shop.open", action="delete")
    publish(olga, kind="setting", target="shop.token", action="delete")
    group = Group.objects.get(name=Role.MEMBER)
    publish(olga, kind="override", target=PER_ROLE.key, action="delete", group=group)
    before = Release.objects.count()
    bundle = bundles.from_text(text)
    drafted = transfer.bring_in(bundle=bundle, title="t", actor=olga, passphrase=PASSPHRASE)
    assert Release.objects.count() == before
    changesets.submit(change_set=drafted, actor=olga, reason="back")
    assert Release.objects.count() == before + 1
    snapshot = runtime.refresh()
    assert snapshot.get(registry.RETRIEVAL_TOP_K) == 7
    assert snapshot.endpoint("zhipu-embedding-3").api_key == SECRET
    assert snapshot.endpoint("zhipu-embedding-3").model == "embedding-9"
    assert snapshot.prompt("title").text == "Name it: {question}"
    assert snapshot.free("shop.open") == [1, 2]
    assert snapshot.free("shop.token") == SECRET + "-2"
    assert snapshot.get(PER_ROLE, [group.pk]) == PER_ROLE.default - 1
    assert transfer.steps(bundle, passphrase=PASSPHRASE) == []


def test_import__without_the_passphrase__leaves_the_secrets_as_they_are(filled, olga):
    bundle = bundles.from_text(transfer.export(actor=olga, passphrase=PASSPHRASE))
    services.change_endpoint(
        name="zhipu-embedding-3", changes={"api_key": "another-secret"}, actor=olga, reason="r"
    )
    assert transfer.steps(bundle) == []
    with pytest.raises(Invalid, match="does not open"):
        transfer.steps(bundle, passphrase="some other passphrase")


def test_preview__shows_the_differences_and_leaves_nothing(filled, olga):
    bundle = Bundle(settings={TOP_K: 3}, endpoints={"new": {"kind": "chat", "provider": "local"}})
    before = [model.objects.count() for model in (ChangeSet, Change, Release, AuditEntry)]
    seen = transfer.preview(bundle=bundle, actor=olga)
    shown = {each.target: (each.old, each.new) for each in seen.differences}
    assert shown[TOP_K] == ("7", "3")
    assert "new" in shown
    assert [model.objects.count() for model in (ChangeSet, Change, Release, AuditEntry)] == before


def test_preview__secret__is_dots(filled, olga):
    bundle = bundles.from_text(transfer.export(actor=olga, passphrase=PASSPHRASE))
    services.change_endpoint(
        name="zhipu-embedding-3", changes={"api_key": "another-secret"}, actor=olga, reason="r"
    )
    seen = transfer.preview(bundle=bundle, actor=olga, passphrase=PASSPHRASE)
    assert [each.target for each in seen.differences] == ["zhipu-embedding-3"]
    assert "0815" in seen.differences[0].new
    assert SECRET not in repr(seen)
    assert "another-secret" not in repr(seen)


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        (Bundle(settings={"no.such": 1}), "settings.no.such"),
        (Bundle(settings={TOP_K: "many"}), TOP_K),
        (Bundle(settings={TOP_K: 10**9}), TOP_K),
        (Bundle(exceptions=(RoleValue(TOP_K, "nobody", 1),)), "nobody"),
        (Bundle(exceptions=(RoleValue("no.such", "member", 1),)), "no.such"),
        (Bundle(endpoints={"zhipu-embedding-3": {"api_key": SECRET}}), "api_key"),
        (Bundle(endpoints={"zhipu-embedding-3": {"surprise": 1}}), "surprise"),
        (Bundle(endpoints={"zhipu-embedding-3": {"position": "first"}}), "zhipu-embedding-3"),
        (
            Bundle(endpoints={"zhipu-embedding-3": {"base_url": "javascript:x"}}),
            "zhipu-embedding-3",
        ),
        (Bundle(prompts={"no-such": "x"}), "no-such"),
        (Bundle(prompts={"title": "{unclosed"}), "title"),
        (Bundle(keys={"Bad Key": {"type": "text", "value": ""}}), "Bad Key"),
        (Bundle(keys={"a.b": {"type": "what", "value": ""}}), "a.b"),
    ],
)
def test_import__what_is_not_valid_here__is_named_and_nothing_is_written(db, olga, bundle, said):
    with pytest.raises(Invalid, match=said) as refused:
        transfer.bring_in(bundle=bundle, title="t", actor=olga)
    assert refused.value.errors["file"]
    assert SECRET not in str(refused.value)
    assert not ChangeSet.objects.exists()


def test_import__settings_that_do_not_fit_together__is_a_problem_that_the_preview_shows(db, olga):
    bundle = Bundle(settings={registry.RETRIEVAL_CANDIDATES.key: 10, TOP_K: 20})
    seen = transfer.preview(bundle=bundle, actor=olga)
    assert [problem.code for problem in seen.problems] == ["rule"]
