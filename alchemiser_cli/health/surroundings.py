"""What the checks of health share: settings, clock, database, and the errors of late."""

from dataclasses import dataclass, field

from msgspec.structs import replace

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.errors.metrics import ErrorWindow, from_minutes
from alchemiser_cli.errors.thresholds import Thresholds, ThresholdState
from alchemiser_cli.health.readings import NS_PER_MINUTE
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.resolve import Resolved
from alchemiser_cli.state import StateDatabase

__all__ = ["CRITICALS", "ERROR_RATE", "WINDOW_MINUTES", "Surroundings", "duration_text"]

WINDOW_MINUTES = 5
ERROR_RATE = "errors_per_min"
CRITICALS = "criticals_5min"


@dataclass
class Surroundings:
    """Where looks at the system's health are taken; nothing is opened before it is asked."""

    resolved: Resolved
    clock: Clock
    database: StateDatabase
    recent: ErrorWindow | None = field(default=None, init=False)
    _held: list[ThresholdState] = field(default_factory=list, init=False)
    _held_at_ns: int = field(default=0, init=False)

    @property
    def settings(self) -> Settings:
        """Return the settings of the system that is looked at."""
        return self.resolved.settings

    def look_anew(self) -> None:
        """Forget the errors of the last look."""
        self.recent = None

    def recent_errors(self) -> ErrorWindow:
        """Return the errors of the last five minutes, read once a look.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        if self.recent is None:
            now_ns = self.clock.now_ns()
            since_minute = now_ns // NS_PER_MINUTE - WINDOW_MINUTES
            minutes = JournalStore(self.database).minutes(since_minute)
            self.recent = from_minutes(minutes, now_ns).last_5_minutes
        return self.recent

    def thresholds(self) -> list[ThresholdState]:
        """Hold the error rate and the criticals to their thresholds, which learn once a minute.

        A watch looks every few seconds; its samples would push a week of cron's out.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        window, now_ns = self.recent_errors().total, self.clock.now_ns()
        values = {ERROR_RATE: round(window.per_minute, 3), CRITICALS: float(window.criticals)}
        if self._held and 0 <= now_ns - self._held_at_ns < NS_PER_MINUTE:
            return [replace(held, value=values[held.metric]) for held in self._held]
        thresholds = Thresholds(self.database)
        self._held = [
            thresholds.evaluate(metric, value, now_ns) for metric, value in values.items()
        ]
        self._held_at_ns = now_ns
        return self._held

    def age(self, at_ns: int) -> str:
        """Say how long ago ``at_ns`` (UTC nanoseconds) was, such as 40 s or 3 h."""
        return duration_text((self.clock.now_ns() - at_ns) / NS_PER_SECOND)


def duration_text(seconds: float) -> str:
    """Write a duration in its largest fitting unit: 40 s, 12 min, 3 h, 5 d."""
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
