"""Settings of the chat: how replies are written, and what people may use."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from configs.registry.setting import Group, Setting

HISTORY_TOKENS: Final = Setting(
    "answers.history_tokens", 4000, _("Tokens of earlier messages sent along with a question."),
    Group.ANSWERS, minimum=0, maximum=500_000,
)  # fmt: skip
REPLY_TOKENS: Final = Setting(
    "answers.reply_tokens", 1024,
    _("Tokens of the model's context that are kept free for the reply."),
    Group.ANSWERS, minimum=128, maximum=32_000,
)  # fmt: skip
QUESTION_CHARACTERS: Final = Setting(
    "answers.question_characters", 32_000, _("Characters that a question may have."),
    Group.ANSWERS, minimum=100, maximum=32_000, public=True, per_role=True,
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
ANSWERS_MINUTES: Final = Setting(
    "answers.minutes", 25, _("Minutes that writing one reply may take."),
    Group.ANSWERS, minimum=1, maximum=25,
)  # fmt: skip
ANSWERS_LOG_SECONDS: Final = Setting(
    "answers.log_seconds", 600,
    _("Seconds for which Redis keeps the events of a reply that has ended; later they are rebuilt "
      "from the database."),
    Group.ANSWERS, minimum=60, maximum=86_400,
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

# --- What people may use --------------------------------------------------------------------
FEEDBACK_ENABLED: Final = Setting(
    "features.feedback", True, _("People may judge replies."),
    Group.FEATURES, public=True, per_role=True,
)  # fmt: skip
SHARING_ENABLED: Final = Setting(
    "features.sharing", True, _("People may share the knowledge bases that they own."),
    Group.FEATURES, public=True, per_role=True,
)  # fmt: skip
