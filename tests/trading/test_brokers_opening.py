"""A broker is opened only where the settings name it, enable it and allow its plugin."""

import sys

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import BrokerInactiveError, PluginRejectedError
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.brokers import BrokerAdapter, broker_adapters, open_broker

ADAPTER = """
from alchemiser_cli.hooks import hookimpl

class Adapter:
    name = "desk"

    def open(self, name, account, clock):
        return name, account.url, clock

@hookimpl
def alchemiser_brokers(settings):
    return {answer}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules = []

    def make(name, answer="[Adapter()]"):
        module = f"alchemiser_broker_{name}"
        (site / f"{module}.py").write_text(ADAPTER.replace("{answer}", answer))
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[alchemiser.plugins]\n{name} = {module}\n")
        modules.append(module)

    yield make
    for module in modules:
        sys.modules.pop(module, None)


def opened(settings, name):
    return open_broker(Settings(**settings), name, ManualClock(), lambda: "simulated")


@pytest.mark.parametrize(
    "settings",
    [{}, {"brokers": {"paper": {}}}, {"brokers": {"paper": {"enabled": True}}}],
)
def test_the_simulated_broker_needs_no_entry_and_no_plugin(settings):
    assert opened(settings, "paper") == "simulated"


def test_an_enabled_broker_is_opened_by_its_plugin(install):
    install("desk")
    account = {"plugin": "desk", "enabled": True, "url": "https://desk.example"}
    settings = {"plugins": ("desk",), "brokers": {"live": account}}
    name, url, clock = opened(settings, "live")
    assert (name, url) == ("live", "https://desk.example")
    assert isinstance(clock, ManualClock)
    [adapter] = broker_adapters(Settings(plugins=("desk",))).values()
    assert isinstance(adapter, BrokerAdapter)


def test_a_plugin_may_stand_behind_the_name_paper_too(install):
    install("desk")
    settings = {"plugins": ("desk",), "brokers": {"paper": {"plugin": "desk", "enabled": True}}}
    assert opened(settings, "paper")[0] == "paper"


@pytest.mark.provokes("broker-inactive")
@pytest.mark.parametrize(
    ("settings", "name", "told"),
    [
        ({}, "papr", "Did you mean 'paper'?"),
        ({"brokers": {"live": {"plugin": "desk"}}}, "live", "brokers.live.enabled"),
        ({"brokers": {"paper": {"enabled": False}}}, "paper", "brokers.paper.enabled"),
        ({"brokers": {"live": {"enabled": True}}}, "live", "brokers.live.plugin"),
        (
            {"brokers": {"live": {"enabled": True, "plugin": "desk"}}},
            "live",
            "Loaded plugins trade with: nobody",
        ),
    ],
)
def test_a_broker_that_cannot_be_traded_with_says_what_to_do(settings, name, told):
    with pytest.raises(BrokerInactiveError) as caught:
        opened(settings, name)
    assert told in caught.value.why + caught.value.next_step
    assert caught.value.context["broker"] == name


@pytest.mark.provokes("plugin-rejected")
@pytest.mark.parametrize("answer", ["[5]", "[Adapter(), Adapter()]"])
def test_a_plugin_that_gives_no_adapter_or_two_of_one_name_is_refused(answer, install):
    install("odd", answer)
    with pytest.raises(PluginRejectedError, match="'odd' gives"):
        broker_adapters(Settings(plugins=("odd",)))
