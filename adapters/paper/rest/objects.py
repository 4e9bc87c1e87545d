"""How orders, deals, trades and positions look in REST answers (contract 4, 5.0, 5.8, 6.5)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from adapters.paper.core import order_texts
from adapters.paper.core.model import (
    MARGIN_TYPES,
    PRICED_TYPES,
    US_PER_S,
    AccountSpec,
    CollateralBalance,
    Deal,
    KillSwitch,
    MarketSpec,
    Order,
    OrderType,
    PositionView,
    PublicTrade,
    Side,
    Status,
    decimal_text,
    scaled_text,
    units_text,
)
from adapters.paper.wire import seconds

RATE_PERCENT_DECIMALS = 6
_SIDES = {Side.BUY: "buy", Side.SELL: "sell"}
_MARGIN_TYPES = frozenset(MARGIN_TYPES.values())
_HISTORY_STATUSES = (
    Status.FILLED,
    Status.CANCELED,
    Status.CANCELED_STP,
    Status.AUTO_CANCELED_REDUCE_ONLY,
    Status.AUTO_CANCELED_LIQUIDATION,
)


def percent(rate: int) -> str:
    """Write a fee rate of 10^-8 steps in percent, as `market/fee` and `markets` do (3)."""
    return scaled_text(rate, RATE_PERCENT_DECIMALS)


def ratio_percent(ratio: str) -> str:
    """Write a fee ratio given as text in percent."""
    return decimal_text(Decimal(ratio) * 100)


def fee_pair(spec: MarketSpec) -> tuple[str, str]:
    """Maker and taker rate of a market in percent."""
    return ratio_percent(spec.maker_rate), ratio_percent(spec.taker_rate)


def premium(spec: AccountSpec, ratio: str) -> str | None:
    """An RPI premium in percent, null without one or without the RPI mode (7)."""
    return ratio_percent(ratio) if spec.rpi_allowed and Decimal(ratio) else None


def created_spot(order: Order, spec: MarketSpec) -> dict[str, Any]:
    """Answer of the spot endpoints and of bulk items (5.1-5.3)."""
    return _with_fee_asset(_common(order, spec), order)


def created_collateral(order: Order, spec: MarketSpec, *, bulk: bool = False) -> dict[str, Any]:
    """Answer of the collateral endpoints (6.1, 6.2); bulk items have no `oto` member."""
    shown = _common(order, spec)
    if order.type is not OrderType.MARGIN_LIMIT:
        for name in ("ioc", "rpi", "postOnly", "activationCondition", "activated"):
            shown.pop(name, None)
    shown["positionSide"] = order.position_side
    shown["reduceOnly"] = order.reduce_only
    if not bulk:
        shown["oto"] = order_texts.oto(order, spec)
    return shown


def listed(order: Order, spec: MarketSpec) -> dict[str, Any]:
    """Shape of `orders`, cancel and modify, for every product."""
    shown = _with_fee_asset(_common(order, spec), order)
    shown["positionSide"] = order.position_side
    shown["reduceOnly"] = order.reduce_only
    if order.oto is not None:
        shown["oto"] = order_texts.oto(order, spec)
    return shown


def cancelled(order: Order) -> dict[str, Any]:
    """One result of order/cancel/bulk (5.5)."""
    return {
        "orderId": order.order_id,
        "clientOrderId": order.client_order_id,
        "market": order.market,
    }


def _common(order: Order, spec: MarketSpec) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "orderId": order.order_id,
        "clientOrderId": order.client_order_id,
        "market": order.market,
        "side": _SIDES[order.side],
        "type": order.type.wire_name,
        "timestamp": seconds(order.ctime_us),
        "dealMoney": units_text(order.deal_money),
        "dealStock": spec.qty_text(order.deal_lots),
        "amount": order_texts.amount(order, spec),
        "left": order_texts.left(order, spec),
        "dealFee": units_text(order.deal_fee),
        "ioc": order.ioc,
        "status": order.status,
        "stp": order.stp,
        "rpi": order.rpi,
    }
    if order.type in PRICED_TYPES:
        shown["price"] = order_texts.price(order, spec)
        shown["postOnly"] = order.post_only
    if order.trigger_ticks:
        shown["activation_price"] = spec.price_text(order.trigger_ticks)
        shown["activationCondition"] = order_texts.condition(order)
        shown["activated"] = int(not order.waiting)
    if order.retail:
        shown["retail"] = True
    return shown


def _with_fee_asset(shown: dict[str, Any], order: Order) -> dict[str, Any]:
    if order.fee_asset:
        shown["feeAsset"] = order.fee_asset
    return shown


def deal(fill: Deal, spec: MarketSpec) -> dict[str, Any]:
    """One record of executed-history (5.8)."""
    return {
        "id": fill.deal_id,
        "clientOrderId": fill.client_order_id,
        "time": seconds(fill.time_us),
        "side": _SIDES[fill.side],
        "role": int(fill.role),
        "amount": spec.qty_text(fill.lots),
        "price": spec.price_text(fill.ticks),
        "deal": units_text(fill.money),
        "fee": units_text(fill.fee),
        "orderId": fill.order_id,
        "feeAsset": fill.fee_asset,
    }


def order_deal(fill: Deal, spec: MarketSpec) -> dict[str, Any]:
    """One record of trade-account/order, which has neither `side` nor `orderId` (5.8)."""
    return {
        "time": seconds(fill.time_us),
        "fee": units_text(fill.fee),
        "price": spec.price_text(fill.ticks),
        "amount": spec.qty_text(fill.lots),
        "id": fill.deal_id,
        "dealOrderId": fill.counter_order_id,
        "clientOrderId": fill.client_order_id,
        "role": int(fill.role),
        "deal": units_text(fill.money),
        "feeAsset": fill.fee_asset,
        "rpi": fill.rpi,
    }


def finished(order: Order, spec: MarketSpec) -> dict[str, Any]:
    """One row of trade-account/order/history (5.8), where the id is called `id`."""
    # A status that histories do not know is told as CANCELED (8, G-37).
    status = order.status if order.status in _HISTORY_STATUSES else Status.CANCELED
    stock_fee = order.side is Side.BUY and order.type not in _MARGIN_TYPES
    shown = {
        "id": order.order_id,
        "clientOrderId": order.client_order_id,
        "side": _SIDES[order.side],
        "type": order.type.wire_name,
        "amount": order_texts.amount(order, spec),
        "price": order_texts.price(order, spec),
        "ctime": seconds(order.ctime_us),
        "ftime": seconds(order.ftime_us),
        "dealFee": units_text(order.deal_fee),
        "dealStock": spec.qty_text(order.deal_lots),
        "dealMoney": units_text(order.deal_money),
        "postOnly": order.post_only,
        "ioc": order.ioc,
        "status": status,
        "feeAsset": order.fee_asset or (spec.base_asset if stock_fee else spec.quote_asset),
        "rpi": order.rpi,
        "reduceOnly": order.reduce_only,
    }
    if order.type in _MARGIN_TYPES:
        shown["positionSide"] = order.position_side
    if order.trigger_ticks:
        # Here, unlike in lists, a time in whole seconds and an operator.
        shown["activated"] = order.activated_us // US_PER_S
        shown["activationPrice"] = spec.price_text(order.trigger_ticks)
        shown["activationCondition"] = ">=" if order.trigger_above else "<="
    return shown


def public_trade(trade: PublicTrade, spec: MarketSpec) -> dict[str, Any]:
    """One record of public/trades, where the volume names are the wrong way round (4)."""
    money = Decimal(spec.price_text(trade.ticks)) * Decimal(spec.qty_text(trade.lots))
    return {
        "tradeID": trade.trade_id,
        "price": spec.price_text(trade.ticks),
        "quote_volume": spec.qty_text(trade.lots),
        "base_volume": decimal_text(money),
        "trade_timestamp": trade.time_us // 1_000_000,
        "type": _SIDES[trade.side],
        "rpi": trade.rpi,
    }


def market(spec: MarketSpec) -> dict[str, Any]:
    """One record of public/markets (4.1)."""
    return {
        "name": spec.name,
        "stock": spec.base_asset,
        "money": spec.quote_asset,
        "stockPrec": str(spec.stock_prec),
        "moneyPrec": str(spec.money_prec),
        "feePrec": str(spec.fee_prec),
        "makerFee": ratio_percent(spec.maker_rate),
        "takerFee": ratio_percent(spec.taker_rate),
        "minAmount": spec.qty_min,
        "minTotal": spec.total_min,
        "maxTotal": spec.total_max,
        "tradesEnabled": True,
        "isCollateral": spec.is_perpetual or spec.is_margin,
        "type": "futures" if spec.is_perpetual else "spot",
        "isTradFiFutures": False,
        "delistedAt": None,
    }


def kill_switch(timer: KillSwitch) -> dict[str, Any]:
    """Answer of order/kill-switch and its status (5.6)."""
    return {
        "market": timer.market,
        "startTime": timer.start_s,
        "cancellationTime": timer.cancellation_s,
        "types": None if timer.types is None else list(timer.types),
    }


def pnl_percent(position: PositionView) -> str:
    """Unrealized P&L in percent of the entry value, cut to two decimals [C]."""
    cost = abs(position.cost)
    if not cost:
        return "0"
    sign = -1 if position.unrealized_pnl < 0 else 1
    return scaled_text(sign * (abs(position.unrealized_pnl) * 10_000 // cost), 2)


def _tpsl(held: PositionView, spec: MarketSpec) -> dict[str, Any] | None:
    """The triggers that will close a position (10.7), null without any."""
    shown: dict[str, Any] = {}
    for name, trigger in (("takeProfit", held.take_profit), ("stopLoss", held.stop_loss)):
        if trigger is not None:
            shown[f"{name}Id"], ticks = trigger
            shown[name] = spec.price_text(ticks)
    return shown or None


def position(held: PositionView, spec: MarketSpec) -> dict[str, Any]:
    """One record of positions/open (6.5), where `pnl` is the realized part (G-18)."""
    ticks = held.liquidation_ticks
    return {
        "positionId": held.position_id,
        "market": held.market,
        "openDate": seconds(held.opened_us),
        "modifyDate": seconds(held.modified_us),
        "amount": spec.qty_text(held.lots),
        "basePrice": decimal_text(held.base_price),
        "pnl": units_text(held.realized_pnl),
        "unrealizedPnl": units_text(held.unrealized_pnl),
        "pnlPercent": pnl_percent(held),
        "margin": units_text(held.margin),
        "freeMargin": units_text(held.free_margin),
        "funding": units_text(held.funding),
        "unrealizedFunding": units_text(held.unrealized_funding),
        "positionSide": held.side,
        "liquidationPrice": None if ticks is None else spec.price_text(ticks),
        "liquidationState": held.stage,
        "tpsl": _tpsl(held, spec),
    }


def balance_summary(balance: CollateralBalance) -> dict[str, Any]:
    """One record of collateral-account/balance-summary (6.6)."""
    return {
        "asset": balance.asset,
        "balance": units_text(balance.balance),
        "borrow": units_text(balance.borrow),
        "availableWithoutBorrow": units_text(balance.available),
        "availableWithBorrow": units_text(balance.with_borrow),
    }
