"""The acts that the audit log knows: what was done to what, joined by a dot."""

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# --- What steers the system
CONFIG_PUBLISH: Final = "config.publish"
CONFIG_CHANGE: Final = "config.change"
CONFIG_ROLL_BACK: Final = "config.roll_back"
CONFIG_DRAFT: Final = "config.draft"
CONFIG_SUBMIT: Final = "config.submit"
CONFIG_SCHEDULE: Final = "config.schedule"
CONFIG_APPROVE: Final = "config.approve"
CONFIG_REJECT: Final = "config.reject"
CONFIG_WITHDRAW: Final = "config.withdraw"
CONFIG_DISCARD: Final = "config.discard"
CONFIG_FAIL: Final = "config.fail"
CONFIG_IMPORT: Final = "config.import"
CONFIG_EXPORT: Final = "config.export"
CONFIG_EXPORT_SECRETS: Final = "config.export_secrets"
KEYS_ROTATE: Final = "keys.rotate"
ENDPOINT_TEST: Final = "endpoint.test"
PROMPT_TRY: Final = "prompt.try"

# --- People and their rights
ROLE_GRANT: Final = "role.grant"
ROLE_REVOKE: Final = "role.revoke"
PERMISSION_GRANT: Final = "permission.grant"
PERMISSION_REVOKE: Final = "permission.revoke"
GROUP_CREATE: Final = "group.create"
GROUP_CHANGE: Final = "group.change"
GROUP_DELETE: Final = "group.delete"
USER_CREATE: Final = "user.create"
USER_CHANGE: Final = "user.change"
USER_INVITE: Final = "user.invite"
USER_JOIN: Final = "user.join"
USER_DEACTIVATE: Final = "user.deactivate"
USER_ACTIVATE: Final = "user.activate"
SIGN_IN_END_ALL: Final = "sign_in.end_all"
PASSWORD_CHANGE: Final = "password.change"  # noqa: S105  # the name of an act
PASSWORD_SET: Final = "password.set"  # noqa: S105
LOGIN_SUCCESS: Final = "login.success"
LOGIN_FAILURE: Final = "login.failure"
LOGIN_LIMITED: Final = "login.limited"
LOGOUT: Final = "logout"
STEP_UP_SUCCESS: Final = "step_up.success"
STEP_UP_FAILURE: Final = "step_up.failure"
API_KEY_CREATE: Final = "api_key.create"
API_KEY_ROTATE: Final = "api_key.rotate"
API_KEY_REVOKE: Final = "api_key.revoke"
TOKEN_ISSUE: Final = "token.issue"  # noqa: S105
TOKEN_REUSE: Final = "token.reuse"  # noqa: S105
TOKEN_REVOKE: Final = "token.revoke"  # noqa: S105

# --- Documents and conversations
BASE_CREATE: Final = "base.create"
BASE_CHANGE: Final = "base.change"
BASE_SHARE: Final = "base.share"
BASE_DELETE: Final = "base.delete"
DOCUMENT_UPLOAD: Final = "document.upload"
DOCUMENT_REINDEX: Final = "document.reindex"
DOCUMENT_DELETE: Final = "document.delete"
DOCUMENT_READ: Final = "document.read_by_other"
CONVERSATION_READ: Final = "conversation.read_by_other"
CONVERSATION_EXPORT: Final = "conversation.export"
CONVERSATION_DELETE: Final = "conversation.delete"
CONVERSATION_RESTORE: Final = "conversation.restore"
TRACE_READ: Final = "trace.read"
TRACE_EXPORT: Final = "trace.export"

# --- The admin itself
ADMIN_ADD: Final = "admin.add"
ADMIN_CHANGE: Final = "admin.change"
ADMIN_DELETE: Final = "admin.delete"
ACCESS_DENIED: Final = "access.denied"
EXPORT_AUDIT: Final = "export.audit"
EXPORT_HISTORY: Final = "export.history"
AUDIT_VERIFY: Final = "audit.verify"
JOB_START: Final = "job.start"
JOB_CANCEL: Final = "job.cancel"

