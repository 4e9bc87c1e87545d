"""Risk: the only door between a plan and the wire.

Every place and modify passes `approve`, which answers with the rule it breaks, or nothing. Cancels
always pass. Limits count every live order at its worst, whatever is in flight.
"""

from __future__ import annotations

import msgspec

from engine.events import RiskRefusal
from engine.intents import CancelOrder, Intent, ModifyOrder, PlaceOrders
from engine.state import MarketState, State
from engine.top import mid2
from engine.types import BUY, NO_LIMIT, Limits, Side

NS_PER_S = 1_000_000_000


LAST_TRADE_AGE_NS = 60 * NS_PER_S
"""The last trade says where the market is for so long; an older one holds no price."""


def position_most(limits: Limits, mid2: int) -> int:
    """Return the largest inventory either way that a market's own limits allow at a mid, lots."""
    if limits.position_notional_max == NO_LIMIT:
        return limits.position_max
    if not mid2:
        return 0
    return min(limits.position_max, 2 * limits.position_notional_max // mid2)


class Exposure(msgspec.Struct, gc=False):
    """Worst-case quantities of one market while a plan is being approved, lots."""

    market: MarketState
    orders: int
    middle2: int
    """Twice the mid, ticks; 0 without a two-sided market."""
    last2: int
    """Twice the price of the last trade, ticks; 0 when there is none that is recent."""
    buy_qty: int
    sell_qty: int

    def approve(self, side: Side, price: int, qty: int, added: int) -> RiskRefusal | None:
        """Check one order that may come to rest, and count it if it passes.

        Args:
            side: Its side.
            price: Ticks.
            qty: Lots that may fill on top of everything live.
            added: Orders that it adds: 1, or 0 for a modify.
        """
        market, middle2, price2 = self.market, self.middle2, 2 * price
        spec, limits, feed = market.quoted.market, market.quoted.limits, market.feed
        last2, mark2 = self.last2, feed.mark2
        if side is BUY:
            worst, most = market.position + self.buy_qty + qty, market.long_max
        else:
            worst, most = self.sell_qty + qty - market.position, market.short_max
        # Written as one condition, since nearly every order passes; `_why` finds what failed.
        # Without a two-sided market the middle is 0, and every price too far from it.
        if (
            price <= 0
            or qty <= 0
            or not spec.qty_min <= qty <= limits.order_qty_max
            or not spec.notional_min <= price * qty <= limits.order_notional_max
            or worst > most
            or abs(price2 - middle2) * 10_000 > limits.collar_bps * middle2
            or (last2 and abs(price2 - last2) * 10_000 > limits.collar_bps * last2)
            or (mark2 and abs(price2 - mark2) * 10_000 > limits.collar_bps * mark2)
            or (added and self.orders >= limits.open_orders_max)
        ):
            return self._why(side, price, qty, added)
        if added:
            self.orders += added
        if side is BUY:
            self.buy_qty += qty
        else:
            self.sell_qty += qty
        return None

    def _why(self, side: Side, price: int, qty: int, added: int) -> RiskRefusal:
        return (
            self._open_orders(added)
            or self._size(price, qty)
            or self._collar(price)
            or self._position(side, qty)
        )

    def _refuse(self, rule: str, reason: str, found: int, limit: int) -> RiskRefusal:
        return RiskRefusal(self.market.quoted.market.name, rule, reason, found, limit)

    def _open_orders(self, added: int) -> RiskRefusal | None:
        if not added or self.orders < self.market.quoted.limits.open_orders_max:
            return None
        return self._refuse(
            "open_orders",
            f"{self.orders} orders live, limit {self.market.quoted.limits.open_orders_max}",
            self.orders + added,
            self.market.quoted.limits.open_orders_max,
        )

    def _size(self, price: int, qty: int) -> RiskRefusal | None:
        notional = price * qty
        if price <= 0 or qty <= 0:
            reason = f"price {price} and qty {qty}, both must be above 0"
            return self._refuse("positive", reason, min(price, qty), 1)
        market, limits = self.market.quoted.market, self.market.quoted.limits
        if notional > limits.order_notional_max:
            reason = f"price {price} x qty {qty} is {notional}, limit {limits.order_notional_max}"
            reason += " (ticks x lots)"
            return self._refuse("order_notional", reason, notional, limits.order_notional_max)
        if qty > limits.order_qty_max:
            reason = f"qty {qty} lots, limit {limits.order_qty_max}"
            return self._refuse("order_qty", reason, qty, limits.order_qty_max)
        if qty < market.qty_min or notional < market.notional_min:
            return self._refuse(
                "venue_minimum",
                f"qty {qty} and notional {notional}, the venue's minimum is "
                f"{market.qty_min} and {market.notional_min}",
                notional,
                market.notional_min,
            )
        return None

    def _collar(self, price: int) -> RiskRefusal | None:
        middle2 = self.middle2
        if not middle2:
            reason = "no two-sided market to measure the price against"
            return self._refuse("collar", reason, 0, self.market.quoted.limits.collar_bps)
        if refusal := self._too_far(price, middle2, "mid"):
            return refusal
        if refusal := self._too_far(price, self.last2, "last trade"):
            return refusal
        return self._too_far(price, self.market.feed.mark2, "mark")

    def _too_far(self, price: int, reference2: int, name: str) -> RiskRefusal | None:
        # `reference2` is twice the reference price; 0 when there is none.
        limit = self.market.quoted.limits.collar_bps
        if abs(2 * price - reference2) * 10_000 <= limit * reference2 or not reference2:
            return None
        # Whole basis points, rounded up.
        apart = -(-abs(2 * price - reference2) * 10_000 // reference2)
        reason = f"price {price} is {apart} bps from the {name}, limit {limit}"
        return self._refuse("collar", reason, apart, limit)

    def _position(self, side: Side, qty: int) -> RiskRefusal:
        pending = self.buy_qty if side is BUY else self.sell_qty
        worst = self.market.position * side.sign + pending + qty
        most = self.market.long_max if side is BUY else self.market.short_max
        assert worst > most, "an order was refused for no reason"
        return self._refuse(
            "position",
            f"{side.name.lower()} of {qty} could bring the position to {worst * side.sign} lots, "
            f"limit {most}",
            worst,
            most,
        )


def exposure_of(market: MarketState, now_ns: int) -> Exposure:
    """Return what a market's live orders may come to at a moment, before anything is added."""
    orders, feed = len(market.asks) + len(market.bids), market.feed
    last2 = 2 * feed.last_trade if now_ns - feed.traded_ns <= LAST_TRADE_AGE_NS else 0
    return Exposure(market, orders, mid2(market), last2, market.buy_worst, market.sell_worst)


def within_rate(state: State, intents: list[Intent]) -> tuple[list[Intent], list[RiskRefusal]]:
    """Leave out what exceeds the message rate: all but places and modifies passes, and counts.

    What should move and may not is cancelled.

    Args:
        state: The state the decision is made in.
        intents: All of the decision.
    """
    left = state.sent_max - state.sent - len(intents)
    if left >= 0:
        return intents, []
    left += sum([isinstance(intent, PlaceOrders | ModifyOrder) for intent in intents])
    kept: list[Intent] = []
    refusals: dict[str, RiskRefusal] = {}
    for intent in intents:
        if not isinstance(intent, PlaceOrders | ModifyOrder):
            kept.append(intent)
            continue
        left -= 1
        if left >= 0:
            kept.append(intent)
            continue
        refusals.setdefault(intent.market, _over_rate(state, intent.market))
        if isinstance(intent, ModifyOrder):
            order = state.markets[intent.market].orders[intent.client_order_id]
            if state.now_ns >= order.cancel_at_ns:
                kept.append(CancelOrder(intent.market, intent.client_order_id))
    return kept, list(refusals.values())


def _over_rate(state: State, market: str) -> RiskRefusal:
    most, span_ms = state.settings.requests_max, state.settings.requests_span_ns // 1_000_000
    sent = state.sent - state.sent_max + most
    reason = f"{sent} requests sent of the {most} allowed within {span_ms} ms"
    return RiskRefusal(market, "message_rate", reason, sent, most)
