"""Take secrets out of texts that are about to be written somewhere: by their shape, and by name."""

import base64
import re
import threading
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

HIDDEN: Final = "••••"
SHORTEST: Final = 8
SHOWN_CUT: Final = 12
"""A text that is cut off in a secret's middle still gives it away from this length on."""
MOST: Final = 500

SHAPES: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?i)\b(bearer|basic)(\s+)(?=\S*\d)[\w.~+/=-]{12,}", rf"\1\2{HIDDEN}"),
        (r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*", HIDDEN),  # a JSON Web Token
        (r"\b(?:sk|pk|rk)-[\w-]{12,}", HIDDEN),
        (r"\bclaw_[\w-]{16,}", HIDDEN),
        (r"\b[0-9a-f]{32}\.[A-Za-z0-9]{12,}\b", HIDDEN),  # Zhipu
        (r"\bgAAAA[\w-]{60,}=*", HIDDEN),  # a Fernet token
        (r"(://)[^\s/@:]*:[^\s/@]+@", rf"\1{HIDDEN}@"),  # the name and password of an address
        (
            r"(?i)((?:api[-_]?key|password|secret|authorization)[\"']?\s?[=:]\s?[\"']?)"
            r"(?!(?:bearer|basic)\b)[^\s\"'&,;}]{4,}",
            rf"\1{HIDDEN}",
        ),
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----", HIDDEN),
    )
)

_lock = threading.Lock()
_known: dict[str, None] = {}
_by_name: re.Pattern[str] | None = None


def remember(secret: str) -> None:
    """Keep `secret` out of what `redact` returns from now on, plain and in its usual disguises.

    What is shorter than 8 characters is no secret that could be told from other words. The last
    500 are known.
    """
    if len(secret) < SHORTEST or secret in _known:
        return
    global _by_name  # noqa: PLW0603  # one memory a process is this module's job
    with _lock:
        while len(_known) >= MOST:
            del _known[next(iter(_known))]
        _known[secret] = None
        _by_name = None


def redact(text: str) -> str:
    """Return `text` with `••••` in the place of what is, or looks like, a secret."""
    pattern = _names()
    if pattern is not None:
        text = pattern.sub(HIDDEN, text)
    for shape, replacement in SHAPES:
        text = shape.sub(replacement, text)
    return text


def disguises(secret: str) -> Iterator[str]:
    """Yield the secret as it is, URL-encoded, and what base64 makes of it at each alignment."""
    yield secret
    yield quote(secret, safe="")
    raw = secret.encode()
    for shift in range(3):
        # Only whole groups of three bytes look the same whatever stands around them.
        inner = raw[shift : shift + (len(raw) - shift) // 3 * 3]
        if len(inner) >= SHORTEST:
            yield base64.b64encode(inner).decode()
            yield base64.urlsafe_b64encode(inner).decode()


def _names() -> re.Pattern[str] | None:
    global _by_name  # noqa: PLW0603  # as above
    with _lock:
        if _by_name is None and _known:
            _by_name = _compiled(_known)
        return _by_name


def _compiled(secrets: Iterable[str]) -> re.Pattern[str]:
    wanted = {form for secret in secrets for form in disguises(secret)}
    whole = [re.escape(form) for form in sorted(wanted, key=lambda form: (-len(form), form))]
    begun = [
        re.escape(secret[:SHOWN_CUT]) + r"[^\s\"'<>,;]*"
        for secret in sorted(secrets)
        if len(secret) > SHOWN_CUT and not re.search(r"\s", secret)
    ]
    return re.compile("|".join(whole + begun))
