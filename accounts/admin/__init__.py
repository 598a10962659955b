"""The admin of people, of their roles and of what was done in the admin."""

from accounts.admin.logs import ApiKeyAdmin, IdempotentCallAdmin, LogEntryAdmin, TokenFamilyAdmin
from accounts.admin.matrix import RoleAdmin
from accounts.admin.people import UserAdmin

__all__ = [
    "ApiKeyAdmin",
    "IdempotentCallAdmin",
    "LogEntryAdmin",
    "RoleAdmin",
    "TokenFamilyAdmin",
    "UserAdmin",
]
