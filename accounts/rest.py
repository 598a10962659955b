"""What the REST views of all apps share: who calls, what the body holds, acting once."""

from functools import partial
from typing import Any, Generic, TypeVar

from django.db.models import Model
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from accounts import idempotency
from accounts.models import User

Row = TypeVar("Row", bound=Model)
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class RestView(GenericAPIView[Row], Generic[Row]):
    """A view whose mutating calls act once for each `Idempotency-Key`."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let nobody in who may not enter; then see to it that a repeated call acts once."""
        super().initial(request, *args, **kwargs)
        method = str(request.method)
        handler = getattr(self, method.lower(), None)
        if handler and method in MUTATING and self.remembers(request):
            setattr(self, method.lower(), partial(idempotency.act_once, handler))

    def remembers(self, request: Request) -> bool:
        """Return whether the answer is kept for a repetition: it carries a key."""
        return idempotency.key_of(request) is not None


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
