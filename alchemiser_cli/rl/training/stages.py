"""The stages of a run, which fail by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from alchemiser_cli.errors import AlchemiserError, TrainingStageError, operation
from alchemiser_cli.logs import get_logger

__all__ = ["Stage", "stage"]

Stage = Literal["environment", "model", "learning", "saving"]

_EVENTS: dict[Stage, str] = {
    "environment": "ml_env_setup_failed",
    "model": "ml_model_init_failed",
    "learning": "ml_model_learn_failed",
    "saving": "ml_model_save_failed",
}
_LOG = get_logger("application", "rl.training")


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Run a stage; what fails in it is logged as the stage's event and keeps its name.

    Raises:
        TrainingStageError: ``training-stage-failed`` for an error that has no code; others stay
            what they are and carry the stage in their context.
    """
    try:
        with operation(f"train: {name}", component="rl.training"):
            yield
    except AlchemiserError as error:
        error.context.setdefault("stage", name)
        _LOG.error(_EVENTS[name], stage=name, code=error.code, what=error.what)
        raise
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        _LOG.error(_EVENTS[name], stage=name, code=TrainingStageError.code, what=words)
        failed = TrainingStageError(
            f"training failed in the stage {name!r}",
            why=words,
            next_step="See the traceback with --verbose; the run goes on from its last checkpoint "
            "with `alchemiser train td3 --resume latest`.",
            context={"stage": name},
        )
        failed.injected = getattr(error, "injected", False) is True
        raise failed from error
