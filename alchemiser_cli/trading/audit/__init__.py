"""The audit trail: append-only, chained by hashes, verified and read back."""

from alchemiser_cli.trading.audit.anchors import AnchorStore
from alchemiser_cli.trading.audit.chain import AuditHead
from alchemiser_cli.trading.audit.reading import (
    newest_trail,
    read_trail,
    trail_folder,
    trails,
)
from alchemiser_cli.trading.audit.record import AuditEntry, AuditEvent, AuditRecord
from alchemiser_cli.trading.audit.trail import AuditTrail
from alchemiser_cli.trading.audit.verifying import Fault, Verification, verify_trail

__all__ = [
    "AnchorStore",
    "AuditEntry",
    "AuditEvent",
    "AuditHead",
    "AuditRecord",
    "AuditTrail",
    "Fault",
    "Verification",
    "newest_trail",
    "read_trail",
    "trail_folder",
    "trails",
    "verify_trail",
]
