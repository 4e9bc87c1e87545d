"""Turn a typed order request into ticks and lots, or refuse it as 5.1-5.4 document.

Order of the checks [C]: market, flags, amount, price, trigger, client id, total. Funds, book and
post-only come later, since they need the engine's state.
"""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from adapters.paper.core import rejects
from adapters.paper.core.ledger import Seat
from adapters.paper.core.margin import OPENING
from adapters.paper.core.market import Market
from adapters.paper.core.model import (
    EXACT,
    STOP_TYPES,
    UNIT_DECIMALS,
    NewOrder,
    Order,
    OrderType,
    Oto,
    PositionSide,
    Reject,
    Side,
    decimal_text,
)

# Fifty characters hold every amount that the exact context can scale without rounding.
_NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_LENGTH_MAX = 50
_EXPONENT_MAX = 30
_PLAIN_MAX = 30
_IN_MONEY = frozenset((OrderType.MARKET, OrderType.STOP_MARKET))
_PRICED = frozenset((OrderType.LIMIT, OrderType.STOP_LIMIT))
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def to_decimal(value: str | Decimal) -> Decimal | None:
    """Read a number of a request; None when it is not one that any market could mean."""
    if isinstance(value, str):
        if len(value) > _LENGTH_MAX or not _NUMERIC.fullmatch(value):
            return None
        value = Decimal(value)
    if not value.is_finite() or len(value.as_tuple().digits) > _LENGTH_MAX:
        return None
    return value if abs(value.adjusted()) <= _EXPONENT_MAX else None


def _steps(value: Decimal, decimals: int) -> tuple[int, bool]:
    """Return (whole steps, rounded down; whether it is a whole number of them)."""
    scaled = EXACT.scaleb(value, decimals)
    steps = int(scaled)
    return steps, steps == scaled


def plain_steps(value: str | Decimal, decimals: int) -> int | None:
    """Return the steps of a plain text that is a whole number of them; None: look closer.

    The short way for nearly every request; texts with a sign, an exponent or too many decimals,
    and whatever is no number, are left to the long way and its refusals.
    """
    if not isinstance(value, str) or len(value) > _PLAIN_MAX:
        return None
    whole, _, part = value.partition(".")
    digits, missing = whole + part, decimals - len(part)
    if missing < 0 or not (digits.isascii() and digits.isdigit()):
        return None
    steps: int = int(digits) * 10**missing
    return steps


def check_amount(market: Market, value: str | Decimal) -> int | Reject:
    """Return lots, or the refusal with code 32."""
    plain = plain_steps(value, market.spec.stock_prec)
    if plain is not None and plain >= market.qty_min_lots and plain:
        return plain
    amount = to_decimal(value)
    if amount is None:
        return rejects.AMOUNT_NOT_NUMERIC
    if amount <= 0:
        return rejects.AMOUNT_NOT_POSITIVE
    lots, whole = _steps(amount, market.spec.stock_prec)
    texts = []
    if lots < market.qty_min_lots:
        minimum = market.spec.qty_text(market.qty_min_lots)
        texts.append(f"Given amount is less than min amount {minimum}")
    if not whole:
        texts.append(f"Min amount step = {market.spec.lot_size}")
    return rejects.reject(32, {"amount": texts}) if texts else lots


def check_price(market: Market, value: str | Decimal) -> int | Reject:
    """Return ticks, or the refusal with code 33."""
    plain = plain_steps(value, market.spec.money_prec)
    if plain:
        return plain
    price = to_decimal(value)
    if price is None:
        return rejects.PRICE_NOT_NUMERIC
    if price <= 0:
        return rejects.PRICE_NOT_POSITIVE
    ticks, whole = _steps(price, market.spec.money_prec)
    texts = []
    if ticks < 1:
        texts.append(f"Price field should be at least {market.spec.tick_size}")
    if not whole:
        texts.append(f"Min price step = {market.spec.tick_size}")
    return rejects.reject(33, {"price": texts}) if texts else ticks


def check_total(market: Market, ticks: int, lots: int) -> Reject | None:
    """Refuse an order whose amount x price is outside the market's limits (5.1)."""
    total = ticks * lots
    if total < market.total_min:
        text = decimal_text(Decimal(market.spec.total_min))
        return rejects.reject(30, {"total": [f"Total (amount * price) is less than {text}"]})
    if market.total_max and total > market.total_max:
        text = decimal_text(Decimal(market.spec.total_max))
        return rejects.reject(30, {"total": [f"Total (amount * price) is greater than {text}"]})
    return None


