"""Value types of the paper exchange: markets, accounts, orders, requests, rejections, notices.

Prices are integer **ticks** (10^-money_prec of the quote asset), quantities integer **lots**
(10^-stock_prec of the base asset). Balances, fees, executed money and P&L are integer **units** of
10^-18 of an asset: a product of price, quantity and a fee rate of at most eight decimals is then
exact, so nothing in the exchange is ever rounded (contract 10.10). Times are integer microseconds
since the Unix epoch. Wire words (`stock`, `deal_money`) start at the server; here are field terms.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapters.paper.core.kinds import (
    MARGIN_TYPES,
    PRICED_TYPES,
    STOP_TYPES,
    OrderType,
    PendingEvent,
    Role,
    Side,
    Status,
    Stp,
)
from adapters.paper.core.model_collateral import (
    AdlQuantile,
    Borrow,
    ClosedPosition,
    CollateralBalance,
    CollateralSummary,
    FundingEvent,
    FundingPayment,
    PerpetualView,
    PositionChange,
    PositionEvent,
    PositionEventType,
    PositionSide,
    PositionView,
    Stage,
)
from adapters.paper.core.specs import (
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
from adapters.paper.core.units import (
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
    "MARGIN_TYPES",
    "PRICED_TYPES",
    "RATE_DECIMALS",
    "STOP_TYPES",
    "UNIT_DECIMALS",
    "US_PER_S",
    "AccountSpec",
    "AdlQuantile",
    "Balance",
    "BboChanged",
    "BookChanged",
    "Borrow",
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
    "NewOco",
    "NewOrder",
    "Notice",
    "Order",
    "OrderType",
    "Oto",
    "Pending",
    "PendingEvent",
    "PerpetualView",
    "PositionChange",
    "PositionEvent",
    "PositionEventType",
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


class Reject(msgspec.Struct, frozen=True):
    """A refusal in the documented form (3.1): nothing changed at the exchange."""

    http: int
    code: int
    message: str
    errors: dict[str, list[str]]


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order request of any type (5.1-5.3, 6.1, 6.2) after JSON types were checked.

    `amount` and the prices are decimal text or Decimal as the client wrote them; `amount` is money
    for a spot `MARKET` or `STOP_MARKET` buy. `type` is the spot one; `collateral` says which
    endpoint it came through: spot endpoints trade spot funds, collateral ones open positions.
    """

    market: str
    side: Side
    amount: str | Decimal
    price: str | Decimal | None = None
    type: OrderType = OrderType.LIMIT
    activation_price: str | Decimal | None = None
    stop_loss: str | Decimal | None = None
    take_profit: str | Decimal | None = None
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
    """A modify request (5.4), named by exactly one of the two ids.

    What is omitted keeps its value, the amount what is left of it; `total` is the money of a spot
    stop-market buy. The server fills `stp` with the schema's default `no` when the client left
    it out, or None to keep the old one [C].
    """

    market: str
    order_id: int | None = None
    client_order_id: str | None = None
    amount: str | Decimal | None = None
    total: str | Decimal | None = None
    price: str | Decimal | None = None
    activation_price: str | Decimal | None = None
    stp: Stp | None = None


class NewOco(msgspec.Struct, frozen=True, kw_only=True):
    """An OCO request (6.3): a limit at `price`, a stop at `activation_price` for the other way."""

    market: str
    side: Side
    amount: str | Decimal
    price: str | Decimal
    activation_price: str | Decimal
    stop_limit_price: str | Decimal
    client_order_id: str = ""
    reduce_only: bool = False
    position_side: PositionSide = PositionSide.BOTH
    stp: Stp = Stp.NO


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A cancel request (5.5), named by exactly one of the two ids."""

    market: str
    order_id: int | None = None
    client_order_id: str | None = None


class Oto(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The closing triggers that an order leaves when it is filled (10.7); 0 ticks for none."""

    oto_id: int
    stop_loss_ticks: int
    take_profit_ticks: int


class Order(msgspec.Struct, kw_only=True, gc=False):
    """An order as the exchange holds it; everything handed out is a copy of its moment (5.0).

    `budget` is the money, in units, that a spot market or stop-market buy may spend; such an
    order has no lots of its own. A stop has `trigger_ticks` and waits for a last price at or
    above (`trigger_above`) or below them until `activated_us`; one of 0 lots closes the whole
    position of that moment. While a stop has no limit price of its own, `ticks` are the trigger's:
    funds are frozen at that price [C]. `oco_id` names the pair that a leg belongs to. One with
    `collateral` settles into a position, any other in spot funds.
    """

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
    collateral: bool = False
    reduce_only: bool = False
    position_side: PositionSide = PositionSide.BOTH
    stp: Stp = Stp.NO
    status: Status = Status.OPEN
    ftime_us: int = 0
    source: str = "api"
    budget: int = 0
    trigger_ticks: int = 0
    trigger_above: bool = False
    activated_us: int = 0
    bbo_role: int = 0
    oco_id: int = 0
    oto: Oto | None = None

    @property
    def whole_position(self) -> bool:
        """Whether it is a trigger that closes all of a position (10.7)."""
        return not self.lots and not self.budget

    @property
    def waiting(self) -> bool:
        """Whether it is a stop that has not been triggered yet."""
        return self.trigger_ticks > 0 and not self.activated_us

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


Notice = Deal | Pending | Executed | PublicTrade | BookChanged | BboChanged | PositionEvent


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
