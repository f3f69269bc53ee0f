"""A training run that goes on: TD3 on a generated market, tracked in MLflow."""

import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from alchemiser_cli.chaos.laboratory.contract import Laboratory
from alchemiser_cli.chaos.workloads.workload import Defence, Steadiness, Work
from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors import AlchemiserError, TrainingDivergedError
from alchemiser_cli.errors.translate import translated, translating
from alchemiser_cli.market.chains import generate_market
from alchemiser_cli.settings import OptionsSettings, TrainingSettings

__all__ = ["TrainingWorkload"]

DAYS = 420
BEAT_S = 0.25
PACE_S = 0.005  # between two steps, so that the run leaves the processor to others
UNDER_WAY_S = 90.0  # until the first update: PyTorch and MLflow are slow to load
ENDING_S = 60.0
FRESH_S = 2.0  # longest time between two steps in the steady state
FOR_EVER = 1 << 30

_LIBRARIES = ("torch", "stable_baselines3", "mlflow")

_TRAINING = {
    "environments": 4,
    "buffer_size": 4_000,
    "batch_size": 32,
    "learning_starts": 64,
    "learning_rate": 1e-3,
    "purge_steps": 16,
    "evaluate_every": 200,
    "checkpoint_every": 200,
    "threads": 1,
    "device": "cpu",
}


