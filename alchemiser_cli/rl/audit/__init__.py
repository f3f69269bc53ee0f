"""The audit of a training environment: the laws that it must keep, each looked at by itself."""

from alchemiser_cli.rl.audit.report import AuditOutcome, AuditReport, require
from alchemiser_cli.rl.audit.running import AUDITS, Audit, audit_environment
from alchemiser_cli.rl.audit.subject import Finding, Subject

__all__ = [
    "AUDITS",
    "Audit",
    "AuditOutcome",
    "AuditReport",
    "Finding",
    "Subject",
    "audit_environment",
    "require",
]
