"""REST: signing in by token, the caller's API keys, and the person who asks."""

from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView, RetrieveUpdateAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import api_keys, limits, tokens
from accounts.models import ApiKey, User
from accounts.rest import RestView, caller, valid
from accounts.serializers import (
    ApiKeyInput,
    ApiKeySerializer,
    CredentialsInput,
    MeSerializer,
    NewApiKeySerializer,
    RefreshInput,
    RotationInput,
    TokenPairSerializer,
)


@extend_schema(tags=["me"])
class MeView(RestView[User], RetrieveUpdateAPIView[User]):
    """Profile, roles and rights of the caller; the profile can be changed."""

    serializer_class = MeSerializer
    http_method_names = ["get", "head", "patch", "options"]

    def get_object(self) -> User:
        """Return the caller."""
        return caller(self.request)


class _TokenView(GenericAPIView[User]):
    """A door for those who are not signed in yet."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def get_authenticate_header(self, request: Request) -> str:
        """Return the challenge of a refusal."""
        return 'Bearer realm="CLAW.AI"'


@extend_schema(tags=["auth"], request=CredentialsInput, responses=TokenPairSerializer)
class TokenView(_TokenView):
    """Sign in with name and password."""

    serializer_class = CredentialsInput

    def post(self, request: Request) -> Response:
        """Return an access token for 15 minutes and a refresh token for 7 days."""
        values = valid(CredentialsInput, request)
        limits.count_login(request._request, values["username"])
        pair = tokens.obtain(request=request._request, **values)
        return Response(TokenPairSerializer(pair).data)


@extend_schema(tags=["auth"], request=RefreshInput, responses=TokenPairSerializer)
class TokenRefreshView(_TokenView):
    """Renew a sign-in."""

    serializer_class = RefreshInput

    def post(self, request: Request) -> Response:
        """Return the next pair; a refresh token that is used twice ends the whole sign-in."""
        values = valid(RefreshInput, request)
        return Response(TokenPairSerializer(tokens.refresh(token=values["refresh"])).data)


@extend_schema(tags=["auth"], request=RefreshInput, responses={204: None})
class TokenRevokeView(_TokenView):
    """Sign out."""

    serializer_class = RefreshInput

    def post(self, request: Request) -> Response:
        """End the sign-in that the refresh token belongs to."""
        tokens.revoke(token=valid(RefreshInput, request)["refresh"])
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["api-keys"])
class ApiKeysView(RestView[ApiKey]):
    """The caller's API keys."""

    serializer_class = ApiKeySerializer
    ordering = ("-created_at", "id")
    query_params = ()

    def get_queryset(self) -> QuerySet[ApiKey]:
        """Return the keys that were not revoked."""
        return api_keys.visible_to(caller(self.request))

    def get(self, request: Request) -> Response:
        """List them; secrets are never shown again."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(ApiKeySerializer(page, many=True).data)

    @extend_schema(request=ApiKeyInput, responses={201: NewApiKeySerializer})
    def post(self, request: Request) -> Response:
        """Make one; its secret is in this answer only."""
        values = valid(ApiKeyInput, request)
        return _made(*api_keys.create(actor=caller(request), **values))


@extend_schema(tags=["api-keys"])
class ApiKeyView(RestView[ApiKey]):
    """One API key."""

    serializer_class = ApiKeySerializer

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Revoke it: the next call with it is refused."""
        api_keys.revoke(actor=caller(request), key=pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["api-keys"])
class ApiKeyRotateView(RestView[ApiKey]):
    """A key's successor."""

    serializer_class = RotationInput

    @extend_schema(request=RotationInput, responses={201: NewApiKeySerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Make a successor with the same scopes; the old key works on for the overlap."""
        seconds = valid(RotationInput, request)["overlap_seconds"]
        overlap = timedelta(seconds=seconds)
        return _made(*api_keys.rotate(actor=caller(request), key=pk, overlap=overlap))


def _made(row: ApiKey, secret: str) -> Response:
    row.key = secret  # type: ignore[attr-defined]  # in this answer only, never stored
    answer = Response(NewApiKeySerializer(row).data, status=status.HTTP_201_CREATED)
    answer.headers["Cache-Control"] = "no-store"
    return answer
