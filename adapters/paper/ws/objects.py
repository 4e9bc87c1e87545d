"""How orders, deals, balances and positions look in WebSocket messages (contract 11.5)."""

from __future__ import annotations

from typing import Any

from adapters.paper.core import order_texts
from adapters.paper.core.market import Levels
from adapters.paper.core.model import (
    Balance,
    Borrow,
    CollateralBalance,
    Deal,
    MarketSpec,
    Order,
    PositionView,
    PublicTrade,
    Side,
    decimal_text,
    units_text,
)
from adapters.paper.wire import seconds


def pending_order(order: Order, spec: MarketSpec) -> dict[str, Any]:
    """The order object of ordersPending."""
    shown = {
        "id": order.order_id,
        "market": order.market,
        "type": int(order.type),
        "side": int(order.side),
        "post_only": order.post_only,
        "ioc": order.ioc,
        "ctime": seconds(order.ctime_us),
        "mtime": seconds(order.mtime_us),
        "price": order_texts.price(order, spec),
        "amount": order_texts.amount(order, spec),
        "left": order_texts.left(order, spec),
        "deal_stock": spec.qty_text(order.deal_lots),
        "deal_money": units_text(order.deal_money),
        "deal_fee": units_text(order.deal_fee),
        "client_order_id": order.client_order_id,
        "stp": order.stp,
        "status": order.status,
        "position_side": order.position_side,
        "rpi": order.rpi,
        "retail": order.retail,
        "reduce_only": order.reduce_only,
    }
    if order.trigger_ticks:
        shown["activation_price"] = spec.price_text(order.trigger_ticks)
        shown["activation_condition"] = order_texts.condition(order)
        shown["activated"] = int(not order.waiting)
    return shown


def executed_order(order: Order, spec: MarketSpec) -> dict[str, Any]:
    """The order object of ordersExecuted: the same and what only a finished order has."""
    shown = pending_order(order, spec)
    shown["ftime"] = seconds(order.ftime_us)
    shown["source"] = order.source
    shown["fee_asset"] = order.fee_asset
    return shown


def deal_tuple(fill: Deal, spec: MarketSpec) -> list[Any]:
    """The flat 11-tuple of deals_update."""
    return [
        fill.deal_id,
        seconds(fill.time_us),
        fill.market,
        fill.order_id,
        spec.price_text(fill.ticks),
        spec.qty_text(fill.lots),
        units_text(fill.fee),
        fill.client_order_id,
        int(fill.side),
        int(fill.role),
        fill.fee_asset,
    ]


def deal_record(fill: Deal, spec: MarketSpec) -> dict[str, Any]:
    """One record of the deals_request answer."""
    return {
        "time": seconds(fill.time_us),
        "id": fill.deal_id,
        "side": int(fill.side),
        "role": int(fill.role),
        "price": spec.price_text(fill.ticks),
        "amount": spec.qty_text(fill.lots),
        "deal": units_text(fill.money),
        "fee": units_text(fill.fee),
        "order_id": fill.order_id,
        "deal_order_id": fill.counter_order_id,
        "market": fill.market,
        "client_order_id": fill.client_order_id,
        "fee_asset": fill.fee_asset,
    }


def trade(printed: PublicTrade, spec: MarketSpec) -> dict[str, Any]:
    """One record of trades_update."""
    return {
        "id": printed.trade_id,
        "time": seconds(printed.time_us),
        "price": spec.price_text(printed.ticks),
        "amount": spec.qty_text(printed.lots),
        "type": "buy" if printed.side is Side.BUY else "sell",
        "rpi": printed.rpi,
    }


def levels(side: Levels, spec: MarketSpec) -> list[tuple[str, str]]:
    """Price and amount pairs of one side."""
    return [(spec.price_text(ticks), spec.qty_text(lots)) for ticks, lots in side]


def spot_balance(balance: Balance) -> dict[str, str]:
    return {"available": units_text(balance.available), "freeze": units_text(balance.freeze)}


def margin_balance_update(balance: CollateralBalance) -> dict[str, str]:
    """One record of balanceMargin_update, whose short keys differ by case."""
    return {
        "a": balance.asset,
        "B": units_text(balance.balance),
        "b": units_text(balance.borrow),
        "av": units_text(balance.available),
        "ab": units_text(balance.with_borrow),
    }


def margin_balance(balance: CollateralBalance) -> dict[str, str]:
    """One value of the balanceMargin_request answer, which has long keys."""
    return {
        "balance": units_text(balance.balance),
        "borrow": units_text(balance.borrow),
        "available_without_borrow": units_text(balance.available),
        "available_with_borrow": units_text(balance.with_borrow),
    }


def borrow(lent: Borrow, spec: MarketSpec) -> dict[str, Any]:
    """One record of borrowsMargin_update, whose amount is negative; `spec` is its market's."""
    ticks = lent.liquidation_ticks
    return {
        "asset": lent.asset,
        "ctime": seconds(lent.opened_us),
        "mtime": seconds(lent.modified_us),
        "amount": units_text(-lent.amount),
        "unrealized_funding": units_text(lent.unrealized_funding),
        "liq_price": "NaN" if ticks is None else spec.price_text(ticks),
    }


def position_snapshot(held: PositionView, spec: MarketSpec) -> dict[str, Any]:
    """One record of positionsMargin_update, which knows no later stage than the margin call."""
    shown = position(held, spec)
    if held.stage is not None:
        shown["liq_stage"] = "margin_call"
    return shown


def position(held: PositionView, spec: MarketSpec) -> dict[str, Any]:
    """One record of positionsAccountMargin_update, where `pnl` is unrealized (G-18)."""
    return {
        "id": held.position_id,
        "market": held.market,
        "ctime": seconds(held.opened_us),
        "mtime": seconds(held.modified_us),
        "amount": spec.qty_text(held.lots),
        "amount_in_money": units_text(abs(held.cost)),
        "base_price": decimal_text(held.base_price),
        "pnl": units_text(held.unrealized_pnl),
        "liq_price": spec.price_text(held.liquidation_ticks or 0),
        "liq_stage": held.stage,
        "unrealized_funding": units_text(held.unrealized_funding),
        "funding": units_text(held.funding),
        "margin": units_text(held.margin),
        "free_margin": units_text(held.free_margin),
        "realized_pnl": units_text(held.realized_pnl),
        "position_side": held.side,
    }
