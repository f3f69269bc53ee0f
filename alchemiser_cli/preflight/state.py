"""Checks of the state database."""

from functools import partial

from alchemiser_cli.checks import Check
from alchemiser_cli.preflight.setup import Setup

__all__ = ["checks"]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``state``."""
    check = partial(setup.check, "state")
    opens = "state database opens"
    return [
        check(opens, "state-unreachable", lambda: _opens(setup), retry=True),
        check("state database is intact", "state-corrupt", lambda: _intact(setup), needs=(opens,)),
    ]


def _opens(setup: Setup) -> str:
    database = setup.database
    with database.begin():
        return database.location


def _intact(setup: Setup) -> str:
    health = setup.database.health()
    return f"{health.backend}, schema version {health.schema_version}, integrity {health.integrity}"
