"""Laws of what was made fast: it gives what the plain way gives."""

from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.trading.audit import AuditEntry
from alchemiser_cli.trading.audit.line_encoder import LineEncoder
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.orders import Execution

DAY_NS = 86_400_000_000_000
TIMES = st.lists(
    st.integers(0, 4_000_000_000_000_000_000)
    | st.builds(lambda day, away: day * DAY_NS + away, st.integers(1, 40_000), st.integers(-2, 2)),
    min_size=1,
    max_size=8,
)
TRADES = st.lists(
    st.tuples(
        st.sampled_from(["one", "two"]),
        st.sampled_from(["A", "B"]),
        st.sampled_from([-2, -1, 1, 2]),
    ),
    max_size=12,
)
ENTRY = AuditEntry(event="HELD", event_id="h")


@given(TIMES)
def test_a_line_has_its_time_as_iso_8601_whatever_line_came_before(times):
    encoder = LineEncoder("r", "paper", None)
    for at_ns in times:
        line, _ = encoder.encode(ENTRY, 0, at_ns, "sha256")
        assert f'"at":"{iso_from_ns(at_ns)}"'.encode() in line


@given(TRADES)
def test_net_positions_are_the_sums_of_the_strategies_without_zeros(trades):
    book = Book("paper", 1e6, 100)
    for number, (strategy, symbol, change) in enumerate(trades):
        book.apply(
            Execution(
                execution_id=str(number),
                kind="fill",
                order_id="",
                strategy_id=strategy,
                broker="paper",
                symbol=symbol,
                change=change,
                price=10.0,
                commission=0.0,
                at_ns=number,
            )
        )
    sums = {symbol: sum(book.holders(symbol).values()) for symbol in ("A", "B")}
    assert book.positions() == {symbol: net for symbol, net in sums.items() if net}
