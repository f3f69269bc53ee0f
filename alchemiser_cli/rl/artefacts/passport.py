"""The passport of a model: what it was made from, what it holds, and what it proved to be worth."""

from typing import Any, Literal

import msgspec

__all__ = [
    "OPTIONS",
    "PASSPORT",
    "SCHEMA_VERSION",
    "STRATEGY",
    "DataOrigin",
    "ModelVerdict",
    "Origin",
    "Passport",
    "Promotion",
    "Registration",
]

PASSPORT = "passport.json"
SCHEMA_VERSION = 1

OPTIONS = "options"

STRATEGY = "strategy"
"""The kind of models that lie in the same folder and are not policies: a rule's strategies'."""

Kind = Literal["td3"]


class DataOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """The data that a model was trained on.

    ``sha256`` is over the columns of the chain. Rows are given as ``(first, end)``, where ``end``
    is the first row that does not belong to them.
    """

    dataset: str
    symbol: str | None = None
    sha256: str
    first_event_time_ns: int
    last_event_time_ns: int
    rows: int
    trained_rows: tuple[int, int]
    held_out_rows: tuple[int, int] | None = None


class ModelVerdict(msgspec.Struct, frozen=True):
    """Whether the evaluation allows promotion, and why not where it does not."""

    promotable: bool
    reasons: tuple[str, ...] = ()


class Promotion(msgspec.Struct, frozen=True):
    """When and by whom a model was promoted, and whether that was against its verdict."""

    at: str
    by: str
    overridden: bool
    reason: str | None = None


class Registration(msgspec.Struct, frozen=True):
    """The version of MLflow's model registry that stands for a model."""

    name: str
    version: str
    uri: str


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What only the training knows of a model.

    ``architecture`` is what the network is built from: the preset and its dimensions.
    ``environment`` is ``options``, or the id of a Gymnasium environment, which has no ``data``.
    ``run_id`` names the training run.
    """

    kind: Kind
    algorithm: str
    environment: str = OPTIONS
    observation_schema_hash: str
    architecture: dict[str, Any]
    settings: dict[str, Any]
    seeds: dict[str, int]
    data: DataOrigin | None = None
    run_id: str | None = None


class Passport(Origin, frozen=True, kw_only=True):
    """All that is known of a model; stored as ``passport.json``, which is written last.

    ``sha256`` holds every other file of the artefact by name. ``weights_hash`` is over the tensors
    by name, so that two models with the same weights have the same hash whatever their files.
    ``git_revision`` is the commit of alchemiser's own source, None where it was installed.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    created_at: str
    sha256: dict[str, str]
    weights_hash: str
    versions: dict[str, str]
    git_revision: str | None = None
    verdict: ModelVerdict | None = None
    promotion: Promotion | None = None
    registration: Registration | None = None

    @property
    def promotable(self) -> bool:
        """Whether the evaluation allows promotion; a model without one is not promotable."""
        return self.verdict is not None and self.verdict.promotable
