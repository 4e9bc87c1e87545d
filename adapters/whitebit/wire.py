"""The venue's words: one struct per shape on the wire, decoded by msgspec in C.

WebSocket updates (contract 11.5) form one union tagged by `method`, so that a frame is decoded
once, whatever the order of its members. REST shapes follow sections 4 to 7. Unknown members are
ignored, members that older servers left out have defaults. Venue words stop at this module's
users; no struct is shared by two surfaces that use one word for two things (G-15, G-18).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from adapters.whitebit.units import UNIX_S_MAX

Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
UnixS = Annotated[int, Meta(ge=0, lt=UNIX_S_MAX)]
Levels = list[tuple[str, str]]


class DepthData(Struct, gc=False):
    """Book part of a depth update; a side without a change is left out."""

    event_time: float = 0.0
    update_id: Id = -1
    """-1 stands for absent, in the next member too: 0 is the id of a market's empty first book."""
    past_update_id: Id = -1
    timestamp: float = 0.0
    """Engine time of the last change: seconds old on a quiet book."""
    asks: Levels = []
    bids: Levels = []


class DepthUpdate(Struct, tag_field="method", tag="depth_update", gc=False):
    """`[full, data, market]`."""

    params: tuple[bool, DepthData, str]


class BookTickerUpdate(Struct, tag_field="method", tag="bookTicker_update", gc=False):
    """`[[transaction_time, message_time, market, update_id, bid, amount, ask, amount]]`."""

    params: tuple[tuple[float, float, str, Id, str, str, str, str]]


class TradeItem(Struct, gc=False):
    id: Id
    time: float
    price: str
    amount: str
    type: str
    rpi: bool = False


class TradesUpdate(Struct, tag_field="method", tag="trades_update", gc=False):
    """`[market, trades]`."""

    params: tuple[str, list[TradeItem]]


Premium = tuple[str, Decimal, Decimal, Decimal, Id, float]
"""market, mark price, index price, funding rate, next funding in ms, server time."""


class PremiumIndexUpdate(Struct, tag_field="method", tag="premiumIndex_update", gc=False):
    """One flat record for named markets, a list of records for all (11.5): `Premium` either way."""

    params: list[Any]


class PendingOrder(Struct, gc=False):
    """Order of ordersPending; the captures of 2022 lack the members after `client_order_id`."""

    id: Id
    market: str
    type: int
    side: int
    amount: str
    left: str
    deal_stock: str
    client_order_id: str
    price: str = "0"
    mtime: float = 0.0
    post_only: bool = False
    ioc: bool = False
    rpi: bool = False
    stp: str = ""
    status: str = ""


class OrdersPendingUpdate(Struct, tag_field="method", tag="ordersPending_update"):
    """`[event_id, order]`."""

    params: tuple[int, PendingOrder]


Deal = tuple[Id, float, str, Id, str, str, Decimal, str, int | str, int | str, str]
"""id, time, market, order, price, stock amount, fee, client id, side, role, fee asset."""


class DealsUpdate(Struct, tag_field="method", tag="deals_update"):
    params: Deal


class SpotAmounts(Struct):
    available: Decimal
    freeze: Decimal


class BalanceSpotUpdate(Struct, tag_field="method", tag="balanceSpot_update"):
    params: list[dict[str, SpotAmounts]]


class MarginAmounts(Struct):
    """Keys differ by case alone: `B` is the balance, `b` the borrow."""

    a: str
    B: Decimal
    b: Decimal
    av: Decimal
    ab: Decimal


class BalanceMarginUpdate(Struct, tag_field="method", tag="balanceMargin_update"):
    params: list[MarginAmounts]


class StreamPosition(Struct):
    """Here `pnl` is the unrealised part (G-18); the last two are of margin on spot (G-22)."""

    id: Id
    market: str
    amount: str
    base_price: str | None = None
    pnl: str | None = None
    unrealized_funding: str | None = None
    funding: str | None = None
    position_side: str | None = None


class Positions(Struct):
    records: list[StreamPosition]


class PositionsUpdate(Struct, tag_field="method", tag="positionsMargin_update"):
    params: Positions


