"""Checkpoints of a run: whole or not there, checked by SHA-256, and read without unpickling."""

from alchemiser_cli.rl.checkpoints.equality import fingerprint, prove_equal
from alchemiser_cli.rl.checkpoints.reading import Checkpoint, Skipped, read_checkpoint
from alchemiser_cli.rl.checkpoints.writing import Written, write_checkpoint

__all__ = [
    "Checkpoint",
    "Skipped",
    "Written",
    "fingerprint",
    "prove_equal",
    "read_checkpoint",
    "write_checkpoint",
]
