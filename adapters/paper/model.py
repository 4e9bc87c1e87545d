"""Value types of the paper exchange: markets, accounts, orders, requests, rejections, notices.

Prices are integer **ticks** (10^-money_prec of the quote asset), quantities integer **lots**
(10^-stock_prec of the base asset). Balances, fees, executed money and P&L are integer **units** of
10^-18 of an asset: a product of price, quantity and a fee rate of at most eight decimals is then
exact, so nothing in the exchange is ever rounded (contract 10.10). Times are integer microseconds
since the Unix epoch. Wire words (`stock`, `deal_money`) start at the server; here are field terms.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, StrEnum

import msgspec

from adapters.paper.model_collateral import (
    AdlQuantile,
    ClosedPosition,
    CollateralBalance,
    CollateralSummary,
    FundingEvent,
    FundingPayment,
    PerpetualView,
    PositionChange,
    PositionSide,
    PositionView,
    Stage,
)
from adapters.paper.specs import (
    BTC_PERP,
    BTC_USDT,
    DEMO_ACCOUNTS,
    FLOW_ACCOUNTS,
    FLOW_MAKER,
    FLOW_TAKER,
    AccountSpec,
    ExchangeConfig,
    FeeOverride,
    MarketSpec,
)
from adapters.paper.units import (
    EXACT,
    RATE_DECIMALS,
    UNIT_DECIMALS,
    US_PER_S,
    decimal_text,
    scaled_text,
    to_rate,
    to_units,
    units_text,
)

# One place to import every value type from; some are only kept in files of their own.
__all__ = [
    "BTC_PERP",
    "BTC_USDT",
    "DEMO_ACCOUNTS",
    "EXACT",
    "FLOW_ACCOUNTS",
    "FLOW_MAKER",
    "FLOW_TAKER",
    "RATE_DECIMALS",
    "UNIT_DECIMALS",
    "US_PER_S",
    "AccountSpec",
    "AdlQuantile",
    "Balance",
    "BboChanged",
    "BookChanged",
    "CancelOrder",
    "ClosedPosition",
    "CollateralBalance",
    "CollateralSummary",
    "Deal",
    "ExchangeConfig",
    "Executed",
    "FeeOverride",
    "FundingEvent",
    "FundingPayment",
    "KillSwitch",
    "MarketSpec",
    "ModifyOrder",
    "NewOrder",
    "Notice",
    "Order",
    "OrderType",
    "Pending",
    "PendingEvent",
    "PerpetualView",
    "PositionChange",
    "PositionSide",
    "PositionView",
    "PublicTrade",
    "Reject",
    "Role",
    "Side",
    "Stage",
    "Status",
    "Stp",
    "decimal_text",
    "scaled_text",
    "to_rate",
    "to_units",
    "units_text",
]


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
    MARGIN_LIMIT = 7
    MARGIN_MARKET = 8

    @property
    def wire_name(self) -> str:
        return "limit" if self in (OrderType.LIMIT, OrderType.MARGIN_LIMIT) else "market"


class Status(StrEnum):
    """Status texts of section 8."""

    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    CANCELED_STP = "CANCELED_STP"
    CANCELED_TAKER_BAND = "CANCELED_TAKER_BAND"
    AUTO_CANCELED_REDUCE_ONLY = "AUTO_CANCELED_REDUCE_ONLY"


class PendingEvent(IntEnum):
    """Event ids of ordersPending (11.5)."""

    NEW = 1
    UPDATED = 2
    FINISHED = 3


class Reject(msgspec.Struct, frozen=True):
    """A refusal in the documented form (3.1): nothing changed at the exchange."""

    http: int
    code: int
    message: str
    errors: dict[str, list[str]]


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A limit order request (5.1, 6.1) after JSON types were checked.

    `amount` and `price` are decimal text or Decimal as the client wrote them. `collateral` says
    which endpoint it came through: spot endpoints trade spot markets, collateral ones perpetuals.
    """

    market: str
    side: Side
    amount: str | Decimal
    price: str | Decimal | None = None
    client_order_id: str = ""
    post_only: bool = False
    ioc: bool = False
    rpi: bool = False
    retail: bool = False
    bbo_role: int | None = None
    stp: Stp = Stp.NO
    reduce_only: bool = False
    position_side: PositionSide = PositionSide.BOTH
    collateral: bool = False


class ModifyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A modify request (5.4) for a limit order, named by exactly one of the two ids.

    An omitted `amount` keeps what is left, an omitted `price` the price. The server fills `stp`
    with the schema's default `no` when the client left it out, or None to keep the old one [C].
    """

    market: str
    order_id: int | None = None
    client_order_id: str | None = None
    amount: str | Decimal | None = None
    price: str | Decimal | None = None
    stp: Stp | None = None


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A cancel request (5.5), named by exactly one of the two ids."""

    market: str
    order_id: int | None = None
    client_order_id: str | None = None


class Order(msgspec.Struct, kw_only=True, gc=False):
    """An order as the exchange holds it; everything handed out is a copy of its moment (5.0)."""

    order_id: int
    account: str
    market: str
    side: Side
    type: OrderType
    ticks: int
    lots: int
    leaves_lots: int
    ctime_us: int
    mtime_us: int
    deal_lots: int = 0
    deal_money: int = 0
    deal_fee: int = 0
    fee_asset: str = ""
    client_order_id: str = ""
    post_only: bool = False
    ioc: bool = False
    rpi: bool = False
    retail: bool = False
    reduce_only: bool = False
    position_side: PositionSide = PositionSide.BOTH
    stp: Stp = Stp.NO
    status: Status = Status.OPEN
    ftime_us: int = 0
    source: str = "api"

    def copy(self) -> Order:
        return self.__copy__()  # type: ignore[no-any-return, attr-defined]


class Deal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One side of one fill (5.8, `deals_update` in 11.5); `money` and `fee` in units."""

    deal_id: int
    time_us: int
    account: str
    market: str
    order_id: int
    counter_order_id: int
    client_order_id: str
    side: Side
    role: Role
    ticks: int
    lots: int
    money: int
    fee: int
    fee_asset: str
    rpi: bool


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fill as everybody sees it (`trades_update`, 11.5); `side` is the taker's."""

    trade_id: int
    time_us: int
    market: str
    ticks: int
    lots: int
    side: Side
    rpi: bool


class Pending(msgspec.Struct, frozen=True, gc=False):
    """`ordersPending_update` (11.5)."""

    event: PendingEvent
    order: Order


class Executed(msgspec.Struct, frozen=True, gc=False):
    """`ordersExecuted_update` (11.5): the order left the book for good."""

    order: Order


class BookChanged(msgspec.Struct, frozen=True, gc=False):
    """The visible book changed in this action; `update_id` is the last one (11.5)."""

    market: str
    update_id: int
    time_us: int


class BboChanged(msgspec.Struct, frozen=True, gc=False):
    """Best visible price or size changed (`bookTicker_update`, 11.5); an empty side is 0, 0."""

    market: str
    update_id: int
    time_us: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


Notice = Deal | Pending | Executed | PublicTrade | BookChanged | BboChanged


class Balance(msgspec.Struct, frozen=True):
    """Spot balance of one asset in units (5.9)."""

    available: int
    freeze: int


class KillSwitch(msgspec.Struct, frozen=True):
    """A dead man's timer of one account and market (5.6, 10.8); times in Unix seconds."""

    market: str
    start_s: int
    cancellation_s: int
    types: tuple[str, ...] | None
