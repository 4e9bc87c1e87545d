"""What a modify request makes of an order, or why it may not (5.4, 10.5)."""

from __future__ import annotations

from adapters.paper.core import rejects
from adapters.paper.core.checks import (
    Wanted,
    check_amount,
    check_budget,
    check_price,
    check_total,
    check_trigger,
)
from adapters.paper.core.ledger import Seat
from adapters.paper.core.model import PRICED_TYPES, ModifyOrder, Order, Reject


def check_modify(seat: Seat, old: Order, request: ModifyOrder) -> Wanted | Reject:
    """Return what an order is to become (5.4, 10.5); a parameter must fit its type."""
    market = seat.market
    refused = _check_fits(old, request)
    if refused is not None:
        return refused
    ticks, lots, budget = old.ticks, old.leaves_lots, old.budget
    trigger = old.trigger_ticks
    if request.amount is not None:
        sized = check_amount(market, request.amount)
        if isinstance(sized, Reject):
            return sized
        lots = sized
    if request.total is not None:
        total = check_budget(market, request.total, "total")
        if isinstance(total, Reject):
            return total
        budget = total
    if request.price is not None:
        priced = check_price(market, request.price)
        if isinstance(priced, Reject):
            return priced
        ticks = priced
    if request.activation_price is not None:
        triggered = check_trigger(market, request.activation_price)
        if isinstance(triggered, Reject):
            is_last = triggered is rejects.TRIGGER_IS_LAST
            return rejects.MODIFY_TRIGGER_IS_LAST if is_last else triggered
        trigger = triggered
        ticks = ticks if old.type in PRICED_TYPES and not old.bbo_role else trigger
    if old.type in PRICED_TYPES:
        refused = check_total(market, ticks, lots)
        if refused is not None:
            return refused
    if old.reduce_only:
        lots = min(lots, seat.reducible_lots(old.side, old.position_side))
    return Wanted(ticks=ticks, lots=lots, budget=budget, trigger_ticks=trigger)


def _check_fits(old: Order, request: ModifyOrder) -> Reject | None:
    """Refuse parameters that an order of this type, or in this group, does not have (5.4)."""
    if old.oco_id or old.oto is not None:
        return rejects.GROUP_NOT_MODIFIABLE
    if old.whole_position:
        return rejects.TPSL_NOT_MODIFIABLE
    if request.activation_price is not None and not old.waiting:
        return rejects.TRIGGER_ON_LIMIT
    if request.price is not None and (
        old.type not in PRICED_TYPES or (old.bbo_role and old.waiting)
    ):
        return rejects.PRICE_ON_STOP_MARKET
    if request.total is not None and not old.budget:
        return rejects.TOTAL_NOT_ALLOWED
    if request.amount is not None and old.budget:
        return rejects.AMOUNT_NOT_ALLOWED
    return None
