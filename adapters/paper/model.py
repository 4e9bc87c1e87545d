"""Value types of the paper exchange: markets, accounts, orders, requests, rejections, notices.

Prices are integer **ticks** (10^-money_prec of the quote asset), quantities integer **lots**
(10^-stock_prec of the base asset). Balances, fees, executed money and P&L are integer **units** of
10^-18 of an asset: a product of price, quantity and a fee rate of at most eight decimals is then
exact, so nothing in the exchange is ever rounded (contract 10.10). Times are integer microseconds
since the Unix epoch. Wire words (`stock`, `deal_money`) start at the server; here are field terms.
"""

from __future__ import annotations

from decimal import Context, Decimal, Inexact
from enum import IntEnum, StrEnum

import msgspec

UNIT_DECIMALS = 18
RATE_DECIMALS = 8
US_PER_S = 1_000_000

# Wide enough for any total of the exchange; a value that would not fit raises, never rounds.
EXACT = Context(prec=60, traps=[Inexact])


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


def decimal_text(value: Decimal) -> str:
    """Write a decimal trimmed: no exponent, no trailing zeros, `0` for zero (contract 3)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def scaled_text(value: int, decimals: int) -> str:
    """Write `value` x 10^-`decimals` trimmed (contract 3)."""
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    fraction = fraction.rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def units_text(units: int) -> str:
    """Write an amount of an asset, given in units of 10^-18, as trimmed decimal text."""
    return scaled_text(units, UNIT_DECIMALS)


def to_units(amount: str | Decimal) -> int:
    """Convert an amount of an asset to units; raises `Inexact` beyond 18 decimals."""
    scaled = EXACT.scaleb(EXACT.create_decimal(amount), UNIT_DECIMALS)
    return int(scaled.to_integral_exact(context=EXACT))


def to_rate(ratio: str | Decimal) -> int:
    """Convert a fee ratio ("0.001" is 0.1 %) to 10^-8 steps; raises `Inexact` beyond those."""
    scaled = EXACT.scaleb(EXACT.create_decimal(ratio), RATE_DECIMALS)
    return int(scaled.to_integral_exact(context=EXACT))


class MarketSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One market as data (4.1). A perpetual settles in `quote_asset` and is traded on collateral.

    `money_prec` and `stock_prec` are decimals of price and quantity; their sum is at most 10, so
    that a fee still fits in units.
    """

    name: str
    base_asset: str
    quote_asset: str
    money_prec: int
    stock_prec: int
    fee_prec: int = 6
    qty_min: str
    total_min: str
    total_max: str = "0"
    is_perpetual: bool = False
    maker_rate: str = "0.001"
    taker_rate: str = "0.001"
    leverage_max: int = 100

    def price_text(self, ticks: int) -> str:
        return scaled_text(ticks, self.money_prec)

    def qty_text(self, lots: int) -> str:
        return scaled_text(lots, self.stock_prec)

    @property
    def tick_size(self) -> str:
        return scaled_text(1, self.money_prec)

    @property
    def lot_size(self) -> str:
        return scaled_text(1, self.stock_prec)


class FeeOverride(msgspec.Struct, frozen=True):
    """Fee ratios of one account on one market (`custom_fee` of `market/fee`, section 7)."""

    maker: str
    taker: str


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One account as configuration; amounts are decimal text, ratios as in `MarketSpec`.

    A `background` account belongs to the market flow: it trades without funds or margin checks
    and gets no private notices, but its books are kept, so totals stay conserved.
    """

    name: str
    spot: dict[str, str] = {}
    collateral: dict[str, str] = {}
    leverage: int = 10
    fees: dict[str, FeeOverride] = {}
    rpi_maker_premium: str = "0"
    futures_rpi_maker_premium: str = "0"
    rpi_allowed: bool = True
    retail_allowed: bool = False
    background: bool = False


BTC_USDT = MarketSpec(
    name="BTC_USDT",
    base_asset="BTC",
    quote_asset="USDT",
    money_prec=2,
    stock_prec=6,
    qty_min="0.00001",
    total_min="5.05",
)
BTC_PERP = MarketSpec(
    name="BTC_PERP",
    base_asset="BTC",
    quote_asset="USDT",
    money_prec=1,
    stock_prec=3,
    qty_min="0.001",
    total_min="5.05",
    is_perpetual=True,
    maker_rate="0.0001",
    taker_rate="0.00055",
)
FUNDS = {"BTC": "10", "USDT": "1000000"}
DEMO_ACCOUNTS = (
    AccountSpec(name="demo-1", spot=FUNDS, collateral={"USDT": "1000000"}),
    AccountSpec(name="demo-2", spot=FUNDS, collateral={"USDT": "1000000"}, retail_allowed=True),
)
FLOW_MAKER = "flow-maker"
FLOW_TAKER = "flow-taker"
FLOW_ACCOUNTS = (
    AccountSpec(name=FLOW_MAKER, background=True),
    AccountSpec(name=FLOW_TAKER, background=True, retail_allowed=True),
)


class ExchangeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of the exchange core; every one marked [C] is our choice, not documented.

    Choices without a setting, kept here so that they are found in one place, all [C]:
    margin of a perpetual = worst notional / leverage, where the worst notional is the larger
    of |position cost + open buys| and |position cost - open sells| at order prices; a new order
    that does not raise it is always accepted, otherwise balance + P&L at the last price must
    cover the margin of all perpetuals (10.9); the cost of a part of a position is its share
    rounded towards zero at 10^-18, the rest stays with the position; each side of a trade has
    a deal id of its own, so that a self-trade is two deals (10.4) and deals are unique by id;
    the notices of a bulk request come item by item.
    """

    markets: tuple[MarketSpec, ...] = (BTC_USDT, BTC_PERP)
    accounts: tuple[AccountSpec, ...] = (*DEMO_ACCOUNTS, *FLOW_ACCOUNTS)
    # [C, G-13] retail takers only, or every taker, may match RPI orders.
    rpi_match_all: bool = False
    # [C, 10.3] a market order stops this far (ratio) from the best opposite price.
    taker_band: str = "0.05"
    # [C, G-19] refuse an order that would flip a one-way position with code 115.
    refuse_flip: bool = False
    # First order and deal ids lie above 2^32 (contract 3); the spaces are separate.
    first_order_id: int = 1_212_901_344_783
    first_deal_id: int = 6_290_000_000_001
    first_trade_id: int = 7_310_000_000_001
    first_position_id: int = 5_000_000_001
    # Bounds of the per-account histories: a busy maker's day, a few tens of megabytes at most.
    deals_max: int = 50_000
    finished_max: int = 10_000
    # The trades channel never shows more (11.5).
    trades_max: int = 100


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


class CollateralBalance(msgspec.Struct, frozen=True, kw_only=True):
    """Collateral of one asset in units (6.6): `available` = balance + P&L - margin, at least 0."""

    asset: str
    balance: int
    unrealized_pnl: int
    margin: int
    available: int


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """An open one-way position (6.5); `lots` signed, money in units.

    `cost` is signed like `lots`; the average entry price is `base_price`, cut to 18 decimals
    (only for display: P&L uses `cost`).
    """

    position_id: int
    market: str
    lots: int
    cost: int
    base_price: Decimal
    realized_pnl: int
    unrealized_pnl: int
    margin: int
    free_margin: int
    opened_us: int
    modified_us: int


class KillSwitch(msgspec.Struct, frozen=True):
    """A dead man's timer of one account and market (5.6, 10.8); times in Unix seconds."""

    market: str
    start_s: int
    cancellation_s: int
    types: tuple[str, ...] | None
