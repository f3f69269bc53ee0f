"""From what sources said of a broker to findings: times that can be are judged, others reported."""

from collections.abc import Iterable, MutableMapping

from msgspec.structs import replace

from alchemiser_cli.trading.activity import STAGES, StageSeen
from alchemiser_cli.trading.validator.judging import Rule, impossible, judge
from alchemiser_cli.trading.validator.report import EVERY_STAGE, Finding, StageLook

__all__ = ["examine"]


def examine(
    broker: str,
    seen: Iterable[StageSeen],
    rule: Rule,
    owed: MutableMapping[str, float],
    *,
    blind: bool = False,
) -> tuple[list[Finding], list[StageLook]]:
    """Return what is wrong with the stages of ``broker``, and how each of them is.

    ``seen`` may tell of other brokers, and of one stage more than once: the newest counts.
    ``owed`` is kept from look to look (see ``judge``). ``blind`` tells that a source could not be
    read, so that nobody is blamed for what it alone knows.
    """
    sound: dict[str, StageSeen] = {}
    unknown: dict[str, str] = {}
    if blind:
        unknown.update(dict.fromkeys(STAGES, "a source could not be read"))
    findings: list[Finding] = []
    for one in seen:
        if one.broker != broker:
            continue
        if one.stage not in STAGES:
            said = f"{one.stage!r} is no stage of trading"
            findings.append(Finding(broker, EVERY_STAGE, "validation_error", said))
        elif said := impossible(one, rule.now_ns):
            findings.append(Finding(broker, one.stage, "validation_error", said))
            unknown[one.stage] = said
        else:
            sound[one.stage] = _newest(sound.get(one.stage), one)
    looks = judge(broker, sound, unknown, rule, owed)
    findings += [
        Finding(broker, look.stage, "no_recent_data", look.detail, look.age_s)
        for look in looks
        if look.state == "silent"
    ]
    return findings, looks


def _newest(one: StageSeen | None, other: StageSeen) -> StageSeen:
    """Join what two sources, or two processes, say of one stage."""
    if one is None:
        return other
    newest = max(one, other, key=lambda seen: seen.active_ns)
    gave = [seen.gave_ns for seen in (one, other) if seen.gave_ns is not None]
    return replace(newest, gave_ns=max(gave, default=None))
