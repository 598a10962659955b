"""Kinds of settings: lists, addresses, free keys, and what each refuses."""

import json

import pytest

from configs import registry
from configs.errors import Invalid
from configs.registry import Group, Kind, Setting

KINDS = Setting("test.kinds", ("a",), "", Group.UPLOADS, choices=("a", "b"), minimum=1)
WORDS: Setting[tuple[str, ...]] = Setting("test.words", (), "", Group.BRANDING, maximum=2)


@pytest.mark.parametrize("text", ["a\nb", "a, b", '["a", "b"]', "a\r\n\r\nb"])
def test_parse__list__reads_lines_commas_and_json(text):
    assert KINDS.parse(text) == ("a", "b")
    assert KINDS.parse(KINDS.text(("a", "b"))) == ("a", "b")


@pytest.mark.parametrize("value", [[], ["c"], ["a", "a"], "a", [1], None, {"a": 1}])
def test_check__list__refuses_what_is_none_of_its_entries(value):
    with pytest.raises(Invalid):
        KINDS.check(value)


def test_check__list__bounds_its_entries():
    assert WORDS.check(["one", "two"]) == ("one", "two")
    for wrong in (["one", "two", "three"], ["a\0"], ["x" * 2001]):
        with pytest.raises(Invalid):
            WORDS.check(wrong)


@pytest.mark.parametrize("address", ["", "https://grafana.example:3000/d/x?y=1", "/grafana/"])
def test_check__address__takes_hosts_and_paths(address):
    assert registry.LINKS_GRAFANA.check(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "//evil.example", "/\\evil.example", "ftp://x", "grafana.example",
        "https://user:secret@x", "https://", "https://x:99999999/", "https://x/ y",
        "data:text/html,x",
    ],
)  # fmt: skip
def test_check__address__refuses_what_no_link_may_lead_to(address):
    with pytest.raises(Invalid) as refusal:
        registry.LINKS_GRAFANA.check(address)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("value_type", "value", "kind"),
    [
        ("text", "several\nlines", Kind.LINES),
        ("integer", 3, Kind.INTEGER),
        ("number", 0.5, Kind.NUMBER),
        ("boolean", True, Kind.BOOLEAN),
        ("json", {"a": [1, None, "ü"]}, Kind.JSON),
    ],
)
def test_free__each_type__takes_its_own_and_reads_it_back(value_type, value, kind):
    setting = registry.free("team.motto", value_type)
    assert setting.kind == kind
    assert setting.free
    assert setting.check(value) == value
    assert setting.parse(setting.text(value)) == value


@pytest.mark.parametrize(
    ("value_type", "value"),
    [
        ("integer", True), ("integer", "3"), ("boolean", 1), ("number", float("nan")),
        ("text", 3), ("json", {"a": "\0"}), ("json", ["\ud800"]), ("json", [float("inf")]),
        ("json", {1, 2}), ("json", "x" * 20_001), ("text", "x" * 20_001),
    ],
)  # fmt: skip
def test_free__value_of_another_type__is_refused(value_type, value):
    with pytest.raises(Invalid):
        registry.free("team.motto", value_type).check(value)


def test_free__json_too_deep_or_broken__is_refused():
    deep = json.loads("[" * 40 + "]" * 40)
    with pytest.raises(Invalid):
        registry.free("team.motto", "json").check(deep)
    for text in ("{", "", "nonsense", "[" * 100_000):
        with pytest.raises(Invalid):
            registry.free("team.motto", "json").parse(text)


@pytest.mark.parametrize(
    "key", ["", "Team", "1a", "a b", "a" * 101, "answers.mine", "branding", "ä"]
)
def test_check_free_key__no_key_or_a_declared_beginning__is_refused(key):
    with pytest.raises(Invalid):
        registry.check_free_key(key)


def test_check_free_key__own_beginning__is_taken():
    registry.check_free_key("team.motto-2_x")


def test_free__environment__never_reaches_secrets_of_the_process(monkeypatch):
    """A free key `secret.key` must not read CLAWAI_SECRET_KEY."""
    assert registry.free("secret.key", "text").environment == ""


def test_settings__environment_names__are_not_those_of_the_process():
    taken = {
        "CLAWAI_SECRET_KEY", "CLAWAI_DEBUG", "CLAWAI_ALLOWED_HOSTS", "CLAWAI_DATA_DIR",
        "CLAWAI_FIELD_KEYS", "CLAWAI_TRUSTED_PROXIES", "CLAWAI_LOG_FORMAT", "CLAWAI_PUBLIC_URL",
    }  # fmt: skip
    names = [setting.environment for setting in registry.SETTINGS.values()]
    assert len(names) == len(set(names))
    assert not taken & set(names)


def test_settings__keys__begin_with_their_group():
    for setting in registry.SETTINGS.values():
        assert setting.key.partition(".")[0] == setting.group.value
        assert str(setting.group.help)


def test_settings__exceptions_for_roles__are_for_what_can_be_compared():
    per_role = [each for each in registry.SETTINGS.values() if each.per_role]
    assert per_role
    assert all(each.type in {int, float, bool} and not each.sensitive for each in per_role)
