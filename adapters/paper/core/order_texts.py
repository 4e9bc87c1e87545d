"""The parts of an order that look alike in REST answers and WebSocket messages (5.0, 11.5)."""

from __future__ import annotations

from typing import Any

from adapters.paper.core.model import PRICED_TYPES, MarketSpec, Order, units_text


def amount(order: Order, spec: MarketSpec) -> str:
    """Write the size: money of a spot market or stop-market buy, else stock."""
    return units_text(order.budget) if order.budget else spec.qty_text(order.lots)


def left(order: Order, spec: MarketSpec) -> str:
    """Write the unexecuted part of the size."""
    if order.budget:
        return units_text(order.budget - order.deal_money)
    return spec.qty_text(order.leaves_lots)


def price(order: Order, spec: MarketSpec) -> str:
    """Write the limit price; "0" for types without one and until a `bboRole` is resolved."""
    if order.type not in PRICED_TYPES or (order.bbo_role and order.waiting):
        return "0"
    return spec.price_text(order.ticks)


def condition(order: Order) -> str:
    """Write what a stop waits for (10.7)."""
    return "gte" if order.trigger_above else "lte"


def oto(order: Order, spec: MarketSpec) -> dict[str, Any] | None:
    """Write the closing triggers of an OTO, None for any other order (5.0)."""
    if order.oto is None:
        return None
    shown: dict[str, Any] = {"otoId": order.oto.oto_id}
    if order.oto.take_profit_ticks:
        shown["takeProfit"] = spec.price_text(order.oto.take_profit_ticks)
    if order.oto.stop_loss_ticks:
        shown["stopLoss"] = spec.price_text(order.oto.stop_loss_ticks)
    return shown
