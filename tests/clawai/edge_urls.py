"""Addresses that fail in every way there is, beside the real ones."""

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.serializers import StrictSerializer
from clawai.api import CursorPagination
from clawai.urls import handler400, handler403, handler404, handler500
from clawai.urls import urlpatterns as real
from configs import errors
from configs.models import Config

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

SECRET = "sk-CANARY-0123456789"
RAISED = {
    "ours-404": errors.NotFound("the row 17 of charlie"),
    "ours-409": errors.Conflict("Not now."),
    "ours-413": errors.TooLarge(),
    "ours-429": errors.RateLimited("Wait.", retry_after=7),
    "ours-500": errors.SecretUnreadable(SECRET),
    "ours-503": errors.ProviderBusy(retry_after=3),
    "http-404": Http404("the row 17 of charlie"),
    "denied": PermissionDenied("because"),
    "django-validation": ValidationError({"name": ["Too long."]}),
    "rest-validation": exceptions.ValidationError({"items": [{}, {"name": ["Too long."]}]}),
    "throttled": exceptions.Throttled(wait=9),
    "database": OperationalError(f"connection to /var/lib/{SECRET} failed"),
    "defect": RuntimeError(f"SELECT {SECRET} FROM /etc/passwd"),
}


class Failing(APIView):
    def get(self, request: Request, name: str) -> Response:
        raise RAISED[name]


class Echo(APIView):
    def post(self, request: Request) -> Response:
        return Response(request.data)


class Strict(StrictSerializer):
    pass


class Pages(APIView):
    ordering = ("key",)
    orderings = ("-key",)
    query_params = ("search",)

    def get(self, request: Request) -> Response:
        pages = CursorPagination()
        rows = pages.paginate_queryset(Config.objects.all(), request, self)
        return pages.get_paginated_response([row.key for row in rows])


def page_defect(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(SECRET)


def page_form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.POST.get("name", ""))


urlpatterns = [
    path("api/v1/failing/<str:name>/", Failing.as_view()),
    path("api/v1/echo/", Echo.as_view()),
    path("api/v1/pages/", Pages.as_view()),
    path("defect/", page_defect),
    path("form/", page_form),
    *real,
]
