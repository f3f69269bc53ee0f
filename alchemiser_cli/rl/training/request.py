"""What is to be trained on what, and the facts that a run is known by."""

from dataclasses import dataclass, replace
from typing import Self

from alchemiser_cli.rl.runs import RunFacts, RunRecord
from alchemiser_cli.settings import OptionsSettings, TrainingSettings

__all__ = ["GYM", "TrainingRequest", "gym_training"]

GYM = "env:"

# What works on Gymnasium's control tasks, where the settings stand at their defaults: the
# published hyperparameters of TD3 on Pendulum-v1, but an update for every fourth step, after
# which the targets follow four times as fast.
_GYM_DEFAULTS: dict[str, float] = {
    "learning_rate": 1e-3,
    "actor_share": 1.0,
    "gamma": 0.98,
    "tau": 0.02,
    "environments": 4,
}


@dataclass(frozen=True)
class TrainingRequest:
    """What to train.

    ``dataset`` is a name that ``open_chains`` knows, or ``env:ID`` for a Gymnasium environment;
    ``symbol`` the one instrument of it.
    """

    dataset: str
    options: OptionsSettings
    training: TrainingSettings
    symbol: str | None = None

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """Return what the run of ``record`` was begun with."""
        facts = record.facts
        return cls(
            facts.dataset,
            OptionsSettings(**facts.options),
            TrainingSettings(**facts.training),
            facts.symbol,
        )

    @property
    def gym_id(self) -> str | None:
        """The Gymnasium environment's id; None where options are traded."""
        return self.dataset.removeprefix(GYM) if self.dataset.startswith(GYM) else None

    def lasting(self, timesteps: int) -> "TrainingRequest":
        """Return the same with another number of environment steps."""
        training = self.training.model_copy(update={"timesteps": timesteps})
        return replace(self, training=training)

    def facts(self, *, data_sha256: str, threads: int, versions: dict[str, str]) -> RunFacts:
        """Return all that the result of a run rests on."""
        return RunFacts(
            command="train td3",
            dataset=self.dataset,
            symbol=self.symbol,
            data_sha256=data_sha256,
            options=self.options.model_dump(mode="json"),
            training=self.training.model_dump(mode="json"),
            seeds=(self.training.seed,),
            threads=threads,
            versions=versions,
        )


def gym_training(training: TrainingSettings) -> TrainingSettings:
    """Return the settings with those of control tasks wherever the default was not changed."""
    untouched = TrainingSettings()
    chosen = {
        name: value
        for name, value in _GYM_DEFAULTS.items()
        if getattr(training, name) == getattr(untouched, name)
    }
    return training.model_copy(update=chosen)
