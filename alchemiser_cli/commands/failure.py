"""What happens to the failure that ends a command: coded, shown, logged and journalled."""

import sys

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.errors.translate import translated
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.failures import show_failure

__all__ = ["end_run"]

STILL_THERE_S = 60.0  # who typed a command still looks at the terminal after it


def end_run(invocation: Invocation, error: Exception) -> ExitCode:
    """Show, log and journal the failure that ends a run; return its exit code."""
    failure = translated(error, doing=f"finish alchemiser {invocation.command}".strip())
    show_failure(failure, sys.stderr, traceback=invocation.verbose)
    try:
        _log(invocation, failure)
        _journal(invocation, failure)
    except Exception as trouble:  # noqa: BLE001  whatever breaks here must not hide the failure
        sys.stderr.write(f"  note: this error was not journalled ({trouble!r})\n")
    return failure.exit_code


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
    """Journal the failure; where the database does not take it, say in one line what happened."""
    from alchemiser_cli.errors.journal import record_once
    from alchemiser_cli.settings import Settings
    from alchemiser_cli.state import StateDatabase

    try:
        settings = invocation.settings
    except AlchemiserError:
        # The settings themselves are the failure: journal it in the default place.
        home = invocation.assume_home
        settings = Settings(home=home) if home else Settings()
    database = StateDatabase.of(settings, invocation.clock)
    try:
        recorded = record_once(
            database,
            invocation.clock,
            settings.logs_folder,
            failure,
            component=invocation.command or "alchemiser",
            operation=f"alchemiser {invocation.command}".strip(),
            run_id=invocation.run_id,
            at_terminal=_is_watched(invocation),
        )
    finally:
        database.close()
    if recorded.trouble is not None and not recorded.journalled:
        fate = "spilled to a file, and is journalled later" if recorded.spilled else "lost"
        code = recorded.trouble.code
        sys.stderr.write(f"  note: the journal did not take this error ({code}); it was {fate}\n")


def _is_watched(invocation: Invocation) -> bool:
    """Tell whether somebody sees the failure: at a terminal, of a command that was just typed."""
    ran_s = (invocation.clock.now_ns() - invocation.began_ns) / NS_PER_SECOND
    return sys.stderr.isatty() and ran_s < STILL_THERE_S
