"""The audit trail: append-only, chained by hashes, verified and read back."""
