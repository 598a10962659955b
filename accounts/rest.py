"""What the REST views of all apps ask of a request: who makes it, and what its body holds."""

from typing import Any

from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from accounts.models import User


def caller(request: Request) -> User:
    """Return who makes the request; the default permissions have let nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101 - IsAuthenticated has seen to it
    return request.user


def valid(serializer: type[BaseSerializer[Any]], request: Request) -> dict[str, Any]:
    """Return the values of the body, as the serializer understands them.

    Raises:
        ValidationError: they are not valid; answered as 400 with the fields at fault.
    """
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    values: dict[str, Any] = given.validated_data
    return values
