"""The look itself: who is watched at all, what the sources say, and what has changed since."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alchemiser_cli.clock import NS_PER_SECOND, Clock, duration_text
from alchemiser_cli.errors import AlchemiserError, ValidationError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings.trading import TradingSettings
from alchemiser_cli.telemetry import SILENT, Counter, Telemetry
from alchemiser_cli.telemetry import names as n
from alchemiser_cli.trading.activity import StageSeen
from alchemiser_cli.trading.validator.examining import examine
from alchemiser_cli.trading.validator.judging import Rule
from alchemiser_cli.trading.validator.report import (
    EVERY_STAGE,
    Finding,
    Issue,
    Report,
    Silence,
    StageLook,
)
from alchemiser_cli.trading.validator.sources import ActivitySource

__all__ = ["Validator", "WatchedBroker"]

_log = get_logger("trading", "trading.validator")


@dataclass(frozen=True)
class WatchedBroker:
    """A broker to watch.

    ``strategies`` counts those that trade through it now; ``is_open`` tells whether its market is
    open at a time in UTC nanoseconds.
    """

    broker: str
    strategies: Callable[[], int]
    is_open: Callable[[int], bool]


class Validator:
    """Looks at the stages of each broker, whenever it is asked to.

    A finding is logged as a warning when it appears, and counted in
    ``validator_warnings_total{stage,broker,issue}`` at every look that finds it.
    """

    def __init__(
        self,
        brokers: Sequence[WatchedBroker],
        sources: Sequence[ActivitySource],
        settings: TradingSettings,
        clock: Clock,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Begin to watch ``brokers``; what never reported is missed only some time from now."""
        self._brokers = tuple(brokers)
        self._sources = tuple(sources)
        self._max_silence_s = settings.max_stage_silence_s
        self._clock = clock
        self._telemetry = telemetry
        self._since_ns = clock.now_ns()
        self._owed: dict[str, dict[str, float]] = {}
        self._known: set[tuple[str, str, Issue]] = set()
        self._silent: dict[str, str] = {}
        self._counters: dict[tuple[str, str, Issue], Counter] = {}

    def look(self) -> Report:
        """Look once; a source that fails is a finding, and nothing is raised.

        It reads databases and the network, so it belongs into a thread of its own.
        """
        now_ns = self._clock.now_ns()
        silences = [
            Silence(one.broker, reason)
            for one in self._brokers
            if (reason := self._silence(one, now_ns))
        ]
        quiet = {silence.broker for silence in silences}
        awake = [one.broker for one in self._brokers if one.broker not in quiet]
        findings: list[Finding] = []
        stages: list[StageLook] = []
        seen, failures = self._read() if awake else ([], [])
        rule = Rule(now_ns, self._max_silence_s, self._since_ns)
        for broker in awake:
            findings += [Finding(broker, EVERY_STAGE, *failure) for failure in failures]
            owed = self._owed.setdefault(broker, {})
            found, looks = examine(broker, seen, rule, owed, blind=bool(failures))
            findings += found
            stages += looks
        for broker in quiet:  # what was owed when it closed is not owed at the next opening
            self._owed.pop(broker, None)
        report = Report(now_ns, tuple(findings), tuple(silences), tuple(stages))
        self._tell(report)
        return report

    def _silence(self, one: WatchedBroker, now_ns: int) -> str:
        """Say why nothing is reported of a broker; empty where it is watched."""
        if one.strategies() <= 0:
            return "no strategy trades through it"
        try:
            if not one.is_open(now_ns):
                return "its market is closed"
            if not one.is_open(now_ns - round(self._max_silence_s * NS_PER_SECOND)):
                return f"its market opened less than {duration_text(self._max_silence_s)} ago"
        except AlchemiserError:
            return ""  # without a calendar nothing excuses a silence
        return ""

    def _read(self) -> tuple[list[StageSeen], list[tuple[Issue, str]]]:
        seen: list[StageSeen] = []
        failures: list[tuple[Issue, str]] = []
        for source in self._sources:
            try:
                seen += source.read()
            except ValidationError as error:
                failures.append(("metrics_parse_error", f"{error.what}: {error.why}"))
            except AlchemiserError as error:
                failures.append(("store_unavailable", f"{error.what}: {error.why}"))
        return seen, failures

    def _tell(self, report: Report) -> None:
        """Count what was found, and log what has changed since the last look."""
        silent = {one.broker: one.reason for one in report.silences}
        for broker, reason in silent.items():
            if self._silent.get(broker) != reason:
                _log.info("validator_silent", broker=broker, reason=reason)
        known: set[tuple[str, str, Issue]] = set()
        for one in report.findings:
            key = (one.stage, one.broker, one.issue)
            if key not in self._known and key not in known:
                _log.warning(
                    "trading_stage_wanting",
                    broker=one.broker,
                    stage=one.stage,
                    issue=one.issue,
                    detail=one.detail,
                    age_s=one.age_s,
                )
            known.add(key)
        for key in sorted(known):
            self._counter(key).inc()
        for stage, broker, issue in sorted(self._known - known):
            if broker not in silent:
                _log.info("trading_stage_recovered", broker=broker, stage=stage, issue=issue)
        self._known, self._silent = known, silent

    def _counter(self, key: tuple[str, str, Issue]) -> Counter:
        if key not in self._counters:
            stage, broker, issue = key
            self._counters[key] = self._telemetry.counter(
                n.VALIDATOR_WARNINGS, stage=stage, broker=broker, issue=issue
            )
        return self._counters[key]
