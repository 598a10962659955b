"""What a credential must allow before a REST view is entered."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.authentication import Bearer

if TYPE_CHECKING:  # the views themselves read this class from the settings
    from rest_framework.views import APIView


class ScopeAllows(BasePermission):
    """Holds API keys to their scopes.

    A view names in `scope` what a key needs: one scope, or one for each method. A view or method
    that names none is closed to keys. Sessions and JWTs have all the rights of their person.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return whether the caller's credential reaches this method of the view."""
        if not isinstance(request.auth, Bearer):
            return True
        named: str | Mapping[str, str] | None = getattr(view, "scope", None)
        method = "GET" if request.method in {"HEAD", "OPTIONS"} else str(request.method)
        return request.auth.allows(named.get(method) if isinstance(named, Mapping) else named)
