"""What happens to every request: it gets an id."""

import re
import uuid
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from clawai.logs import request_id

ACCEPTED = re.compile(r"^[A-Za-z0-9_-]{8,64}$")


class RequestIdMiddleware:
    """Takes the caller's `X-Request-ID` where it is harmless, makes one otherwise, and answers it."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass the request on with its id set."""
        if iscoroutinefunction(self):
            return self._acall(request)
        token = self._enter(request)
        try:
            return self._leave(self.get_response(request))
        finally:
            request_id.reset(token)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        token = self._enter(request)
        try:
            return self._leave(await self.get_response(request))  # type: ignore[misc]
        finally:
            request_id.reset(token)

    def _enter(self, request: HttpRequest):  # noqa: ANN202
        given = request.headers.get("X-Request-ID", "")
        return request_id.set(given if ACCEPTED.match(given) else uuid.uuid4().hex)

    def _leave(self, response: HttpResponseBase) -> HttpResponseBase:
        response.headers["X-Request-ID"] = request_id.get()
        return response
