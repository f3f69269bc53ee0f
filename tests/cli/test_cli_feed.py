"""``feed list`` and ``feed run`` against an exchange on loopback, into an embedded Kafka."""

import json
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from alchemiser_cli.exits import ExitCode
from alchemiser_cli.testing.exchange import running_exchange
from alchemiser_cli.testing.kafka import embedded_kafka

PLUGIN = Path(__file__).parents[2] / "plugins" / "binance_feed"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The Binance plugin as an installation would leave it: its module and its metadata."""
    info = tmp_path / "site" / "alchemiser_binance_feed-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: x\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "[alchemiser.plugins]\nbinance = alchemiser_binance_feed\n"
    )
    for folder in (PLUGIN, tmp_path / "site"):
        monkeypatch.syspath_prepend(str(folder))
    yield
    for name in [name for name in sys.modules if name.startswith("alchemiser_binance_feed")]:
        del sys.modules[name]


@pytest.fixture
def exchange():
    with running_exchange() as running:
        yield running


@pytest.fixture
def kafka():
    with embedded_kafka("market.ticks") as running:
        yield running


@pytest.fixture
def profile(tmp_path, exchange, kafka):
    file = tmp_path / "feeds.toml"
    file.write_text(
        'environment = "development"\nplugins = ["binance"]\n'
        f'[kafka]\nmode = "external"\nbootstrap = "{kafka.bootstrap}"\n'
        f'[feeds.spot]\nurl = "{exchange.url}"\nrest_url = "{exchange.rest_url}"\n'
        'symbols = ["BTCUSDT", "ETHUSDT"]\nsilence_s = 5\nmax_backoff_s = 0.05\n'
        "poll_interval_s = 0.05\nmax_attempts = 20\n"
    )
    return file


def origins(kafka, count):
    """The origin header and key of the first ``count`` messages of the topic."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "x", "log_level": 0})
    consumer.assign([TopicPartition("market.ticks", number, 0) for number in range(4)])
    messages = []
    while len(messages) < count:  # bounded by pytest's time limit
        messages += consumer.consume(count - len(messages), 0.1)
    consumer.close()
    return sorted(
        (one.key().decode(), dict(one.headers())["alchemiser.origin"]) for one in messages
    )


def test_the_feeds_of_the_settings_are_listed(cli, installed, profile, masked, file_regression):
    result = cli("--profile", profile, "feed", "list")
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(masked(result.stdout))


def test_an_installed_plugin_is_listed_without_any_setting(cli, installed):
    document = json.loads(cli("--set", "plugins=binance", "feed", "list", "-o", "json").stdout)
    [entry] = document["feeds"]
    assert (entry["name"], entry["configured"]) == ("binance", False)
    assert entry["url"] == "wss://stream.binance.com:9443"


def test_without_a_plugin_the_list_says_what_to_do(cli):
    assert "alchemiser-binance-feed" in cli("feed", "list").stdout


def test_a_feed_publishes_every_tick_with_its_origin(cli, installed, profile, exchange, kafka):
    for symbol in ("BTCUSDT", "ETHUSDT"):
        exchange.keep_trading(symbol)
    result = cli("--profile", profile, "feed", "run", "spot", "--max-ticks", "50", "-o", "json")
    assert result.exit_code == ExitCode.OK, result.stderr
    document = json.loads(result.stdout)
    assert document["published"] == 50
    assert sum(document["symbols"].values()) == 50
    assert (document["live"] >= 50, document["polled"], document["missing"]) == (True, 0, 0)
    found = origins(kafka, 50)
    assert {origin for _, origin in found} == {b"live"}
    assert {key for key, _ in found} == {"BTCUSDT", "ETHUSDT"}


def test_a_refused_feed_publishes_what_it_polls(cli, installed, profile, exchange, kafka):
    exchange.refuse(12)
    exchange.keep_trading("BTCUSDT")
    result = cli(
        *("--profile", profile, "feed", "run", "spot", "--symbols", "BTCUSDT"),
        *("--max-ticks", "80", "-o", "json"),
    )
    assert result.exit_code == ExitCode.OK, result.stderr
    document = json.loads(result.stdout)
    assert document["polled"] > 0
    assert document["missing"] == 0
    assert len(origins(kafka, 80)) == 80
    journal = json.loads(cli("errors", "list", "-o", "json").stdout)
    assert "websocket-lost" in json.dumps(journal)


@pytest.mark.provokes("feed-reconnects-exhausted")
def test_a_feed_that_gives_up_fails_with_its_code(cli, installed, profile, exchange):
    exchange.refuse()
    exchange.answer_rest_with(500)
    result = cli("--profile", profile, "feed", "run", "spot", "--until-idle", "30")
    assert result.exit_code == ExitCode.FAILED
    assert "error[feed-reconnects-exhausted]" in result.stderr
    assert "HTTP 503" in result.stderr


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_feed_that_is_idle_ends_with_its_summary(
    form, cli, installed, profile, masked, file_regression
):
    result = cli("--profile", profile, "feed", "run", "spot", "--until-idle", "0.3", "-o", form)
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(masked(result.stdout), extension=".json" if form == "json" else ".txt")


@pytest.mark.provokes("usage")
def test_an_unknown_feed_is_a_usage_error(cli, installed, profile):
    result = cli("--profile", profile, "feed", "run", "spit")
    assert result.exit_code == ExitCode.USAGE
    assert "Did you mean 'spot'?" in result.stderr
