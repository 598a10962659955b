"""Estimates of tokens, for budgets and for usage that a provider did not count."""

import math
import re
from collections.abc import Sequence

from configs.providers.base import Turn, Usage

# Zhipu and DeepSeek both document about 0.6 tokens for a Chinese character and 0.3 for a Latin one.
WIDE_TOKENS = 0.6
NARROW_TOKENS = 0.3
TURN_TOKENS = 4  # the role and the marks around it
WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def estimate_tokens(text: str) -> int:
    """Return about how many tokens `text` has: 0.6 a CJK character, 0.3 any other, rounded up."""
    wide = len(WIDE.findall(text))
    return math.ceil(wide * WIDE_TOKENS + (len(text) - wide) * NARROW_TOKENS)


def estimate_usage(turns: Sequence[Turn], answer: str) -> Usage:
    """Return the estimated usage of a call, flagged as not exact."""
    prompt = sum(estimate_tokens(turn.content) + TURN_TOKENS for turn in turns)
    return Usage(prompt, estimate_tokens(answer), exact=False)
