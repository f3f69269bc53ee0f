"""The account at Alpaca: opened only as the settings allow, its credentials never shown."""

import datetime as dt
import logging
import traceback
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors import (
    AlchemiserError,
    BrokerInactiveError,
    CredentialsMissingError,
    PositionValidationError,
    RetryExhaustedError,
    SecurityError,
    UrlMalformedError,
)
from alchemiser_cli.settings import BrokerAccount, Settings
from alchemiser_cli.testing.brokerage import Fault
from alchemiser_cli.trading.brokers import open_broker

CREDENTIALS = dict.fromkeys(("api_key", "api_secret"), "made-up")


@pytest.fixture
def installed(alpaca_plugin, tmp_path, monkeypatch):
    """The metadata that an installation would write, from the distribution's own pyproject."""
    import tomllib
    from pathlib import Path

    folder = Path(alpaca_plugin.__file__).parents[1]
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / f"alchemiser_alpaca_broker-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    [(group, points)] = project["entry-points"].items()
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def no_paper():
    raise AssertionError("the simulated broker was not asked for")


async def test_the_installed_plugin_opens_an_enabled_account(installed, account, clock):
    assert "alpaca" in metadata.entry_points(group="alchemiser.plugins").names
    settings = Settings(plugins=("alpaca",), brokers={"alpaca": account})
    broker = open_broker(settings, "alpaca", clock, no_paper)
    await broker.connect()
    assert broker.name == "alpaca"
    assert (await broker.account()).cash == 100_000.0
    await broker.close()


@pytest.mark.provokes("broker-inactive")
@pytest.mark.parametrize(
    "settings",
    [
        {"plugins": ("alpaca",), "brokers": {"alpaca": {"plugin": "alpaca"}}},
        {"brokers": {"alpaca": {"plugin": "alpaca", "enabled": True}}},
        {"plugins": ("alpaca",)},
    ],
)
def test_an_account_that_is_not_enabled_and_allowed_is_refused(settings, installed, clock):
    with pytest.raises(BrokerInactiveError):
        open_broker(Settings(**settings), "alpaca", clock, no_paper)


@pytest.mark.provokes("credentials-missing")
@pytest.mark.parametrize("left", [{"api_key"}, {"api_secret"}, set()])
def test_an_account_without_credentials_is_refused(left, alpaca_plugin, clock):
    with pytest.raises(CredentialsMissingError, match="'alpaca' has no api_"):
        alpaca_plugin.AlpacaAdapter().open(
            "alpaca", BrokerAccount(**dict.fromkeys(left, "made-up")), clock
        )


@pytest.mark.provokes("url-malformed")
@pytest.mark.parametrize(
    "url",
    [
        "http://api.alpaca.markets",
        "http://10.0.0.7:8080",
        "https://user:password@api.alpaca.markets",  # pragma: allowlist secret
        "https://api.alpaca.markets/v2",
        "https://api.alpaca.markets:port",
    ],
)
def test_credentials_are_sent_by_https_only_and_to_no_odd_address(url, alpaca_plugin, clock):
    account = BrokerAccount(url=url, **CREDENTIALS)
    with pytest.raises(UrlMalformedError) as caught:
        alpaca_plugin.AlpacaAdapter().open("alpaca", account, clock)
    assert "password" not in str(caught.value) + caught.value.why + str(caught.value.context)


def test_without_an_address_it_is_the_account_for_practice(alpaca_plugin, clock):
    account = BrokerAccount(**CREDENTIALS)
    broker = alpaca_plugin.AlpacaAdapter().open("alpaca", account, clock)
    assert broker._rest._url == "https://paper-api.alpaca.markets"


@pytest.mark.provokes("broker-inactive")
async def test_a_blocked_account_is_told_while_connecting(alpaca, brokerage):
    brokerage.account_status = "ACCOUNT_CLOSED"
    with pytest.raises(BrokerInactiveError, match="may not trade"):
        await alpaca.connect()


@pytest.mark.provokes("security-violation")
async def test_refused_credentials_are_told_while_connecting(alpaca, brokerage, waits):
    brokerage.key = "another"
    with pytest.raises(SecurityError, match="credentials"):
        await alpaca.connect()
    assert waits == []


@pytest.mark.provokes("service-unreachable", "retry-exhausted")
async def test_what_may_be_asked_twice_is_asked_again(alpaca, brokerage, waits):
    brokerage.fail("GET", Fault(status=500), Fault(drop="before"), Fault(status=200, body=b"?"))
    await alpaca.connect()
    assert len(waits) == 3
    brokerage.fail("GET", *[Fault(status=500)] * 4)
    with pytest.raises(RetryExhaustedError):
        await alpaca.connect()


