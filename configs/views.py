"""REST: the settings that anyone may see."""

import hashlib
from typing import Any

import orjson
from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from configs import runtime


@extend_schema(tags=["configs"], auth=[])
class PublicView(APIView):
    """What clients may know before anybody has signed in."""

    authentication_classes: list[type[BaseAuthentication]] = []
    permission_classes = [AllowAny]

    @extend_schema(
        parameters=[OpenApiParameter("If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER)],
        responses={200: OpenApiTypes.OBJECT, 304: None},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return the public settings, key by key; 304 while they are what the client has."""
        values = runtime.current().public()
        response = Response(values)
        response.headers["ETag"] = _etag(values)
        patch_cache_control(response, public=True, no_cache=True)
        known = get_conditional_response(
            request._request, etag=response.headers["ETag"], response=response
        )
        return known or response


def _etag(values: dict[str, Any]) -> str:
    """Return the same text for the same values, whichever process answers."""
    return f'"{hashlib.sha256(orjson.dumps(values)).hexdigest()[:32]}"'
