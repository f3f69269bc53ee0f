"""Files as people really have them, opened as they are."""

from pathlib import Path

import pytest

from alchemiser_cli.errors import DatasetTimeError
from alchemiser_cli.market import open_dataset

REAL = Path(__file__).parents[2].parent / "shared" / "data"
needs_real_data = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real data are not beside this checkout"
)
KLINE = "1735689600000000,93548.8,93690,93400,93488,509.1,1735693199999999,4.7e7,100,1,2,0\n"


@pytest.fixture
def opened(tmp_path):
    def opened(name, text, **options):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return open_dataset(f"file:{path}", **options)

    return opened


@needs_real_data
def test_googl_daily_opens_as_2335_bars_with_the_unadjusted_close():
    dataset = open_dataset(f"file:{REAL / 'googl_daily.csv'}", symbol="GOOGL")
    first = next(iter(dataset))
    assert (dataset.rows, dataset.kind, dataset.symbols) == (2335, "bar", ("GOOGL",))
    assert (first.price, first.high, first.size) == (196.946945, 199.524521, 3_433_700)
    assert dataset.provenance.files[0].sha256[:6] == "7a9e5f"


@needs_real_data
def test_eurusd_hourly_opens_as_6225_bars_with_the_day_first():
    dataset = open_dataset(f"file:{REAL / 'eurusd_1h_ask.csv'}")
    assert (dataset.rows, dataset.symbols) == (6225, ("eurusd_1h_ask",))
    assert dataset.first_event_time_ns == 1_483_308_000 * 10**9  # 2017-01-01T22:00Z
    assert dataset.last_event_time_ns == 1_514_581_200 * 10**9  # 2017-12-29T21:00Z


def test_binance_klines_without_a_header_are_known_by_their_shape(opened):
    dataset = opened("BTCUSDT-1h-2025-01.csv", KLINE)
    [tick] = dataset
    assert dataset.symbols == ("BTCUSDT",)
    assert tick.kind == "bar"
    assert tick.event_time_ns == 1_735_693_199_999_999_000  # when the bar closed
    assert (tick.open, tick.high, tick.low, tick.price) == (93548.8, 93690, 93400, 93488)
    assert tick.size == 509.1


def test_binance_klines_with_a_header_are_the_same(opened):
    header = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
        "taker_buy_volume,taker_buy_quote_volume,ignore\n"
    )
    with_header = opened("BTCUSDT-1h-2025-02.csv", header + KLINE)
    assert list(with_header) == list(opened("BTCUSDT-1h-2025-01.csv", KLINE))


@pytest.mark.parametrize(
    "row",
    [
        "0,0.2,50.0,0,0,1608872400000,False,True",
        "0,0.2,50.0,0,0,1608872400000,true",
        "51175358,0.2,50.0,10,1608872400000,True,True",
        "51175358,0.2,50.0,10,1608872400000,true",
    ],
    ids=["spot aggTrades", "futures aggTrades", "spot trades", "futures trades"],
)
def test_binance_trades_without_a_header_are_known_by_their_shape(opened, row):
    dataset = opened("BNBUSDT-aggTrades-2020-12-25.csv", row + "\n")
    [tick] = dataset
    assert dataset.symbols == ("BNBUSDT",)
    assert (tick.kind, tick.price, tick.size) == ("trade", 0.2, 50.0)
    assert tick.event_time_ns == 1_608_872_400 * 10**9


def test_freqtrade_candles_open_under_their_pair(opened):
    dataset = opened(
        "BTC_USDT-5m.csv",
        "date,open,high,low,close,volume\n2021-01-01 00:00:00+00:00,1,3,0.5,2,10\n",
    )
    assert dataset.symbols == ("BTC_USDT",)
    assert dataset.first_event_time_ns == 1_609_459_200 * 10**9


def test_yfinance_with_three_header_lines_opens_under_its_ticker(opened):
    dataset = opened(
        "prices.csv",
        "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
        "2024-01-02,185.6,188.4,183.9,187.1,82488700\n2024-01-03,184.2,185.9,183.4,184.2,58414500\n",
    )
    assert dataset.symbols == ("AAPL",)
    assert [tick.price for tick in dataset] == [185.6, 184.2]


def test_a_pandas_index_without_a_name_is_the_time(opened):
    dataset = opened("frame.csv", ",Open,High,Low,Close\n2024-01-02,1,3,1,2\n")
    assert dataset.first_event_time_ns == 1_704_153_600 * 10**9


def test_quotes_are_priced_in_the_middle(opened):
    [first, second] = opened("q.csv", "timestamp;bid;ask\n1700000000;9;11\n1700000000;10;11\n")
    assert (first.kind, first.price, first.bid, first.ask) == ("quote", 10, 9, 11)
    assert (second.price, second.sequence) == (10.5, 2)


def test_a_mapped_column_is_taken_and_an_empty_mapping_leaves_a_field_out(opened):
    text = "Date,Last,Open,Note\n2024-01-02,5,9,x\n"
    [tick] = opened("m.csv", text, columns={"price": "Last", "open": ""})
    assert (tick.kind, tick.price, tick.open) == ("trade", 5, None)


def test_an_unknown_volume_is_zero(opened):
    assert [
        tick.size
        for tick in opened("v.csv", "date,close,volume\n2024-01-02,5,\n2024-01-03,5,nan\n")
    ] == [0, 0]


def test_blank_lines_are_no_rows_but_count_in_row_numbers(opened):
    assert opened("b.csv", "date,close\n2024-01-02,5\n\n2024-01-03,6\n\n").rows == 2
    with pytest.raises(DatasetTimeError, match="row 3"):
        opened("b.csv", "date,close\n2024-01-02,5\n\n2024-01-02,6\n")


def test_a_symbol_column_tells_instruments_apart_and_a_symbol_selects_one(opened):
    text = "ticker,date,close\nB,2024-01-02,1\nB,2024-01-04,2\nA,2024-01-02,3\nA,2024-01-03,4\n"
    whole = opened("many.csv", text)
    assert [(tick.symbol, tick.sequence, tick.price) for tick in whole] == [
        ("B", 1, 1),
        ("A", 1, 3),
        ("A", 2, 4),
        ("B", 2, 2),
    ]
    chosen = opened("many.csv", text, symbol="A")
    assert chosen.symbols == ("A",)
    assert [(tick.sequence, tick.price) for tick in chosen] == [(1, 3), (2, 4)]