Update = (
    DepthUpdate
    | BookTickerUpdate
    | TradesUpdate
    | PremiumIndexUpdate
    | OrdersPendingUpdate
    | DealsUpdate
    | BalanceSpotUpdate
    | BalanceMarginUpdate
    | PositionsUpdate
)


class StreamError(Struct):
    code: int
    message: str = ""


class Reply(Struct):
    """Answer to a request on a stream (11.1); it has no `method`."""

    id: Id
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: StreamError | None = None


class StatusResult(Struct):
    status: str


class RestOrder(Struct):
    """The order object of section 5.0, on any REST surface."""

    orderId: Id  # noqa: N815
    clientOrderId: str  # noqa: N815
    market: str
    side: str
    type: str
    dealStock: str  # noqa: N815
    amount: str
    left: str
    price: str = "0"
    postOnly: bool = False  # noqa: N815
    ioc: bool = False
    rpi: bool = False
    stp: str = ""
    status: str = ""


class BulkItem(Struct):
    result: RestOrder | None = None
    error: dict[str, object] | None = None


class RestDeal(Struct):
    """A deal of executed-history (5.8); older captures quote the numbers."""

    id: Id | str
    clientOrderId: str  # noqa: N815
    time: float | str
    side: str
    role: int | str
    amount: str
    price: str
    fee: Decimal
    orderId: Id | str  # noqa: N815
    feeAsset: str = ""  # noqa: N815


class SummaryAmounts(Struct):
    """An asset of collateral-account/balance-summary (6.6)."""

    asset: str
    balance: Decimal
    borrow: Decimal
    availableWithoutBorrow: Decimal  # noqa: N815
    availableWithBorrow: Decimal  # noqa: N815


class RestPosition(Struct):
    """An open position (6.5); its `pnl` is realised and not read (G-18)."""

    positionId: Id  # noqa: N815
    market: str
    amount: str
    basePrice: str | None = None  # noqa: N815
    unrealizedPnl: str | None = None  # noqa: N815
    unrealizedFunding: str | None = None  # noqa: N815
    funding: str | None = None
    positionSide: str | None = None  # noqa: N815


class FundingRecord(Struct):
    """A payment of collateral-account/funding-history (6.5); the time is a text of seconds."""

    market: str
    fundingTime: str  # noqa: N815
    fundingRate: Decimal  # noqa: N815
    fundingAmount: Decimal  # noqa: N815
    positionAmount: Decimal  # noqa: N815
    settlementPrice: Decimal  # noqa: N815


class FundingHistory(Struct):
    records: list[FundingRecord]


class TimerItem(Struct):
    """A kill-switch timer (5.6), whole seconds."""

    market: str
    startTime: UnixS  # noqa: N815
    cancellationTime: UnixS  # noqa: N815


class FeePair(Struct):
    taker: Decimal
    maker: Decimal


class Fees(Struct):
    """Answer of market/fee (section 7), percent."""

    taker: Decimal
    maker: Decimal
    futures_taker: Decimal
    futures_maker: Decimal
    rpi_maker_fee_premium: Decimal | None = None
    futures_rpi_maker_fee_premium: Decimal | None = None
    custom_fee: dict[str, FeePair] | list[object] = {}


class MarketName(Struct):
    """As much of a market as every item has."""

    name: str


class MarketItem(Struct):
    """An item of public/markets (4.1); fees are percent, precisions are strings of integers."""

    name: str
    stock: str
    money: str
    stockPrec: str  # noqa: N815
    moneyPrec: str  # noqa: N815
    makerFee: Decimal  # noqa: N815
    takerFee: Decimal  # noqa: N815
    minAmount: Decimal  # noqa: N815
    minTotal: Decimal  # noqa: N815
    maxTotal: Decimal  # noqa: N815
    type: str
    tradesEnabled: bool = True  # noqa: N815
    isCollateral: bool = False  # noqa: N815
    delistedAt: int | None = None  # noqa: N815


class ServerTime(Struct):
    time: UnixS


class TokenAnswer(Struct):
    websocket_token: str
