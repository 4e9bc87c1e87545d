"""Sides, roles, order types and statuses with their numbers and texts on the wire."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Side(IntEnum):
    """Order side with the wire numbers of 11.5."""

    SELL = 1
    BUY = 2

    @property
    def opposite(self) -> Side:
        return Side.BUY if self is Side.SELL else Side.SELL


class Role(IntEnum):
    """Who rested and who arrived (11.5)."""

    MAKER = 1
    TAKER = 2


class Stp(StrEnum):
    """Self-trade prevention of the incoming order (10.4), always the short form."""

    NO = "no"
    CANCEL_BOTH = "cb"
    CANCEL_NEW = "cn"
    CANCEL_OLD = "co"


class OrderType(IntEnum):
    """Order types with the wire numbers of 11.5; `wire_name` gives the REST text (5.0)."""

    LIMIT = 1
    MARKET = 2
    STOCK_MARKET = 202
    STOP_LIMIT = 3
    STOP_MARKET = 4
    MARGIN_LIMIT = 7
    MARGIN_MARKET = 8
    MARGIN_STOP_LIMIT = 9
    MARGIN_STOP_MARKET = 10

    @property
    def wire_name(self) -> str:
        return _WIRE_NAMES[self]


_WIRE_NAMES = {
    OrderType.LIMIT: "limit",
    OrderType.MARKET: "market",
    OrderType.STOCK_MARKET: "stock market",
    OrderType.STOP_LIMIT: "stop limit",
    OrderType.STOP_MARKET: "stop market",
    OrderType.MARGIN_LIMIT: "limit",
    OrderType.MARGIN_MARKET: "market",
    OrderType.MARGIN_STOP_LIMIT: "stop limit",
    OrderType.MARGIN_STOP_MARKET: "stop market",
}
# Types that show a price, that rest until triggered, and that never rest in the book.
PRICED_TYPES = frozenset(
    {
        OrderType.LIMIT,
        OrderType.MARGIN_LIMIT,
        OrderType.STOP_LIMIT,
        OrderType.MARGIN_STOP_LIMIT,
    }
)
STOP_TYPES = frozenset(
    {
        OrderType.STOP_LIMIT,
        OrderType.STOP_MARKET,
        OrderType.MARGIN_STOP_LIMIT,
        OrderType.MARGIN_STOP_MARKET,
    }
)
# The collateral endpoints' counterpart of a type (11.5).
MARGIN_TYPES = {
    OrderType.LIMIT: OrderType.MARGIN_LIMIT,
    OrderType.MARKET: OrderType.MARGIN_MARKET,
    OrderType.STOP_LIMIT: OrderType.MARGIN_STOP_LIMIT,
    OrderType.STOP_MARKET: OrderType.MARGIN_STOP_MARKET,
}


class Status(StrEnum):
    """Status texts of section 8."""

    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    CANCELED_STP = "CANCELED_STP"
    CANCELED_TAKER_BAND = "CANCELED_TAKER_BAND"
    AUTO_CANCELED_REDUCE_ONLY = "AUTO_CANCELED_REDUCE_ONLY"
    AUTO_CANCELED_LIQUIDATION = "AUTO_CANCELED_LIQUIDATION"


class PendingEvent(IntEnum):
    """Event ids of ordersPending (11.5)."""

    NEW = 1
    UPDATED = 2
    FINISHED = 3
