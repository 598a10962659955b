"""Serializers of people, and the strictness that every serializer shares."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, TypeVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext as _
from rest_framework import serializers

from accounts.models import ApiKey, Scope, User

Row = TypeVar("Row", bound=models.Model)


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


class Moment(serializers.DateTimeField):
    """A time in UTC, whatever zone the pages show."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)


class RowSerializer(serializers.ModelSerializer[Row]):
    """A model's serializer whose times are in UTC."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: Moment,
    }


class StrictModelSerializer(StrictMixin, RowSerializer[Any]):
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


class CredentialsInput(StrictSerializer):
    """Name and password."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=4096, trim_whitespace=False)


class RefreshInput(StrictSerializer):
    """A refresh token."""

    refresh = serializers.CharField(max_length=4096)


class TokenPairSerializer(serializers.Serializer[Any]):
    """An access token, and the refresh token that is good for one renewal."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    token_type = serializers.CharField(default="Bearer")
    expires_in = serializers.IntegerField(source="expires_in_seconds", help_text="seconds")


class ApiKeyInput(StrictSerializer):
    """A key to be made."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices), max_length=20)
    expires_at = Moment(required=False, allow_null=True)


class RotationInput(StrictSerializer):
    """For how long the old key works on."""

    overlap_seconds = serializers.IntegerField(min_value=0, max_value=30 * 86400, default=0)


class ApiKeySerializer(RowSerializer[ApiKey]):
    """A key, without its secret."""

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "name",
            "prefix",
            "scopes",
            "created_at",
            "expires_at",
            "last_used_at",
            "last_used_ip",
        ]
        read_only_fields = fields


class NewApiKeySerializer(ApiKeySerializer):
    """A key with its secret, which is shown this once."""

    key = serializers.CharField(read_only=True, help_text="Shown once: keep it now.")

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]
        read_only_fields = fields
