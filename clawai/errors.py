"""The last answer to a failed request: problem details for programs, a page for people."""

import sys

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from clawai import denials, problems
from clawai.problems import Problem

PROGRAMS = ("/api/v1/", "/v1/", "/healthz", "/readyz", "/metrics")
"""Where callers are programs; unknown addresses under `/api/` are theirs too."""
PAGES = frozenset({400, 403, 404, 429, 500})


def answer(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Answer `problem` in the form that its reader understands."""
    if request.path.startswith((*PROGRAMS, "/api/")):
        return problem.response()
    if problem.status == 403 and request.path.startswith("/admin/"):  # noqa: PLR2004
        denials.record(request)
    name = problem.status if problem.status in PAGES else 500 if problem.status >= 500 else 400  # noqa: PLR2004
    page = render(request, f"errors/{name}.html", {"problem": problem}, status=problem.status)
    if problem.retry_after is not None:
        page.headers["Retry-After"] = str(problem.retry_after)
    return page


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that is malformed, or too large."""
    return answer(request, problems.of_exception(exception) or problems.plain(400))


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that its sender has no right to make."""
    return answer(request, problems.plain(403))


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for an address that is nobody's."""
    return answer(request, problems.plain(404))


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer for a defect of ours, or for a dependency that is down."""
    error = sys.exc_info()[1]
    problem = problems.of_exception(error) if error else None
    return answer(request, problem or problems.plain(500))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a failed CSRF check."""
    return answer(request, problems.csrf())


def unknown_address(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer for any API address that no other route takes.

    Raises:
        Http404: always; the 404 of an address is the 404 of an object.
    """
    raise Http404
