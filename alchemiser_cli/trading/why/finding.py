"""Finding the trail that knows: the newest first, and services of one broker together."""

from collections.abc import Iterator
from pathlib import Path

from alchemiser_cli.errors import AuditTrailNotFoundError, OrderNotFoundError
from alchemiser_cli.trading.activity import SERVICES
from alchemiser_cli.trading.audit import AuditRecord, newest_trail, read_trail, trails
from alchemiser_cli.trading.why.order import OrderStory, explain_order
from alchemiser_cli.trading.why.records import merged

__all__ = ["find_order", "newest_records"]


def find_order(audit_folder: Path, order: str, trail: str | None = None) -> OrderStory:
    """Explain an order, wherever it is: in ``trail``, or in the newest trail that has it.

    Raises:
        OrderNotFoundError: ``order-not-found``, with near ids of the newest trail.
        AuditTrailNotFoundError: ``audit-trail-not-found``: there is no trail, or not this one.
    """
    missing: OrderNotFoundError | None = None
    for name in [trail] if trail is not None else _newest_first(audit_folder):
        try:
            return explain_order(_records(audit_folder, name), order)
        except OrderNotFoundError as error:
            missing = missing or error
    raise missing or _no_trail(audit_folder)


def newest_records(audit_folder: Path, trail: str | None = None) -> Iterator[AuditRecord]:
    """Return the lines of ``trail``, or of the one that was written last.

    Raises:
        AuditTrailNotFoundError: ``audit-trail-not-found``.
    """
    name = trail or newest_trail(audit_folder)
    if name is None:
        raise _no_trail(audit_folder)
    return _records(audit_folder, name)


def _records(audit_folder: Path, name: str) -> Iterator[AuditRecord]:
    """Return the lines of a trail; those of a broker's services come as one."""
    known = trails(audit_folder)
    broker, _, service = name.partition(".")
    if service in SERVICES or name not in known:
        together = [f"{broker}.{one}" for one in SERVICES if f"{broker}.{one}" in known]
        if together:
            return merged(read_trail(audit_folder / one) for one in together)
    return read_trail(audit_folder / name)


def _newest_first(audit_folder: Path) -> list[str]:
    """Return the trails, the newest first, and one of each broker's services."""
    newest = newest_trail(audit_folder)
    names = sorted(trails(audit_folder), reverse=True)  # a run's name begins with its time
    ordered = dict.fromkeys([*([newest] if newest else []), *names])
    seen, chosen = set(), []
    for name in ordered:
        broker, _, service = name.partition(".")
        if service in SERVICES:
            if broker in seen:
                continue
            seen.add(broker)
        chosen.append(name)
    return chosen


def _no_trail(audit_folder: Path) -> AuditTrailNotFoundError:
    return AuditTrailNotFoundError(
        "there is no audit trail yet",
        why=f"{audit_folder} holds none.",
        next_step="Trade first: alchemiser trade run --dataset sp500 --strategy breakout",
        context={"folder": str(audit_folder)},
    )
