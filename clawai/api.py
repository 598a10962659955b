"""What every REST door shares: errors, pages of lists, and bodies that cannot hurt."""

import json
import math
import re
from typing import IO, Any, NoReturn

from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework import pagination
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from clawai import problems
from configs.errors import Invalid, TooLarge

DEEPEST = 64
SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
"""An escaped NUL or half of a surrogate pair: only then is every string looked at."""
FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Answer problem details; None lets a defect go on to `handler500`, and into the log."""
    problem = problems.of_exception(error)
    return problem.response() if problem else None


def _refuse(name: str, complaint: str) -> NoReturn:
    raise Invalid(errors={name: [complaint]})


class CursorPagination(pagination.CursorPagination):
    """Pages that stay right while rows come and go.

    A view names its order in `ordering`, what `?ordering=` may ask for instead in `orderings`,
    and the parameters that it filters by in `query_params`; with the latter, any other is a 400.
    `page_size` is at most 100. Cursors are signed: a forged one is a 400.
    """

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 100
    ordering = "-created_at"

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        """Return the page that the cursor points at."""
        self._check_parameters(request, view)
        try:
            page: list[Any] | None = super().paginate_queryset(queryset, request, view)
        except ValidationError:  # a cursor of ours, made for a field of another type
            _refuse(self.cursor_query_param, _("This is not a cursor of this list."))
        return page

    def get_ordering(
        self, request: Request, queryset: QuerySet[Model], view: Any
    ) -> tuple[str, ...]:
        """Return the view's order, or the allowed one that was asked for."""
        asked = request.query_params.get("ordering")
        if asked is None:
            own = getattr(view, "ordering", None) or self.ordering
            return (own,) if isinstance(own, str) else tuple(own)
        allowed = getattr(view, "orderings", ())
        if asked not in allowed:
            _refuse("ordering", _("Allowed here: %s.") % (", ".join(allowed) or "-"))
        return (asked, "id")

    def get_page_size(self, request: Request) -> int:
        """Return the size asked for, within its limits."""
        asked = request.query_params.get(self.page_size_query_param, str(self.page_size))
        digits = asked.lstrip("0")
        if not (digits and digits.isascii() and digits.isdigit()):
            _refuse("page_size", _("Use a whole number from 1 to %d.") % self.max_page_size)
        return min(int(digits[:4]), self.max_page_size)

    def decode_cursor(self, request: Request) -> pagination.Cursor | None:
        """Return the cursor that was sent, if it is one of ours."""
        sent = request.query_params.get(self.cursor_query_param)
        if sent is None:
            return None
        try:
            return pagination.Cursor(*signing.loads(sent, salt=self._salt()))
        except signing.BadSignature:
            _refuse(self.cursor_query_param, _("This is not a cursor of this list."))

    def encode_cursor(self, cursor: pagination.Cursor) -> str:
        """Return the link to `cursor`."""
        sent = signing.dumps(list(cursor), salt=self._salt())
        link: str = replace_query_param(str(self.base_url), self.cursor_query_param, sent)
        return link

    def _salt(self) -> str:
        """Bind a cursor to the order that it was made for."""
        return "clawai.cursor:" + ",".join(self.ordering)

    def _check_parameters(self, request: Request, view: Any) -> None:
        declared = getattr(view, "query_params", None)
        if declared is None:
            return
        known = {self.cursor_query_param, self.page_size_query_param, "ordering", *declared}
        for name in request.query_params:
            if name not in known:
                _refuse(name, _("Unknown parameter."))


class StrictJSONParser(BaseParser):
    """Reads a JSON object and nothing that a database or a stack could choke on.

    Refused with 400: bodies that are no object, NaN and infinities, numbers of thousands of
    digits, NUL and lone surrogates, nesting over 64 levels; with 413: bodies over the limit.
    """

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        """Return the object.

        Raises:
            Invalid: the body is not what it should be.
            TooLarge: the body is over the limit.
        """
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLarge(_("At most %d bytes.") % limit)
        return parse_object(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`, which is UTF-8.

    Raises:
        Invalid: it is none, or one that could hurt.
    """
    try:
        text = body.decode()
        data = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Invalid(_("The body is not JSON that can be read here.")) from None
    if not isinstance(data, dict):
        raise Invalid(_("The body must be a JSON object."))
    _check(data, strings_too=SUSPECT.search(text) is not None)
    return data


def _no_number(literal: str) -> NoReturn:
    raise ValueError(literal)


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(literal)
    return number


def _check(data: dict[str, Any], *, strings_too: bool) -> None:
    """Walk `data` level by level, never by recursion."""
    level: list[Any] = [data]
    for _depth in range(DEEPEST):
        if strings_too:
            _check_strings(level)
        inside = [value for box in level for value in (box.values() if type(box) is dict else box)]
        level = [value for value in inside if type(value) in (dict, list)]
        if not level:
            return
    raise Invalid(_("The body is nested too deeply."))


def _check_strings(level: list[Any]) -> None:
    """Look at the keys and texts directly inside the boxes of one level."""
    for box in level:
        values = [*box, *box.values()] if type(box) is dict else box
        if any(type(value) is str and FORBIDDEN.search(value) for value in values):
            raise Invalid(_("NUL characters and lone surrogates are not allowed."))
