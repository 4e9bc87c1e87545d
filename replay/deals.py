"""Which deals a record made the inventory count, each with what the fold made of it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from engine.events import Filled, FillsListed
from engine.inventory import add_fill, position_lots
from engine.state import State
from engine.top import mid2
from engine.types import Market, VenueFill


class Counted(msgspec.Struct, frozen=True, gc=False):
    """One deal, as the fold counted it."""

    fill: VenueFill
    spread2: int
    """Half ticks x lots earned against the mid."""
    position_before: int
    """Lots against the target."""
    position_after: int


def counted_deals(before: State, event: Filled | FillsListed, after: State) -> Iterator[Counted]:
    """Yield the deals that an event made the inventory count, oldest first.

    Args:
        before: The state before the event.
        event: A push, or a page of history: the last page counts all pages.
        after: The state after it, which says whether anything was counted at all.
    """
    name = event.fill.market if isinstance(event, Filled) else event.market
    market = before.markets.get(name)
    if market is None or market.inventory.baseline is None:
        return
    inventory, folded = market.inventory, after.markets[name].inventory
    if folded.fills == inventory.fills:
        return
    if isinstance(event, Filled):
        fills: tuple[VenueFill, ...] = (event.fill,)
    else:
        fills = (market.recon.fills + event.fills)[::-1]
    spec, mid, target = market.quoted.market, mid2(market), market.quoted.inventory_target
    for fill in fills:
        if inventory.knows(fill.deal_id):
            continue
        position, spread2 = position_lots(inventory, spec, target), inventory.spread
        inventory = add_fill(inventory, spec, fill, mid)
        after_lots = position_lots(inventory, spec, target)
        yield Counted(fill, inventory.spread - spread2, position, after_lots)
    assert inventory.fills == folded.fills, f"seq {after.seq}: deals were counted otherwise"


def same_units(one: Market, other: Market) -> bool:
    """Say whether ticks and lots of a market are those of another one."""
    mine = (one.price_decimals, one.qty_decimals)
    return mine == (other.price_decimals, other.qty_decimals)
