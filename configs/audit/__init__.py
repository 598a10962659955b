"""The audit log: acts are recorded in the transaction that does them, and sealed at its commit."""

from configs.audit import actions
from configs.audit.recording import record, recorded_here
from configs.audit.verification import Fault, Head, Verdict, first_since, head, verify

__all__ = [
    "Fault",
    "Head",
    "Verdict",
    "actions",
    "first_since",
    "head",
    "record",
    "recorded_here",
    "verify",
]
