"""What happens to the failure that ends a command: coded, logged and journalled."""

import errno
import sys

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.errors import (
    AlchemiserError,
    DiskFullError,
    ExtraMissingError,
    InternalError,
)
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.failures import show_failure

__all__ = ["coded", "end_run"]

# Packages that only an extra brings, and the extra.
_EXTRAS = {
    "arch": "data",
    "psycopg": "postgres",
    "gymnasium": "train",
    "mlflow": "train",
    "safetensors": "train",
    "stable_baselines3": "train",
    "torch": "train",
}


def end_run(invocation: Invocation, error: Exception) -> ExitCode:
    """Show, log and journal the failure that ends a run; return its exit code."""
    failure = coded(error)
    show_failure(failure, sys.stderr, traceback=invocation.verbose)
    _log(invocation, failure)
    _journal(invocation, failure)
    return failure.exit_code


def coded(error: Exception) -> AlchemiserError:
    """Return ``error`` itself where it has a code, else the coded error that it amounts to."""
    if isinstance(error, AlchemiserError):
        return error
    failure: AlchemiserError
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in _EXTRAS:
        package = (error.name or "").split(".")[0]
        failure = ExtraMissingError(
            f"the package {package} is not installed",
            why="This command needs an extra that a plain installation leaves out.",
            next_step=f"pip install 'alchemiser[{_EXTRAS[package]}]'",
            context={"package": package},
        )
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        failure = DiskFullError(
            "no space is left on the disk",
            why=str(error),
            next_step="Free space there, or choose another --home, and run the command again.",
        )
    else:
        failure = InternalError(
            f"{type(error).__name__}: {error}",
            why="Nobody expected this exception: it is a defect of alchemiser.",
            next_step="Run again with --verbose and report the traceback.",
        )
    failure.__cause__ = error
    return failure


def _log(invocation: Invocation, failure: AlchemiserError) -> None:
    """Write the failure to the error channel, where a log session is open."""
    from alchemiser_cli.logs import get_logger, session_is_open

    if session_is_open():
        get_logger("error", invocation.command or "alchemiser").error(
            "command_failed",
            code=failure.code,
            what=failure.what,
            why=failure.why,
            severity=failure.severity,
            exit_code=int(failure.exit_code),
            context=failure.context,
            shown_by_main=True,
        )


def _journal(invocation: Invocation, failure: AlchemiserError) -> None:
    """Journal the failure; a journal that cannot be written is told in one line."""
    from alchemiser_cli.errors.journal import ErrorJournal
    from alchemiser_cli.settings import Settings
    from alchemiser_cli.state import StateDatabase

    try:
        settings = invocation.settings
    except AlchemiserError:
        # The settings themselves are the failure: journal it in the default place.
        home = invocation.assume_home
        settings = Settings(home=home) if home else Settings()
    database = StateDatabase(settings.state_url, invocation.clock, settings.state.connect_timeout_s)
    try:
        ErrorJournal(database, invocation.clock).record(
            failure,
            component=invocation.command or "alchemiser",
            operation=f"alchemiser {invocation.command}".strip(),
            run_id=invocation.run_id,
        )
    except AlchemiserError as trouble:
        sys.stderr.write(f"  note: this error was not journalled ({trouble.code}: {trouble.why})\n")
    finally:
        database.close()
