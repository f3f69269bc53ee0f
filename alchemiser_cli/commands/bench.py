"""``alchemiser bench``: measure what the system promises, on this machine."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from alchemiser_cli.commands.errors_forecast import WindowOption, window_minutes
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_status

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Measure what the system promises, on this machine.",
)


@app.callback()
def _group() -> None:
    """Measure what the system promises, on this machine."""


@app.command(epilog="Example: `alchemiser bench templates messages.csv`.")
def templates(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="CSV file with a message and a ground-truth column.")
    ],
    output: OutputOption = None,
) -> None:
    """Group the messages of a labelled file by template, and say how many are right."""
    from alchemiser_cli.errors.journal.accuracy import score_templates
    from alchemiser_cli.render.bench import template_score_view

    invocation: Invocation = context.obj
    show(template_score_view(score_templates(file, invocation.clock)), output)


@app.command(epilog="Examples: `alchemiser bench forecast events.csv`, `... --window 1d`.")
def forecast(
    file: Annotated[
        Path, typer.Argument(help="CSV file of events with the columns time and code.")
    ],
    window: WindowOption = "1h",
    output: OutputOption = None,
) -> None:
    """Replay the events of a file, and say how well each could have been forecast."""
    from alchemiser_cli.errors.forecast import score_file
    from alchemiser_cli.render.bench_forecast import file_score_view

    minutes = window_minutes(window)
    with progress_status("replaying"):
        score = score_file(file, window_minutes=minutes)
    show(file_score_view(score), output)


@app.command(epilog="Example: `alchemiser bench errors -o json`.")
def errors(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(min=100, help="Failures to capture, each way.")] = 2_000,
    output: OutputOption = None,
) -> None:
    """Measure what error handling costs, with chaos off and on.

    Capturing a failure is set beside logging it to a file, an injected error beside the same one
    raised by hand. On means that a fault is in force and does not strike.
    """
    from alchemiser_cli.chaos.measure import measure_error_handling
    from alchemiser_cli.render.bench_errors import error_handling_view

    invocation: Invocation = context.obj
    with tempfile.TemporaryDirectory(prefix="alchemiser-bench-") as folder:
        cost = measure_error_handling(Path(folder), invocation.clock, rounds)
    show(error_handling_view(cost), output)


@app.command(epilog="Examples: `alchemiser bench consume`, `alchemiser bench consume -o json`.")
def consume(
    context: typer.Context,
    messages: Annotated[
        int, typer.Option(min=10_000, metavar="N", help="Messages that each way reads.")
    ] = 200_000,
    memory: Annotated[
        int, typer.Option(min=0, metavar="N", help="Messages for the look at memory; 0: none.")
    ] = 1_000_000,
    output: OutputOption = None,
) -> None:
    """Measure the consumer beside the usual loops, its latency, and its memory.

    Runs on an embedded Kafka of its own and takes about a minute.
    """
    from alchemiser_cli.render.bench import consumer_view
    from alchemiser_cli.streaming.measure import measure_latency, measure_memory, measure_speed

    invocation: Invocation = context.obj
    clock = invocation.clock
    with progress_status("measuring") as doing:
        doing("speed")
        speed = measure_speed(clock, messages)
        doing("latency")
        latency = measure_latency(clock)
        doing("memory")
        grown = measure_memory(clock, memory) if memory else None
    show(consumer_view(speed, latency, grown), output)


@app.command(epilog="Examples: `alchemiser bench shm`, `alchemiser bench shm -o json`.")
def shm(
    context: typer.Context,
    rounds: Annotated[
        int, typer.Option(min=4, max=10_000, help="Publications and reads of weights.")
    ] = 60,
    records: Annotated[
        int, typer.Option(min=100, max=50_000, help="Records from process to process.")
    ] = 5_000,
    output: OutputOption = None,
) -> None:
    """Measure the weight bus beside a bare copy and the classic design, and a record's delay.

    Needs about 100 MB in shm.directory, and two free cores for the delay.
    """
    from alchemiser_cli.render.bench_shm import bus_view
    from alchemiser_cli.shm.measure import measure_bus

    invocation: Invocation = context.obj
    folder = invocation.settings.shm.directory
    with progress_status("measuring"):
        speed, latency = measure_bus(
            invocation.clock, folder=folder, rounds=rounds, records=records
        )
    show(bus_view(speed, latency), output)


@app.command(epilog="Examples: `alchemiser bench env`, `alchemiser bench env -o json`.")
def env(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(min=1, max=1_000, help="Turns of each environment.")] = 15,
    steps: Annotated[
        int, typer.Option(min=10, max=100_000, help="Steps of one turn of the ordinary one.")
    ] = 400,
    count: Annotated[
        int, typer.Option(min=1, max=4_096, help="Environments that step side by side.")
    ] = 256,
    output: OutputOption = None,
) -> None:
    """Measure the trading environments beside the same one as it is usually written.

    All of them play the same market with the same actions, by turns: a busy machine slows them
    alike.
    """
    from alchemiser_cli.render.bench_env import environments_view
    from alchemiser_cli.rl.measure import measure_environments

    invocation: Invocation = context.obj
    with progress_status("measuring"):
        speed = measure_environments(invocation.clock, rounds=rounds, steps=steps, count=count)
    show(environments_view(speed), output)


@app.command(epilog="Examples: `alchemiser bench train`, `alchemiser bench train --seeds 1`.")
def train(
    context: typer.Context,
    seconds: Annotated[
        float, typer.Option(min=1.0, help="Time of each side on the options market.")
    ] = 60.0,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Seeds; by turns for each.")] = 5,
    steps: Annotated[int, typer.Option(min=1_100, help="Steps of each side on Pendulum.")] = 20_000,
    output: OutputOption = None,
) -> None:
    """Measure training beside Stable-Baselines3's TD3 as it comes, with the same network.

    On the S&P 500 both have the same time, on Pendulum-v1 they make the same steps. With the
    defaults it takes about half an hour.
    """
    from alchemiser_cli.render.bench_train import races_view
    from alchemiser_cli.rl.training.measure import (
        buffer_megabytes,
        race_on_gym,
        race_on_options,
    )

    invocation: Invocation = context.obj
    clock, tried = invocation.clock, range(1, 1 + seeds)
    with progress_status("measuring") as doing:
        doing("options")
        options = race_on_options(
            clock, dataset="sp500", preset="base", seconds=seconds, seeds=tried
        )
        doing("Pendulum-v1")
        gym = race_on_gym(clock, env_id="Pendulum-v1", steps=steps, seeds=tried)
    show(races_view(options, gym, buffer_megabytes(200_000, 16)), output)


@app.command(epilog="Examples: `alchemiser bench trade`, `alchemiser bench trade --rows 0`.")
def trade(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(min=1, max=1_000, help="Turns of each figure.")] = 20,
    rows: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Rows of the history; 0: none. Default: all."),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Measure the chain from a tick to an approved decision, and the S&P 500 going through it.

    Nothing is sent to a broker or to Kafka; the audit trail is never forced to the disk. Takes
    about half a minute.
    """
    from alchemiser_cli.pipeline.trading.measure import measure_history
    from alchemiser_cli.render.bench_trade import trading_view
    from alchemiser_cli.trading.measure import measure_chain

    invocation: Invocation = context.obj
    history = None
    with (
        tempfile.TemporaryDirectory(prefix="alchemiser-bench-") as folder,
        progress_status("measuring") as doing,
    ):
        doing("the chain")
        chain = measure_chain(invocation.clock, folder=Path(folder) / "chain", rounds=rounds)
        if rows != 0:
            doing("the history")
            history = measure_history(invocation.clock, folder=Path(folder) / "history", rows=rows)
    show(trading_view(chain, history), output)
