"""Words of the trade that events, state, strategies and adapters share.

Prices are integer ticks, quantities integer lots, both at the market's own precision; a product of
the two is an amount of the quote asset in units of 10^-(price_decimals + qty_decimals).
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import ClassVar

import msgspec


class Side(IntEnum):
    """Side of an order, numbered as on the wire (contract 11.5)."""

    SELL = 1
    BUY = 2

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


# Members under plain names, for hot paths: reaching one through its class costs 60-80 ns on Python
# 3.11, and these are compared thousands of times a second.
BUY = Side.BUY
SELL = Side.SELL


class PositionSide(StrEnum):
    """Which position of a perpetual an order or a report is of (contract 10.9)."""

    BOTH = "both"
    """The one position of a one-way account, which is also where nothing is said."""
    LONG = "long"
    SHORT = "short"


BOTH, LONG, SHORT = PositionSide.BOTH, PositionSide.LONG, PositionSide.SHORT


NO_LIMIT = 1 << 62
"""A limit that nothing reaches; it still fits a 64-bit integer."""


class Role(IntEnum):
    """Role in a fill, numbered as on the wire (contract 5.8)."""

    MAKER = 1
    TAKER = 2


class Stp(StrEnum):
    """Self-trade prevention mode of the incoming order (contract 10.4)."""

    NO = "no"
    CANCEL_BOTH = "cb"
    CANCEL_NEW = "cn"
    CANCEL_OLD = "co"


class Product(StrEnum):
    """What an order trades. Inventory is a balance on spot, else a signed position."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    MARGIN = "margin"
    """A spot pair through its collateral endpoints (contract section 6)."""


class Placement(StrEnum):
    """How several new orders of one market leave."""

    BULK = "bulk"
    """Up to 20 in one request, in time priority as one (contract 5.2)."""
    PIPELINED = "pipelined"
    """Each in a request of its own, sent one after another without waiting."""


class OrderStatus(StrEnum):
    """What the venue says of an order, normalised from its many texts (contract section 8)."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"


class Market(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A market as `public/markets` describes it (contract 4.1)."""

    name: str
    base_asset: str
    quote_asset: str
    product: Product
    price_decimals: int
    """Decimals of a price: one tick is 10^-price_decimals of the quote asset."""
    qty_decimals: int
    """Decimals of a quantity: one lot is 10^-qty_decimals of the base asset."""
    qty_min: int
    """Smallest order, lots."""
    notional_min: int
    """Smallest price x quantity, ticks x lots."""
    notional_max: int
    """Largest price x quantity, ticks x lots; 0 means no limit."""
    maker_fee_rate: Decimal
    """Ratio (0.001 is 0.1 %); negative is a rebate."""
    taker_fee_rate: Decimal
    """Ratio, as `maker_fee_rate`."""
    enabled: bool = True
    """Whether the venue lets it be traded."""
    delist_s: int = 0
    """When the venue means to delist it, Unix seconds; 0 when it does not."""
    collateral: bool = False
    """Whether the venue lets collateral orders trade in it (`isCollateral`, contract 4.1)."""

    @property
    def notional_decimals(self) -> int:
        """Decimals of a product of ticks and lots."""
        return self.price_decimals + self.qty_decimals


