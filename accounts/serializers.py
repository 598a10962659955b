"""Serializers of people, and the strictness that every serializer shares."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework import serializers

from accounts.models import User


class StrictMixin:
    """Refuses fields that a caller may not write, by name, with 400."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values of fields that may be written."""
        if isinstance(data, Mapping):
            fields = self.fields  # type: ignore[attr-defined]
            unknown = [name for name in data if name not in fields or fields[name].read_only]
            if unknown:
                complaint = _("Unknown or read-only field.")
                raise serializers.ValidationError({str(name): [complaint] for name in unknown})
        return super().to_internal_value(data)  # type: ignore[misc]


class StrictSerializer(StrictMixin, serializers.Serializer[Any]):
    """A serializer that takes its own fields and no others."""


class StrictModelSerializer(StrictMixin, serializers.ModelSerializer[Any]):
    """A model's serializer that takes its own fields and no others."""


class MeSerializer(StrictModelSerializer):
    """The person who asks, with roles and rights."""

    language = serializers.ChoiceField(choices=settings.LANGUAGES, allow_blank=True, required=False)
    roles = serializers.SerializerMethodField()
    permissions = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = [
            "id",
            "username",
            "display_name",
            "email",
            "language",
            "theme",
            "is_staff",
            "roles",
            "permissions",
        ]
        read_only_fields = ["id", "username", "email", "is_staff"]

    def get_roles(self, user: User) -> list[str]:
        """Return the names of the groups, in order."""
        return list(user.groups.order_by("name").values_list("name", flat=True))

    def get_permissions(self, user: User) -> list[str]:
        """Return what the person may do, as `app.codename`, in order."""
        return sorted(user.get_all_permissions())
