"""One tree of errors, each with a code and an HTTP status; the edge translates them once."""

# The names say what happened; an "Error" behind each would add nothing.
# ruff: noqa: N818

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class ClawError(Exception):
    """Something that a person can be told about.

    `code` is stable and machine-readable, `title` is translated, `detail` says what to do next.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str | Promise] = _("Something went wrong")
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None) -> None:
        self.detail = detail if detail is not None else str(self.title)
        self.retry_after = retry_after
        super().__init__(self.detail)


class Invalid(ClawError):
    """The input is malformed; `errors` maps a field to its complaints."""

    code = "invalid"
    status = 400
    title = _("The request is not valid")

    def __init__(
        self, detail: str | None = None, *, errors: dict[str, list[str]] | None = None
    ) -> None:
        self.errors = errors or {}
        super().__init__(detail)


class NotAuthenticated(ClawError):
    """The credential is missing, wrong or not good any more."""

    code = "not_authenticated"
    status = 401
    title = _("You are not signed in")


class NotFound(ClawError):
    """The object does not exist, or the asker may not know that it does."""

    code = "not_found"
    status = 404
    title = _("Not found")


class Forbidden(ClawError):
    """The asker's role lacks a right on this class of objects."""

    code = "forbidden"
    status = 403
    title = _("You may not do this")


class Conflict(ClawError):
    """The object is not in a state that allows this."""

    code = "conflict"
    status = 409
    title = _("This cannot be done now")


class KeyReused(ClawError):
    """An idempotency key came again with another body."""

    code = "idempotency_key_reused"
    status = 422
    title = _("This Idempotency-Key was used for another request: use a new one")


class Stale(ClawError):
    """`If-Match` names another version than the present one."""

    code = "stale"
    status = 412
    title = _("It was changed by someone else in the meantime")


class VersionNeeded(ClawError):
    """The call needs an `If-Match` with the version that the caller saw."""

    code = "version_needed"
    status = 428
    title = _("Say in If-Match which version you saw: it is the ETag of the object")


class NeedsSecondPerson(Conflict):
    """Somebody else has to approve this; `change_set` is what waits for them."""

    code = "needs_second_person"
    title = _("This waits for a second person")

    def __init__(self, change_set: object) -> None:
        self.change_set = change_set
        super().__init__()


class TooLarge(ClawError):
    """The body or file exceeds a limit."""

    code = "too_large"
    status = 413
    title = _("This is too large")


class UnsupportedType(ClawError):
    """The kind of file is not one that can be read."""

    code = "unsupported_type"
    status = 415
    title = _("This kind of file cannot be read")


class RateLimited(ClawError):
    """Too many requests; `retry_after` says in how many seconds to try again."""

    code = "rate_limited"
    status = 429
    title = _("Too many requests")
    retryable = True


class Unavailable(ClawError):
    """A dependency is down."""

    code = "unavailable"
    status = 503
    title = _("This is not available at the moment")
    retryable = True


class SecretUnreadable(ClawError):
    """A stored secret cannot be opened with the keys at hand."""

    code = "secret_unreadable"
    title = _("A stored secret cannot be read: check CLAWAI_FIELD_KEYS")


class ProviderError(ClawError):
    """A model endpoint failed; the subclasses say how."""

    code = "provider_error"
    status = 503
    title = _("The language model failed")
    retryable = True


class ProviderUnavailable(ProviderError):
    """The endpoint cannot be reached, or answers 5xx."""

    code = "provider_unavailable"
    title = _("The language model cannot be reached")


class ProviderBusy(ProviderError):
    """The endpoint limits us (429); `retry_after` in seconds where it said so."""

    code = "provider_busy"
    title = _("The language model is busy")


class ProviderTimeout(ProviderError):
    """No first byte, or no next one, in time."""

    code = "provider_timeout"
    title = _("The language model did not answer in time")


class ProviderInterrupted(ProviderError):
    """The stream broke off before its end."""

    code = "provider_interrupted"
    title = _("The language model broke off in mid-answer")


class ProviderAuth(ProviderError):
    """The credential was refused: an operator has to act."""

    code = "provider_auth"
    title = _("The language model refused our credential")
    retryable = False


class ProviderRejected(ProviderError):
    """The endpoint refused this request (400, content filter): trying again does not help."""

    code = "provider_rejected"
    title = _("The language model refused this request")
    retryable = False


class NoEndpoint(ProviderError):
    """No enabled endpoint of the wanted kind exists."""

    code = "no_endpoint"
    title = _("No language model is configured")
    retryable = False
