"""The admin of what steers the system."""

from configs.admin.endpoints import ModelEndpointAdmin, PromptTemplateAdmin, ReleaseAdmin
from configs.admin.settings import ConfigAdmin

__all__ = ["ConfigAdmin", "ModelEndpointAdmin", "PromptTemplateAdmin", "ReleaseAdmin"]
