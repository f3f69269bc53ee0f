"""Put-call parity of the chains' mids."""

import numpy as np

from alchemiser_cli.rl.audit.subject import Finding, Subject

__all__ = ["put_call_parity"]

PAIRS = 5  # slot i is the call, slot i + 5 the put on the same strike
TOLERANCE = 1e-8  # of spot and strike; and the floor of a price
FLOOR = 2e-6


def put_call_parity(subject: Subject) -> Finding:
    """Compare call - put with ``S exp(-q T) - K exp(-r T)`` at every row of the provider.

    Source: H. R. Stoll, The Relationship Between Put and Call Option Prices, 1969.
    """
    chains, options = subject.chains, subject.options
    calls, puts = slice(0, PAIRS), slice(PAIRS, 2 * PAIRS)
    kinds = chains.is_call[:, calls].all() and not chains.is_call[:, puts].any()
    if not kinds or not np.array_equal(chains.strike[:, calls], chains.strike[:, puts]):
        return Finding(passed=False, detail="slots 0-4 and 5-9 are not calls and puts in pairs")
    spot, years = chains.spot[:, None], chains.time_to_expiry[:, None]
    strike = chains.strike[:, calls]
    forward = spot * np.exp(-options.dividend_yield * years)
    forward = forward - strike * np.exp(-options.risk_free_rate * years)
    apart = np.abs(chains.mid[:, calls] - chains.mid[:, puts] - forward)
    allowed = TOLERANCE * (np.abs(spot) + strike) + FLOOR
    broken = ~(apart <= allowed)
    if broken.any():
        row, pair = (int(at) for at in np.argwhere(broken)[0])
        detail = (
            f"at row {row}, strike {strike[row, pair]:g}, parity is off by {apart[row, pair]:g}"
        )
        return Finding(passed=False, detail=f"{detail} ({int(broken.sum())} pairs in all)")
    return Finding(passed=True, detail=f"{apart.size:,} pairs, off by {apart.max():.1g} at most")
