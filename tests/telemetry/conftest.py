import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.state import StateDatabase


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def database(tmp_path, clock):
    opened = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", clock)
    yield opened
    opened.close()
