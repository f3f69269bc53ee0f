"""Trading as health sees it: the kill switch, the stages of each broker, the day's losses.

Nothing is made or changed by looking: the kill switch is read without attaching to it.
"""

import msgspec

from alchemiser_cli.checks import SkipCheck
from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors import AlchemiserError, KillSwitchUnreadableError
from alchemiser_cli.health.surroundings import Surroundings
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.activity import StageSeen
from alchemiser_cli.trading.activity_store import ActivityStore
from alchemiser_cli.trading.control import desk_status
from alchemiser_cli.trading.decisions import LimitReading
from alchemiser_cli.trading.hours import TradingHours
from alchemiser_cli.trading.kill_switch.flag import RUNNING, Flag, FlagError, flag_file
from alchemiser_cli.trading.kill_switch.record import KillSwitchRecord, read_record
from alchemiser_cli.trading.validator import Finding, Rule, StageLook, examine

__all__ = ["DayLoss", "Stages", "Switch", "day_losses", "kill_switch"]
__all__ += ["readable_switch", "stages"]

# How long a process that ended without saying so is worth mentioning.
REMEMBERED_S = 24 * 3_600.0

_DAY_LOSS = "daily_loss"  # what the names of the account's limits of a day begin with


class Switch(msgspec.Struct, frozen=True):
    """The kill switch of the home; ``fault`` says why it cannot be read, which counts as set."""

    active: bool
    reason: str
    by: str
    since_ns: int
    fault: str


class Stages(msgspec.Struct, frozen=True):
    """The stages of one broker; ``excuse`` says why a finding is none now."""

    broker: str
    looks: list[StageLook]
    findings: list[Finding]
    excuse: str


class DayLoss(msgspec.Struct, frozen=True):
    """A running desk's losses of the day, each against its limit."""

    broker: str
    limits: list[LimitReading]


def kill_switch(settings: Settings) -> Switch | None:
    """Return the state of the kill switch; None on a home that never had one."""
    file = settings.kill_switch_file
    try:
        record = read_record(file)
    except (OSError, ValueError) as error:
        return Switch(active=True, reason="", by="", since_ns=0, fault=f"{file}: {error}")
    flag = Flag(flag_file(settings.shm.directory, file))
    try:
        flag.open()
        stopped = flag.words[0] != RUNNING
    except FileNotFoundError:  # as after a reboot: the file says what it will be
        if record is None:
            return None
        stopped = False
    except FlagError as error:
        return _switch(record, active=True, fault=str(error))
    finally:
        flag.close()
    return _switch(record, active=stopped or (record is not None and record.state == "set"))


def readable_switch(settings: Settings) -> str:
    """Say where the kill switch was read, for a check.

    Raises:
        SkipCheck: Nothing has traded in this home.
        KillSwitchUnreadableError: ``kill-switch-unreadable``.
    """
    switch = kill_switch(settings)
    if switch is None:
        raise SkipCheck("nothing has traded in this home")
    if switch.fault:
        raise KillSwitchUnreadableError(
            "the kill switch cannot be read",
            why=f"{switch.fault.rstrip('.')}. It counts as set: nothing is traded.",
            next_step="Mend the file or the folder, then: alchemiser trade resume --reason WHY",
        )
    return "flag and file"


def stages(surroundings: Surroundings) -> list[Stages]:
    """Judge the stages of every broker whose processes run, or ended without saying so.

    One look has no memory of what a stage was given before, so a stage that is given more and
    more work is found by the desk's own validator rather than here.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    now_ns = surroundings.clock.now_ns()
    silence_s = surroundings.settings.trading.max_stage_silence_s
    rule = Rule(now_ns, silence_s, watched_since_ns=now_ns)
    seen = [one for one in ActivityStore(surroundings.database).read() if _counts(one, rule)]
    found = []
    for broker in sorted({one.broker for one in seen}):
        findings, looks = examine(broker, seen, rule, {})
        excuse = _excuse(surroundings.settings, broker, rule) if findings else ""
        found.append(Stages(broker, looks, [] if excuse else findings, excuse))
    return found


def day_losses(settings: Settings) -> list[DayLoss]:
    """Return what running desks and risk services say of their account's losses of the day."""
    found = []
    for file in sorted((settings.run_folder / "trading").glob("*.json")):
        status, running = desk_status(settings.run_folder, file.stem)
        if status is None or not running:
            continue
        limits = [one for one in status.limits if one.name.startswith(_DAY_LOSS)]
        if limits:
            found.append(DayLoss(status.broker, limits))
    return found


def _switch(record: KillSwitchRecord | None, *, active: bool, fault: str = "") -> Switch:
    if record is None:
        return Switch(active=active, reason="", by="", since_ns=0, fault=fault)
    return Switch(active, record.reason, record.by, record.since_ns, fault)


def _counts(one: StageSeen, rule: Rule) -> bool:
    """Tell whether a stage is of a process that should run; who ended cleanly owes nothing."""
    return one.running is not False and rule.age_s(one.reported_ns or 0) <= REMEMBERED_S


def _excuse(settings: Settings, broker: str, rule: Rule) -> str:
    """Say why a silence is none; the calendar is loaded for a silent broker only."""
    if not any(one.enabled and one.broker == broker for one in settings.strategies.values()):
        return "no strategy trades through it"
    is_open = TradingHours(settings.market.calendar).is_open
    try:
        if not is_open(rule.now_ns):
            return "its market is closed"
        if not is_open(rule.now_ns - round(rule.max_silence_s * NS_PER_SECOND)):
            return "its market opened only just now"
    except AlchemiserError:
        return ""  # without a calendar nothing excuses a silence
    return ""
