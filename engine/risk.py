"""Risk: the only door between a plan and the wire.

Every place and modify passes `approve`, which answers with the rule it breaks, or nothing. Cancels
always pass. Limits count every live order at its worst, whatever is in flight.
"""

from __future__ import annotations

import msgspec

from engine.events import RiskRefusal
from engine.state import MarketState
from engine.top import mid2
from engine.types import BUY, Side


class Exposure(msgspec.Struct, gc=False):
    """Worst-case quantities of one market while a plan is being approved, lots."""

    market: MarketState
    orders: int
    middle2: int
    """Twice the mid, ticks; 0 without a two-sided market."""
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
        spec, limits, last2 = market.quoted.market, market.quoted.limits, 2 * market.feed.last_trade
        if side is BUY:
            worst = market.position + self.buy_qty + qty
        else:
            worst = self.sell_qty + qty - market.position
        # Written as one condition, since nearly every order passes; `_why` finds what failed.
        # Without a two-sided market the middle is 0, and every price too far from it.
        if (
            price <= 0
            or qty <= 0
            or qty < spec.qty_min
            or not spec.notional_min <= price * qty <= limits.order_notional_max
            or worst > limits.position_max
            or abs(price2 - middle2) * 10_000 > limits.collar_bps * middle2
            or (last2 and abs(price2 - last2) * 10_000 > limits.collar_bps * last2)
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
        refusal = (
            self._open_orders(added)
            or self._notional(price, qty)
            or self._collar(price)
            or self._position(side, qty)
        )
        assert refusal is not None, "an order was refused for no reason"
        return refusal

    def _refuse(self, rule: str, reason: str) -> RiskRefusal:
        return RiskRefusal(self.market.quoted.market.name, rule, reason)

    def _open_orders(self, added: int) -> RiskRefusal | None:
        if not added or self.orders < self.market.quoted.limits.open_orders_max:
            return None
        return self._refuse(
            "open_orders",
            f"{self.orders} orders live, limit {self.market.quoted.limits.open_orders_max}",
        )

    def _notional(self, price: int, qty: int) -> RiskRefusal | None:
        notional = price * qty
        if price <= 0 or qty <= 0:
            return self._refuse("positive", f"price {price} and qty {qty}, both must be above 0")
        market = self.market.quoted.market
        if notional > self.market.quoted.limits.order_notional_max:
            return self._refuse(
                "order_notional",
                f"price {price} x qty {qty} is {notional}, "
                f"limit {self.market.quoted.limits.order_notional_max} (ticks x lots)",
            )
        if qty < market.qty_min or notional < market.notional_min:
            return self._refuse(
                "venue_minimum",
                f"qty {qty} and notional {notional}, the venue's minimum is "
                f"{market.qty_min} and {market.notional_min}",
            )
        return None

    def _collar(self, price: int) -> RiskRefusal | None:
        middle2 = self.middle2
        if not middle2:
            return self._refuse("collar", "no two-sided market to measure the price against")
        if refusal := self._too_far(price, middle2, "mid"):
            return refusal
        return self._too_far(price, 2 * self.market.feed.last_trade, "last trade")

    def _too_far(self, price: int, reference2: int, name: str) -> RiskRefusal | None:
        # `reference2` is twice the reference price; 0 when there is none.
        limit = self.market.quoted.limits.collar_bps
        if abs(2 * price - reference2) * 10_000 <= limit * reference2 or not reference2:
            return None
        # Whole basis points, rounded up.
        apart = -(-abs(2 * price - reference2) * 10_000 // reference2)
        return self._refuse(
            "collar", f"price {price} is {apart} bps from the {name}, limit {limit}"
        )

    def _position(self, side: Side, qty: int) -> RiskRefusal | None:
        pending = self.buy_qty if side is BUY else self.sell_qty
        worst = self.market.position * side.sign + pending + qty
        if worst <= self.market.quoted.limits.position_max:
            return None
        return self._refuse(
            "position",
            f"{side.name.lower()} of {qty} could bring the position to {worst * side.sign} lots, "
            f"limit {self.market.quoted.limits.position_max}",
        )


def exposure_of(market: MarketState) -> Exposure:
    """Return what a market's live orders may come to, before anything is added."""
    orders = len(market.asks) + len(market.bids)
    return Exposure(market, orders, mid2(market), market.buy_worst, market.sell_worst)