class TrainingWorkload:
    """A piece of work is a beat of a quarter of a second, done if the run made a step in it.

    What was written to the run's own record and is missing in the tracking store at the end is
    lost; what stands there twice was done twice. A run that fails goes on from its last
    checkpoint, as ``alchemiser train td3 --resume`` does.
    """

    def __init__(self, laboratory: Laboratory, *, episode_steps: int = 30) -> None:
        """Train in episodes of ``episode_steps`` steps.

        Raises:
            ExtraMissingError: ``extra-missing``, where the libraries of training are not installed.
        """
        with translating("train"):
            for package in _LIBRARIES:
                if find_spec(package) is None:
                    raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        self._laboratory = laboratory
        self._options = OptionsSettings(episode_steps=episode_steps)
        self._stopping = threading.Event()
        self._under_way = threading.Event()
        self._threads: list[threading.Thread] = []
        self._run: str | None = None
        self._steps = 0  # side by side, over all resumptions
        self._stepped_ns = 0
        self._offered = self._done = 0
        self._data_faults = 0
        self._weights_finite = True
        self._failures: list[AlchemiserError] = []
        self._outages: list[AlchemiserError] = []
        self._missing = self._repeated = 0
        self._counted = False

    def start(self) -> None:
        """Open the tracking store and begin to train; return after the first updates."""
        from alchemiser_cli.rl.tracking import stored_points

        settings = self._laboratory.settings
        # Loads MLflow, and makes its database, before the clock of the experiment runs.
        stored_points(settings.tracking_uri, "none")
        self._market = _market_file(self._laboratory.home / "market.csv")
        for work in (self._train, self._beat):
            thread = threading.Thread(target=work, name=f"training{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)
        if not self._under_way.wait(UNDER_WAY_S):
            why = self._failures[-1].what if self._failures else "it is too slow"
            raise RuntimeError(f"training did not begin within {UNDER_WAY_S:.0f} s: {why}")

    def stop(self) -> None:
        """End the run with a checkpoint, and hold the tracking store against its record."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(ENDING_S)
        if self._run is not None:
            self._count_metrics(self._run)

    def work(self) -> Work:
        """Return the account of the beats, and after the end that of the metrics."""
        return Work(
            offered=self._offered, done=self._done, lost=self._missing, twice=self._repeated
        )

    def steady(self) -> Steadiness:
        """Tell whether the run makes steps, with weights that are numbers."""
        since_s = (self._laboratory.clock.monotonic_ns() - self._stepped_ns) / NS_PER_SECOND
        numbers = "finite" if self._weights_finite else "not finite"
        return Steadiness(
            since_s < FRESH_S and self._weights_finite,
            f"{self._steps} steps, the last {since_s:.2f} s ago; the weights are {numbers}",
        )

    def defences(self) -> Mapping[str, Defence]:
        """Tell what kept the run and its numbers whole."""
        diverged = [one for one in self._failures if isinstance(one, TrainingDivergedError)]
        unexplained = sum(not one.injected for one in diverged)
        kept = [Path(str(one.context["batch"])).name for one in diverged if _kept(one)]
        return {
            "data guard": Defence(
                self._data_faults > 0 and not unexplained and self._weights_finite,
                f"{self._data_faults} faults of the data were met; {unexplained} runs diverged "
                "on them",
            ),
            "NaN guard": Defence(
                bool(diverged) and len(kept) == len(diverged) and self._weights_finite,
                f"{len(diverged)} runs were ended; kept: {', '.join(kept) or 'nothing'}",
            ),
            "tracking backlog": Defence(
                bool(self._outages) and self._counted and not self._missing,
                f"{len(self._outages)} outages; {self._missing} values are missing in the store"
                + ("" if self._counted else " up to now"),
            ),
        }

    def _train(self) -> None:
        from alchemiser_cli.rl.training import TrainingRequest, TrainingWatch, Update, train

        def stepped() -> bool:
            self._steps += 1
            self._stepped_ns = self._laboratory.clock.monotonic_ns()
            return self._stopping.wait(PACE_S)

        def told(update: Update) -> None:
            self._data_faults = max(self._data_faults, update.data_faults)
            if np.isfinite(update.critic_loss):
                self._under_way.set()

        watch = TrainingWatch(
            stop=stepped,
            on_begin=self._begun,
            on_update=told,
            on_weights=self._look_at,
            on_outage=self._outage,
        )
        training = TrainingSettings.model_validate({**_TRAINING, "timesteps": FOR_EVER})
        request = TrainingRequest(f"file:{self._market}", self._options, training)
        settings, clock = self._laboratory.settings, self._laboratory.clock
        while not self._stopping.is_set():
            try:
                train(settings, request, clock, watch=watch, resume=self._run)
            except Exception as error:  # noqa: BLE001  a run that fails is resumed
                failure = translated(error, doing="train")
                self._failures.append(failure)
                self._laboratory.journal.capture(failure)
                self._stopping.wait(BEAT_S)

    def _begun(self, run: str) -> None:
        self._run = run

    def _look_at(
        self, weights: Mapping[str, np.ndarray], _seen: object, _actions: object, _step: int
    ) -> None:
        self._weights_finite = all(np.isfinite(array).all() for array in weights.values())

    def _outage(self, error: AlchemiserError) -> None:
        self._outages.append(error)
        self._laboratory.journal.capture(error, recovered=True)

    def _beat(self) -> None:
        self._under_way.wait()
        before = self._steps
        while not self._stopping.wait(BEAT_S):
            self._offered += 1
            self._done += self._steps > before
            before = self._steps

    def _count_metrics(self, run: str) -> None:
        from alchemiser_cli.rl.runs import read_metrics
        from alchemiser_cli.rl.tracking import stored_points

        settings = self._laboratory.settings
        stored = [(one.name, one.step) for one in stored_points(settings.tracking_uri, run)]
        recorded = {
            (name, row["step"])
            for row in read_metrics(settings.runs_folder / run)
            for name in row
            if name not in {"step", "at"}
        }
        self._missing = len(recorded - set(stored))
        self._counted = True
        # A resumed run evaluates again what lies behind its checkpoint.
        self._repeated = 0 if self._failures else len(stored) - len(set(stored))


def _kept(error: AlchemiserError) -> bool:
    return Path(str(error.context.get("batch", ""))).is_file()


def _market_file(file: Path) -> Path:
    """Write a generated market as a file of daily prices."""
    made = generate_market(DAYS, 1)
    days = np.busday_offset("2001-01-02", np.arange(DAYS), roll="forward")
    rows = zip(days, made.high, made.low, made.close, made.volatility, strict=True)
    lines = ["date,high,low,close,implied_volatility", *(",".join(map(str, row)) for row in rows)]
    file.write_text("\n".join(lines) + "\n")
    return file
