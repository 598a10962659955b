"""REST: the person who asks."""

from drf_spectacular.utils import extend_schema
from rest_framework.generics import RetrieveUpdateAPIView

from accounts.models import User
from accounts.serializers import MeSerializer


@extend_schema(tags=["me"])
class MeView(RetrieveUpdateAPIView[User]):
    """Profile, roles and rights of the caller; the profile can be changed."""

    serializer_class = MeSerializer
    http_method_names = ["get", "head", "patch", "options"]

    def get_object(self) -> User:
        """Return the caller."""
        user = self.request.user
        assert isinstance(user, User)  # noqa: S101 - IsAuthenticated has seen to it
        return user
