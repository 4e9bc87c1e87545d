"""What the engine asks its adapter to do: one intent is one request.

Intents are values in the imperative. The adapter adds the nonce and the signature, nothing else.
"""

from __future__ import annotations

import msgspec

from engine.types import PositionSide, Side, Stp


class IntentBase(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of every intent."""


class NewOrder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order to place (contract 5.1, 6.1)."""

    client_order_id: str
    side: Side
    price: int
    qty: int
    stp: Stp
    rpi: bool
    post_only: bool
    level: int
    """Place in the ladder, 0 is the best; not sent to the venue."""
    ioc: bool = False
    """Takes what it can at once and rests nothing; neither post-only nor RPI."""
    reduce_only: bool = False
    """Only ever reduces a position (contract 10.9); not on spot."""
    position_side: PositionSide = PositionSide.BOTH
    """The position it is for, on a perpetual of an account in hedge mode (contract 10.9)."""


class PlaceOrders(IntentBase, frozen=True, tag="P"):
    """Place 1..20 orders on one market: a single place or a bulk (contract 5.1, 5.2, 6.1)."""

    market: str
    orders: tuple[NewOrder, ...]


class ModifyOrder(IntentBase, frozen=True, tag="M"):
    """Replace price and size; the venue answers with a new order id (contract 5.4, 10.5)."""

    market: str
    client_order_id: str
    price: int
    qty: int
    stp: Stp
    ladder: tuple[str, ...] = ()
    """Client order ids of its side by level from now on, where levels change; not sent."""


class CancelOrder(IntentBase, frozen=True, tag="C"):
    """Cancel by client order id, which survives every modify (contract 5.5)."""

    market: str
    client_order_id: str


class CancelAll(IntentBase, frozen=True, tag="A"):
    """Cancel every order of the account on the market, foreign ones included (contract 5.5)."""

    market: str


class ArmKillSwitch(IntentBase, frozen=True, tag="K"):
    """Arm or refresh the market's timer (contract 5.6, 10.8)."""

    market: str
    timeout_s: int


class DisarmKillSwitch(IntentBase, frozen=True, tag="D"):
    market: str


class QueryOpenOrders(IntentBase, frozen=True, tag="qo"):
    market: str
    offset: int


class QueryFills(IntentBase, frozen=True, tag="qf"):
    """Executed history of a market, newest first (contract 5.8)."""

    market: str
    offset: int


class QuerySpotBalances(IntentBase, frozen=True, tag="qb"):
    pass


class QueryMarginBalances(IntentBase, frozen=True, tag="qm"):
    pass


class QueryPositions(IntentBase, frozen=True, tag="qp"):
    market: str


class QueryFees(IntentBase, frozen=True, tag="qe"):
    market: str


class QueryFunding(IntentBase, frozen=True, tag="qn"):
    """Funding paid and received on a market, newest first (contract 6.5)."""

    market: str
    offset: int


class QueryKillSwitch(IntentBase, frozen=True, tag="qk"):
    market: str


class QueryTime(IntentBase, frozen=True, tag="qt"):
    pass


class QueryMarkets(IntentBase, frozen=True, tag="ql"):
    pass


class OpenStream(IntentBase, frozen=True, tag="so"):
    """Connect, authorise where private, and subscribe every channel of the stream.

    `stream` is `private` for the account's, else the name of the market whose public channels it
    carries: one connection per market is immune to every reading of G-10.
    """

    stream: str


class CloseStream(IntentBase, frozen=True, tag="sc"):
    stream: str


class Ping(IntentBase, frozen=True, tag="pi"):
    stream: str


class Resubscribe(IntentBase, frozen=True, tag="sr"):
    """Drop and renew the depth subscription of a public stream after a gap (contract 11.5)."""

    stream: str


Intent = (
    PlaceOrders
    | ModifyOrder
    | CancelOrder
    | CancelAll
    | ArmKillSwitch
    | DisarmKillSwitch
    | QueryOpenOrders
    | QueryFills
    | QuerySpotBalances
    | QueryMarginBalances
    | QueryPositions
    | QueryFees
    | QueryFunding
    | QueryKillSwitch
    | QueryTime
    | QueryMarkets
    | OpenStream
    | CloseStream
    | Ping
    | Resubscribe
)
