"""What the OpenAPI document says of lists, and of how callers sign in."""

from typing import Any

from drf_spectacular import openapi
from drf_spectacular.authentication import SessionScheme as DrfSessionScheme


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
