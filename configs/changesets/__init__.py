"""Change sets: several changes that are drafted, looked at, approved and published together."""

from configs.changesets.checking import problems
from configs.changesets.comparing import compare
from configs.changesets.content import differences
from configs.changesets.drafting import describe, discard, draft, drop, open_draft, withdraw
from configs.changesets.returning import roll_back_release
from configs.changesets.reviewing import approve, needs_second_person, publish_due, reject, submit
from configs.changesets.values import Difference, FreeKey, Problem

__all__ = [
    "Difference",
    "FreeKey",
    "Problem",
    "approve",
    "compare",
    "describe",
    "differences",
    "discard",
    "draft",
    "drop",
    "needs_second_person",
    "open_draft",
    "problems",
    "publish_due",
    "reject",
    "roll_back_release",
    "submit",
    "withdraw",
]
