"""What happens to every request: it gets an id, is looked over, and its answer gets a policy."""

import re
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_to_bytes

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import get_language_from_request, override

from accounts.limits import client_ip
from clawai import errors, problems
from clawai.logs import request_id
from configs import origin

ACCEPTED = re.compile(r"^[A-Za-z0-9_-]{8,64}$")
POLICIES = {
    # Alpine.js compiles the attributes of the theme's templates, and sets styles on elements.
    "/admin/": {
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
    },
    # Both viewers style their elements from scripts; ReDoc searches in a worker of its own making.
    "/api/docs/": {"style-src": [SELF, UNSAFE_INLINE]},
    "/api/redoc/": {"style-src": [SELF, UNSAFE_INLINE], "worker-src": [SELF, "blob:"]},
}
DOORS = {"/admin/": "admin", "/api/": "api", "/v1/": "api"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BROKEN = re.compile("[\x00\ud800-\udfff\ufffd]")


class RequestIdMiddleware:
    """Takes the caller's `X-Request-ID` where it is harmless, or makes one, and answers it.

    What is logged, kept in a history or audited meanwhile says that it comes from this request.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass the request on with its id set."""
        if iscoroutinefunction(self):
            return self._acall(request)  # type: ignore[attr-defined,no-any-return]
        with _coming_from(request):
            return self._leave(self.get_response(request))

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        with _coming_from(request):
            return self._leave(await self.get_response(request))  # type: ignore[misc]

    def _leave(self, response: HttpResponseBase) -> HttpResponseBase:
        response.headers["X-Request-ID"] = request_id.get()
        return response


@contextmanager
def _coming_from(request: HttpRequest) -> Iterator[None]:
    """Let all that is done inside know its request, the client's address and the door."""
    given = request.headers.get("X-Request-ID", "")
    name = given if ACCEPTED.match(given) else uuid.uuid4().hex
    address = client_ip(
        request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", "")
    )
    door = next((door for path, door in DOORS.items() if request.path_info.startswith(path)), "web")
    token = request_id.set(name)
    try:
        with origin.of(origin.Origin(name, str(address) if address else None, door)):
            yield
    finally:
        request_id.reset(token)


@sync_and_async_middleware
def input_middleware(get_response: Any) -> Any:
    """Refuse addresses that are not UTF-8 or hold a NUL, and methods that nobody asked for."""
    if iscoroutinefunction(get_response):

        async def guard_async(request: HttpRequest) -> HttpResponseBase:
            answer: HttpResponseBase = _refusal(request) or await get_response(request)
            return answer

        return guard_async

    def guard(request: HttpRequest) -> HttpResponseBase:
        answer: HttpResponseBase = _refusal(request) or get_response(request)
        return answer

    return guard


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a request that goes no further."""
    if request.method not in METHODS:
        return HttpResponseNotAllowed(METHODS)
    query = unquote_to_bytes(request.META.get("QUERY_STRING", ""))
    try:
        broken = BROKEN.search(request.path_info) or "\x00" in query.decode()
    except UnicodeDecodeError:
        broken = True
    if not broken:
        return None
    # Nothing has chosen a language for this request so far.
    with override(get_language_from_request(request)):
        return errors.answer(request, problems.plain(400))


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """Gives the admin and the API's documentation the policies that their scripts need."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Return the policy of the settings, widened for the screens named in `POLICIES`."""
        parts = super().get_policy_parts(request, response, report_only)
        for prefix, wider in POLICIES.items():
            if request.path_info.startswith(prefix):
                parts.replace = {**wider, **(parts.replace or {})}
        return parts
