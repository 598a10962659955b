"""Ask whoever touches a secret for their password again: what the doors of the admin need of it."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs.errors import Forbidden

FRESH_SECONDS: Final = 600
SESSION_KEY: Final = "confirmed_at"


class ConfirmationNeeded(Forbidden):
    """The person has to type their password again before this."""

    code = "confirmation_needed"
    title = _("Confirm your password first")


def fresh(request: HttpRequest) -> bool:
    """Say whether the password was typed in this session within the last ten minutes.

    Signing in does not count: an unattended screen is signed in, too.
    """
    at = request.session.get(SESSION_KEY)
    return isinstance(at, int | float) and 0 <= time.time() - at < FRESH_SECONDS


def note(request: HttpRequest) -> None:
    """Remember in the session that the password was typed just now."""
    request.session[SESSION_KEY] = int(time.time())


def require(request: HttpRequest) -> None:
    """Return if the password was typed a moment ago.

    Raises:
        ConfirmationNeeded: it was not; `address` says where that is done.
    """
    if not fresh(request):
        raise ConfirmationNeeded(
            gettext(
                "This touches a secret: confirm your password first, then do it again. "
                "It holds for ten minutes."
            )
        )


def required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Send whoever has not confirmed their password to do so, and back; decorates a view."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not fresh(request):
            return redirect(address(request))
        answer: HttpResponseBase = view(request, *args, **kwargs)
        return answer

    return guarded


def address(request: HttpRequest) -> str:
    """Return where the password is confirmed; it leads back to the page that the person sees."""
    return f"{reverse('accounts:confirm')}?{urlencode({'next': _page(request)})}"


def hint(request: HttpRequest) -> SafeString:
    """Return what stands beside a field of a secret: nothing more to do, or the way to do it."""
    if fresh(request):
        return SafeString("")
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500 underline" href="{}">{}</a>',
        address(request),
        gettext("Confirm your password to change this."),
    )


def _page(request: HttpRequest) -> str:
    """Return the page at hand; of something that was posted the page with the form."""
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, {request.get_host()}):
        parts = urlsplit(referer)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path
    return request.path
