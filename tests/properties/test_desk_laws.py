"""Laws of the desk: stopped or killed anywhere, it goes on as if nothing had happened.

Random markets, wishes and cuts; every part is the real one, but for the strategy.
"""

import asyncio
import itertools
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.market import Tick
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.audit import read_trail, verify_trail
from alchemiser_cli.trading.desk import Desk, DeskRequest, MarketClock, fold_trail, open_parts
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.signals import Hold, Intent, Origin

START_NS = 1_515_423_600 * NS_PER_SECOND  # Monday 2018-01-08, 10:00 in New York
EXAMPLES = 15

# A move of the price, what is wanted then, and the seconds until it; a night lies between some.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.97, 0.995, 0.999, 1.0, 1.001, 1.005, 1.03]),
        st.none() | st.sampled_from([-3_500, -40, 0, 15, 40, 3_500]),
        st.sampled_from([1, 1, 1, 5, 86_400]),
    ),
    min_size=2,
    max_size=14,
)
CUT = st.integers(0, 10_000)


class Wishes:
    """A strategy that wants what stands in a list, by the tick's number."""

    strategy_id, param_hash, model, policy_expired = "wishes", "0123456789abcdef", None, False

    def __init__(self, wanted):
        self.wanted = wanted

    def wants(self, symbol):
        return symbol == "SPX"

    def load(self):
        pass

    def features(self, tick):
        return {"price": tick.price}

    def signal(self, tick, features, account):
        target = self.wanted[tick.sequence]
        if target is None:
            return Hold("wishes nothing")
        return (Intent(symbol="SPX", target=target, reason="a wish"),)


def market(steps):
    ticks, price, second = [], 100.0, 0
    for number, (move, _, wait) in enumerate(steps):
        price *= move
        second += wait
        at_ns = START_NS + second * NS_PER_SECOND
        ticks.append(
            Tick(
                symbol="SPX",
                venue="law",
                kind="trade",
                sequence=number,
                event_time_ns=at_ns,
                price=price,
            )
        )
    return ticks


@contextmanager
def opened(home, steps):
    """Yield a desk in this home that is not open, what its trail holds, and its clock."""
    folder = home / "configs" / "strategies"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wishes.toml").write_text('kind = "wishes"\nversion = 1\nsymbols = ["SPX"]\n')
    clock = MarketClock()
    clock.advance_to(START_NS)
    chosen = Settings(home=home, audit={"min_free_megabytes": 0, "fsync": "never"})
    strategy = Wishes([wanted for _, wanted, _ in steps])
    request = DeskRequest(
        broker="paper",
        run_id="r",
        trail="paper",
        names=["wishes"],
        kinds={"wishes": lambda *_given: strategy},
    )
    folded = fold_trail(home / "audit" / "paper")
    with (
        closing(KillSwitch(home, home / "run" / "kill_switch.json", clock)) as switch,
        open_parts(chosen, request, switch, clock) as (parts, _loaded),
    ):
        yield Desk(parts), folded, clock


async def trade(home, steps, first, last):
    """Trade the ticks from ``first`` up to ``last``, warmed with those before; return the state."""
    ticks = market(steps)
    with opened(home, steps) as (desk, folded, clock):
        clock.advance_to(ticks[max(0, first - 1)].event_time_ns)
        await desk.open(folded)
        for tick in ticks[:first]:
            desk.warm(tick)
        for tick in ticks[first:last]:
            clock.advance_to(tick.event_time_ns)
            await desk.on_tick(tick, Origin("ticks", 0, tick.sequence))
        return state_of(desk)


def state_of(desk):
    parts = desk.parts
    book, gate, paper = parts.book.snapshot(), parts.gate, parts.paper
    return {
        # The highest equity ever is not on record; that of the day is.
        "account": msgspec.structs.replace(book, peak_equity=0.0),
        "equal at the broker": (dict(paper.book.positions()), paper.book.cash),
        "working": [one.order_id for one in desk.orders.working],
        "working at the gate": gate.working,
        "day": (gate.day.day, round(gate.day.start_equity, 6)),  # its last digits may be others
        "state": gate.trading_state,
        "kill switch": parts.kill_switch.active,
    }


def decisions_in(home):
    return [
        (one.event_id, one.event, one.reason, one.quantity)
        for one in read_trail(home / "audit" / "paper")
        if one.event.startswith("TRADE_")
    ]


@settings(max_examples=EXAMPLES)
@given(STEPS, st.lists(CUT, max_size=2))
def test_a_desk_that_was_stopped_between_ticks_equals_one_that_was_not(steps, cuts):
    whole, parts = tempfile.TemporaryDirectory(), tempfile.TemporaryDirectory()
    with whole as one, parts as other:
        expected = asyncio.run(trade(Path(one), steps, 0, len(steps)))
        edges = [0, *sorted(cut % len(steps) for cut in cuts), len(steps)]
        for first, last in itertools.pairwise(edges):
            found = asyncio.run(trade(Path(other), steps, first, last))
        assert found == expected
        assert decisions_in(Path(other)) == decisions_in(Path(one))


@settings(max_examples=EXAMPLES)
@given(STEPS, CUT)
def test_after_a_crash_at_any_line_no_order_goes_out_twice_and_the_books_agree(steps, cut):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        asyncio.run(trade(Path(one), steps, 0, len(steps)))
        (file,) = (Path(one) / "audit" / "paper").glob("*.jsonl")
        lines = file.read_bytes().splitlines(keepends=True)
        kept = lines[: cut % (len(lines) + 1)]
        trail = Path(other) / "audit" / "paper"
        trail.mkdir(parents=True)
        (trail / file.name).write_bytes(b"".join(kept))
        first = _tick_under_way(trail, market(steps))
        state = asyncio.run(trade(Path(other), steps, first, len(steps)))
        records = list(read_trail(trail))
        assert verify_trail(trail).ok
    held, cash = state["equal at the broker"]
    assert held == {row.symbol: row.quantity for row in state["account"].positions}
    assert cash == state["account"].cash
    approved = set()
    for record in records:
        if record.event == "TRADE_APPROVED":
            approved.add(record.event_id)
        if record.event == "ORDER_SUBMITTED":
            assert record.causation in approved
    for event in ("SIGNAL", "ORDER_SUBMITTED", "EXECUTED"):
        ids = [record.event_id for record in records if record.event == event]
        assert len(ids) == len(set(ids)), event
    for event in ("TRADE_APPROVED", "TRADE_REJECTED"):
        ids = [record.event_id for record in records if record.event == event]
        assert len(ids) == len(set(ids)), event


def _tick_under_way(trail, ticks):
    """Return the number of the last tick that the trail tells of: it was not committed."""
    newest = max((one.at_ns for one in read_trail(trail)), default=0)
    return max(0, sum(tick.event_time_ns <= newest for tick in ticks) - 1)
