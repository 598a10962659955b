"""Settings: what they accept, what they refuse, and that complaints never hold a secret."""

import math

import pytest

from configs import registry
from configs.errors import Invalid
from configs.registry import Group, Setting

SECRET = Setting("test.secret", "", "A secret.", Group.BRANDING, sensitive=True, choices=("a",))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        (registry.RETRIEVAL_TOP_K, 0),
        (registry.RETRIEVAL_TOP_K, 51),
        (registry.RETRIEVAL_TOP_K, "6"),
        (registry.RETRIEVAL_TOP_K, 6.0),
        (registry.RETRIEVAL_TOP_K, True),
        (registry.RETRIEVAL_TEXT_WEIGHT, math.nan),
        (registry.RETRIEVAL_TEXT_WEIGHT, math.inf),
        (registry.RETRIEVAL_TEXT_WEIGHT, -0.1),
        (registry.RETRIEVAL_TEXT_WEIGHT, None),
        (registry.TITLES_ENABLED, 1),
        (registry.BRANDING_NAME, "line\r\nbreak"),
        (registry.BRANDING_NAME, "NUL\0"),
        (registry.BRANDING_NAME, "   "),
        (registry.BRANDING_NAME, "x" * 2001),
        (registry.BRANDING_WELCOME, "bell\a"),
        (SECRET, "b"),
    ],
)
def test_check__wrong_value__is_refused(setting, value):
    with pytest.raises(Invalid) as caught:
        setting.check(value)
    assert "value" in caught.value.errors


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        (registry.RETRIEVAL_TEXT_WEIGHT, 1, 1.0),
        (registry.BRANDING_WELCOME, "你好\n世界", "你好\n世界"),
        (registry.TITLES_ENABLED, False, False),
    ],
)
def test_check__right_value__comes_back_typed(setting, value, expected):
    assert setting.check(value) == expected
    assert type(setting.check(value)) is setting.type


def test_check__secret__stays_out_of_the_complaint():
    with pytest.raises(Invalid) as caught:
        SECRET.check("canary-4711")
    assert "canary" not in f"{caught.value} {caught.value.errors} {caught.value!r}"


@pytest.mark.parametrize(
    ("setting", "text", "expected"),
    [
        (registry.RETRIEVAL_TOP_K, " 9 ", 9),
        (registry.TITLES_ENABLED, "False", False),
        (registry.RETRIEVAL_TEXT_WEIGHT, "0.5", 0.5),
        (registry.BRANDING_NAME, "123", "123"),
    ],
)
def test_parse__environment_text__becomes_the_type(setting, text, expected):
    assert setting.parse(text) == expected


@pytest.mark.parametrize("text", ["many", "[]", "1e400", ""])
def test_parse__nonsense__is_refused(text):
    with pytest.raises(Invalid):
        registry.RETRIEVAL_TOP_K.parse(text)


def test_settings__all__have_sound_declarations():
    for key, setting in registry.SETTINGS.items():
        assert key == setting.key
        assert setting.check(setting.default) == setting.default
        assert str(setting.help)
        assert not (setting.sensitive and setting.public)
        assert not setting.choices or setting.default in (*setting.choices, setting.choices)


def test_rules__defaults__fulfil_them():
    defaults = {key: setting.default for key, setting in registry.SETTINGS.items()}
    assert registry.broken_rules(defaults) == []
    assert registry.broken_rules({**defaults, "chunking.overlap": 256}) == [registry.RULES[0]]
