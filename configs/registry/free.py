"""Keys that an operator makes: typed and checked like those that are declared."""

import re
from typing import Any, Final

from django.utils.translation import gettext

from configs.errors import Invalid
from configs.registry.setting import Group, Setting

LONGEST_KEY: Final = 100
LONGEST_VALUE: Final = 20_000
_KEY: Final = re.compile(r"[a-z][a-z0-9_.-]*")
_EMPTY: Final[dict[str, Any]] = {
    "text": "",
    "integer": 0,
    "number": 0.0,
    "boolean": False,
    "json": None,
}


def free(
    key: str, value_type: str, *, help: str = "", sensitive: bool = False, public: bool = False
) -> Setting[Any]:
    """Return the setting that a free key of this type is.

    Raises:
        Invalid: there is no such type.
    """
    if value_type not in _EMPTY:
        complaint = gettext("This must be one of: %(choices)s.") % {"choices": ", ".join(_EMPTY)}
        raise Invalid(complaint, errors={"value_type": [complaint]})
    return Setting(
        key,
        _EMPTY[value_type],
        help,
        Group.FREE,
        sensitive=sensitive,
        public=public,
        multiline=value_type == "text",
        json=value_type == "json",
        longest=LONGEST_VALUE,
    )


def check_free_key(key: str) -> None:
    """Refuse a key that no operator may make.

    Raises:
        Invalid: it is no key, or begins like those that releases declare.
    """
    complaint = ""
    if not _KEY.fullmatch(key) or len(key) > LONGEST_KEY:
        complaint = gettext(
            "A key begins with a letter and has at most %(count)d of a-z, 0-9, dot, dash and "
            "underscore."
        ) % {"count": LONGEST_KEY}
    elif key.partition(".")[0] in RESERVED:
        complaint = gettext(
            "Keys that begin with %(prefix)s are declared by the release; choose another beginning."
        ) % {"prefix": key.partition(".")[0] + "."}
    if complaint:
        raise Invalid(complaint, errors={"key": [complaint]})


RESERVED: Final = frozenset(group.value for group in Group if group != Group.FREE)
