"""What a provider's refusals mean in our tree of errors; its own words never get in."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from django.utils.translation import gettext

from configs.errors import (
    ProviderAuth,
    ProviderBusy,
    ProviderError,
    ProviderInterrupted,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)

LONGEST_WAIT_SECONDS = 24 * 3600
# Zhipu's business codes say more than its HTTP status: an unpaid account answers 429, too.
BY_CODE: Mapping[str, type[ProviderError]] = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), ProviderAuth),
    **dict.fromkeys(("1110", "1111", "1112", "1113", "1120", "1121"), ProviderAuth),
    **dict.fromkeys(("1211", "1220", "1221", "1222"), ProviderUnavailable),
    **dict.fromkeys(("1301", "1214"), ProviderRejected),
    **dict.fromkeys(("1302", "1303", "1304", "1305"), ProviderBusy),
}
BY_STATUS: Mapping[int, type[ProviderError]] = {
    400: ProviderRejected,
    401: ProviderAuth,
    402: ProviderAuth,
    403: ProviderAuth,
    408: ProviderTimeout,
    413: ProviderRejected,
    422: ProviderRejected,
    429: ProviderBusy,
    504: ProviderTimeout,
}


def refused(status: int, headers: Mapping[str, str], body: object) -> ProviderError:
    """Return the error for an HTTP answer; of its body only a numeric code is looked at."""
    code = _code(body)
    kind = BY_CODE.get(code) or BY_STATUS.get(status, ProviderUnavailable)
    wait = retry_after_seconds(headers.get("Retry-After", "")) if kind is ProviderBusy else None
    return kind(
        _detail(kind, gettext("HTTP %(status)d") % {"status": status}, code), retry_after=wait
    )


def broke_off(body: object) -> ProviderError:
    """Return the error for an error object inside a stream."""
    code = _code(body)
    kind = BY_CODE.get(code, ProviderInterrupted)
    return kind(_detail(kind, "", code))


def not_a_stream(content_type: str) -> ProviderError:
    """Return the error for a success that is no event stream, such as the page of a proxy."""
    sort = content_type.partition(";")[0].strip()
    known = sort if re.fullmatch(r"[a-z]+/[a-z.+-]{1,40}", sort) else "?"
    return ProviderUnavailable(
        gettext("The address answered with %(type)s and not with a stream: check the base URL.")
        % {"type": known}
    )


def retry_after_seconds(value: str) -> int | None:
    """Return what a `Retry-After` header asks for, in seconds from now, or None."""
    if value.strip().isdecimal():
        return min(int(value), LONGEST_WAIT_SECONDS) if len(value) < 10 else LONGEST_WAIT_SECONDS  # noqa: PLR2004
    try:
        wait = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(0, round(wait)), LONGEST_WAIT_SECONDS)


def _code(body: object) -> str:
    """Return the numeric code of `{"error": {"code": …}}`; anything else could hold our key."""
    error: Any = body.get("error") if isinstance(body, Mapping) else None
    code = str(error.get("code", "")) if isinstance(error, Mapping) else ""
    return code if re.fullmatch(r"\d{3,5}", code, re.ASCII) else ""


def _detail(kind: type[ProviderError], where: str, code: str) -> str:
    facts = ", ".join(
        fact for fact in (where, gettext("code %(code)s") % {"code": code} if code else "") if fact
    )
    return f"{kind.title} ({facts})" if facts else str(kind.title)
