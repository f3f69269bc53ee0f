"""Binance's messages become ticks, and whatever is not its format is refused by name."""

import json
import sys
from importlib import metadata
from pathlib import Path

import pluggy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alchemiser_cli.errors import FeedMessageError, PluginRejectedError, UsageError
from alchemiser_cli.hooks import PROJECT, PluginAnswers
from alchemiser_cli.market.feeds import Subscription, Venue, list_feeds, plan_feed, venues
from alchemiser_cli.settings import Settings
from alchemiser_cli.testing.exchange import running_exchange

PLUGIN = Path(__file__).parents[2] / "plugins" / "binance_feed"
RECEIVED_NS = 1_700_000_000_123_456_789
TRADE = {"e": "trade", "E": 1_700_000_000_001, "s": "BTCUSDT", "t": 42, "p": "37123.45000000"}
TRADE |= {"q": "0.00100000", "T": 1_700_000_000_000, "m": True, "M": True}
BOOK = {"u": 400, "s": "BTCUSDT", "b": "37123.00", "B": "1.5", "a": "37124.00", "A": "2.5"}


def message(stream, data):
    return json.dumps({"stream": stream, "data": data}).encode()


@pytest.fixture
def plugin(monkeypatch):
    monkeypatch.syspath_prepend(str(PLUGIN))
    import alchemiser_binance_feed

    yield alchemiser_binance_feed
    for name in [name for name in sys.modules if name.startswith("alchemiser_binance_feed")]:
        del sys.modules[name]


@pytest.fixture
def venue(plugin):
    return plugin.BinanceVenue()


@pytest.fixture
def installed(plugin, tmp_path, monkeypatch):
    """The metadata that an installation would write, from the distribution's own pyproject."""
    import tomllib

    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / f"alchemiser_binance_feed-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    [(group, points)] = project["entry-points"].items()
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def test_a_trade_carries_its_own_id_time_and_numbers(venue):
    [tick] = venue.parse(message("btcusdt@trade", TRADE), RECEIVED_NS)
    assert (tick.symbol, tick.venue, tick.kind, tick.sequence) == (
        *("BTCUSDT", "BINANCE"),
        *("trade", 42),
    )
    assert tick.event_time_ns == 1_700_000_000_000_000_000
    assert (tick.price, tick.size) == (37123.45, 0.001)


def test_a_quote_is_priced_at_the_middle_and_timed_by_its_receipt(venue):
    [tick] = venue.parse(message("btcusdt@bookTicker", BOOK), RECEIVED_NS)
    assert (tick.kind, tick.sequence, tick.event_time_ns) == ("quote", 400, RECEIVED_NS)
    assert (tick.bid, tick.ask, tick.price) == (37123.0, 37124.0, 37123.5)


@pytest.mark.parametrize(("closed", "count"), [(True, 1), (False, 0)])
def test_only_a_closed_bar_is_a_tick(closed, count, venue):
    bar = {"t": 1_740_000_000_000, "T": 1_740_000_059_999, "o": "1", "h": "3", "l": "0.5"}
    bar |= {"c": "2", "v": "10", "x": closed, "i": "1m"}
    ticks = venue.parse(message("btcusdt@kline_1m", {"s": "BTCUSDT", "k": bar}), RECEIVED_NS)
    assert len(ticks) == count
    for tick in ticks:
        assert (tick.open, tick.high, tick.low, tick.price, tick.size) == (1, 3, 0.5, 2, 10)
        assert tick.sequence == 29_000_000
        assert tick.event_time_ns == 1_740_000_059_999_000_000


def test_an_acknowledgement_carries_no_tick(venue):
    assert venue.parse(b'{"result":null,"id":1}', RECEIVED_NS) == []


@pytest.mark.provokes("feed-message-invalid")
@pytest.mark.parametrize(
    "changes",
    [
        {"p": "nan"},
        {"p": "inf"},
        {"p": "1e5"},
        {"p": "1_000"},
        {"p": "-1"},
        {"p": "0.00"},
        {"p": ""},
        {"p": "9" * 40},
        {"p": 37123.45},
        {"q": "-0.1"},
        {"t": "42"},
        {"t": -1},
        {"t": None},
        {"T": 1e13},
        {"T": 1 << 60},
        {"s": "btc/usdt"},
        {"s": ""},
    ],
)
def test_a_trade_with_impossible_values_is_refused(changes, venue):
    with pytest.raises(FeedMessageError):
        venue.parse(message("btcusdt@trade", TRADE | changes), RECEIVED_NS)


@pytest.mark.provokes("feed-message-invalid")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"error":{"code":2,"msg":"Invalid request"},"id":1}', "Invalid request"),
        (b'{"stream":"btcusdt@depth","data":{}}', "nobody subscribed"),
        (b"{}", "neither a stream's message nor an answer"),
    ],
)
def test_what_was_not_asked_for_is_refused_with_its_reason(text, why, venue):
    with pytest.raises(FeedMessageError) as caught:
        venue.parse(text, RECEIVED_NS)
    assert why in caught.value.why
    assert caught.value.context["bytes"] == len(text)


