"""A preflight setup over settings of the test's choice, and one check of it."""

import pytest

from alchemiser_cli.checks import run_checks
from alchemiser_cli.clock import ManualClock
from alchemiser_cli.preflight.report import checks_of
from alchemiser_cli.preflight.setup import Setup
from alchemiser_cli.settings.resolve import Request, resolve


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def setup_with(home, clock):
    """Resolve settings from assignments, such as ``kafka.mode=external``."""
    made = []

    def make(*assignments, profile=None, environ=None):
        request = Request(
            profile=profile, home=home, assignments=assignments, environ=environ or {}
        )
        setup = Setup(resolve(request), clock)
        made.append(setup)
        return setup

    yield make
    for setup in made:
        setup.stack.close()


@pytest.fixture
def outcome(setup_with, clock):
    """Run one category and return the result of one of its checks."""

    def run(category, name, *assignments, setup=None, **options):
        setup = setup or setup_with(*assignments, **options)
        results = run_checks(checks_of(setup, [category]), clock)
        return next(result for result in results if result.name == name)

    return run
