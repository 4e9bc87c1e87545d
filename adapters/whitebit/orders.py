"""Orders and fills of both surfaces in our words: sides, roles, types and statuses.

Enumerations are strict: a value the contract does not name raises ValueError, which becomes an
event that stops quoting the market. The one exception is the text of a finished order, where the
event id already says all we need (contract section 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum

from adapters.whitebit.units import Units, amount, clip, micros
from adapters.whitebit.wire import Deal, PendingOrder, RestDeal, RestOrder
from engine.money import ZERO, add
from engine.types import (
    Market,
    OrderStatus,
    PositionSide,
    Product,
    Role,
    Side,
    VenueFill,
    VenueOrder,
)


class Scale:
    """A market with its two conversion tables."""

    __slots__ = ("lots", "market", "prices")

    def __init__(self, market: Market) -> None:
        self.market = market
        self.prices = Units(market.price_decimals, minimum=1)
        """Wire price to ticks; zero is refused, since no level, order or trade has it."""
        self.lots = Units(market.qty_decimals)
        """Wire amount to lots."""


class Surface(Enum):
    """Where an order was reported, which decides how its status text is read."""

    LIVE = "ordersPending event 1 or 2"
    FINISHED = "ordersPending event 3"
    ANSWER = "answer to a place or a modify"
    LISTED = "list of open orders"
    CANCELLED = "answer to a cancel"


_SIDES: Mapping[int | str, Side] = {
    1: Side.SELL,
    2: Side.BUY,
    "1": Side.SELL,
    "2": Side.BUY,
    "sell": Side.SELL,
    "buy": Side.BUY,
}
_ROLES: Mapping[int | str, Role] = {
    1: Role.MAKER,
    2: Role.TAKER,
    "1": Role.MAKER,
    "2": Role.TAKER,
}
# Types of 11.5 and 5.0; what is said of `amount` for a buy: stock, or money to spend (5.3).
_MONEY_SIZED_ON_BUY: Mapping[int | str, bool] = {
    1: False,
    2: True,
    202: False,
    3: False,
    4: True,
    7: False,
    8: False,
    9: False,
    10: False,
    14: False,
    "limit": False,
    "market": True,
    "stock market": False,
    "stop limit": False,
    "stop market": True,
}
_POSITION_SIDES: Mapping[str | None, PositionSide] = {
    None: PositionSide.BOTH,
    "BOTH": PositionSide.BOTH,
    "LONG": PositionSide.LONG,
    "SHORT": PositionSide.SHORT,
}
_CANCELLED_PREFIXES = ("CANCELED", "CANCELLED", "AUTO_CANCELED")
_OPEN_TEXTS = frozenset({"OPEN", "NEW", "PARTIALLY_FILLED", "PARTIAL_FILLED"})


def side_of(value: int | str) -> Side:
    """Read a side; raises ValueError for an unmodelled one."""
    side = _SIDES.get(value)
    if side is None:
        raise ValueError(f"expected a side, found {value!r:.48}")
    return side


def role_of(value: int | str) -> Role:
    """Read a role; raises ValueError for an unmodelled one."""
    role = _ROLES.get(value)
    if role is None:
        raise ValueError(f"expected a role of 1 or 2, found {value!r:.48}")
    return role


def status_of(text: str, surface: Surface, leaves_qty: int) -> OrderStatus:
    """Normalise a status (section 8), trusting the event id and what is left above the text.

    Raises:
        ValueError: if the text is unmodelled and the order is not known to be finished.
    """
    cancelled = text.startswith(_CANCELLED_PREFIXES)
    closed = OrderStatus.CANCELLED if cancelled or leaves_qty else OrderStatus.FILLED
    if surface is Surface.FINISHED or surface is Surface.CANCELLED:
        return closed
    if not cancelled and text != "FILLED" and text not in _OPEN_TEXTS and text:
        raise ValueError(f"expected an order status, found {clip(text, 48)!r}")
    listed_open = surface is Surface.LISTED and not cancelled and text != "FILLED"
    if surface is Surface.LIVE or listed_open:
        return OrderStatus.OPEN
    # Documented create examples say FILLED with something left (G-7): what is left decides.
    if cancelled or not leaves_qty:
        return closed
    return OrderStatus.OPEN


def _sizes(
    scale: Scale, type_: int | str, side: Side, size: str, left: str, dealt: str
) -> tuple[int, int, int]:
    # Quantity, leaves and filled, in lots. Where the amount is money there is no quantity to
    # read: what was executed is all of it.
    money_sized = _MONEY_SIZED_ON_BUY.get(type_)
    if money_sized is None:
        raise ValueError(f"expected an order type, found {type_!r:.48}")
    filled = scale.lots[dealt]
    if money_sized and side is Side.BUY and scale.market.product is not Product.PERPETUAL:
        return filled, 0, filled
    return scale.lots[size], scale.lots[left], filled


def _price(scale: Scale, text: str) -> int:
    # Market and stop-market orders say "0" or nothing.
    return 0 if text in ("0", "") else scale.prices[text]


def pending_order(scale: Scale, event_id: int, order: PendingOrder) -> VenueOrder:
    """Normalise an order of ordersPending (11.5); raises ValueError if anything does not fit."""
    side = side_of(order.side)
    qty, leaves, filled = _sizes(
        scale, order.type, side, order.amount, order.left, order.deal_stock
    )
    surface = Surface.FINISHED if event_id == 3 else Surface.LIVE
    return VenueOrder(
        order.market,
        order.id,
        order.client_order_id,
        side,
        _price(scale, order.price),
        qty,
        leaves,
        filled,
        status_of(order.status, surface, leaves),
        clip(order.status, 64),
        order.post_only,
        order.rpi,
        clip(order.stp, 16),
        micros(order.mtime),
    )


def rest_order(scale: Scale, surface: Surface, order: RestOrder) -> VenueOrder:
    """Normalise an order object of REST (5.0); raises ValueError if anything does not fit."""
    side = side_of(order.side)
    type_ = order.type
    # A spot market's margin order is sized in stock on both sides (6.2), unlike a spot order.
    margin = type_.startswith("margin ")
    known = type_.removeprefix("margin ")
    if margin and known == "market":
        known = "stock market"
    elif margin and known == "stop market":
        known = "stop limit"
    qty, leaves, filled = _sizes(scale, known, side, order.amount, order.left, order.dealStock)
    return VenueOrder(
        order.market,
        order.orderId,
        order.clientOrderId,
        side,
        _price(scale, order.price),
        qty,
        leaves,
        filled,
        status_of(order.status, surface, leaves),
        clip(order.status, 64),
        order.postOnly,
        order.rpi,
        clip(order.stp, 16),
        0,
    )


def stream_fill(scale: Scale, deal: Deal) -> VenueFill:
    """Normalise a deal of deals_update (11.5); raises ValueError if anything does not fit."""
    deal_id, time, market, order_id, price, qty, fee, client_order_id, side, role, asset = deal
    return VenueFill(
        market,
        deal_id,
        order_id,
        client_order_id,
        side_of(side),
        role_of(role),
        scale.prices[price],
        scale.lots[qty],
        amount(fee),
        asset,
        micros(time),
    )


def rest_fill(scale: Scale, deal: RestDeal) -> VenueFill:
    """Normalise a deal of executed-history (5.8); raises ValueError if anything does not fit."""
    return VenueFill(
        scale.market.name,
        _id(deal.id),
        _id(deal.orderId),
        deal.clientOrderId,
        side_of(deal.side),
        role_of(deal.role),
        scale.prices[deal.price],
        scale.lots[deal.amount],
        amount(deal.fee),
        deal.feeAsset,
        micros(float(deal.time)),
    )


def _id(value: int | str) -> int:
    # Captures of 2022 quote the ids.
    number = int(value)
    if not 0 <= number < 1 << 63:
        raise ValueError(f"expected an id, found {number}")
    return number


def signed_lots(scale: Scale, text: str) -> int:
    """Read a signed quantity: negative is short (6.5)."""
    if text.startswith("-"):
        return -scale.lots[text[1:]]
    return scale.lots[text]


def position_side(text: str | None) -> PositionSide:
    """Read which of its market's positions one is; raises ValueError for an unmodelled value."""
    side = _POSITION_SIDES.get(text)
    if side is None:
        raise ValueError(f"expected LONG, SHORT or BOTH, found {clip(str(text), 48)!r}")
    return side


def interest(market: Market, accrued: str | None, paid: str | None) -> Decimal:
    """Read what a position has cost in borrowing, quote asset: on margin pairs alone (G-22)."""
    if market.product is not Product.MARGIN:
        return ZERO
    return add(optional_amount(accrued) or ZERO, optional_amount(paid) or ZERO)


def optional_amount(text: str | None) -> Decimal | None:
    """Read an amount that may be null or empty (6.5)."""
    if not text:
        return None
    try:
        value = Decimal(text)
    except ArithmeticError as error:
        raise ValueError(f"expected an amount, found {clip(text, 48)!r}") from error
    return amount(value)
