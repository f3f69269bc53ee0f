"""The sections of trading: strategies, risk, the paper broker, the audit trail, the services."""

from typing import Annotated, Literal

from pydantic import Field

from alchemiser_cli.settings.sections import Names, Seconds, Section

__all__ = [
    "AuditSettings",
    "PaperSettings",
    "RiskLimits",
    "RiskSettings",
    "StrategySettings",
    "TradingSettings",
]

Share = Annotated[float, Field(gt=0)]


class StrategySettings(Section):
    """One strategy; what it is stands in its definition, ``strategies/NAME.toml``."""

    enabled: bool = Field(True, description="Whether it is loaded.")
    model: str | None = Field(
        None, description="Model artefact that it acts on; unset: that of its definition, if any."
    )
    segment: str | None = Field(
        None, description="Segment of shared memory whose weights a policy follows."
    )
    broker: str = Field("paper", description="Broker that it trades through.")
    symbols: Names = Field((), description="Symbols that it trades; empty: its definition's.")


class RiskLimits(Section):
    """Limits of one strategy or symbol; what is not set is as under `risk`."""

    max_trade_loss: Share | None = Field(
        None, description="Largest loss that a trade may risk, as a share of equity."
    )
    max_positions: int | None = Field(None, ge=1, description="Most positions open at once.")
    max_notional: Share | None = Field(
        None, description="Largest notional of a symbol, as a share of equity."
    )
    max_quantity: int | None = Field(
        None, ge=1, description="Largest position of a symbol, in units or contracts."
    )
    cool_down_s: float | None = Field(
        None, ge=0, description="Least time between two trades of a symbol."
    )
    max_data_age_s: Seconds | None = Field(
        None, description="Age at which a price is too old to trade on."
    )


class RiskSettings(Section):
    """What may be traded, and when trading stops. Shares are of the account's equity."""

    max_daily_loss: Share = Field(
        0.03, lt=1, description="Loss since the day's start that stops trading."
    )
    max_daily_drawdown: Share = Field(
        0.05, lt=1, description="Loss since the day's highest equity that stops trading."
    )
    max_trade_loss: Share = Field(
        0.02, description="Largest loss that a trade may risk, as a share of equity."
    )
    adverse_move: Share = Field(
        0.05, lt=1, description="Move of the price that a trade without a stop is taken to risk."
    )
    max_positions: int = Field(20, ge=1, description="Most positions open at once.")
    max_notional: Share = Field(
        0.5, description="Largest notional of a symbol, as a share of equity."
    )
    max_leverage: Share = Field(
        2.0, description="Largest sum of all notionals, as a multiple of equity."
    )
    max_quantity: int = Field(
        10_000, ge=1, description="Largest position of a symbol, in units or contracts."
    )
    cool_down_s: float = Field(0.0, ge=0, description="Least time between two trades of a symbol.")
    max_data_age_s: Seconds = Field(
        60.0, description="Age at which a price is too old to trade on."
    )
    by_strategy: dict[str, RiskLimits] = Field(
        default_factory=dict, description="Limits of single strategies."
    )
    by_symbol: dict[str, RiskLimits] = Field(
        default_factory=dict, description="Limits of single symbols; of an option: its underlying."
    )


class PaperSettings(Section):
    """The simulated broker."""

    initial_cash: float = Field(1_000_000.0, gt=0, description="Cash at the account's opening.")
    latency_s: float = Field(
        0.05, ge=0, description="Time before a price can fill an order, after its tick."
    )
    slippage: float = Field(
        0.0001, ge=0, lt=1, description="How much worse a fill is than the quote, as its share."
    )
    spread: float = Field(
        0.0002, ge=0, lt=1, description="Half the spread where a tick has no quote, as its share."
    )
    commission: float = Field(
        0.005, ge=0, description="Commission of one unit of an underlying, a side."
    )
    max_fill: int | None = Field(
        None, ge=1, description="Most that one tick can fill; the rest waits for the next one."
    )
    reject_rate: float = Field(
        0.0, ge=0, lt=1, description="Share of orders that are rejected, for rehearsals."
    )
    seed: int = Field(1, ge=0, description="Seed of the rehearsed rejects.")
    order_lifetime_s: Seconds = Field(
        86_400.0 * 5, description="Time after which an order that nothing fills expires."
    )
    market_hours: bool = Field(
        True, description="Refuse orders and fills outside the calendar's sessions."
    )


class AuditSettings(Section):
    """The tamper-evident trail of every decision."""

    fsync: Literal["each", "interval", "never"] = Field(
        "interval", description="When lines are forced to the disk: each one, some, or never."
    )
    fsync_interval_s: Seconds = Field(1.0, description="Longest time a line waits for the disk.")
    anchor_every: int = Field(
        1_000, ge=1, description="Lines after which the chain's head goes to the state database."
    )
    min_free_megabytes: int = Field(
        64, ge=0, description="Free disk space under which trading stops before it is lost."
    )
    compress: bool = Field(True, description="Compress the files of past days.")


class TradingSettings(Section):
    """The services that trade."""

    strategy_timeout_s: Seconds = Field(
        1.0, description="Longest time that a strategy may take over one tick."
    )
    strategy_failures: int = Field(
        3, ge=1, description="Failures in a row after which a strategy is disabled."
    )
    hold_report_s: Seconds = Field(
        3_600.0, description="Time after which an unchanged hold is put on record again."
    )
    validate_every_s: Seconds = Field(
        15.0, description="Time between looks at the stages of trading."
    )
    max_stage_silence_s: Seconds = Field(
        120.0, description="Silence of a stage, in market hours, that is reported."
    )
    warm_up: int = Field(
        1_000, ge=0, description="Ticks before the first one that strategies are shown at a start."
    )
    halt_on_drawdown: bool = Field(
        True, description="Set the kill switch when a daily loss limit is exceeded."
    )
