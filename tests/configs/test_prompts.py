"""Prompt templates: names in braces and nothing else."""

import pytest

from configs import prompts
from configs.errors import Invalid


def test_render__placeholders_and_braces__are_filled():
    text = prompts.render("{{x}} {question}: {answer}", question="什么?", answer="42")
    assert text == "{x} 什么?: 42"


def test_render__value_with_braces__is_not_read_again():
    assert prompts.render("{question}", question="{answer} {{ }", answer="no") == "{answer} {{ }"


@pytest.mark.parametrize(
    "text",
    ["{unclosed", "closed}", "{}", "{0}", "{question.__class__}", "{question!r}", "{question:>9}",
     "{unknown} {question}", "Name it.", "", "  \n", "x" * 20_001, "NUL \0"],
)  # fmt: skip
def test_check__bad_template__is_refused(text):
    with pytest.raises(Invalid) as caught:
        prompts.check("title", text)
    assert "text" in caught.value.errors


def test_render__missing_value__is_refused():
    with pytest.raises(Invalid, match="question"):
        prompts.render("{question}")