LABELS: Final[Mapping[str, str | Promise]] = {
    CONFIG_PUBLISH: _("Published a release"),
    CONFIG_CHANGE: _("Changed what steers the system"),
    CONFIG_ROLL_BACK: _("Rolled back"),
    CONFIG_DRAFT: _("Edited a draft"),
    CONFIG_SUBMIT: _("Submitted a draft for review"),
    CONFIG_SCHEDULE: _("Scheduled a publication"),
    CONFIG_APPROVE: _("Approved a change"),
    CONFIG_REJECT: _("Rejected a change"),
    CONFIG_WITHDRAW: _("Withdrew a change"),
    CONFIG_DISCARD: _("Discarded a draft"),
    CONFIG_FAIL: _("Could not publish at the time"),
    CONFIG_IMPORT: _("Imported settings"),
    CONFIG_EXPORT: _("Exported settings"),
    CONFIG_EXPORT_SECRETS: _("Exported settings with their secrets"),
    KEYS_ROTATE: _("Renewed the encryption keys"),
    ENDPOINT_TEST: _("Tested a connection"),
    PROMPT_TRY: _("Tried a prompt"),
    ROLE_GRANT: _("Gave a role"),
    ROLE_REVOKE: _("Took a role away"),
    PERMISSION_GRANT: _("Gave a permission"),
    PERMISSION_REVOKE: _("Took a permission away"),
    GROUP_CREATE: _("Made a group"),
    GROUP_CHANGE: _("Changed a group"),
    GROUP_DELETE: _("Deleted a group"),
    USER_CREATE: _("Made an account"),
    USER_CHANGE: _("Changed an account"),
    USER_INVITE: _("Made an invitation link"),
    USER_JOIN: _("Accepted an invitation"),
    USER_DEACTIVATE: _("Shut an account out"),
    USER_ACTIVATE: _("Let an account in again"),
    SIGN_IN_END_ALL: _("Ended all sign-ins of a person"),
    PASSWORD_CHANGE: _("Changed the own password"),
    PASSWORD_SET: _("Set another person's password"),
    LOGIN_SUCCESS: _("Signed in"),
    LOGIN_FAILURE: _("Failed to sign in"),
    LOGIN_LIMITED: _("Tried to sign in too often"),
    LOGOUT: _("Signed out"),
    STEP_UP_SUCCESS: _("Confirmed with the password"),
    STEP_UP_FAILURE: _("Failed to confirm with the password"),
    API_KEY_CREATE: _("Made an API key"),
    API_KEY_ROTATE: _("Replaced an API key"),
    API_KEY_REVOKE: _("Revoked an API key"),
    TOKEN_ISSUE: _("Signed in by token"),
    TOKEN_REUSE: _("Used a spent token"),
    TOKEN_REVOKE: _("Ended a sign-in by token"),
    BASE_CREATE: _("Made a knowledge base"),
    BASE_CHANGE: _("Changed a knowledge base"),
    BASE_SHARE: _("Changed who may see a knowledge base"),
    BASE_DELETE: _("Deleted a knowledge base"),
    DOCUMENT_UPLOAD: _("Uploaded a document"),
    DOCUMENT_REINDEX: _("Indexed anew"),
    DOCUMENT_DELETE: _("Deleted a document"),
    DOCUMENT_READ: _("Read another person's document"),
    CONVERSATION_READ: _("Read another person's conversation"),
    CONVERSATION_EXPORT: _("Exported a conversation"),
    CONVERSATION_DELETE: _("Deleted a conversation"),
    CONVERSATION_RESTORE: _("Restored a conversation"),
    TRACE_READ: _("Looked into how an answer was made"),
    TRACE_EXPORT: _("Exported which answers used a document"),
    ADMIN_ADD: _("Added in the admin"),
    ADMIN_CHANGE: _("Changed in the admin"),
    ADMIN_DELETE: _("Deleted in the admin"),
    ACCESS_DENIED: _("Was refused"),
    EXPORT_AUDIT: _("Exported the audit log"),
    EXPORT_HISTORY: _("Exported the history"),
    AUDIT_VERIFY: _("Checked the audit log"),
    JOB_START: _("Started a job"),
    JOB_CANCEL: _("Cancelled a job"),
}


def label(action: str) -> str:
    """Return the act in words; one that is not known stays as it is."""
    known = LABELS.get(action)
    return action if known is None else str(known)
