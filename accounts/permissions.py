"""What a role must allow before a REST view is entered."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class RoleAllows(BasePermission):
    """Asks for the permissions that a view names per method: `needs = {"POST": "app.codename"}`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the caller's roles hold what the method needs."""
        needed: str | None = getattr(view, "needs", {}).get(request.method)
        return needed is None or request.user.has_perm(needed)
