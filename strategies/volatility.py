"""Volatility, folded from the best prices: a memory of three numbers that strategies share.

It holds sums, products and quotients only, which round alike on every machine, so that a journal's
fingerprints do not depend on the mathematics library.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from engine.events import BestBidOffer
from strategies.ladder import BPS

NS_PER_S = 1_000_000_000

HalfLife = Annotated[float, Meta(ge=1.0, le=86_400.0)]
"""Seconds, 1..86,400."""


class Volatility(Struct, frozen=True, array_like=True, gc=False):
    """Memory: recent variance of the mid."""

    mid2: int = 0
    """Best bid plus best ask at the last sample, ticks; 0 before the first."""
    sampled_ns: int = 0
    variance: float = 0.0
    """Exponentially weighted mean squared return per second, square basis points."""


def sampled(memory: Volatility, event: BestBidOffer, now_ns: int, half_life_s: float) -> Volatility:
    """Return the memory after another sample, of an event that has both sides.

    Args:
        memory: The last sample's.
        event: Best prices now.
        now_ns: Later than the last sample, nanoseconds.
        half_life_s: A sample that comes so long after the last one weighs half, seconds. Of samples
            a second apart this is the time constant: half of a change is followed in 0.7 of it.
    """
    if not event.bid_price or not event.ask_price:
        return memory
    mid2 = event.bid_price + event.ask_price
    if not memory.mid2:
        return Volatility(mid2, now_ns, 0.0)
    elapsed_s = (now_ns - memory.sampled_ns) / NS_PER_S
    return_bps = (mid2 - memory.mid2) / memory.mid2 * BPS
    weight = elapsed_s / (elapsed_s + half_life_s)
    squared = return_bps * return_bps / elapsed_s
    return Volatility(mid2, now_ns, memory.variance + weight * (squared - memory.variance))
