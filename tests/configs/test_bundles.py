"""Bundles as YAML: what is written is read back, and nothing else is taken."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import bundles
from configs.bundles import Bundle, RoleValue
from configs.errors import Invalid
from configs.passphrase import Passphrase

text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
scalar = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | text
number = st.floats(allow_nan=False, allow_infinity=False)
value = st.recursive(
    scalar | number,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
bundle = st.builds(
    Bundle,
    release=st.integers(0, 10**9),
    exported_at=text,
    settings=st.dictionaries(text, value, max_size=4),
    exceptions=st.lists(st.builds(RoleValue, text, text, value), max_size=2).map(tuple),
    endpoints=st.dictionaries(text, st.dictionaries(text, value, max_size=3), max_size=2),
    prompts=st.dictionaries(text, text, max_size=3),
    withheld=st.lists(text, max_size=2).map(tuple),
)


@given(bundle)
@settings(max_examples=60, deadline=None)
def test_text__any_bundle__is_read_back_as_it_was(made):
    assert bundles.from_text(bundles.to_text(made)) == made


@pytest.mark.parametrize(
    "word",
    [
        "yes",
        "no",
        "on",
        "0x1f",
        "010",
        "1:30",
        "2026-01-01",
        "1_000",
        ".inf",
        "null",
        "~",
        "=",
        "<<",
        "1e5",
    ],
)
def test_text__words_that_other_readers_take_for_values__stay_texts(word):
    made = Bundle(settings={"a": word, word: 1}, prompts={"p": f"{word}\n{word}\n"})
    assert bundles.from_text(bundles.to_text(made)) == made


def test_text__lines__stand_as_lines_and_chinese_as_itself():
    written = bundles.to_text(Bundle(prompts={"answer": "第一行\nsecond line\n"}))
    assert "  answer: |\n    第一行\n    second line\n" in written


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("", "no bundle"),
        ("[]", "no bundle"),
        ("format: 2", "format 1"),
        ("settings: {}", "format 1"),
        ("format: 1\nsurprise: 1", "surprise"),
        ("format: 1\nsettings: []", "settings"),
        ("format: 1\nprompts: {a: 1}", "prompts"),
        ("format: 1\nexceptions: [{key: a}]", "exceptions"),
        ("format: 1\nkeys: {a: {value: 1}}", "keys"),
        ("format: 1\nsealed: {values: {}}", "sealed"),
        ("format: 1\nsettings: {a: 1, a: 2}", "twice"),
        ("format: 1\nsettings: {[a]: 2}", "no text"),
        ("format: 1\nsettings: !!python/object/apply:os.system [id]", "Line 2"),
        ("format: 1\nsettings: !!str x", "tags"),
        ("format: 1\nsettings: &a {}\nkeys: *a", "references"),
        ("format: 1\nsettings: {a: " + "[" * 30 + "]" * 30 + "}", "deeply"),
        ("format: 1\nsettings: {a: " + "[" * 5000, "deeply"),
        ("format: 1\nsettings: {a: ", "Line"),
        ("format: 1\n\x00", "YAML"),
        ("format: 1\n---\nformat: 1", "Line"),
        ("x" * (bundles.LONGEST + 1), "KB"),
        ("format: 1\nprompts: {a: \ud800}", "YAML"),
    ],
)
def test_read__what_is_no_bundle__is_refused_with_the_reason(broken, said):
    with pytest.raises(Invalid, match=said) as refused:
        bundles.from_text(broken)
    assert refused.value.errors["file"]


def test_text__is_yaml_that_others_read():
    made = Bundle(release=3, settings={"a": 1}, prompts={"p": "x\ny"})
    assert yaml.safe_load(bundles.to_text(made))["prompts"] == {"p": "x\ny"}


def test_passphrase__opens_its_own_place_only():
    box = Passphrase("correct horse battery")
    sealed = box.seal("sk-canary-4711", "endpoints.a.api_key")
    assert "canary" not in sealed
    again = Passphrase("correct horse battery", box.salt)
    assert again.open(sealed, "endpoints.a.api_key") == "sk-canary-4711"
    with pytest.raises(Invalid, match="does not open"):
        again.open(sealed, "endpoints.b.api_key")
    with pytest.raises(Invalid, match="does not open"):
        Passphrase("another horse battery", box.salt).open(sealed, "endpoints.a.api_key")
    with pytest.raises(Invalid, match="does not open"):
        again.open("é", "endpoints.a.api_key")


def test_passphrase__short_or_with_a_broken_salt__is_refused():
    with pytest.raises(Invalid, match="12"):
        Passphrase("short")
    with pytest.raises(Invalid, match="does not open"):
        Passphrase("correct horse battery", "nonsense")
