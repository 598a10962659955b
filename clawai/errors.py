"""Pages and problem details for errors that no view caught."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a failed CSRF check: problem details for the API, a page for people."""
    return render(request, "errors/403.html", status=403)
