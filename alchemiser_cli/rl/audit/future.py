"""The past does not change when the future does: nothing of row t+1 is known at row t."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.market.chains import ChainTable, chain_table
from alchemiser_cli.rl.audit.rollout import difference, play
from alchemiser_cli.rl.audit.subject import Finding, Subject
from alchemiser_cli.rl.dynamics import FIRST_ROW

__all__ = ["altered_after", "chain_past", "environment_past"]

CUTS = 8
STEPS = 16


def environment_past(subject: Subject) -> Finding:
    """Alter every row after t and replay the actions up to t: all that was seen is bit-equal."""
    generator = subject.generator("environment-past")
    original = subject.environment()
    cuts = _cuts(subject, generator)
    for cut in cuts:
        altered = subject.environment(altered_after(subject.window, cut, generator))
        orders = subject.orders(generator, STEPS)
        one, other = (play(each, orders, start=cut - STEPS) for each in (original, altered))
        if words := difference(one, other):
            detail = f"rows after {cut} were altered, and what came up to it changed: {words}"
            return Finding(passed=False, detail=detail)
    return Finding(passed=True, detail=f"the future after {_rows(cuts)} was altered")


def chain_past(subject: Subject) -> Finding:
    """Alter spot and volatility after t and price the chains anew: rows up to t are bit-equal."""
    generator = subject.generator("chain-past")
    original = _priced(subject, subject.window)
    cuts = _cuts(subject, generator)
    for cut in cuts:
        altered = _priced(subject, altered_after(subject.window, cut, generator))
        for field in dataclasses.fields(ChainTable):
            left, right = (getattr(each, field.name)[: cut + 1] for each in (original, altered))
            if not np.array_equal(left, right, equal_nan=left.dtype.kind == "f"):
                detail = f"prices after row {cut} were altered, and {field.name} changed up to it"
                return Finding(passed=False, detail=detail)
    return Finding(passed=True, detail=f"chains priced anew with other prices after {_rows(cuts)}")


def altered_after(chains: ChainTable, row: int, generator: np.random.Generator) -> ChainTable:
    """Return the chains with every number after ``row`` changed by some 30 %, times excepted."""

    def changed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        copy = values.copy()
        copy[row + 1 :] *= np.exp(generator.normal(0.1, 0.3, copy[row + 1 :].shape))
        return copy

    numbers = {
        field.name: changed(getattr(chains, field.name))
        for field in dataclasses.fields(ChainTable)
        if getattr(chains, field.name).dtype == np.float64
    }
    low, high = _bounds(numbers["spot"], numbers["low"], numbers["high"])
    rolled = chains.rolled.copy()
    rolled[row + 1 :] = generator.random(len(rolled) - row - 1) < 0.1
    numbers |= {"low": np.where(_after(chains, row), low, chains.low)}
    numbers |= {"high": np.where(_after(chains, row), high, chains.high)}
    return dataclasses.replace(
        chains,
        **numbers,
        rolled=rolled,
        is_call=chains.is_call.copy(),
        event_time_ns=chains.event_time_ns.copy(),
    )


def _bounds(
    spot: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the greatest of the three, so that a bar stays a bar."""
    bars = np.stack([spot, low, high])
    return bars.min(axis=0), bars.max(axis=0)


def _after(chains: ChainTable, row: int) -> NDArray[np.bool_]:
    return np.arange(len(chains)) > row


def _priced(subject: Subject, chains: ChainTable) -> ChainTable:
    return chain_table(
        chains.event_time_ns,
        chains.spot,
        chains.high,
        chains.low,
        chains.at_the_money_volatility,
        subject.options,
    )


def _cuts(subject: Subject, generator: np.random.Generator) -> list[int]:
    """Draw rows t; the first is the last one before contracts expire, where leaks like to be."""
    least = FIRST_ROW + STEPS
    drawn: list[int] = generator.integers(least, len(subject.window) - 2, CUTS).tolist()
    if subject.roll is not None and subject.roll > least:
        drawn[0] = subject.roll - 1
    return drawn


def _rows(cuts: list[int]) -> str:
    return "rows " + ", ".join(str(cut) for cut in sorted(cuts))
