"""Turn each REST answer into exactly one event; pure and total (contract section 9).

The status decides first: what proves a refusal is one, what proves nothing is `OutcomeUnknown`.
Then a 2xx body is read by its intent (`results.py`); one that cannot be read proves nothing
either, and one whose numbers do not fit a market is refused as a frame would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from adapters.whitebit.envelopes import read_refusal
from adapters.whitebit.results import Misfit, read_result
from adapters.whitebit.units import clip
from engine.events import (
    AnyEvent,
    FrameRefused,
    OutcomeUnknown,
    RequestRefused,
    RequestThrottled,
)
from engine.intents import Intent
from engine.types import Market, Refusal

REST = "rest"
"""Stands for the stream in a FrameRefused that a response caused."""

_NO_NAMES: frozenset[str] = frozenset()


def normalise_response(
    intent: Intent,
    market: Market | None,
    status: int,
    body: bytes,
    markets: Mapping[str, Market],
    only: Set[str] = _NO_NAMES,
) -> AnyEvent:
    """Return the event of the answer to one REST intent.

    Args:
        intent: What was asked.
        market: The market it names; None for an intent without a market.
        status: HTTP status.
        body: As received, decompressed.
        markets: Every market of this run, by name.
        only: For QueryMarkets: names to list; empty lists all that can be represented.
    """
    if 200 <= status < 300:
        try:
            return read_result(intent, market, status, body, markets, only)
        except Misfit as misfit:
            return FrameRefused(REST, misfit.market, clip(str(misfit)))
        except (ValueError, RecursionError) as error:
            return OutcomeUnknown(clip(f"HTTP {status}, body not understood: {error}"))
    if status == 404 and not body:
        return RequestRefused(Refusal(status, 0, "", "no such route"))
    # A 5xx proves nothing even with a JSON body: the order may have been accepted before.
    refusal = read_refusal(status, body) if 400 <= status < 500 else None
    if refusal is not None:
        return RequestRefused(refusal)
    # The gateway's own 429 is not JSON; one with JSON is a nonce refusal (G-3).
    if status == 429:
        return RequestThrottled()
    reason = f"HTTP {status} without evidence in its body"
    return OutcomeUnknown(reason, status if status >= 500 else 0)
