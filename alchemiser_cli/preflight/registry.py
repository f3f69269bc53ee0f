"""Checks of the schema registry and the schemas in use."""

from functools import partial

from alchemiser_cli.checks import Check
from alchemiser_cli.errors import SchemaIncompatibleError
from alchemiser_cli.market import tick_schema
from alchemiser_cli.preflight.setup import Setup
from alchemiser_cli.settings.urls import masked_url

__all__ = ["checks"]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``registry``."""
    check = partial(setup.check, "registry")
    reachable = "schema registry answers"
    return [
        check(reachable, "registry-unreachable", lambda: _reachable(setup), retry=True),
        check(
            "tick schema is compatible",
            "schema-incompatible",
            lambda: _compatible(setup),
            needs=(reachable,),
        ),
    ]


def _reachable(setup: Setup) -> str:
    setup.registry.latest(setup.tick_subject)
    return masked_url(setup.settings.registry_url)


def _compatible(setup: Setup) -> str:
    subject, schema = setup.tick_subject, tick_schema()
    latest = setup.registry.latest(subject)
    if latest is None:
        return f"{subject} is not registered yet; the first producer registers it"
    if not setup.registry.compatible(subject, schema):
        raise SchemaIncompatibleError(
            f"our tick schema cannot follow schema id {latest[0]} of {subject}",
            why="A reader with one of the two could not read what the other wrote.",
            next_step="Use another topics.ticks, or evolve the schema with defaults.",
            context={"subject": subject, "schema_id": latest[0]},
        )
    return f"{subject} is schema id {latest[0]}"
