"""Model artefacts: weights, canary, evaluation and passport in one folder that proves itself.

Names here are loaded when they are first used: reading a passport needs no library of learning.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alchemiser_cli.rl.artefacts.loading import (
        Artefact,
        ModelSummary,
        list_models,
        load_artefact,
    )
    from alchemiser_cli.rl.artefacts.names import model_folder, model_names, promoted_name
    from alchemiser_cli.rl.artefacts.passport import (
        STRATEGY,
        DataOrigin,
        ModelVerdict,
        Origin,
        Passport,
        Promotion,
        Registration,
    )
    from alchemiser_cli.rl.artefacts.promoting import PromotionOutcome, promote
    from alchemiser_cli.rl.artefacts.reading import (
        FileCheck,
        Header,
        check_files,
        compare_files,
        corrupt,
        read_header,
        read_passport,
        refuse_newer,
        refuse_other_observations,
    )
    from alchemiser_cli.rl.artefacts.saving import save_artefact, set_evaluation
    from alchemiser_cli.rl.artefacts.tensors import Canary, weights_hash
    from alchemiser_cli.rl.artefacts.verifying import (
        Proof,
        Prove,
        Verification,
        network_of,
        verify_artefact,
    )

__all__ = [
    "STRATEGY",
    "Artefact",
    "Canary",
    "DataOrigin",
    "FileCheck",
    "Header",
    "ModelSummary",
    "ModelVerdict",
    "Origin",
    "Passport",
    "Promotion",
    "PromotionOutcome",
    "Proof",
    "Prove",
    "Registration",
    "Verification",
    "check_files",
    "compare_files",
    "corrupt",
    "list_models",
    "load_artefact",
    "model_folder",
    "model_names",
    "network_of",
    "promote",
    "promoted_name",
    "read_header",
    "read_passport",
    "refuse_newer",
    "refuse_other_observations",
    "save_artefact",
    "set_evaluation",
    "verify_artefact",
    "weights_hash",
]

_HOMES = {
    "loading": ("Artefact", "ModelSummary", "list_models", "load_artefact"),
    "names": ("model_folder", "model_names", "promoted_name"),
    "passport": (
        "STRATEGY",
        "DataOrigin",
        "ModelVerdict",
        "Origin",
        "Passport",
        "Promotion",
        "Registration",
    ),
    "promoting": ("PromotionOutcome", "promote"),
    "reading": (
        "FileCheck",
        "Header",
        "check_files",
        "compare_files",
        "corrupt",
        "read_header",
        "read_passport",
        "refuse_newer",
        "refuse_other_observations",
    ),
    "saving": ("save_artefact", "set_evaluation"),
    "tensors": ("Canary", "weights_hash"),
    "verifying": ("Proof", "Prove", "Verification", "network_of", "verify_artefact"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import a public name from its module (PEP 562)."""
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{home}"), name)
