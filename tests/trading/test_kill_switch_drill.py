"""The drill times a real sender of orders in another process, and leaves nothing behind."""

from pathlib import Path

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import KillSwitchUnreadableError
from alchemiser_cli.settings import Settings, ShmSettings
from alchemiser_cli.trading.kill_switch import drill


def test_no_order_follows_the_switch(tmp_path):
    settings = Settings(home=tmp_path / "home", shm=ShmSettings(directory=tmp_path))
    rounds = []

    result = drill(settings, 3, SystemClock(), lambda number, one: rounds.append((number, one)))

    assert result.passed
    assert result.rounds == 3
    assert [number for number, _ in rounds] == [1, 2, 3]
    assert all(one.seen_ns > 0 and one.orders > 0 for _, one in rounds)
    assert 0.0 <= result.p50_us <= result.p99_us <= result.max_us <= result.seen_max_us
    assert not list(tmp_path.glob(".alchemiser*"))
    assert not settings.kill_switch_file.exists()


@pytest.mark.provokes("kill-switch-unreadable")
def test_without_shared_memory_there_is_no_drill():
    with pytest.raises(KillSwitchUnreadableError, match="no drill"):
        drill(Settings(shm=ShmSettings(directory=Path("/proc/none"))))