async def test_a_rate_limit_is_kept_by_questions_too(alpaca, brokerage, waits):
    brokerage.fail("GET", Fault(status=429, headers={"Retry-After": "3"}))
    await alpaca.connect()
    assert len(waits) == 1
    assert waits[0] >= 3


async def test_the_account_tells_cash_positions_and_our_open_orders(alpaca, brokerage, make_order):
    brokerage.prices["QQQ"] = 50.0
    for name in ("o-1", "o-2", "o-3"):
        await alpaca.submit(make_order(name, symbol="QQQ" if name == "o-3" else "SPY"))
    brokerage.fill("o-1", price=100.0)
    brokerage.fill("o-3", 4, price=50.0)
    state = await alpaca.account()
    assert state.cash == 100_000.0 - 1_000.0 - 200.0
    assert state.positions == {"SPY": 10, "QQQ": 4}
    assert state.open_orders == ("o-2", "o-3")


async def test_more_open_orders_than_a_page_are_all_listed(
    alpaca, brokerage, make_order, clock, monkeypatch
):
    from alchemiser_alpaca_broker import account

    monkeypatch.setattr(account, "PAGE", 2)
    for number in range(5):
        clock.advance(0.001)
        await alpaca.submit(make_order(f"o-{number}"))
    state = await alpaca.account()
    assert state.open_orders == ("o-0", "o-1", "o-2", "o-3", "o-4")


@pytest.mark.provokes("position-mismatch")
async def test_a_part_of_a_share_cannot_be_ours(alpaca, brokerage):
    brokerage.positions["SPY"] = 0.5
    with pytest.raises(PositionValidationError, match="part of a share of SPY"):
        await alpaca.account()


async def test_credentials_are_in_no_error_and_no_log(alpaca, brokerage, make_order, clock, caplog):
    """Also where what answers repeats them, as an echoing proxy does."""
    key, secret = brokerage.key, brokerage.secret
    caplog.set_level(logging.DEBUG)
    echo = f"you sent {key} and {secret}".encode()
    faults = [
        Fault(status=500, body=echo),
        Fault(status=200, body=echo),
        Fault(status=401, body=echo),
        Fault(status=404, body=echo),
        Fault(status=400, body=b'{"message": "' + echo + b'"}'),
        Fault(drop="before"),
        Fault(status=429, body=echo, headers={"Retry-After": "900"}),
    ]
    shown = []
    for number, fault in enumerate(faults):
        for method, work in (
            ("GET", alpaca.connect),
            ("POST", lambda number=number: alpaca.submit(make_order(f"o-{number}"))),
        ):
            brokerage.fail(method, *[fault] * (4 if method == "GET" else 1))
            try:
                await work()
            except AlchemiserError as error:
                shown += [error.what, error.why, error.next_step, str(error.context)]
                shown += [repr(error), "".join(traceback.format_exception(error))]
            brokerage._faults.clear()
            clock.advance(60)  # an open circuit may be tried again
    shown += [caplog.text, repr(alpaca._rest._account), str(vars(alpaca._rest))]
    assert len(shown) > 40
    assert not any(secret in text or key in text for text in shown)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("SPX-20180119-C-2750", "SPX180119C02750000"),
        ("SPXW-20201218-P-3372.5", "SPXW201218P03372500"),
        ("F-20240105-C-0.5", "F240105C00000500"),
        ("SPY", "SPY"),
        ("BRK.B", "BRK.B"),
    ],
)
def test_a_symbol_is_written_both_ways(ours, theirs, alpaca_plugin):
    from alchemiser_alpaca_broker.occ import alpaca_symbol, our_symbol

    assert alpaca_symbol(ours) == theirs
    assert our_symbol(theirs) == ours


@pytest.mark.parametrize("symbol", ["SPX189919C02750000", "SPX-18990119-C-2750", "X-1-C-2"])
def test_what_is_no_contract_stays_as_it_is(symbol, alpaca_plugin):
    from alchemiser_alpaca_broker.occ import alpaca_symbol, our_symbol

    assert our_symbol(alpaca_symbol(symbol)) == symbol


def test_every_contract_comes_back_from_its_occ_symbol(alpaca_plugin):
    from alchemiser_alpaca_broker.occ import alpaca_symbol, our_symbol
    from alchemiser_cli.trading.instruments import contract_symbol

    @given(
        st.from_regex(r"[A-Z]{1,6}", fullmatch=True),
        st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31)),
        st.booleans(),
        st.integers(1, 99_999_999),
    )
    def law(root, expiry, is_call, thousandths):
        symbol = contract_symbol(root, expiry, is_call=is_call, strike=thousandths / 1_000)
        written = alpaca_symbol(symbol)
        assert written != symbol
        assert our_symbol(written) == symbol

    law()
