"""Loads what training needs once, and makes a trainer of itself for each line of its input.

Argument: the market's file. A line of input is the home of a trainer, which begins a run there,
or goes on with the last one. It says ``begun`` and its process id, at its end ``done`` and the
weights' hash. The nursery itself says ``gone`` when a trainer is no more.

Nothing is computed before the forks: PyTorch's threads would not live on in the trainers.
"""

import os
import sys
from pathlib import Path

import mlflow.tracking  # noqa: F401  as below
import torch

import alchemiser_cli.market.datasets.files  # noqa: F401  loaded here, so that no trainer has to
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.rl.runs import list_runs
from alchemiser_cli.rl.td3 import presets
from alchemiser_cli.rl.training import TrainingRequest, TrainingWatch, train
from alchemiser_cli.settings import OptionsSettings, Settings, TrainingSettings

TRAINING = TrainingSettings(
    timesteps=300,
    environments=4,
    buffer_size=1_000,
    batch_size=32,
    learning_starts=60,
    learning_rate=1e-3,
    purge_steps=16,
    evaluate_every=200,
    checkpoint_every=60,
    threads=1,
    device="cpu",
)


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def trained(home, market):
    settings = Settings(home=home, tracking={"uri": "http://127.0.0.1:9", "timeout_s": 0.02})
    begun = list_runs(settings.runs_folder)
    result = train(
        settings,
        TrainingRequest(f"file:{market}", OptionsSettings(episode_steps=30), TRAINING),
        SystemClock(),
        watch=TrainingWatch(on_begin=lambda _run: say("begun", os.getpid())),
        resume=begun[0].id if begun else None,
    )
    say("done", result.weights_hash)


if __name__ == "__main__":
    torch.set_num_threads(1)
    presets.PRESETS["small"] = presets._Size(8, 2, 1, 16, 6, (12, 12))
    for line in sys.stdin:
        child = os.fork()
        if not child:
            trained(Path(line.strip()), Path(sys.argv[1]))
            os._exit(0)
        os.waitpid(child, 0)
        say("gone")
