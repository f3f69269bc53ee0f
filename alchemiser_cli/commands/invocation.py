"""One run of the command line: its options, and what they open when first needed."""

import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from alchemiser_cli.clock import Clock, SystemClock, iso_from_ns
from alchemiser_cli.exits import ExitCode

if TYPE_CHECKING:
    from alchemiser_cli.errors import AlchemiserError
    from alchemiser_cli.errors.journal import ErrorJournal
    from alchemiser_cli.errors.journal.history import CodeHistory
    from alchemiser_cli.errors.journal.store import JournalStore
    from alchemiser_cli.settings import Settings
    from alchemiser_cli.settings.resolve import Request, Resolved
    from alchemiser_cli.state import StateDatabase
    from alchemiser_cli.telemetry import Telemetry

__all__ = ["Invocation"]


class Invocation:
    """What one command line may use; nothing is resolved, opened or created before it is asked.

    Leaving the block flushes the logs.
    """

    clock: Clock

    def __init__(self, environ: Mapping[str, str], clock: Clock | None = None) -> None:
        """Keep the process's environment; ``configure`` adds the options."""
        self.clock = clock or SystemClock()
        self.began_ns = self.clock.now_ns()
        self.command = ""
        self.quiet = False
        self.verbose = False
        self.assume_home: Path | None = None
        self._environ = environ
        self._profile: str | None = None
        self._assignments: tuple[str, ...] = ()
        self._stack = ExitStack()
        self._logging = False
        self._suffers = False
        self._exit_code = 0

    def __enter__(self) -> Self:
        """Begin the run."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Flush and release everything that was opened."""
        self._exit_code = _exit_code(error)
        self._stack.close()

    def configure(
        self,
        *,
        command: str,
        profile: str | None,
        home: Path | None,
        assignments: tuple[str, ...],
        quiet: bool,
        verbose: bool,
    ) -> None:
        """Take the root options."""
        self.command = command
        self.quiet, self.verbose = quiet, verbose
        self.assume_home = home
        self._profile = profile
        self._assignments = assignments

    def assign(self, assignment: str) -> None:
        """Add one ``section.key=value`` that the command itself decides on."""
        self._assignments = (*self._assignments, assignment)

    @cached_property
    def run_id(self) -> str:
        """Name this run by its start time and process."""
        started = iso_from_ns(self.clock.now_ns())[:19].replace("-", "").replace(":", "")
        return f"{started}-{os.getpid()}"

    @cached_property
    def request(self) -> "Request":
        """Return what the command line and the environment say about the settings."""
        from alchemiser_cli.settings.resolve import Request

        return Request(
            profile=self._profile,
            home=self.assume_home,
            assignments=self._assignments,
            environ=self._environ,
        )

    @cached_property
    def resolved(self) -> "Resolved":
        """Resolve the settings once.

        Raises:
            ConfigurationError: as ``alchemiser_cli.settings.resolve.resolve``.
        """
        from alchemiser_cli.settings.resolve import resolve

        return resolve(self.request)

    @property
    def settings(self) -> "Settings":
        """Return the resolved settings."""
        return self.resolved.settings

    @cached_property
    def state(self) -> "StateDatabase":
        """Return the state database, opened by its first use and closed at the end."""
        from alchemiser_cli.state import StateDatabase

        database = StateDatabase.of(self.settings, self.clock)
        self._stack.callback(database.close)
        return database

    @cached_property
    def journal_store(self) -> "JournalStore":
        """Return what the journal holds."""
        from alchemiser_cli.errors.journal.store import JournalStore

        return JournalStore(self.state)

    @cached_property
    def journal(self) -> "ErrorJournal":
        """Return the journal of this run, which captures without delay and closes at the end."""
        from alchemiser_cli.errors.journal import ErrorJournal

        return self._stack.enter_context(
            ErrorJournal(
                self.journal_store,
                self.clock,
                run_id=self.run_id,
                component=self.command,
                spill_folder=self.settings.logs_folder,
                database=self.state,
            )
        )

    def code_history(self, code: str) -> "CodeHistory | AlchemiserError":
        """Return what the journal knows of ``code``, or the error that keeps it from telling.

        A runbook must be readable above all when the journal is not.
        """
        from alchemiser_cli.errors import AlchemiserError
        from alchemiser_cli.errors.journal.history import code_history

        try:
            return code_history(self.journal_store, code, self.clock.now_ns())
        except AlchemiserError as trouble:
            return trouble

    def start_heartbeat(self, *, lasting: bool) -> None:
        """Ping the URL of the settings, if there is one: now, at the end with the exit code.

        A ``lasting`` command also pings while it runs.
        """
        if self.settings.heartbeat.url is None:
            return
        from alchemiser_cli.notifications.heartbeat import Heartbeat

        beat = Heartbeat(self.settings.heartbeat, lasting=lasting, name=self.command).start()
        self._stack.callback(lambda: beat.end(self._exit_code))

    def alerting(self, telemetry: "Telemetry") -> AbstractContextManager[None]:
        """Return a block beside which people are told of incidents, where a channel is enabled.

        Raises:
            EscalationMalformedError: ``escalation-malformed``, as the block begins.
        """
        channels = self.settings.notifications.values()
        if not any(one.enabled and one.url is not None for one in channels):
            return nullcontext()
        from alchemiser_cli.pipeline.alerting import alerting

        return alerting(
            self.resolved,
            self.state,
            self.clock,
            telemetry=telemetry,
            on_failure=self.journal.capture,
        )

    def start_logs(self) -> "Settings":
        """Make the home, send log records to its files until the end, and return the settings.

        Raises:
            HomeNotWritableError: ``home-not-writable``.
        """
        settings = self.settings
        if not self._logging:
            self._logging = True
            from alchemiser_cli.logs import log_session

            level = logging.WARNING
            if self.quiet:
                level = logging.ERROR
            elif self.verbose:
                level = logging.DEBUG
            self._stack.enter_context(
                log_session(
                    settings.logs,
                    settings.logs_folder,
                    self.clock,
                    run_id=self.run_id,
                    command=self.command,
                    stderr_level=level,
                )
            )
            if self.command != "chaos":  # which looks at faults, and must not be struck by them
                self.suffer()
        return settings

    def suffer(self) -> None:
        """Let faults that somebody injected strike this process from here to its end."""
        if self._suffers:
            return
        self._suffers = True
        from alchemiser_cli.chaos.lookout import looking_out

        self._stack.enter_context(looking_out(self.settings, self.clock))


def _exit_code(error: BaseException | None) -> int:
    """Return what the process will end with: a command line ends by SystemExit."""
    if error is None:
        return ExitCode.OK
    if isinstance(error, SystemExit):
        return int(error.code or 0) if isinstance(error.code, int | None) else ExitCode.FAILED
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.INTERNAL