class Level(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One wanted order of a two-sided quote."""

    price: int
    """Ticks, > 0."""
    qty: int
    """Lots, > 0."""
    stp: Stp
    """There is no default: whoever quotes two sides must choose."""
    rpi: bool = False
    """Hidden order that only retail flow meets; never takes, whatever `post_only` (10.2)."""
    post_only: bool = True
    """Refused rather than taking (contract 5.1)."""


class TwoSidedQuote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The orders a strategy wants to have resting, best first on each side; empty means none."""

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()


class Limits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Risk limits of one market, checked on the only path to the wire (engine/risk.py)."""

    position_max: int
    """Largest inventory either way, lots, with every live order filled at its worst."""
    order_notional_max: int
    """Largest price x quantity of one order, ticks x lots."""
    collar_bps: int
    """Furthest an order may be priced from the mid, from a recent trade and from the mark, basis
    points."""
    open_orders_max: int
    """Most live orders on the market."""
    widen_bps: int = 10
    """How much further from the mid a market quotes at stage WIDEN, basis points of price."""
    order_qty_max: int = NO_LIMIT
    """Largest quantity of one order, lots."""
    position_notional_max: int = NO_LIMIT
    """Largest inventory either way, ticks x lots at the mid, counted as `position_max`."""
    fills_per_minute_max: int = NO_LIMIT
    """Most fills of one side within a minute; one more takes the side off."""
    loss_day_max: int = NO_LIMIT
    """Loss since the UTC day began at which the market stops, ticks x lots."""
    drawdown_max: int = NO_LIMIT
    """Loss since the highest P&L at which the market stops, ticks x lots."""
    loss_flattens: bool = False
    """Whether those two also bring the inventory to its target, after cancelling."""
    flatten_collar_bps: int = 50
    """Furthest from the mid that flattening may take, basis points."""
    flatten_patience_ns: int = 30_000_000_000
    """How long flattening waits as a maker before it takes."""


class Quoted(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A market this run quotes, with what it quotes it by."""

    market: Market
    strategy: str
    """Name under which the strategy is registered."""
    parameters: str
    """The strategy's parameters as a JSON object."""
    limits: Limits
    inventory_target: int
    """Base quantity the account should hold, lots; inventory is counted from it (spot)."""
    price_tolerance: int
    """A working order this many ticks or fewer from its wanted price is kept; the second level
    twice as many, the third three times, since deeper levels are met later."""
    uptime_bps: int
    """A side counts as quoted while an acknowledged order is this close to the mid."""
    placement: Placement = Placement.BULK
    """How several new orders leave."""
    hedged: bool = False
    """A perpetual of an account in hedge mode: it has a long and a short position (10.9)."""


class AccountLimit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A limit over all markets of the run, counted at the worst of whatever is in flight."""

    DECIMALS: ClassVar[int] = 8

    asset: str
    most: int
    """Either way, units of 10^-8 of the asset."""
    gross: bool
    """False: the net position in a base asset. True: the sum of the notionals of every market of a
    quote asset, each at its mid and at its worse way."""


class AccountLoss(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What all markets of a quote asset may lose together, units of 10^-8 of the asset."""

    DECIMALS: ClassVar[int] = 8

    asset: str
    loss_day_max: int = NO_LIMIT
    """Since the UTC day began."""
    drawdown_max: int = NO_LIMIT
    """Since the highest P&L."""


class Settings(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Engine settings of a run, the same for every market. Durations are nanoseconds."""

    kill_switch_timeout_s: int = 15
    """Seconds the venue waits for a refresh before it cancels everything, 5..600 (10.8)."""
    request_deadline_ns: int = 3_000_000_000
    """A request unanswered for so long has an unknown outcome."""
    feed_max_age_ns: int = 12_000_000_000
    """Depth is silent for up to 10 s by contract 11.5; older than this it is stale."""
    ping_every_ns: int = 5_000_000_000
    pong_deadline_ns: int = 10_000_000_000
    """No pong for so long means the link is dead (contract 11.1)."""
    fresh_after_stall_ns: int = 1_000_000_000
    """After a stall, a frame is believed once the venue stamped it within this of now."""
    shutdown_deadline_ns: int = 8_000_000_000
    """How long a stopping run tries to see its orders gone before it leaves the timer armed."""
    depth_limit: int = 20
    """Levels a side to subscribe, one of 1, 5, 10, 20, 30, 50, 100 (contract 11.4)."""
    on_restart: str = "cancel"
    """What becomes of the orders that an earlier run left: `cancel`, or `adopt`, to quote on."""
    reconcile_every_ns: int = 0
    """Orders, deals and balances are compared with the venue's this often, at the least; 0 for
    only when something gives reason to."""
    requests_max: int = NO_LIMIT
    """Most requests within `requests_span_ns`; only cancels and queries may exceed it."""
    requests_span_ns: int = 10_000_000_000
    account_limits: tuple[AccountLimit, ...] = ()
    rate_percent: int = 80
    """Share of the venue's request limits that may be used, 1..100 (contract section 13)."""
    kill_switch_refresh_ns: int = 0
    """How often the timer is refreshed, a third of its timeout at most; 0 is a quarter of it."""
    account_losses: tuple[AccountLoss, ...] = ()
    """At most one an asset."""


class VenueOrder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order as the venue reports it, on any surface (contract 5.0, 11.5)."""

    market: str
    order_id: int
    client_order_id: str
    side: Side
    price: int
    """Ticks; 0 for an order without a price."""
    qty: int
    """Lots."""
    leaves_qty: int
    """Lots not executed yet."""
    filled_qty: int
    """Lots executed."""
    status: OrderStatus
    status_text: str
    """The venue's own word."""
    post_only: bool
    rpi: bool
    stp: str
    modified_us: int
    """Venue time of the last change, microseconds; 0 where the surface does not say."""

    @property
    def executed_qty(self) -> int:
        """Most lots that were executed, by either of the two numbers that tell."""
        return max(self.filled_qty, self.qty - self.leaves_qty)


class VenueFill(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A deal of ours as the venue reports it (contract 5.8, 11.5)."""

    market: str
    deal_id: int
    order_id: int
    client_order_id: str
    side: Side
    role: Role
    price: int
    qty: int
    fee: Decimal
    """Amount of `fee_asset` paid; negative is a rebate."""
    fee_asset: str
    venue_us: int


class FundingPayment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one settlement of funding paid this account (contract 6.5, 10.11)."""

    time_s: int
    """When it was settled, Unix seconds, venue time."""
    amount: Decimal
    """Quote asset received; negative is paid."""
    rate: Decimal
    """Ratio; positive is paid by who is long."""
    position: Decimal
    """What was held, base asset, signed."""
    price: Decimal
    """The mark price that it was settled at."""


class SpotBalance(msgspec.Struct, frozen=True, array_like=True, gc=False):
    asset: str
    available: Decimal
    frozen: Decimal


class MarginBalance(msgspec.Struct, frozen=True, array_like=True, gc=False):
    asset: str
    balance: Decimal
    borrow: Decimal
    available_without_borrow: Decimal
    available_with_borrow: Decimal


class Position(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An open position on a perpetual or a margin pair (contract 6.5, 11.5)."""

    market: str
    position_id: int
    qty: int
    """Lots, signed: negative is short."""
    entry_price: Decimal | None
    """Average entry; None where the venue sends none."""
    unrealized_pnl: Decimal | None
    interest: Decimal = Decimal(0)
    """Cost of borrowing since it was opened, accrued and paid, quote asset; 0 on a perpetual,
    whose funding is settled to the balance (G-22)."""
    side: PositionSide = PositionSide.BOTH
    """As the venue names it."""


class KillSwitchTimer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    market: str
    start_s: int
    """Unix seconds, venue time."""
    expiry_s: int
    """Unix seconds, venue time."""


class Refusal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An explicit refusal by the venue (contract section 9)."""

    http_status: int
    code: int
    key: str
    """First key of `errors`, which tells colliding codes apart; empty when absent."""
    text: str
