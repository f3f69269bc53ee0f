"""``alchemiser model``: list, inspect, verify and promote trained models."""

import getpass
from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.model_names import ModelArgument, models_folder
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.render.output import show

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List, inspect, verify and promote trained models.",
)


@app.command("list", epilog="Examples: `alchemiser model list`, `alchemiser model list -o json`.")
def list_models(context: typer.Context, output: OutputOption = None) -> None:
    """List every model with its verdict; passports are read, files are not verified.

    Policies and the models of strategies lie in one folder; the latter have their scores on trades
    that they had not seen, beside those of the base rate.
    """
    from alchemiser_cli.pipeline.models import list_models as found_models
    from alchemiser_cli.render.model import list_view

    folder = models_folder(context)
    show(list_view(found_models(folder), folder), output)


@app.command(
    epilog="Examples: `alchemiser model inspect first`, `alchemiser model inspect promoted`."
)
def inspect(context: typer.Context, model: ModelArgument, output: OutputOption = None) -> None:
    """Show a model's passport, after every file's SHA-256 was checked.

    Exits with 7 where a file is not what the passport says, and with 8 where there is no such
    model.
    """
    from alchemiser_cli.pipeline.models import open_model
    from alchemiser_cli.render.model import inspect_view
    from alchemiser_cli.rl.artefacts import promoted_name

    folder = models_folder(context)
    artefact = open_model(folder, model)
    promoted = promoted_name(folder) == artefact.folder.name
    show(inspect_view(artefact, promoted=promoted), output)


@app.command(
    epilog="Examples: `alchemiser model verify first`, `alchemiser model verify promoted -o json`."
)
def verify(context: typer.Context, model: ModelArgument, output: OutputOption = None) -> None:
    """Prove that a model is whole and acts here as it did where it was trained.

    Its files, its observations, finite weights, and its actions on the canary's observations; for
    the model of a strategy its files, its rule, and the probabilities that its training noted.
    Exits with 7 where it is damaged, and with 4 where it does not go with this version.
    """
    from alchemiser_cli.pipeline.models import verify_model
    from alchemiser_cli.render.model import verify_view

    invocation: Invocation = context.obj
    found = verify_model(invocation.settings, model)
    show(verify_view(found), output)
    found.refuse()


@app.command(
    epilog="Examples: `alchemiser model promote first`, "
    '`alchemiser model promote first --override "paper trading only, agreed on 2 May"`.'
)
def promote(
    context: typer.Context,
    model: ModelArgument,
    override: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Promote against the verdict, and record why."),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Make a policy the promoted one, if its evaluation allows that; exit code 6 if not.

    The promotion is recorded in its passport and in HOME/models/promotions.jsonl, and the model
    becomes `champion` in MLflow's registry. An outage of MLflow is said and changes nothing else.
    """
    from alchemiser_cli.render.model import promote_view
    from alchemiser_cli.rl.artefacts import promote as promote_model
    from alchemiser_cli.rl.observation import observation_schema_hash
    from alchemiser_cli.rl.tracking import register_model

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    done = promote_model(
        settings.models_folder,
        model,
        invocation.clock,
        by=getpass.getuser(),
        override=override,
        observation_schema_hash=observation_schema_hash(),
    )
    registry = register_model(
        settings.models_folder,
        done.model,
        settings.tracking_uri,
        timeout_s=settings.tracking.timeout_s,
        champion=True,
    )
    show(promote_view(done, registry), output)
