"""Every setting that the system knows: its key, type, default, range and who may see it."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs.errors import Invalid

T = TypeVar("T", int, float, bool, str)
LONGEST_TEXT = 2000


class Group(TextChoices):
    """The subjects under which settings are shown."""

    RETRIEVAL = "retrieval", _("Retrieval")
    CHUNKING = "chunking", _("Cutting documents")
    ANSWERS = "answers", _("Answers")
    UPLOADS = "uploads", _("Uploads")
    BRANDING = "branding", _("Name and hints")


@dataclass(frozen=True, slots=True, eq=False)
class Setting(Generic[T]):
    """A setting as it is declared; `type(default)` is its type.

    `public` values are shown without a login; `sensitive` ones are encrypted and never shown.
    """

    key: str
    default: T
    help: str | Promise
    group: Group
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[T, ...] = ()
    sensitive: bool = False
    public: bool = False
    multiline: bool = False
    required: bool = False

    @property
    def type(self) -> type[T]:
        """Return the Python type of the value."""
        return type(self.default)

    @property
    def environment(self) -> str:
        """Return the environment variable that, when it is set, locks the value."""
        return "CLAWAI_" + self.key.upper().replace(".", "_")

    def check(self, value: object) -> T:
        """Return `value` as the setting's type.

        Raises:
            Invalid: wrong type, out of range or not one of the choices; a sensitive value is
                never part of the message.
        """
        typed = self._typed(value)
        complaint = self._complaint(typed)
        if complaint:
            raise Invalid(complaint, errors={"value": [complaint]})
        return typed

    def parse(self, text: str) -> T:
        """Return the value that an environment variable holds: plain text, or JSON for the rest.

        Raises:
            Invalid: as in `check`.
        """
        if self.type is str:
            return self.check(text)
        try:
            return self.check(json.loads(text.strip().lower()))
        except ValueError:
            return self.check(text)

    def _typed(self, value: object) -> T:
        wanted: type = self.type
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            complaint = gettext("This must be of the type %(type)s.") % {"type": wanted.__name__}
            raise Invalid(complaint, errors={"value": [complaint]})
        return value  # type: ignore[return-value]  # its type was compared one line above

    def _complaint(self, value: T) -> str:
        if self.choices and value not in self.choices:
            return gettext("This must be one of: %(choices)s.") % {
                "choices": ", ".join(map(str, self.choices))
            }
        if isinstance(value, str):
            return self._text_complaint(value)
        return self._range_complaint(value)

    def _text_complaint(self, value: str) -> str:
        allowed = "\n\t" if self.multiline else ""
        if len(value) > LONGEST_TEXT:
            return gettext("This may have at most %(count)d characters.") % {"count": LONGEST_TEXT}
        if any(not (c.isprintable() or c in allowed) for c in value):
            return gettext("This may not hold control characters.")
        if self.required and not value.strip():
            return gettext("This may not be empty.")
        return ""

    def _range_complaint(self, value: float) -> str:
        if not math.isfinite(value):
            return gettext("This must be a number.")
        if self.minimum is not None and value < self.minimum:
            return gettext("This must be at least %(limit)s.") % {"limit": self.minimum}
        if self.maximum is not None and value > self.maximum:
            return gettext("This must be at most %(limit)s.") % {"limit": self.maximum}
        return ""


AnySetting = Setting[int] | Setting[float] | Setting[bool] | Setting[str]

# --- Retrieval --------------------------------------------------------------------------
RETRIEVAL_TOP_K: Final = Setting(
    "retrieval.top_k", 6, _("Passages given to the model with a question."),
    Group.RETRIEVAL, minimum=1, maximum=50,
)  # fmt: skip
RETRIEVAL_CANDIDATES: Final = Setting(
    "retrieval.candidates", 50, _("Passages that each leg of the search proposes."),
    Group.RETRIEVAL, minimum=10, maximum=500,
)  # fmt: skip
RETRIEVAL_TEXT_WEIGHT: Final = Setting(
    "retrieval.text_weight", 0.3, _("Weight of the words against the meaning: 0 to 1."),
    Group.RETRIEVAL, minimum=0, maximum=1,
)  # fmt: skip
RETRIEVAL_CONTEXT_TOKENS: Final = Setting(
    "retrieval.context_tokens", 3000, _("Tokens that all passages of a question may have."),
    Group.RETRIEVAL, minimum=200, maximum=200_000,
)  # fmt: skip
RETRIEVAL_RERANK: Final = Setting(
    "retrieval.rerank", False, _("Let a reranking endpoint put the passages in order."),
    Group.RETRIEVAL,
)  # fmt: skip
EMBEDDING_ENDPOINT: Final = Setting(
    "retrieval.embedding_endpoint", "local-e5",
    _("Name of the endpoint that makes vectors of new documents."),
    Group.RETRIEVAL, required=True,
)  # fmt: skip

# --- Cutting documents ------------------------------------------------------------------
CHUNKING_TOKENS: Final = Setting(
    "chunking.tokens", 256, _("Tokens of a passage, at most."),
    Group.CHUNKING, minimum=64, maximum=1024,
)  # fmt: skip
CHUNKING_OVERLAP: Final = Setting(
    "chunking.overlap", 32, _("Tokens that neighbouring passages share."),
    Group.CHUNKING, minimum=0, maximum=512,
)  # fmt: skip

# --- Answers ----------------------------------------------------------------------------
HISTORY_TOKENS: Final = Setting(
    "answers.history_tokens", 4000, _("Tokens of earlier messages sent along with a question."),
    Group.ANSWERS, minimum=0, maximum=500_000,
)  # fmt: skip
ANSWERS_PER_USER: Final = Setting(
    "answers.per_user", 3, _("Replies that one person can have in progress at a time."),
    Group.ANSWERS, minimum=1, maximum=100,
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

# --- Uploads ----------------------------------------------------------------------------
UPLOADS_MAX_MB: Final = Setting(
    "uploads.max_mb", 50, _("Megabytes that a file may have."),
    Group.UPLOADS, minimum=1, maximum=1024, public=True,
)  # fmt: skip
UPLOADS_PARSE_SECONDS: Final = Setting(
    "uploads.parse_seconds", 120, _("Seconds that reading one file may take."),
    Group.UPLOADS, minimum=5, maximum=1800,
)  # fmt: skip
UPLOADS_PARSE_MEMORY_MB: Final = Setting(
    "uploads.parse_memory_mb", 1024, _("Megabytes of memory that reading one file may take."),
    Group.UPLOADS, minimum=256, maximum=16_384,
)  # fmt: skip
INDEXING_ATTEMPTS: Final = Setting(
    "uploads.indexing_attempts", 3, _("Attempts at indexing a document before it is given up."),
    Group.UPLOADS, minimum=1, maximum=10,
)  # fmt: skip

# --- Name and hints: shown to everyone --------------------------------------------------
BRANDING_NAME: Final = Setting(
    "branding.name", "CLAW.AI", _("Name of this assistant."),
    Group.BRANDING, public=True, required=True,
)  # fmt: skip
BRANDING_WELCOME: Final = Setting(
    "branding.welcome", "", _("Greeting above an empty conversation; empty: the built-in one."),
    Group.BRANDING, public=True, multiline=True,
)  # fmt: skip
BRANDING_NOTICE: Final = Setting(
    "branding.notice", "", _("Hint below the composer; empty: the built-in one."),
    Group.BRANDING, public=True, multiline=True,
)  # fmt: skip

SETTINGS: Final[dict[str, AnySetting]] = {
    value.key: value for value in list(globals().values()) if isinstance(value, Setting)
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What several settings must fulfil together."""

    settings: tuple[AnySetting, ...]
    holds: Callable[[Mapping[str, Any]], bool]
    complaint: str | Promise


RULES: Final = (
    Rule(
        (CHUNKING_TOKENS, CHUNKING_OVERLAP),
        lambda values: values[CHUNKING_OVERLAP.key] < values[CHUNKING_TOKENS.key],
        _("The overlap must be smaller than the passage."),
    ),
    Rule(
        (RETRIEVAL_TOP_K, RETRIEVAL_CANDIDATES),
        lambda values: values[RETRIEVAL_TOP_K.key] <= values[RETRIEVAL_CANDIDATES.key],
        _("There must be at least as many candidates as passages."),
    ),
)


def broken_rules(values: Mapping[str, Any]) -> list[Rule]:
    """Return the rules that the values, one for each key, do not fulfil."""
    return [rule for rule in RULES if not rule.holds(values)]