def check_flags(seat: Seat, request: NewOrder) -> Reject | None:
    """Refuse flags that exclude each other or that the account may not use (5.1)."""
    if not (request.ioc or request.rpi or request.retail or request.bbo_role):
        return None  # The short way: post-only alone excludes nothing.
    account = seat.account.spec
    if request.ioc and request.post_only:
        return rejects.IOC_POST_ONLY
    if request.ioc and request.rpi:
        return rejects.IOC_RPI
    if request.retail and request.rpi:
        return rejects.RETAIL_RPI
    if request.retail and not account.retail_allowed:
        return rejects.RETAIL_NOT_ALLOWED
    if request.rpi and not account.rpi_allowed:
        return rejects.RPI_NOT_ALLOWED
    if request.post_only and request.rpi:
        return rejects.POST_ONLY_RPI
    if request.bbo_role is not None and (
        request.post_only or request.rpi or (request.ioc and request.bbo_role != 2)
    ):
        return rejects.BBO_ROLE_FLAGS
    return None


def check_position_side(seat: Seat, request: NewOrder, *, strict: bool) -> NewOrder | Reject:
    """Return the request with the position it is for, or the refusal with code 114 (10.9).

    One-way accounts have BOTH only, whatever was sent (G-17). In hedge mode the side is required,
    and an order against it reduces, so it is treated as reduce-only [C].
    """
    side = request.position_side
    if not seat.account.hedge_mode or not seat.market.spec.is_perpetual:
        if side is PositionSide.BOTH:
            return request
        if strict:
            return rejects.POSITION_SIDE
        return msgspec.structs.replace(request, position_side=PositionSide.BOTH)
    if side is PositionSide.BOTH:
        return rejects.POSITION_SIDE
    if OPENING[side] is not request.side and not request.reduce_only:
        return msgspec.structs.replace(request, reduce_only=True)
    return request


def check_bracket(seat: Seat, order: Order, more: int) -> Reject | None:
    """Refuse `more` units beyond the market's bracket at the seat's leverage (111, 112) [C].

    Code 111 when position and order alone are too big, 112 when other open orders are to blame.
    """
    if not (seat.market.spec.brackets and order.collateral):
        return None
    limit = seat.market.bracket(seat.leverage)
    if not limit:
        return None
    position = seat.held[order.position_side]
    buys, sells = (more, 0) if order.side is Side.BUY else (0, more)
    after = abs(position.cost + buys - sells)
    if after > limit and after > abs(position.cost):
        return rejects.POSITION_TOO_BIG
    worst = position.worst_notional(buys, sells)
    if worst > limit and worst > position.worst_notional():
        return rejects.ORDERS_TOO_BIG
    return None


