"""What a setting is: its key, type, default and range, and how its value is read and checked."""

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs.errors import Invalid

T = TypeVar("T", int, float, bool, str, tuple[str, ...])
LONGEST_TEXT = 2000
DEEPEST = 32


class Kind(StrEnum):
    """What a value is, and so which widget edits it."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    LINES = "lines"
    URL = "url"
    LIST = "list"
    JSON = "json"


class Group(TextChoices):
    """The subjects under which settings are shown."""

    RETRIEVAL = "retrieval", _("Retrieval")
    CHUNKING = "chunking", _("Cutting documents")
    ANSWERS = "answers", _("Answers")
    UPLOADS = "uploads", _("Uploads")
    FEATURES = "features", _("What people may use")
    SIGN_IN = "sign_in", _("Signing in")
    BRANDING = "branding", _("Name and hints")
    LINKS = "links", _("Links")
    GOVERNANCE = "governance", _("Governance")
    FREE = "free", _("Keys of your own")

    @property
    def help(self) -> str | Promise:
        """Say what the group is about."""
        return _ABOUT[self]


_ABOUT: dict[Group, str | Promise] = {
    Group.RETRIEVAL: _("How passages are found and chosen for a question."),
    Group.CHUNKING: _("How documents are cut into passages; it holds for what is indexed anew."),
    Group.ANSWERS: _("How replies are written, saved and limited."),
    Group.UPLOADS: _("Which files are taken in, and what reading them may cost."),
    Group.FEATURES: _("Switches of what people find in the chat and the knowledge room."),
    Group.SIGN_IN: _("How people get in, how often they may try, and how long they stay."),
    Group.BRANDING: _("What this assistant is called, and what it tells people first."),
    Group.LINKS: _("Where the dashboard leads to; an empty one is not shown."),
    Group.GOVERNANCE: _("Which changes need a second person."),
    Group.FREE: _("Keys that this release does not declare; scripts and clients read them."),
}


@dataclass(frozen=True, slots=True, eq=False)
class Setting(Generic[T]):
    """A setting as it is declared; `type(default)` is its type.

    `public` values are shown without a login; `sensitive` ones are encrypted and never shown.
    `per_role` ones may have an exception for a role; `minimum` and `maximum` bound a number, or
    how many entries a list has; `choices` are the values, or the entries, that there are. A `url`
    is an http or https address, or a path on this host. `free` ones are made by an operator.
    """

    key: str
    default: T
    help: str | Promise
    group: Group
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    sensitive: bool = False
    public: bool = False
    multiline: bool = False
    required: bool = False
    per_role: bool = False
    url: bool = False
    json: bool = False
    longest: int = LONGEST_TEXT

    @property
    def type(self) -> type[T]:
        """Return the Python type of the value."""
        return type(self.default)

    @property
    def kind(self) -> Kind:
        """Return what the value is."""
        if self.json:
            return Kind.JSON
        if isinstance(self.default, str):
            return Kind.URL if self.url else Kind.LINES if self.multiline else Kind.TEXT
        return _KINDS[type(self.default)]

    @property
    def free(self) -> bool:
        """Say whether an operator made it, not this release."""
        return self.group == Group.FREE

    @property
    def environment(self) -> str:
        """Return the environment variable that, when it is set, locks the value; none for free."""
        return "" if self.free else "CLAWAI_" + self.key.upper().replace(".", "_")

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
        """Return the value that a form or an environment variable holds: plain text, or JSON.

        The entries of a list stand one a line, between commas, or as a JSON array.

        Raises:
            Invalid: as in `check`.
        """
        if self.kind in TEXTS:
            return self.check(text)
        if self.kind == Kind.LIST and not text.strip().startswith("["):
            return self.check([part.strip() for part in text.replace(",", "\n").split("\n")])
        try:
            read = json.loads(text if self.kind in {Kind.JSON, Kind.LIST} else text.strip().lower())
        except (ValueError, RecursionError):
            read = _NO_VALUE
        return self.check(text if read is _NO_VALUE and not self.json else read)

    def text(self, value: Any) -> str:
        """Return a value as it is typed into a form; `parse` reads it."""
        if self.kind == Kind.LIST:
            return "\n".join(value)
        if isinstance(value, str) and not self.json:
            return value
        return json.dumps(value, ensure_ascii=False)

    def _typed(self, value: object) -> T:
        if self.json:
            return _checked_json(value)  # type: ignore[return-value]  # it has no type of its own
        wanted: type = self.type
        if wanted is float and type(value) is int:
            value = float(value)
        if wanted is tuple and isinstance(value, list | tuple):
            value = tuple(each for each in value if each != "")
        if type(value) is not wanted or (wanted is tuple and not _all_text(value)):
            complaint = gettext("This must be %(kind)s.") % {"kind": _NAMES[self.kind]}
            raise Invalid(complaint, errors={"value": [complaint]})
        return value  # type: ignore[return-value]  # its type was compared one line above

    def _complaint(self, value: T) -> str:
        if self.json:
            return self._json_complaint(value)
        if isinstance(value, tuple):
            return self._list_complaint(value)
        if self.choices and value not in self.choices:
            return self._choice_complaint()
        if isinstance(value, str):
            return self._text_complaint(value)
        return self._range_complaint(value)

    def _choice_complaint(self) -> str:
        return gettext("This must be one of: %(choices)s.") % {
            "choices": ", ".join(map(str, self.choices))
        }

    def _list_complaint(self, value: tuple[str, ...]) -> str:
        if self.choices and not set(value) <= set(self.choices):
            return self._choice_complaint()
        if len(set(value)) < len(value):
            return gettext("Each entry may stand here once.")
        if self.minimum is not None and len(value) < self.minimum:
            return gettext("This needs at least %(limit)d entries.") % {"limit": self.minimum}
        if self.maximum is not None and len(value) > self.maximum:
            return gettext("This may have at most %(limit)d entries.") % {"limit": self.maximum}
        return next(filter(None, map(self._text_complaint, value)), "")

    def _text_complaint(self, value: str) -> str:
        allowed = "\n\t" if self.multiline else ""
        if len(value) > self.longest:
            return gettext("This may have at most %(count)d characters.") % {"count": self.longest}
        if any(not (c.isprintable() or c in allowed) for c in value):
            return gettext("This may not hold control characters.")
        if self.required and not value.strip():
            return gettext("This may not be empty.")
        if self.url and value and not _is_address(value):
            return gettext("This must be an http or https address, or a path that begins with /.")
        return ""

    def _range_complaint(self, value: float) -> str:
        if not math.isfinite(value):
            return gettext("This must be a number.")
        if self.minimum is not None and value < self.minimum:
            return gettext("This must be at least %(limit)s.") % {"limit": self.minimum}
        if self.maximum is not None and value > self.maximum:
            return gettext("This must be at most %(limit)s.") % {"limit": self.maximum}
        return ""

    def _json_complaint(self, value: object) -> str:
        if len(json.dumps(value, ensure_ascii=False)) > self.longest:
            return gettext("This may have at most %(count)d characters.") % {"count": self.longest}
        return ""


AnySetting = Setting[int] | Setting[float] | Setting[bool] | Setting[str] | Setting[tuple[str, ...]]

_NO_VALUE = object()
TEXTS = frozenset({Kind.TEXT, Kind.LINES, Kind.URL})
_KINDS: dict[type, Kind] = {
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    bool: Kind.BOOLEAN,
    tuple: Kind.LIST,
}
_NAMES: dict[Kind, str | Promise] = {
    Kind.INTEGER: _("a whole number"),
    Kind.NUMBER: _("a number"),
    Kind.BOOLEAN: _("true or false"),
    Kind.TEXT: _("a text"),
    Kind.LINES: _("a text"),
    Kind.URL: _("an address"),
    Kind.LIST: _("a list of texts"),
    Kind.JSON: _("JSON"),
}


def _all_text(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, str) for each in value)


def _is_address(value: str) -> bool:
    """Say whether a link may lead there: never to a script, never with a password in it."""
    if any(c.isspace() or c == "\\" for c in value):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    if value.startswith("/"):
        return not value.startswith("//")
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


def _checked_json(value: object) -> object:
    """Return a value that JSON and PostgreSQL can hold.

    Raises:
        Invalid: it is none: not finite, too deep, or with characters that no text may hold.
    """
    complaint = gettext("This must be %(kind)s.") % {"kind": _NAMES[Kind.JSON]}
    level = [value]
    for _depth in range(DEEPEST):
        if not all(map(_is_plain, level)):
            break
        level = [inner for box in level for inner in _inside(box)]
        if not level:
            return value
    raise Invalid(complaint, errors={"value": [complaint]})


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value and _encodable(value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int | list | dict)


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []
