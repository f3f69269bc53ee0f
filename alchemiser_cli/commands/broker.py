"""``alchemiser broker``: serve an embedded Kafka to other terminals."""

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.render.broker import serving_view
from alchemiser_cli.render.output import show
from alchemiser_cli.streaming import serve as serve_cluster

__all__ = ["app"]

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback(help="Serve an embedded Kafka to other terminals.")
def _broker() -> None:
    """Keep `serve` a command of its own."""


@app.command(
    epilog="Example: `alchemiser broker serve` here, then in other terminals "
    "`alchemiser replay sp500`, `alchemiser consume`, or kcat with the address that it shows."
)
def serve(context: typer.Context, output: OutputOption = None) -> None:
    """Keep an embedded Kafka up until interrupted; other commands of the same home find it.

    It speaks Kafka's protocol on loopback, keeps messages in memory only, and at most 5 MiB a
    partition.
    """
    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    with (
        stop_on_signal() as stop,
        serve_cluster(
            settings.kafka, settings.topics, settings.run_folder, invocation.clock
        ) as serving,
    ):
        show(serving_view(serving.served), output)
        stop.wait()
    stop.exit_if_requested()
