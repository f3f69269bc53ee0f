"""The demo's story, step by step."""

from typing import TYPE_CHECKING, Any

import msgspec

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.market import Dataset, Tick
from alchemiser_cli.pipeline.streams import RoundTrip
from alchemiser_cli.preflight.report import PreflightReport
from alchemiser_cli.render.blocks import Block, TextBlock, View
from alchemiser_cli.render.chart import area_chart
from alchemiser_cli.render.preflight import short_view
from alchemiser_cli.render.stream import consume_view, replay_view
from alchemiser_cli.render.trade import run_view
from alchemiser_cli.trading.desk import DeskResult

if TYPE_CHECKING:
    from alchemiser_cli.rl.training import TrainingResult

__all__ = ["demo_view"]

_NEXT = """\
What to type next:
  alchemiser preflight                  every check, with its next step where it fails
  alchemiser broker serve               keep a Kafka up; then, in another terminal:
  alchemiser replay sp500 --speed 1e6     some twelve days of market in a second
  alchemiser consume --from earliest      see what arrives; Ctrl-C ends with the summary
  alchemiser replay file:YOURS.csv      your own bars, trades or quotes
  alchemiser trade run --dataset sp500 --strategy breakout    trade on the past; then:
  alchemiser trade why ORDER            from the tick to the fill, with every limit
  alchemiser audit verify               prove that no record was changed
  alchemiser errors codes               everything that can go wrong, each with its runbook
"""

_NEXT_TRAINED = """\
  alchemiser train td3                  train for longer; then judge, compare and sweep
  alchemiser model inspect {model}  its passport; its report.html has the charts
"""


def demo_view(
    report: PreflightReport,
    dataset: Dataset,
    trip: RoundTrip,
    traded: DeskResult,
    *,
    width: int,
    seconds: float,
    trained: "TrainingResult | None" = None,
) -> View:
    """Return the whole story: checks, what was sent, seen and traded, charts, what to do next.

    ``trained`` is the policy that was trained on top of it.
    """
    preflight = short_view(report)
    replayed = replay_view(dataset, trip.replayed)
    consumed = consume_view(trip.consumed)
    trading = run_view(traded, width=width)
    learned, training_document = _training(trained)
    blocks: list[Block] = [
        _heading("1. preflight: may the system start?"),
        *preflight.blocks,
        _heading("2. replay: real market data into an embedded Kafka"),
        *replayed.blocks,
        _heading("3. consume: read it back, decoded and checked"),
        *consumed.blocks,
        *_charts(trip.ticks, width),
        _heading("4. trade: three strategies on paper, each decision under risk control"),
        *trading.blocks,
        *learned,
        TextBlock(f"\nAll of it in {seconds:.1f} s, with nothing installed beside it."),
        TextBlock(_NEXT + _next_of(trained)),
    ]
    document = {
        "preflight": preflight.document,
        "replay": replayed.document,
        "consume": consumed.document,
        "last_ticks": [msgspec.to_builtins(tick) for tick in trip.ticks[-3:]],
        "trade": trading.document,
        **training_document,
        "duration_s": seconds,
    }
    return View(document, blocks)


def _training(trained: "TrainingResult | None") -> tuple[list[Block], dict[str, Any]]:
    if trained is None:
        return [], {}
    from alchemiser_cli.render.training import training_view

    view = training_view(trained)
    heading = _heading("5. train: a policy for options on this market, judged on years unseen")
    return [heading, *view.blocks], {"train": view.document}


def _next_of(trained: "TrainingResult | None") -> str:
    return "" if trained is None else _NEXT_TRAINED.format(model=trained.model)


def _heading(text: str) -> TextBlock:
    return TextBlock(f"\n{text}", style="bold cyan")


def _charts(ticks: list[Tick], width: int) -> list[Block]:
    if not ticks:
        return []
    first, last = (iso_from_ns(tick.event_time_ns)[:10] for tick in (ticks[0], ticks[-1]))
    symbol = ticks[0].symbol
    prices = area_chart(
        [tick.price for tick in ticks],
        title=f"\n{symbol}, close",
        width=width,
        height=6,
        first=first,
        last=last,
    )
    volatilities = area_chart(
        [100 * (tick.implied_volatility or 0.0) for tick in ticks],
        title=f"\n{symbol}, volatility a year",
        width=width,
        height=4,
        first=first,
        last=last,
        number="{:.0f} %",
    )
    return [TextBlock(prices, style="green"), TextBlock(volatilities, style="yellow")]
