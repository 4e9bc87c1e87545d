"""Every fact and every intent the journal can hold, as one tagged union.

Facts are named in the past tense (`BookDelta` and the like as nouns), intents in the imperative.
Schema rule: append fields with defaults, never change a meaning, never reuse a tag. Book sides are
flat tuples `(price, qty, price, qty, ...)`, best first, in ticks and lots.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.intents import Intent
from engine.stages import StageChange
from engine.types import (
    FundingPayment,
    KillSwitchTimer,
    MarginBalance,
    Market,
    Position,
    Quoted,
    Refusal,
    Settings,
    Side,
    SpotBalance,
    VenueFill,
    VenueOrder,
)


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of every event."""


# --- market -----------------------------------------------------------------------------------


class BookSnapshot(Event, frozen=True, tag="bs"):
    """Full depth window; replaces the book (contract 11.5)."""

    market: str
    update_id: int
    """0 when an old server sends none: no delta can chain from it."""
    venue_us: int
    """Time the venue sent it (`event_time`), microseconds."""
    bids: tuple[int, ...]
    asks: tuple[int, ...]


class BookDelta(Event, frozen=True, tag="bd"):
    """Changed levels; absolute sizes, 0 removes. Valid iff it chains from the last update id."""

    market: str
    update_id: int
    past_update_id: int
    venue_us: int
    bids: tuple[int, ...]
    asks: tuple[int, ...]


class BestBidOffer(Event, frozen=True, tag="bbo"):
    """Best bid and ask; price 0 means an empty side."""

    market: str
    update_id: int
    venue_us: int
    bid_price: int
    bid_qty: int
    ask_price: int
    ask_qty: int


class PublicTrade(msgspec.Struct, frozen=True, array_like=True, gc=False):
    trade_id: int
    price: int
    qty: int
    side: Side
    """The taker's side."""
    rpi: bool
    venue_us: int


class PublicTrades(Event, frozen=True, tag="pt"):
    """Trades of one frame, newest first; the first frame after subscribing is history."""

    market: str
    trades: tuple[PublicTrade, ...]


class MarkPrice(Event, frozen=True, tag="mk"):
    """What the venue values positions at, and what its funding will be (premiumIndex, 11.5).

    These are computed by the venue, so they may have more decimals than the market.
    """

    market: str
    mark: Decimal
    index: Decimal
    funding_rate: Decimal
    next_funding_ms: int
    """Unix milliseconds."""


# --- account ----------------------------------------------------------------------------------


class OrderOpened(Event, frozen=True, tag="oo"):
    """ordersPending event 1: new, or a stop activated."""

    order: VenueOrder


class OrderUpdated(Event, frozen=True, tag="ou"):
    """ordersPending event 2: partly filled."""

    order: VenueOrder


class OrderClosed(Event, frozen=True, tag="oc"):
    """ordersPending event 3: filled or cancelled."""

    order: VenueOrder


class Filled(Event, frozen=True, tag="fi"):
    fill: VenueFill


class SpotBalancesChanged(Event, frozen=True, tag="sb"):
    """Absolute balances of the assets that changed."""

    balances: tuple[SpotBalance, ...]


class MarginBalancesChanged(Event, frozen=True, tag="mb"):
    """Absolute collateral balances of the assets that changed."""

    balances: tuple[MarginBalance, ...]


class PositionsReported(Event, frozen=True, tag="ps"):
    """Every open position; one that is missing is flat."""

    positions: tuple[Position, ...]


# --- responses (the record's cause_seq is the seq of the RequestSent they answer) ---------------


