"""Errors as RFC 9457 problem details: what a failed call tells its caller, and nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from rest_framework import exceptions as rest

from clawai.logs import request_id
from configs.errors import ClawError, Invalid

Errors = dict[str, list[str]]
CHALLENGE = 'Bearer realm="CLAW.AI"'
RETRY_AFTER_SECONDS = 5
"""What a 503 asks for when nobody knows better."""

CODES: dict[int, tuple[str, Any]] = {
    400: ("invalid", gettext_lazy("The request is not valid")),
    401: ("not_authenticated", gettext_lazy("You are not signed in")),
    403: ("forbidden", gettext_lazy("You may not do this")),
    404: ("not_found", gettext_lazy("Not found")),
    405: ("method_not_allowed", gettext_lazy("This address does not take that method")),
    406: ("not_acceptable", gettext_lazy("This address cannot answer in that format")),
    409: ("conflict", gettext_lazy("This cannot be done now")),
    412: ("stale", gettext_lazy("It was changed by someone else in the meantime")),
    413: ("too_large", gettext_lazy("This is too large")),
    415: ("unsupported_type", gettext_lazy("The content type is not one that can be read here")),
    429: ("rate_limited", gettext_lazy("Too many requests")),
    500: ("error", gettext_lazy("Something went wrong")),
    503: ("unavailable", gettext_lazy("This is not available at the moment")),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One error, ready to be sent; `errors` maps a field's path to its complaints."""

    status: int
    code: str
    title: str
    detail: str
    errors: Errors = field(default_factory=dict)
    retry_after: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> HttpResponse:
        """Return the answer, with the request's id in its body."""
        body: dict[str, Any] = {
            "type": f"urn:clawai:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id.get(),
        }
        if self.errors:
            body["errors"] = self.errors
        answer = HttpResponse(
            json.dumps(body, ensure_ascii=False),
            status=self.status,
            content_type="application/problem+json",
            headers=self.headers,
        )
        if self.retry_after is not None:
            answer.headers["Retry-After"] = str(self.retry_after)
        return answer


def plain(status: int, detail: str = "", **rest_of_it: Any) -> Problem:
    """Return the problem that a status stands for; `detail` adds to it."""
    code, title = CODES.get(status) or CODES[500 if status >= 500 else 400]  # noqa: PLR2004
    return Problem(status, code, str(title), detail or str(title), **rest_of_it)


def of_exception(error: BaseException) -> Problem | None:
    """Return what `error` says to the caller; None when it is a defect of ours."""
    if isinstance(error, ClawError):
        return _of_ours(error)
    if isinstance(error, rest.APIException):
        return _of_rest(error)
    if isinstance(error, DjangoValidationError):
        return plain(400, errors=_of_django_validation(error))
    if isinstance(error, OperationalError | InterfaceError):
        return plain(503, retry_after=RETRY_AFTER_SECONDS)
    return _of_django(error)


def _of_ours(error: ClawError) -> Problem:
    title = str(error.title)
    detail = title if error.status in {404, 500} else str(error.detail)
    retry_after = error.retry_after
    if error.status == 503 and error.retryable and retry_after is None:  # noqa: PLR2004
        retry_after = RETRY_AFTER_SECONDS
    errors = error.errors if isinstance(error, Invalid) else {}
    headers = {"WWW-Authenticate": CHALLENGE} if error.status == 401 else {}  # noqa: PLR2004
    return Problem(error.status, error.code, title, detail, errors, retry_after, headers)


def _of_rest(error: rest.APIException) -> Problem:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if isinstance(error, rest.ValidationError):
        return plain(400, errors=_flat(error.detail), headers=headers)
    if isinstance(error, rest.Throttled):
        return throttled(round(getattr(error, "wait", None) or 1))
    detail = "" if error.status_code in {404, 500} else str(error.detail)
    return plain(error.status_code, detail, headers=headers)


def throttled(seconds: int) -> Problem:
    """Return the 429 that says, in the reader's language, when to try again."""
    said = ngettext("Try again in %(n)d second.", "Try again in %(n)d seconds.", seconds)
    return plain(429, said % {"n": seconds}, retry_after=seconds)


def _of_django(error: BaseException) -> Problem | None:
    if isinstance(error, Http404):
        return plain(404)
    if isinstance(error, PermissionDenied):
        return plain(403)
    if isinstance(error, RequestDataTooBig):
        return plain(413)
    if isinstance(error, SuspiciousOperation):
        return plain(400)
    return None


def _of_django_validation(error: DjangoValidationError) -> Errors:
    if hasattr(error, "error_dict"):
        return {_name(key): messages for key, messages in error.message_dict.items()}
    return {"non_field_errors": list(error.messages)}


def _flat(detail: Any, path: str = "") -> Errors:
    """Return nested complaints as one level, `items.0.name` for what is inside."""
    if isinstance(detail, Mapping):
        pairs = [(_name(key), value) for key, value in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        pairs = [(str(place), value) for place, value in enumerate(detail) if value]
    else:
        texts = detail if isinstance(detail, list) else [detail]
        return {path or "non_field_errors": [str(text) for text in texts]}
    found: Errors = {}
    for key, value in pairs:
        found |= _flat(value, f"{path}.{key}" if path else key)
    return found


def _name(key: str) -> str:
    return "non_field_errors" if key == "__all__" else str(key)


def csrf() -> Problem:
    """Return the 403 of a missing or wrong CSRF token."""
    return plain(403, _("The CSRF token is missing or wrong: reload the page and try again."))