def check_client_id(seat: Seat, client_order_id: str) -> Reject | None:
    """Refuse a malformed id or one of an open order of the same market (10.6)."""
    if client_order_id:
        if not _CLIENT_ID.fullmatch(client_order_id):
            return rejects.CLIENT_ID_CHARSET
        if client_order_id in seat.client_ids:
            return rejects.CLIENT_ID_DUPLICATE
    return None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks for, in ticks, lots and (`budget`) units; 0 for what it has not."""

    ticks: int
    lots: int
    budget: int
    trigger_ticks: int
    oto: Oto | None = None


def check_price_of(market: Market, request: NewOrder) -> int | Reject:
    """Return the price of a limit order in ticks, from its text or its `bboRole` (10.2)."""
    if request.bbo_role is not None:
        return market.role_ticks(request.side, request.bbo_role) or rejects.no_book()
    if request.price is None:
        return rejects.PRICE_MISSING
    return check_price(market, request.price)


def check_budget(market: Market, value: str | Decimal, field: str = "amount") -> int | Reject:
    """Return the money of a spot market or stop-market buy in units (5.3).

    At least the market's minTotal, in steps of its money precision [C].
    """
    amount = to_decimal(value)
    if amount is None:
        return rejects.AMOUNT_NOT_NUMERIC
    if amount <= 0:
        return rejects.AMOUNT_NOT_POSITIVE
    steps, whole = _steps(amount, market.spec.money_prec)
    texts = []
    if amount < Decimal(market.spec.total_min):
        minimum = decimal_text(Decimal(market.spec.total_min))
        texts.append(f"Given amount is less than min amount {minimum}")
    if not whole:
        texts.append(f"Min amount step = {market.spec.tick_size}")
    if texts:
        return rejects.reject(32, {field: texts})
    unit: int = 10 ** (UNIT_DECIMALS - market.spec.money_prec)
    return steps * unit


def check_trigger(market: Market, value: str | Decimal | None) -> int | Reject:
    """Return the trigger of a stop in ticks; it must differ from the last price (10.7)."""
    if value is None:
        return rejects.TRIGGER_MISSING
    ticks = check_price(market, value)
    if isinstance(ticks, Reject):
        return rejects.reject(30, {"activation_price": _trigger_texts(ticks)})
    return rejects.TRIGGER_IS_LAST if ticks == market.last_ticks else ticks


def _trigger_texts(refused: Reject) -> list[str]:
    return [text.replace("Price", "Activation price", 1) for text in refused.errors["price"]]


def check_size(market: Market, request: NewOrder) -> tuple[int, int] | Reject:
    """Return (lots, budget), one of them 0: a spot market buy is sized in money (5.3)."""
    if request.type in _IN_MONEY and request.side is Side.BUY and not request.collateral:
        budget = check_budget(market, request.amount)
        return budget if isinstance(budget, Reject) else (0, budget)
    lots = check_amount(market, request.amount)
    return lots if isinstance(lots, Reject) else (lots, 0)


def check_prices(market: Market, request: NewOrder) -> tuple[int, int] | Reject:
    """Return (ticks, trigger ticks); without a price of its own a stop has its trigger's [C]."""
    ticks = 0
    if request.type is OrderType.LIMIT or (
        request.type is OrderType.STOP_LIMIT and request.bbo_role is None
    ):
        priced = check_price_of(market, request)
        if isinstance(priced, Reject):
            return priced
        ticks = priced
    if request.type not in STOP_TYPES:
        return ticks, 0
    trigger = check_trigger(market, request.activation_price)
    return trigger if isinstance(trigger, Reject) else (ticks or trigger, trigger)


def check_new(seat: Seat, request: NewOrder) -> Wanted | Reject:
    """Return what is wanted, if acceptable; lots of a reduce-only order are cut (10.9)."""
    market = seat.market
    refused = check_flags(seat, request)
    if refused is not None:
        return refused
    size = check_size(market, request)
    if isinstance(size, Reject):
        return size
    prices = check_prices(market, request)
    if isinstance(prices, Reject):
        return prices
    lots, ticks = size[0], prices[0]
    refused = check_client_id(seat, request.client_order_id)
    if refused is None and request.type in _PRICED:
        refused = check_total(market, ticks, lots)
    if refused is not None:
        return refused
    if request.reduce_only and request.collateral:
        lots = min(lots, seat.reducible_lots(request.side, request.position_side))
        if not lots:
            return rejects.REDUCE_ONLY
    oto = read_oto(market, request)
    if isinstance(oto, Reject):
        return oto
    return Wanted(ticks=ticks, lots=lots, budget=size[1], trigger_ticks=prices[1], oto=oto)


def read_oto(market: Market, request: NewOrder) -> Oto | Reject | None:
    """Return the closing triggers of a collateral order (6.1), whose id is given later."""
    if request.stop_loss is None and request.take_profit is None:
        return None
    ticks = []
    for field, value in (("stopLoss", request.stop_loss), ("takeProfit", request.take_profit)):
        price = 0 if value is None else check_price(market, value)
        if isinstance(price, Reject):
            texts = [text.replace("Price", field, 1) for text in price.errors["price"]]
            return rejects.reject(30, {field: texts})
        ticks.append(price)
    if not any(ticks):
        return None
    if request.reduce_only:
        return rejects.REDUCE_ONLY_OTO
    return Oto(oto_id=0, stop_loss_ticks=ticks[0], take_profit_ticks=ticks[1])


def check_oto(market: Market, order: Order, oto: Oto) -> Reject | None:
    """Refuse triggers on the wrong side of the entry: long has stopLoss < price < takeProfit.

    A market order enters at the best opposite price (105, 106; 10.7).
    """
    entry = order.ticks or market.role_ticks(order.side, 2)
    sign = 1 if order.side is Side.BUY else -1
    if oto.take_profit_ticks and (oto.take_profit_ticks - entry) * sign <= 0:
        return rejects.TAKE_PROFIT_SIDE
    if oto.stop_loss_ticks and (entry - oto.stop_loss_ticks) * sign <= 0:
        return rejects.STOP_LOSS_SIDE
    return None
