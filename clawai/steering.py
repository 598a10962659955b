"""REST: settings with their versions, for whoever may steer the system."""

import json
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope, User
from accounts.rest import RestView, caller, valid
from accounts.serializers import Moment, StrictSerializer
from configs import crypto, registry, runtime, services
from configs.changesets.values import FreeKey
from configs.errors import Conflict, Forbidden, Invalid, NotFound, Stale, VersionNeeded
from configs.models import Config
from configs.registry import AnySetting

SEE = "configs.view_config"
STEER = ("configs.change_config", "configs.publish_changeset")
IF_MATCH = OpenApiParameter("If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True)


class NewSettingInput(StrictSerializer):
    """A key of your own."""

    key = serializers.CharField(max_length=100)
    value = serializers.JSONField()
    value_type = serializers.ChoiceField(Config.ValueType.choices, default="text")
    description = serializers.CharField(max_length=500, required=False, default="")
    is_public = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class SettingInput(StrictSerializer):
    """A new value; null lets the default hold again."""

    value = serializers.JSONField(allow_null=True)
    reason = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class RollbackInput(StrictSerializer):
    """The version whose value is to come back, as a new version."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    reason = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class SettingSerializer(serializers.Serializer[Any]):
    """A setting; the value of a secret is shown as dots and its last four characters."""

    key = serializers.CharField()
    value = serializers.JSONField()
    default = serializers.JSONField()
    type = serializers.CharField()
    group = serializers.CharField()
    description = serializers.CharField()
    source = serializers.ChoiceField(["default", "database", "environment"])  # type: ignore[assignment]
    is_sensitive = serializers.BooleanField()
    is_public = serializers.BooleanField()
    version = serializers.IntegerField(help_text="0 where nothing was ever stored")
    created_at = Moment(allow_null=True)
    updated_at = Moment(allow_null=True)
    updated_by = serializers.CharField(allow_null=True)


class PastSerializer(serializers.Serializer[Any]):
    """One change of a setting."""

    version = serializers.IntegerField()
    old_value = serializers.SerializerMethodField()
    new_value = serializers.SerializerMethodField()
    changed_by = serializers.SerializerMethodField()
    changed_at = Moment(source="history_date")
    reason = serializers.CharField(source="history_change_reason", allow_null=True)
    release = serializers.IntegerField(source="release_version", allow_null=True)
    request_id = serializers.CharField()

    def get_old_value(self, row: Any) -> Any:
        """Return what it was before; null where nothing was stored."""
        return _stored(row, row.before)

    def get_new_value(self, row: Any) -> Any:
        """Return what it became; null where nothing is stored."""
        return _stored(row, row.value)

    def get_changed_by(self, row: Any) -> str | None:
        """Return the name of whoever changed it."""
        names: dict[UUID, str] = self.context["names"]
        return names.get(row.history_user_id)


class _SettingsView(RestView[Config]):
    """What the doors to settings share: who may see them, who may change them."""

    scope = {"GET": Scope.CONFIGS_READ} | dict.fromkeys(
        ("POST", "PATCH", "DELETE"), Scope.CONFIGS_WRITE
    )
    queryset = Config.objects.none()

    def check_permissions(self, request: Request) -> None:
        """Let in whoever may see settings, and to change them whoever may publish."""
        super().check_permissions(request)
        method = str(request.method)
        wanted = [SEE] if method in SAFE_METHODS else [SEE, *STEER]
        if method in self.allowed_methods and not caller(request).has_perms(wanted):
            raise PermissionDenied


@extend_schema(tags=["configs"])
class SettingsView(_SettingsView):
    """All settings."""

    serializer_class = SettingSerializer
    query_params = ()

    def get(self, request: Request) -> Response:
        """List them: those that the release declares, then your own."""
        if request.query_params:
            raise Invalid(errors={key: [_("Unknown parameter.")] for key in request.query_params})
        rows = {row.key: row for row in Config.objects.select_related("updated_by")}
        keys = [*registry.SETTINGS, *(key for key in rows if key not in registry.SETTINGS)]
        snapshot = runtime.current()
        found = [_shown(key, rows.get(key), snapshot) for key in keys]
        return Response({"next": None, "previous": None, "results": found})

    @extend_schema(request=NewSettingInput, responses={201: SettingSerializer})
    def post(self, request: Request) -> Response:
        """Make a key of your own."""
        given = valid(NewSettingInput, request)
        if given["key"] in registry.SETTINGS or Config.objects.filter(key=given["key"]).exists():
            raise Conflict(_("There is a setting of this name already."))
        key, reason = given.pop("key"), given.pop("reason")
        services.change_setting(
            key=key, value=FreeKey(**given), actor=caller(request), reason=reason,
            expected_version=0,
        )  # fmt: skip
        return _answer(key, status.HTTP_201_CREATED)


@extend_schema(tags=["configs"])
class SettingView(_SettingsView):
    """One setting; its version is its ETag."""

    serializer_class = SettingSerializer

    def get(self, request: Request, key: str) -> Response:
        """Return it."""
        return _answer(key)

    @extend_schema(request=SettingInput, parameters=[IF_MATCH])
    def patch(self, request: Request, key: str) -> Response:
        """Publish a new value; `If-Match` names the version that you saw."""
        given = valid(SettingInput, request)
        row, expected = _expected(request, key)
        if given["value"] is None:
            services.reset_setting(
                key=key, actor=caller(request), reason=given["reason"], expected_version=expected
            )
            return _answer(key)
        value = given["value"] if key in registry.SETTINGS else _free(row, given["value"])
        services.change_setting(
            key=key, value=value, actor=caller(request), reason=given["reason"],
            expected_version=expected,
        )  # fmt: skip
        return _answer(key)

    @extend_schema(request=None, parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Let the default hold again; a key of your own is removed. The history stays."""
        _row, expected = _expected(request, key)
        verb = services.reset_setting if key in registry.SETTINGS else services.delete_key
        verb(key=key, actor=caller(request), expected_version=expected)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["configs"])
