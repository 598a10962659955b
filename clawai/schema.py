"""What the OpenAPI document says of lists, and of how callers sign in."""

from typing import Any

from drf_spectacular import openapi
from drf_spectacular.authentication import SessionScheme as DrfSessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension


class AutoSchema(openapi.AutoSchema):
    """Knows our lists: views that declare what they can be filtered by."""

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Return whether the operation answers a page of rows."""
        if self.method == "GET" and hasattr(self.view, "query_params"):
            return True
        return bool(super()._is_list_view(serializer))


class SessionScheme(DrfSessionScheme):  # type: ignore[no-untyped-call]
    """The session cookie of the web."""

    target_class = "accounts.authentication.SessionAuthentication"


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A JWT, or an API key with scopes."""

    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme as OpenAPI names it."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of `auth/token/`, or an API key (`claw_…`).",
        }
