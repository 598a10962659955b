"""The admin of what people signed in with, and of what was done in the admin."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, IdempotentCall, TokenFamily
from configs.admin.base import EstimatingPaginator, RecordAdmin


@admin.register(ApiKey)
class ApiKeyAdmin(RecordAdmin):
    """Keys of programs: whose, how far they reach, when they were last used; never the key."""

    fields = [
        "owner",
        "name",
        "prefix",
        "scopes",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "last_used_ip",
    ]
    list_display = ["name", "owner", "prefix", "created_at", "last_used_at", "revoked_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "prefix", "owner__username"]
    paginator = EstimatingPaginator


@admin.register(TokenFamily)
class TokenFamilyAdmin(RecordAdmin):
    """Sign-ins by token: whose, since when, until when."""

    fields = ["user", "created_at", "renewed_at", "expires_at", "revoked_at"]
    list_display = ["user", "created_at", "renewed_at", "expires_at", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    paginator = EstimatingPaginator


@admin.register(IdempotentCall)
class IdempotentCallAdmin(RecordAdmin):
    """Calls that act once however often they come; what was answered is not shown."""

    fields = ["user", "status", "created_at"]
    list_display = ["id", "user", "status", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    paginator = EstimatingPaginator


@admin.register(LogEntry)
class LogEntryAdmin(RecordAdmin):
    """What was done in the admin, by whom."""

    list_display = ["action_time", "user", "content_type", "object_repr", "what", "change_message"]
    list_select_related = ["user", "content_type"]
    list_filter = ["action_flag", "content_type"]
    search_fields = ["user__username", "object_repr", "change_message"]
    paginator = EstimatingPaginator
    date_hierarchy = None

    @admin.display(description=_("action"), ordering="action_flag")
    def what(self, entry: LogEntry) -> str:
        """Return the kind of action."""
        return str(entry.get_action_flag_display())
