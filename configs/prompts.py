"""Fill the placeholders of a prompt template, and refuse templates that cannot be filled."""

import re
from collections.abc import Mapping

from django.utils.translation import gettext

from configs.errors import Invalid

# `str.format` would let a template reach into attributes; this grammar knows names only.
TOKEN = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}|[{}]")
LONGEST_TEMPLATE = 20_000

PLACEHOLDERS: Mapping[str, frozenset[str]] = {
    "answer": frozenset({"name", "date", "passages"}),
    "title": frozenset({"question", "answer"}),
    "continue": frozenset(),
}
NEEDED: Mapping[str, frozenset[str]] = {
    "answer": frozenset({"passages"}),
    "title": frozenset({"question"}),
}


def render(text: str, /, **values: str) -> str:
    """Return `text` with each `{placeholder}` replaced; `{{` and `}}` stand for braces.

    The values are put in as they are and never searched for placeholders themselves.

    Raises:
        Invalid: a placeholder has no value, or a brace stands alone.
    """
    complaint = _complaint(text, frozenset(values))
    if complaint:
        raise Invalid(complaint, errors={"text": [complaint]})
    return TOKEN.sub(lambda found: _replacement(found, values), text)


def check(name: str, text: str) -> None:
    """See that `text` can serve as the template `name`.

    Raises:
        Invalid: it is empty or too long, holds NUL, a lone brace or an unknown placeholder, or
            lacks one that it cannot do without.
    """
    complaint = _complaint(text, PLACEHOLDERS.get(name, frozenset())) or _lack(name, text)
    if not text.strip():
        complaint = gettext("This may not be empty.")
    elif len(text) > LONGEST_TEMPLATE:
        complaint = gettext("This may have at most %(count)d characters.") % {
            "count": LONGEST_TEMPLATE
        }
    elif "\0" in text:
        complaint = gettext("This may not hold control characters.")
    if complaint:
        raise Invalid(complaint, errors={"text": [complaint]})


def _lack(name: str, text: str) -> str:
    missing = NEEDED.get(name, frozenset()) - {found[1] for found in TOKEN.finditer(text)}
    return gettext("{%(name)s} is missing.") % {"name": min(missing)} if missing else ""


def _replacement(found: re.Match[str], values: Mapping[str, str]) -> str:
    return values[found[1]] if found[1] else found[0][0]


def _complaint(text: str, known: frozenset[str]) -> str:
    for found in TOKEN.finditer(text):
        if found[0] in ("{", "}"):
            line = text.count("\n", 0, found.start()) + 1
            return gettext("Line %(line)d: a brace stands alone; write {{ or }} for a brace.") % {
                "line": line
            }
        if found[1] and found[1] not in known:
            return gettext("{%(name)s} is not known here; known are: %(known)s.") % {
                "name": found[1],
                "known": ", ".join(f"{{{name}}}" for name in sorted(known)) or "–",
            }
    return ""
