"""Settings of how replies are written."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from configs.registry.setting import Group, Setting

HISTORY_TOKENS: Final = Setting(
    "answers.history_tokens", 4000, _("Tokens of earlier messages sent along with a question."),
    Group.ANSWERS, minimum=0, maximum=500_000,
)  # fmt: skip
ANSWERS_PER_USER: Final = Setting(
    "answers.per_user", 3, _("Replies that one person can have in progress at a time."),
    Group.ANSWERS, minimum=1, maximum=100, per_role=True,
)  # fmt: skip
ANSWERS_LEASE_SECONDS: Final = Setting(
    "answers.lease_seconds", 15,
    _("Seconds without a sign of life before another worker steps in."),
    Group.ANSWERS, minimum=5, maximum=300,
)  # fmt: skip
ANSWERS_ATTEMPTS: Final = Setting(
    "answers.attempts", 3, _("Attempts at a reply before it is given up."),
    Group.ANSWERS, minimum=1, maximum=10,
)  # fmt: skip
ANSWERS_CHECKPOINT_SECONDS: Final = Setting(
    "answers.checkpoint_seconds", 0.5, _("Seconds between two savings of a reply in progress."),
    Group.ANSWERS, minimum=0.1, maximum=5,
)  # fmt: skip
ANSWERS_FLUSH_MS: Final = Setting(
    "answers.flush_ms", 40, _("Milliseconds for which words are gathered before they are sent."),
    Group.ANSWERS, minimum=5, maximum=50,
)  # fmt: skip
TITLES_ENABLED: Final = Setting(
    "answers.titles", True, _("Let the model name new conversations."), Group.ANSWERS
)
