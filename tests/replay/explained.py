"""Fills of hand-made journals, told: a ladder of two levels by `inventory_skew`."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from adapters.cli.explain_text import page
from adapters.cli.pictures import ASCII
from adapters.simulated_fs import SimFs
from engine import events as e
from replay.explain import Story, explain
from replay.machine import Journal
from tests.engine.builders import MS, NAME, accepted, fill, quoted, snapshot
from tests.replay import story as stories

PARAMETERS = (
    '{"ladder":[{"qty":"0.010","stp":"cn"},{"qty":"0.020","stp":"cn","offset_bps":5.0}],'
    '"half_spread_bps":10.0,"skew_bps":5.0}'
)
TOLERANCE = 10


def told(one: stories.Story, deal_id: int) -> Story:
    """Write a journal, and tell a fill of it."""
    fs = SimFs()
    one.write(fs)
    return explain(Journal(stories.JOURNAL, fs=fs), deal_id)


def text(story: Story) -> str:
    return "\n".join(page(story, ASCII))


def skewed() -> stories.Story:
    """A ladder of two levels around 10,000.00: 10 bps, and 5 more, with a tolerance of 10 ticks.

    The bids are 9,990.00 and 9,985.00, the asks 10,010.00 and 10,015.00, one millisecond apart:
    decision 28, request 29, answer 30 (3 ms later).
    """
    limited = quoted(parameters=PARAMETERS, strategy="inventory_skew", price_tolerance=TOLERANCE)
    one = stories.Story(limited)
    one.settle()
    book(one, 999_900, 1_000_100)
    for seq, intent in one.act():
        placed: Any = intent
        one.push(e.OrdersPlaced(NAME, accepted(placed.orders)), seq, after_ns=3 * MS)
    return one


def book(one: stories.Story, bid: int, ask: int, after_ns: int = MS) -> int:
    """A book of one level a side, 50 lots each."""
    at_ns = one.now_ns + after_ns
    return one.push(snapshot((bid, 50), (ask, 50), one.state.seq, at_ns=at_ns), after_ns=after_ns)


def filled(one: stories.Story, venue_ns: int, *, order_id: int = 1, qty: int = 4) -> int:
    """The best bid is filled, told now, matched at `venue_ns`."""
    bid = one.market.bids[0].client_order_id
    deal = fill(7, qty=qty, price=999_000, order_id=order_id, client_order_id=bid, fee="0.01")
    return one.push(e.Filled(replace(deal, venue_us=venue_ns // 1000)))