class PlaceResult(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Outcome of one order of a place request: exactly one of the two is set."""

    order: VenueOrder | None
    refusal: Refusal | None


class OrdersPlaced(Event, frozen=True, tag="rp"):
    """Per-order outcomes in request order; missing ones at the end are unknown (G-6)."""

    market: str
    results: tuple[PlaceResult, ...]


class OrderModified(Event, frozen=True, tag="rm"):
    order: VenueOrder


class OrderCancelled(Event, frozen=True, tag="rc"):
    order: VenueOrder


class OrdersAllCancelled(Event, frozen=True, tag="ra"):
    market: str


class RequestRefused(Event, frozen=True, tag="rr"):
    """The venue refused the whole request, with evidence."""

    refusal: Refusal


class RequestThrottled(Event, frozen=True, tag="rt"):
    """429 from the gateway: not queued, nothing happened (contract 13)."""


class OutcomeUnknown(Event, frozen=True, tag="un"):
    """The request ended without an answer that proves anything (contract section 9)."""

    reason: str
    http_status: int = 0
    """Of a 5xx; 0 where no answer came, or one that cannot be read."""


class RequestWithheld(Event, frozen=True, tag="rw"):
    """The request never left, which is certain: placing was forbidden when its turn came."""

    reason: str


class KillSwitchArmed(Event, frozen=True, tag="ka"):
    timer: KillSwitchTimer


class KillSwitchDisarmed(Event, frozen=True, tag="kd"):
    market: str


class OpenOrdersListed(Event, frozen=True, tag="lo"):
    market: str
    offset: int
    orders: tuple[VenueOrder, ...]
    complete: bool
    """No further page follows."""


class FillsListed(Event, frozen=True, tag="lf"):
    """Deals of one page, newest first."""

    market: str
    offset: int
    fills: tuple[VenueFill, ...]
    complete: bool


class SpotBalancesListed(Event, frozen=True, tag="lb"):
    """Every non-zero spot balance."""

    balances: tuple[SpotBalance, ...]


class MarginBalancesListed(Event, frozen=True, tag="lm"):
    """Every collateral balance."""

    balances: tuple[MarginBalance, ...]


class PositionsListed(Event, frozen=True, tag="lp"):
    """Every open position of the market asked for, or of all when it is empty."""

    market: str
    positions: tuple[Position, ...]


class FeesListed(Event, frozen=True, tag="le"):
    """Effective fee ratios of a market on this account (contract section 7)."""

    market: str
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal
    rpi_premium: Decimal


class KillSwitchesListed(Event, frozen=True, tag="lk"):
    timers: tuple[KillSwitchTimer, ...]


class FundingListed(Event, frozen=True, tag="ln"):
    """Funding paid and received on a market, of one page, newest first (contract 6.5)."""

    market: str
    offset: int
    payments: tuple[FundingPayment, ...]
    complete: bool
    """No further page follows."""


class ServerTimeReported(Event, frozen=True, tag="lt"):
    server_s: int


class MarketsListed(Event, frozen=True, tag="ml"):
    markets: tuple[Market, ...]


# --- session ----------------------------------------------------------------------------------


class StreamOpened(Event, frozen=True, tag="so"):
    stream: str


class StreamAuthorised(Event, frozen=True, tag="sa"):
    stream: str


class StreamSubscribed(Event, frozen=True, tag="su"):
    stream: str
    method: str


class StreamReady(Event, frozen=True, tag="sr"):
    """Every subscription of the stream is confirmed."""

    stream: str


class StreamClosed(Event, frozen=True, tag="sc"):
    """The stream ended or could not be opened."""

    stream: str
    reason: str
    jitter_permille: int
    """Drawn by the shell, 0..999, so that the back-off is a function of events."""
    refusal: Refusal | None = None
    """How the venue refused to open it at all, by giving no token; None for every other end."""


class PongReceived(Event, frozen=True, tag="po"):
    stream: str


class FrameRefused(Event, frozen=True, tag="fr"):
    """A frame or response that is malformed, unknown, or does not fit the market's precision."""

    stream: str
    market: str
    """Empty when the frame does not tell."""
    reason: str


# --- local ------------------------------------------------------------------------------------


class RunStarted(Event, frozen=True, tag="rs"):
    """First record of a run; whatever an earlier run had in flight becomes unknown."""

    run_id: str
    mode: str
    """`paper`, `observe` or `live`."""
    versions: tuple[tuple[str, str], ...]
    """Project, Python and package versions."""
    config: str
    """The configuration as JSON, without secrets."""
    settings: Settings
    quoted: tuple[Quoted, ...]
    hedge_mode: bool | None = None
    """What the account answered before the run began; None where it was not asked, or did not tell.
    A run by another mode than its `Quoted.hedged` is refused."""
    rebuilt: str = ""
    """How the journal was rebuilt from the bytes as received; empty for one as it was recorded."""
    code: tuple[tuple[str, str], ...] = ()
    """Hashes of the code that decides and encodes, by part; empty before they were recorded."""


class TimerFired(Event, frozen=True, tag="ti"):
    """The loop's own tick; with every record it advances `now_ns`."""


class LoopStalled(Event, frozen=True, tag="ls"):
    """The loop did not run for `gap_ns`: what waits in the sockets only looks fresh."""

    gap_ns: int


class TailCut(Event, frozen=True, tag="tc"):
    """A torn tail of an earlier run was cut off at recovery."""

    segment: str
    offset: int
    bytes_cut: int


class ChoreFailed(Event, frozen=True, tag="cf"):
    """What is done beside the loop, and no decision needs, could not be done."""

    chore: str
    reason: str


class HistoryDropped(Event, frozen=True, tag="hd"):
    """The oldest segments of the journal are about to be removed, as the configuration asks."""

    first_seq: int
    """Of what is kept."""
    segments: int
    bytes_dropped: int


class StopRequested(Event, frozen=True, tag="sp"):
    """Stop quoting, cancel everything, disarm once that is proved."""

    reason: str


class PlacingForbidden(Event, frozen=True, tag="px"):
    """The panic latch was found: nothing may be placed or modified until a human lifts it."""

    reason: str
    """Never empty."""


class PlacingAllowed(Event, frozen=True, tag="pa"):
    """The panic latch is gone."""


class OperatorCommanded(Event, frozen=True, tag="op"):
    """A human told the running engine something (engine/operator.py)."""

    command: str
    market: str
    """Empty for every market of the run."""
    argument: str
    """What the command takes: a side, a text, or changes as a JSON object of texts."""


class ParametersChanged(Event, frozen=True, tag="pc"):
    market: str
    parameters: str
    """All of the strategy's parameters as a JSON object."""


class RiskRefusal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An intent that risk did not let pass."""

    market: str
    rule: str
    reason: str
    """What was found and what is allowed, in words with figures."""
    found: int = 0
    """The figure that was found, in the limit's own unit."""
    limit: int = 0
    key: str = ""
    """Endpoint or endpoint group whose limit towards the venue it is; empty for a risk rule."""


class Decided(Event, frozen=True, tag="de"):
    """One decision: its intents, or none, what risk refused, and the stages that it changes.

    One record, never torn apart.
    """

    intents: tuple[Intent, ...]
    refusals: tuple[RiskRefusal, ...]
    stages: tuple[StageChange, ...] = ()
    """How far the engine holds markets back from now on, where that changes."""


class RequestSent(Event, frozen=True, tag="rq"):
    """What is put on the wire for intent `index` of the decision named by cause_seq."""

    index: int
    nonce: int
    """Venue nonce in ms, or the frame id on a WebSocket; 0 where the wire has none."""
    method: str
    path: str
    body: bytes


class Fingerprint(Event, frozen=True, tag="fp"):
    """Hash of every field of the state after the record before this one."""

    digest: bytes


class RunEnded(Event, frozen=True, tag="re"):
    """Orderly end; `clean` when no own order and no armed timer was left."""

    clean: bool
    reason: str


AnyEvent = (
    BookSnapshot
    | BookDelta
    | BestBidOffer
    | PublicTrades
    | MarkPrice
    | OrderOpened
    | OrderUpdated
    | OrderClosed
    | Filled
    | SpotBalancesChanged
    | MarginBalancesChanged
    | PositionsReported
    | OrdersPlaced
    | OrderModified
    | OrderCancelled
    | OrdersAllCancelled
    | RequestRefused
    | RequestThrottled
    | OutcomeUnknown
    | RequestWithheld
    | KillSwitchArmed
    | KillSwitchDisarmed
    | OpenOrdersListed
    | FillsListed
    | SpotBalancesListed
    | MarginBalancesListed
    | PositionsListed
    | FeesListed
    | KillSwitchesListed
    | FundingListed
    | ServerTimeReported
    | MarketsListed
    | StreamOpened
    | StreamAuthorised
    | StreamSubscribed
    | StreamReady
    | StreamClosed
    | PongReceived
    | FrameRefused
    | RunStarted
    | TimerFired
    | LoopStalled
    | TailCut
    | ChoreFailed
    | HistoryDropped
    | StopRequested
    | PlacingForbidden
    | PlacingAllowed
    | OperatorCommanded
    | ParametersChanged
    | Decided
    | RequestSent
    | Fingerprint
    | RunEnded
)


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event in its place: what the journal stores and the reducer folds."""

    seq: int
    recv_ns: int
    """When this process took the event in, nanoseconds since the Unix epoch."""
    cause_seq: int
    """The record this one follows from; 0 when it came from outside."""
    event: AnyEvent
