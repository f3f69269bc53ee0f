"""Where nothing may be broken: production, a live broker, open positions."""

import pytest

from alchemiser_cli.chaos.permission import dangers, demand_permission
from alchemiser_cli.errors import ChaosRefusedError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.book import AccountSnapshot
from alchemiser_cli.trading.book.snapshot import PositionRow
from alchemiser_cli.trading.control import DeskControl, DeskStatus

LIVE = {"alpaca": {"enabled": True, "api_key": "k", "api_secret": "s"}, "paper": {"enabled": True}}


@pytest.fixture
def settings(tmp_path):
    """Make settings of one home."""

    def make(**values):
        return Settings(home=tmp_path / "home", **values)

    return make


def status(*symbols):
    """What a desk that holds ``symbols`` says of itself."""
    rows = [
        PositionRow(
            strategy_id="s",
            symbol=symbol,
            quantity=1,
            average_price=1.0,
            price=1.0,
            market_value=1.0,
            unrealised_pnl=0.0,
        )
        for symbol in symbols
    ]
    amounts = "cash initial_cash realised_pnl unrealised_pnl fees peak_equity equity"
    account = AccountSnapshot(
        broker="paper", at_ns=0, positions=rows, **dict.fromkeys(amounts.split(), 0.0)
    )
    counts = "pid started_ns at_ns ticks signals approved orders fills working"
    words = "run_id service trading_state audit_trail audit_head"
    return DeskStatus(
        broker="paper",
        denied={},
        last_event_ns=None,
        account=account,
        limits=[],
        strategies=[],
        findings=[],
        **dict.fromkeys(counts.split(), 0),
        **dict.fromkeys(words.split(), ""),
    )


def desk_says(settings, *symbols):
    with DeskControl(settings.run_folder, "paper") as control:
        control.tell(status(*symbols))


def test_on_a_home_where_nothing_is_at_stake_everything_may_be_broken(settings):
    own = settings(brokers={"paper": {"enabled": True}, "alpaca": {"enabled": False}})
    desk_says(own)
    assert demand_permission(own, ()) == []


@pytest.mark.provokes("chaos-refused")
@pytest.mark.parametrize(
    ("danger", "values"),
    [
        ("production", {"environment": "production"}),
        ("live-broker", {"brokers": LIVE}),
        ("open-positions", {}),
    ],
)
def test_each_danger_must_be_allowed_by_the_profile_and_confirmed(settings, danger, values):
    if danger == "open-positions":
        desk_says(settings(), "SPX", "NDX")  # the desk does not run any more
    allowed = settings(chaos={"allow": (danger,)}, **values)
    for own, confirmed in ((settings(**values), (danger,)), (allowed, ()), (allowed, ("else",))):
        with pytest.raises(ChaosRefusedError, match=danger) as refused:
            demand_permission(own, confirmed)
        assert refused.value.exit_code == ExitCode.REFUSED
        assert f"--confirm {danger}" in refused.value.next_step
    assert demand_permission(allowed, (danger,)) == [danger]


def test_one_confirmed_danger_does_not_cover_another(settings):
    own = settings(environment="production", brokers=LIVE, chaos={"allow": ("production",)})
    with pytest.raises(ChaosRefusedError, match="live-broker") as refused:
        demand_permission(own, ("production", "live-broker"))
    assert "production" not in refused.value.what


def test_a_desk_whose_status_cannot_be_read_counts_as_one_with_positions(settings):
    own = settings()
    folder = own.run_folder / "trading"
    folder.mkdir(parents=True)
    (folder / "paper.json").write_text("{")
    assert [one.danger for one in dangers(own)] == ["open-positions"]
