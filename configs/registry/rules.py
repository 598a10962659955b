"""What several settings must fulfil together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from configs.registry import chat, house, knowledge
from configs.registry.setting import AnySetting


@dataclass(frozen=True, slots=True)
class Rule:
    """What several settings must fulfil together."""

    settings: tuple[AnySetting, ...]
    holds: Callable[[Mapping[str, Any]], bool]
    complaint: str | Promise


RULES: Final = (
    Rule(
        (knowledge.CHUNKING_TOKENS, knowledge.CHUNKING_OVERLAP),
        lambda values: (
            values[knowledge.CHUNKING_OVERLAP.key] < values[knowledge.CHUNKING_TOKENS.key]
        ),
        _("The overlap must be smaller than the passage."),
    ),
    Rule(
        (knowledge.RETRIEVAL_TOP_K, knowledge.RETRIEVAL_CANDIDATES),
        lambda values: (
            values[knowledge.RETRIEVAL_TOP_K.key] <= values[knowledge.RETRIEVAL_CANDIDATES.key]
        ),
        _("There must be at least as many candidates as passages."),
    ),
    Rule(
        (house.LOGINS_PER_ACCOUNT, house.LOGINS_PER_ADDRESS),
        lambda values: values[house.LOGINS_PER_ACCOUNT.key] <= values[house.LOGINS_PER_ADDRESS.key],
        _("An address must have at least as many attempts as an account."),
    ),
    Rule(
        (chat.ANSWERS_LEASE_SECONDS, chat.ANSWERS_CHECKPOINT_SECONDS),
        lambda values: (
            values[chat.ANSWERS_CHECKPOINT_SECONDS.key] * 4
            <= values[chat.ANSWERS_LEASE_SECONDS.key]
        ),
        _("The time without a sign of life must be at least four savings long."),
    ),
)


def broken_rules(values: Mapping[str, Any]) -> list[Rule]:
    """Return the rules that the values, one for each key, do not fulfil."""
    return [rule for rule in RULES if not rule.holds(values)]
