"""Plugins may add kinds of strategies: they trade like the built-in ones, and a bad one is told."""

import sys

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import PluginRejectedError
from alchemiser_cli.pipeline.trading.dataset import DatasetRun, trade_dataset
from alchemiser_cli.pipeline.trading.kinds import strategy_kinds
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.audit import read_trail
from alchemiser_cli.trading.runs import Fed

PATIENT = """
from alchemiser_cli.hooks import hookimpl
from alchemiser_cli.trading.signals import Hold, Intent
from alchemiser_cli.trading.strategies import param_hash


class Patient:
    policy_expired = False
    model = None

    def __init__(self, definition, chosen, settings):
        self.strategy_id = definition.name
        self.param_hash = param_hash(definition, chosen)
        self._symbols = definition.symbols
        self._contracts = definition.parameters["contracts"]

    def load(self):
        pass

    def wants(self, symbol):
        return symbol in self._symbols

    def features(self, tick):
        return {"price": tick.price}

    def signal(self, tick, features, account):
        if account.position(self.strategy_id, tick.symbol) == self._contracts:
            return Hold("it is patient")
        return [Intent(symbol=tick.symbol, target=self._contracts, reason="buy and hold")]


@hookimpl
def alchemiser_strategies(settings):
    return [("patient", Patient)]
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a real distribution with one plugin: its module, its metadata, its entry point."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules = []

    def install(name, source):
        module = f"alchemiser_strategy_plugin_{name}"
        (site / f"{module}.py").write_text(source)
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[alchemiser.plugins]\n{name} = {module}\n")
        modules.append(module)

    yield install
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def home(tmp_path):
    """A home whose configs have one strategy of the plugin's kind."""
    definitions = tmp_path / "home" / "configs" / "strategies"
    definitions.mkdir(parents=True)
    (definitions / "keeper.toml").write_text(
        'kind = "patient"\nversion = 1\nsymbols = ["SPY"]\n[parameters]\ncontracts = 3\n'
    )
    return tmp_path / "home"


@pytest.fixture
def prices(tmp_path):
    """A file of ten prices, one a day while New York trades."""
    file = tmp_path / "prices.csv"
    days = ("04", "05", "06", "07", "08", "11", "12", "13", "14", "15")
    lines = [f"2021-01-{day}T16:00:00Z,SPY,{100 + at}.0\n" for at, day in enumerate(days)]
    file.write_text("event_time,symbol,price\n" + "".join(lines))
    return f"file:{file}"


def test_a_strategy_of_a_plugins_kind_trades_from_tick_to_fill(install, home, prices):
    install("patient", PATIENT)
    settings = Settings(home=home, plugins=("patient",), strategies={"keeper": {}})

    result = trade_dataset(settings, DatasetRun(Fed(dataset=prices), "r1"), ManualClock())

    assert result.disabled == {}
    assert (result.ticks, result.orders, result.fills) == (10, 1, 1)
    (held,) = result.account.positions
    assert (held.strategy_id, held.symbol, held.quantity) == ("keeper", "SPY", 3)
    events = [record.event for record in read_trail(settings.audit_folder / "r1")]
    assert {"SIGNAL", "TRADE_APPROVED", "ORDER_SUBMITTED", "EXECUTED"} <= set(events)


def test_without_the_plugin_the_strategy_is_disabled_with_the_reason(home, prices):
    settings = Settings(home=home, strategies={"keeper": {}})
    result = trade_dataset(settings, DatasetRun(Fed(dataset=prices), "r1"), ManualClock())
    assert "'patient' is no kind of a strategy" in result.disabled["keeper"]
    assert result.orders == 0


def test_a_kind_that_raises_disables_its_strategy_and_nothing_else(install, home, prices):
    install("patient", PATIENT.replace('"patient", Patient', '"patient", lambda *_: 1 / 0'))
    settings = Settings(home=home, plugins=("patient",), strategies={"keeper": {}})
    result = trade_dataset(settings, DatasetRun(Fed(dataset=prices), "r1"), ManualClock())
    assert "ZeroDivisionError" in result.disabled["keeper"]


@pytest.mark.provokes("plugin-rejected")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ('[("patient", Patient), ("patient", Patient)]', "one that is taken"),
        ('[("momentum", Patient)]', "one that is taken"),
        ('[("policy", Patient)]', "one that is taken"),
        ('[("patient", "Patient")]', "names no kind of strategy"),
        ('["patient"]', "names no kind of strategy"),
    ],
)
def test_a_plugin_that_fails_or_takes_a_name_is_rejected(install, answer, why):
    install("odd", PATIENT.replace('[("patient", Patient)]', answer))
    with pytest.raises(PluginRejectedError) as caught:
        strategy_kinds(Settings(plugins=("odd",)), ManualClock())
    assert why in f"{caught.value.what} {caught.value.why}"
    assert "`plugins`" in caught.value.next_step
