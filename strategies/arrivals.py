"""How often market orders come and how far they reach: decaying sums, folded from trades.

Sums, products and quotients only, which round alike on every machine; no more is kept however much
is traded.
"""

from __future__ import annotations

from msgspec import Struct

from engine.events import PublicTrades
from engine.types import BUY, SELL
from strategies.ladder import BPS
from strategies.volatility import NS_PER_S, Volatility

REACH_MAX_BPS = 100.0
"""A trade beyond this is counted as this far: one wild print is not how the market trades."""
WATCHED_MAX_S = 10.0
"""So long may best prices rest: what is silent for longer was not watched (contract 11.5)."""
LN2 = 0.6931471805599453
"""Half-life by time constant."""


class Flow(Struct, frozen=True, array_like=True, gc=False):
    """Memory: how far the market moves, and how far market orders reach."""

    volatility: Volatility = Volatility()
    arrivals: float = 0.0
    """Market orders on both sides, the older the less."""
    reach_bps: float = 0.0
    """Sum of what each reached beyond the last sampled mid, basis points, likewise."""
    watched_s: float = 0.0
    """Seconds in which they came, likewise."""


def watched(memory: Flow, sample: Volatility, now_ns: int, half_life_s: float) -> Flow:
    """Return the memory after another sample of the mid: what is old counts less.

    Args:
        memory: The last sample's, and what was reached since.
        sample: Now; the last one again where the mid was not seen.
        now_ns: Later than the last sample, nanoseconds.
        half_life_s: Of what is remembered, seconds.
    """
    before = memory.volatility
    if not before.mid2 or sample is before:
        return Flow(sample, memory.arrivals, memory.reach_bps, memory.watched_s)
    elapsed_s = min(WATCHED_MAX_S, (now_ns - before.sampled_ns) / NS_PER_S)
    kept = half_life_s / (half_life_s + LN2 * elapsed_s)
    watched_s = memory.watched_s * kept + elapsed_s
    return Flow(sample, memory.arrivals * kept, memory.reach_bps * kept, watched_s)


def reached(memory: Flow, event: PublicTrades) -> Flow:
    """Return the memory after trades; those of one side in one frame are one market order."""
    if not memory.volatility.mid2:
        return memory
    mid2, arrivals, reach_bps = memory.volatility.mid2, memory.arrivals, memory.reach_bps
    for side in (BUY, SELL):
        beyond2 = [
            side.sign * (2 * trade.price - mid2)
            for trade in event.trades
            if trade.side is side and not trade.rpi
        ]
        if beyond2 and max(beyond2) >= 0:
            arrivals += 1.0
            reach_bps += min(REACH_MAX_BPS, max(beyond2) / mid2 * BPS)
    if arrivals == memory.arrivals:
        return memory
    return Flow(memory.volatility, arrivals, reach_bps, memory.watched_s)
