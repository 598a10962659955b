"""Rows that steer the system, and rows that prove who steered it."""

from configs.models.audit import AuditEntry, AuditHead
from configs.models.changes import Approval, Change, ChangeSet
from configs.models.processes import Job, RunningProcess
from configs.models.steering import (
    Config,
    ConfigOverride,
    ModelEndpoint,
    PromptTemplate,
    Release,
)

__all__ = [
    "Approval",
    "AuditEntry",
    "AuditHead",
    "Change",
    "ChangeSet",
    "Config",
    "ConfigOverride",
    "Job",
    "ModelEndpoint",
    "PromptTemplate",
    "Release",
    "RunningProcess",
]
