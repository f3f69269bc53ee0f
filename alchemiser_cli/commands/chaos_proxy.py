"""``alchemiser chaos proxy``: stand between a client and a service, and be breakable."""

from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.render.output import show

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: `alchemiser chaos proxy --name db --listen 127.0.0.1:6432 "
    "--to 127.0.0.1:5432`, and in another terminal "
    "`alchemiser chaos inject proxy.db delay --amount 0.2 --duration 60`."
)
def proxy(
    context: typer.Context,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Its name; the target of faults is proxy.NAME.")
    ],
    to: Annotated[str, typer.Option(metavar="HOST:PORT", help="The service to pass things on to.")],
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", help="Where clients connect to; port 0 is any that is free."
        ),
    ] = "127.0.0.1:0",
    output: OutputOption = None,
) -> None:
    """Pass TCP connections on to a service until interrupted; faults of proxy.NAME break them.

    Any protocol may pass, encrypted or not. It listens on loopback unless told otherwise: it asks
    nobody who they are.
    """
    from alchemiser_cli.chaos.asking import find_target
    from alchemiser_cli.chaos.proxy import Address, TcpProxy
    from alchemiser_cli.faults import PROXY_PREFIX
    from alchemiser_cli.render.chaos_proxy import proxy_view

    invocation: Invocation = context.obj
    target = find_target(f"{PROXY_PREFIX}{name}")
    made = TcpProxy(name, listen=Address.of(listen), to=Address.of(to))
    invocation.start_logs()
    with stop_on_signal() as stop, made as running:
        invocation.suffer()
        show(proxy_view(target.name, str(running.address), to), output)
        stop.wait()
    stop.exit_if_requested()