@given(at=st.integers(0, 200), byte=st.integers(0, 255), cut=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutated_message_gives_ticks_or_a_coded_error(at, byte, cut, venue):
    mutated = bytearray(message("btcusdt@trade", TRADE))
    at %= len(mutated)
    mutated[at] = byte
    try:
        ticks = venue.parse(bytes(mutated[:at] if cut else mutated), RECEIVED_NS)
    except FeedMessageError:
        return
    assert all(tick.price > 0 and tick.size >= 0 for tick in ticks)


@given(whole=st.integers(0, 10**12), fraction=st.integers(0, 10**8 - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_decimal_text_is_read_as_the_nearest_double(whole, fraction, venue):
    text = f"{whole}.{fraction:08d}"
    [tick] = venue.parse(message("x@trade", TRADE | {"q": text}), RECEIVED_NS)
    assert tick.size == float(text)


@pytest.mark.parametrize("kind", ["trade", "quote", "bar"])
def test_every_kind_can_be_fetched_by_rest_from_a_real_server(kind, venue):
    import urllib.request

    with running_exchange() as exchange:
        exchange.trade(count=3)
        exchange.quote()
        [request] = venue.rest_requests(Subscription(("BTCUSDT",), (kind,)))
        with urllib.request.urlopen(exchange.rest_url + request.path, timeout=5) as answer:  # noqa: S310  loopback
            ticks = venue.parse_rest(request, answer.read(), sys.maxsize)
    assert {tick.kind for tick in ticks} == {kind}
    assert [tick.sequence for tick in ticks] == sorted(tick.sequence for tick in ticks)


@pytest.mark.provokes("feed-message-invalid")
@pytest.mark.parametrize("body", [b"", b"{}", b'[{"id":1}]', b"<html>"])
def test_an_unknown_rest_answer_is_refused(body, venue):
    [request] = venue.rest_requests(Subscription(("BTCUSDT",), ("trade",)))
    with pytest.raises(FeedMessageError):
        venue.parse_rest(request, body, RECEIVED_NS)


def test_a_book_with_an_empty_side_gives_no_quote(venue):
    [request] = venue.rest_requests(Subscription(("BTCUSDT",), ("quote",)))
    body = b'{"lastUpdateId":7,"bids":[["1.0","1.0"]],"asks":[]}'
    assert venue.parse_rest(request, body, RECEIVED_NS) == []


def test_the_registered_module_answers_the_hook(plugin):
    from alchemiser_cli.hooks import _Specification

    plugins = pluggy.PluginManager(PROJECT)
    plugins.add_hookspecs(_Specification)
    plugins.register(plugin, "binance")
    plugins.check_pending()
    [(name, item)] = PluginAnswers(plugins).of("alchemiser_feeds", "name", settings=Settings())
    assert name == "binance"
    assert isinstance(item, Venue)


def test_the_installed_plugin_is_loaded_only_when_it_is_allowed(installed):
    assert "binance" in metadata.entry_points(group="alchemiser.plugins").names
    assert venues(Settings()) == {}
    assert list(venues(Settings(plugins=("binance",)))) == ["binance"]


def test_a_feed_of_the_settings_and_a_venue_by_name_can_both_be_planned(installed):
    with_feed = Settings(
        plugins=("binance",), feeds={"spot": {"symbols": "BTCUSDT", "kinds": "trade,quote"}}
    )
    plan = plan_feed(with_feed, "spot")
    assert (plan.settings.symbols, plan.settings.kinds) == (("BTCUSDT",), ("trade", "quote"))
    assert plan_feed(with_feed, "spot", ["ETHUSDT"]).settings.symbols == ("ETHUSDT",)
    assert plan_feed(with_feed, "binance", ["ETHUSDT"]).settings.kinds == ("trade",)
    [entry] = list_feeds(with_feed)
    assert (entry.name, entry.available, entry.configured) == ("spot", True, True)


@pytest.mark.provokes("usage")
@pytest.mark.parametrize(
    ("name", "told"), [("binanec", "Did you mean 'binance'?"), ("binance", "--symbols")]
)
def test_a_feed_that_cannot_be_run_says_what_to_do(name, told, installed):
    with pytest.raises(UsageError) as caught:
        plan_feed(Settings(plugins=("binance",)), name)
    assert told in caught.value.why + caught.value.next_step


@pytest.mark.provokes("plugin-rejected")
def test_a_feed_whose_plugin_is_not_allowed_is_refused(installed):
    with pytest.raises(PluginRejectedError, match="no plugin speaks 'binance'"):
        plan_feed(Settings(feeds={"spot": {"symbols": "BTCUSDT"}}), "spot")


@pytest.mark.provokes("plugin-rejected")
@pytest.mark.parametrize("answer", ["[5]", "[BinanceVenue(), BinanceVenue()]"])
def test_a_plugin_that_gives_no_venue_or_two_of_one_name_is_refused(
    answer, plugin, tmp_path, monkeypatch
):
    site = tmp_path / "odd"
    info = site / "odd-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[alchemiser.plugins]\nodd = alchemiser_odd_feed\n")
    (site / "alchemiser_odd_feed.py").write_text(
        "from alchemiser_binance_feed import BinanceVenue\n"
        "from alchemiser_cli.hooks import hookimpl\n"
        f"@hookimpl\ndef alchemiser_feeds():\n    return {answer}\n"
    )
    monkeypatch.syspath_prepend(str(site))
    try:
        with pytest.raises(PluginRejectedError, match="'odd' gives"):
            venues(Settings(plugins=("odd",)))
    finally:
        sys.modules.pop("alchemiser_odd_feed", None)