class HistoryView(_SettingsView):
    """Who changed a setting, when, why, from what to what."""

    serializer_class = PastSerializer
    ordering = ("-history_id",)
    query_params = ()

    def get(self, request: Request, key: str) -> Response:
        """List its changes, the newest first."""
        _require_known(key)
        earlier = Config.history.filter(key=key, history_id__lt=OuterRef("history_id"))
        before = Subquery(earlier.order_by("-history_id").values("value")[:1])
        rows = Config.history.filter(key=key).annotate(before=before)
        page = self.paginate_queryset(rows) or []
        people = User.objects.in_bulk({row.history_user_id for row in page})
        names = {pk: person.username for pk, person in people.items()}
        shown = PastSerializer(page, many=True, context={"names": names})
        return self.get_paginated_response(shown.data)


@extend_schema(tags=["configs"])
class RollbackView(_SettingsView):
    """The way back."""

    serializer_class = RollbackInput

    @extend_schema(request=RollbackInput, responses=SettingSerializer)
    def post(self, request: Request, key: str) -> Response:
        """Write the value of an earlier version as a new version."""
        _require_known(key)
        given = valid(RollbackInput, request)
        _refuse_secret(key, Config.objects.filter(key=key).first())
        services.roll_back(key=key, actor=caller(request), **given)
        return _answer(key)


def _expected(request: Request, key: str) -> tuple[Config | None, int]:
    """Return the row and the version that the caller saw, if it is still that one."""
    _require_known(key)
    row = Config.objects.filter(key=key).first()
    _refuse_secret(key, row)
    current = row.version if row else 0
    given = request.headers.get("If-Match")
    if given is None:
        raise VersionNeeded
    if given.strip().removeprefix("W/").strip('"') not in {str(current), "*"}:
        raise Stale
    return row, current


def _require_known(key: str) -> None:
    if key not in registry.SETTINGS and not Config.objects.filter(key=key).exists():
        raise NotFound


def _refuse_secret(key: str, row: Config | None) -> None:
    setting = registry.SETTINGS.get(key)
    if (setting and setting.sensitive) or (row and row.is_sensitive):
        raise Forbidden(_("A secret is changed in the admin, behind your password."))


def _free(row: Config | None, value: Any) -> FreeKey:
    if row is None:
        raise NotFound
    return FreeKey(row.value_type, value, row.description, row.is_public)


def _answer(key: str, code: int = status.HTTP_200_OK) -> Response:
    _require_known(key)
    row = Config.objects.select_related("updated_by").filter(key=key).first()
    found = _shown(key, row, runtime.current())
    return Response(found, status=code, headers={"ETag": f'"{found["version"]}"'})


def _shown(key: str, row: Config | None, snapshot: runtime.Snapshot) -> dict[str, Any]:
    setting = registry.SETTINGS.get(key)
    sensitive = bool(setting.sensitive if setting else row and row.is_sensitive)
    return {
        "key": key,
        "value": _value(setting, row, snapshot, sensitive=sensitive),
        "default": None if setting is None or sensitive else setting.default,
        "type": setting.type.__name__ if setting else row and row.value_type,
        "group": setting.group.value if setting else registry.Group.FREE.value,
        "description": str(setting.help) if setting else row and row.description,
        "source": snapshot.source(setting) if setting else "database",
        "is_sensitive": sensitive,
        "is_public": bool(setting.public if setting else row and row.is_public),
        "version": row.version if row else 0,
        "created_at": row and row.created_at,
        "updated_at": row and row.updated_at,
        "updated_by": row.updated_by.username if row and row.updated_by else None,
    }


def _value(
    setting: AnySetting | None, row: Config | None, snapshot: runtime.Snapshot, *, sensitive: bool
) -> Any:
    if sensitive:
        return crypto.masked(row.value, f"config:{row.key}") if row and row.value else ""
    if setting is not None and snapshot.source(setting) == "environment":
        return snapshot.values[setting.key]
    if row is not None and row.value:
        return json.loads(row.value)
    return setting.default if setting else None


def _stored(row: Any, text: str | None) -> Any:
    if not text:
        return None
    if row.is_sensitive:
        return crypto.masked(text, f"config:{row.key}")
    return json.loads(text)
