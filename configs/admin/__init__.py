"""The admin of what steers the system."""

from configs.admin.audit import AuditEntryAdmin
from configs.admin.changesets import ChangeSetAdmin
from configs.admin.endpoints import ModelEndpointAdmin
from configs.admin.jobs import JobAdmin
from configs.admin.processes import RunningProcessAdmin
from configs.admin.prompts import PromptTemplateAdmin
from configs.admin.releases import ReleaseAdmin
from configs.admin.settings import ConfigAdmin

__all__ = [
    "AuditEntryAdmin",
    "ChangeSetAdmin",
    "ConfigAdmin",
    "JobAdmin",
    "ModelEndpointAdmin",
    "PromptTemplateAdmin",
    "ReleaseAdmin",
    "RunningProcessAdmin",
]
