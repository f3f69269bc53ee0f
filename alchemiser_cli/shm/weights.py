"""A segment of a policy's weights, for its one writer and its readers."""

from collections.abc import Mapping
from typing import Any

from alchemiser_cli.clock import Clock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.canary import Array, Canary, Prove
from alchemiser_cli.shm.files import segment_file
from alchemiser_cli.shm.schema import digest_of, tensor_manifest
from alchemiser_cli.shm.slots import Provenance
from alchemiser_cli.shm.weight_reader import WeightReader
from alchemiser_cli.shm.weight_writer import WeightWriter
from alchemiser_cli.shm.writer import SegmentWriter
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["WeightSegment"]


class WeightSegment:
    """The segment ``name`` of weights; making one touches no file."""

    def __init__(
        self,
        settings: ShmSettings,
        name: str,
        clock: Clock,
        *,
        observation_schema: Any = None,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Describe the segment; ``observation_schema`` is what msgspec encodes, None: unknown.

        What its writer and its readers do is counted in ``telemetry``.

        Raises:
            SegmentNotFoundError: ``segment-not-found`` for an impossible name.
        """
        self.file = segment_file(settings.directory, name)
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry
        self._observation_hash = 0 if observation_schema is None else digest_of(observation_schema)

    def writer(
        self,
        weights: Mapping[str, Array],
        *,
        canary: Canary | None = None,
        provenance: Provenance | None = None,
        create_only: bool = False,
    ) -> WeightWriter:
        """Take the lease, and open the segment or make it for arrays like ``weights``.

        Nothing is published; raises as ``SegmentWriter`` and ``tensor_manifest``.
        """
        observed = (None, None) if canary is None else (canary.observations, canary.actions)
        return WeightWriter(
            SegmentWriter(
                self.file,
                tensor_manifest(weights, *observed),
                self._clock,
                provenance=provenance,
                observation_hash=self._observation_hash,
                create_only=create_only,
                telemetry=self._telemetry,
            )
        )

    def reader(self, *, prove: Prove | None = None, tolerance: float = 0.0) -> WeightReader:
        """Attach to the segment; raises as ``WeightReader``."""
        return WeightReader(
            self.file,
            self._clock,
            self._settings,
            prove=prove,
            tolerance=tolerance,
            observation_hash=self._observation_hash,
            telemetry=self._telemetry,
        )
