"""Checks of what a start of trading rests on: kill switch, audit trails, and the brokers."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.errors import (
    AlchemiserError,
    AuditCorruptError,
    BrokerInactiveError,
    KillSwitchActiveError,
    KillSwitchUnreadableError,
)
from alchemiser_cli.preflight.setup import LIVE, Setup
from alchemiser_cli.settings.signing_key import lasting_signing_key

if TYPE_CHECKING:
    from alchemiser_cli.trading.audit import AuditHead
    from alchemiser_cli.trading.broker import Broker

__all__ = ["checks"]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``trading``."""
    check = partial(setup.check, "trading")
    readable = "kill switch can be read"
    return [
        check(readable, KillSwitchUnreadableError.code, lambda: _readable(setup)),
        check(
            "kill switch is not set",
            KillSwitchActiveError.code,
            lambda: _clear(setup),
            needs=(readable,),
        ),
        check(
            "audit trails end where they were anchored",
            AuditCorruptError.code,
            lambda: _anchored(setup),
            needs=("state database opens",),
        ),
        check(
            "brokers of strategies can be opened",
            BrokerInactiveError.code,
            lambda: _brokers(setup),
            blocks_in=LIVE,
        ),
    ]


def _readable(setup: Setup) -> str:
    from alchemiser_cli.health.trading import readable_switch

    return readable_switch(setup.settings)


def _clear(setup: Setup) -> str:
    from alchemiser_cli.health.trading import kill_switch

    switch = kill_switch(setup.settings)
    if switch is not None and switch.active:
        raise KillSwitchActiveError(
            "the kill switch is set",
            why=f"{switch.by or 'Nobody known'} set it: {switch.reason or 'no reason'}.",
            next_step="When what it was set for is over: alchemiser trade resume --reason WHY",
        )
    return "trading may run"


def _anchored(setup: Setup) -> str:
    """Compare the line that was anchored last, and the last one; nothing between is read."""
    from alchemiser_cli.trading.audit import AnchorStore

    anchored = AnchorStore(setup.database).all()
    if not anchored:
        raise SkipCheck("no audit trail was anchored yet")
    key = lasting_signing_key(setup.resolved)
    faults = [fault for one in anchored if (fault := _fault(setup, one, key)) is not None]
    if faults:
        raise AuditCorruptError(
            f"{len(faults)} of {len(anchored)} audit trails are not as they were anchored",
            why=" ".join(f"{fault.context.get('trail')}: {fault.why}" for fault in faults),
            next_step=faults[0].next_step,
            context={"trails": [fault.context.get("trail") for fault in faults]},
        )
    return f"{len(anchored)} trails"


def _fault(setup: Setup, anchored: "AuditHead", key: bytes | None) -> AuditCorruptError | None:
    from alchemiser_cli.trading.audit.ending import find_end, refuse_other_than

    folder = setup.settings.audit_folder / anchored.trail
    try:
        refuse_other_than(anchored, folder, find_end(folder, key).head)
    except AuditCorruptError as error:
        return error
    except OSError as error:
        return AuditCorruptError(
            f"the audit trail {anchored.trail} cannot be read",
            why=f"{folder}: {error.strerror or error}.",
            next_step=f"See what is wrong: alchemiser audit verify {anchored.trail}",
            context={"trail": anchored.trail},
        )
    return None


def _brokers(setup: Setup) -> str:
    """Open each broker that an enabled strategy trades through; nothing is contacted."""
    from alchemiser_cli.trading.brokers import open_broker

    settings = setup.settings
    names = sorted({one.broker for one in settings.strategies.values() if one.enabled})
    if not names:
        raise SkipCheck("no strategy is enabled")
    faults: list[AlchemiserError] = []
    for name in names:
        try:
            broker = open_broker(settings, name, setup.clock, partial(_paper, setup, name))
        except AlchemiserError as error:
            faults.append(error)
        else:
            asyncio.run(broker.close())
    if faults:
        first = faults[0]
        kind = type(first) if len(faults) == 1 else BrokerInactiveError
        raise kind(
            "; ".join(fault.what for fault in faults),
            why=" ".join(fault.why for fault in faults),
            next_step=first.next_step,
            context={"brokers": names},
        )
    return ", ".join(names)


def _paper(setup: Setup, name: str) -> "Broker":
    from alchemiser_cli.trading.paper import PaperBroker

    settings = setup.settings
    return PaperBroker(name, settings.paper, settings.options, None, setup.clock)
