"""What ``bench env`` measures."""

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.rl.measure import measure_environments


def test_rates_and_their_ratios_are_of_all_three_environments():
    speed = measure_environments(SystemClock(), rounds=1, steps=20, count=8)
    assert speed.environments == 8
    assert speed.single_ratio == pytest.approx(speed.single_per_s / speed.ordinary_per_s)
    assert speed.vectorised_ratio == pytest.approx(speed.vectorised_per_s / speed.ordinary_per_s)
    assert speed.ordinary_per_s > 0
