"""The state: everything the engine knows, as one immutable value.

Old states stay valid for ever: dicts and tuples here are copied on change, never written to. A
strategy test, the time machine and the forensics may hold as many as they like.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from engine import clock
from engine.book import Book
from engine.events import BestBidOffer, FeesListed, Record
from engine.intents import Intent
from engine.inventory import Inventory, position_lots
from engine.links import PRIVATE as PRIVATE
from engine.links import Link as Link
from engine.links import LinkStatus as LinkStatus
from engine.orders import Order
from engine.stages import Hold, Stage, highest, with_hold
from engine.stopping import KillSwitch, Shutdown
from engine.strategy import Strategy
from engine.tombstones import Closed, every, find
from engine.trouble import Circuit, WouldTake
from engine.trouble import Mismatch as Mismatch
from engine.types import (
    BUY,
    NO_LIMIT,
    SELL,
    MarginBalance,
    Position,
    Quoted,
    Settings,
    SpotBalance,
    VenueFill,
    VenueOrder,
)
from engine.watch import Watch
from engine.working import Ghost, Shown, is_live, is_owing, is_whole, place_of, visible


class Feed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Public data of one market."""

    book: Book = Book()
    book_ok: bool = False
    """A snapshot came and every delta since chained from it."""
    resubscribed_ns: int = 0
    """When a renewal of the depth subscription was asked for; 0 when none is awaited."""
    bbo: BestBidOffer | None = None
    last_trade: int = 0
    """Price of the newest public trade, ticks; 0 before the first."""
    last_trade_id: int = 0
    fresh_ns: int = 0
    """When the last depth frame was taken in: it has a keepalive, the ticker has none (11.5)."""
    doubt: str = ""
    """Why what it shows may be old, though frames come; empty once one is stamped near now."""
    gaps: int = 0
    trades_seen: bool = False
    """The first trades after subscribing, which are history, have come."""
    ahead_ns: int = 0
    """Since when the ticker shows other prices than depth, which is silent; 0 when it does not."""
    mark2: int = 0
    """Twice the mark price, ticks; 0 where the venue has told none."""
    traded_ns: int = 0
    """When the newest public trade came in; when it was made, if it came as history."""
    marked_ns: int = 0
    """When the mark price was told last in this run; 0 where the venue has told none."""


class ReconStage(StrEnum):
    """Reconciliation asks in this order; each stage's answer starts the next."""

    ORDERS = "orders"
    FILLS = "fills"
    BALANCES = "balances"
    COLLATERAL = "collateral"
    DONE = "done"


class Recon(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Reconciliation of one market with the venue (DESIGN "Orders and inventory")."""

    stage: ReconStage = ReconStage.ORDERS
    reason: str = "start"
    blind: bool = True
    """We may have missed something: no quotes until it is done."""
    request_seq: int = 0
    asked_ns: int = 0
    """When the first page of the current stage was asked for."""
    asked_seq: int = 0
    """State before this record may be older than the listing; state after it is newer."""
    offset: int = 0
    listed: tuple[str, ...] = ()
    """Client order ids on the pages so far."""
    fills: tuple[VenueFill, ...] = ()
    """Deals on the pages so far, newest first: counted oldest first once all are there."""
    again: str = ""
    """Why another reconciliation is to follow this one; empty for none."""
    retry_at_ns: int = 0
    orders_asked_ns: int = 0
    """When the last complete listing of open orders had been asked for."""
    orders_asked_seq: int = 0
    strangers: tuple[VenueOrder, ...] = ()
    """Orders on the pages so far that are not ours."""


class Uptime(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Time quoted, sampled by the timer. Nanoseconds."""

    since_ns: int = 0
    """First acknowledged quote; 0 before it."""
    sampled_ns: int = 0
    total_ns: int = 0
    bid_ns: int = 0
    ask_ns: int = 0


class Stranger(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order of the account that is not ours (engine/foreign.py)."""

    order: VenueOrder
    seq: int
    """Record that told of it last."""
    over: bool = False
    """It ended while a listing that may show it was on its way; that one's arrival forgets it."""


class MarketState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All of one market."""

    quoted: Quoted
    strategy: Strategy
    memory: Any
    feed: Feed = Feed()
    orders: dict[str, Order] = {}
    """The live ones, those that are not closed, by client order id."""
    bids: tuple[Order, ...] = ()
    """Our live bids by level and id."""
    asks: tuple[Order, ...] = ()
    whole: bool = True
    """Each side has one live order on every level, from the best on without a hole."""
    own_bids: Shown = {}
    """Where our bids may show in the feed: not part of the market."""
    own_asks: Shown = {}
    buy_worst: int = 0
    """Lots that all our bids and the deals they owe may still buy."""
    sell_worst: int = 0
    ghosts: tuple[Ghost, ...] = ()
    """Prices we left a moment ago: the feed may still show us there."""
    owing: tuple[Order, ...] = ()
    """Closed orders whose deals have not all come: they may still change the position."""
    inventory: Inventory = Inventory()
    position: int = 0
    """Inventory against the target, lots."""
    past_totals: tuple[tuple[int, Decimal], ...] = ()
    """What the fold of the deals was in the last seconds: (until ns, base total)."""
    mismatch: Mismatch = Mismatch()
    breaks: int = 0
    """Times that reports and fold differed with no deal to explain it."""
    kill_switch: KillSwitch = KillSwitch()
    recon: Recon = Recon()
    shutdown: Shutdown = Shutdown()
    fees: FeesListed | None = None
    halted: str = ""
    """Why this market must not be quoted until a human looks; empty when it may."""
    hold_until_ns: int = 0
    """No new place or modify before this: back-off after refusals."""
    refused_in_row: int = 0
    uptime: Uptime = Uptime()
    touched_seq: int = 0
    """Last record that may change what this market quotes."""
    closed: Closed = ()
    """Orders closed within the last minute: late news may concern them."""
    halted_seq: int = 0
    """Record that halted the market where a later market list lifts that; 0 when a human must."""
    foreign: dict[int, Stranger] = {}
    """Orders of the account on this market that are not ours, by order id."""
    holds: tuple[Hold, ...] = ()
    """Who holds the market back, by rule; empty while it quotes freely."""
    stage: Stage = Stage.QUOTE
    """How far it is held back: the highest stage of its holds."""
    unknown_for_long: str = ""
    """An order that was unknown for too long when the timer fired last; empty for none."""
    watch: Watch = Watch()
    long_max: int = 0
    """Largest long inventory that the market's own limits allow at the last mark, lots."""
    short_max: int = 0
    """As `long_max`, short."""
    inventory_max: int = 1
    """What its strategy may aim for either way, lots, > 0."""
    fees_base: FeesListed | None = None
    """Fees that this market is quoted by: the first listed, or those a human accepted."""
    fees_risen: str = ""
    """How the fees rose since; empty when they did not."""
    fees_asked_ns: int = 0
    flattened_ns: int = 0
    """When the last order that flattens was sent."""
    delist_ns: int = 0
    """When the venue means to delist the market; 0 when it does not."""
    would_take: tuple[WouldTake, ...] = ()
    """At most one a side: where the venue refused to let a post-only order rest."""

    @property
    def live(self) -> tuple[Order, ...]:
        """Every order that is not closed, asks first."""
        return self.asks + self.bids

    @property
    def foreign_orders(self) -> tuple[VenueOrder, ...]:
        """Open orders of the account on this market that are not ours."""
        return tuple(each.order for each in self.foreign.values() if not each.over)

    def order(self, client_order_id: str) -> Order | None:
        """An order of ours, live or closed a moment ago."""
        return self.orders.get(client_order_id) or find(self.closed, client_order_id)

    def check(self) -> None:
        """Assert every invariant of a market."""
        if self.feed.book_ok:
            self.feed.book.check()
        closed = tuple(every(self.closed))
        keys = [key for generation in self.closed for key in generation]
        assert [order.client_order_id for order in closed] == keys, "an order under another's id"
        assert not any(is_live(order) for order in closed), "a live order among the closed"
        by_id = {order.client_order_id: order for order in self.live}
        assert self.orders == by_id, "orders by id differ from the orders by place"
        for side, group in ((BUY, self.bids), (SELL, self.asks)):
            assert group == tuple(sorted(group, key=place_of)), "live orders out of place"
            assert all(o.side is side and is_live(o) for o in group), "closed or on the wrong side"
        assert len({*keys, *by_id}) == len(keys) + len(by_id), "an order stands twice"
        known = (*self.live, *closed)
        for order in known:
            order.check()
        assert self.own_bids == visible(self.bids, self.ghosts, BUY)
        assert self.own_asks == visible(self.asks, self.ghosts, SELL)
        assert self.whole == (is_whole(self.bids) and is_whole(self.asks)), "whole or not"
        bids = (o.worst_qty for o in known if o.side is BUY)
        asks = (o.worst_qty for o in known if o.side is SELL)
        assert (self.buy_worst, self.sell_worst) == (sum(bids), sum(asks)), "worst cases differ"
        owing = sorted((o for o in known if is_owing(o)), key=place_of)
        assert sorted(self.owing, key=place_of) == owing, "owing orders differ from the orders"
        self.watch.check()
        assert self.stage is highest(self.holds), "the stage is not that of the holds"
        rules = [hold.rule for hold in self.holds]
        assert rules == sorted(set(rules)), "holds out of order, or two of one rule"
        assert all(hold.stage for hold in self.holds), "a hold that holds nothing"
        for order_id, stranger in self.foreign.items():
            assert stranger.order.order_id == order_id, "a foreign order under another's id"
        self.inventory.check()
        market, target = self.quoted.market, self.quoted.inventory_target
        assert self.position == position_lots(self.inventory, market, target)
        if self.quoted.hedged and self.inventory.baseline is not None:
            assert self.position == self.inventory.legs.net_qty, "the legs are not the inventory"


class InFlight(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A REST request that has no answer yet."""

    intent: Intent
    sent_ns: int
    nonce: int
    expired: bool = False
    """The deadline passed; a late answer still counts as a fact."""


class State(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Everything the engine knows after a record."""

    seq: int = 0
    now_ns: int = 0
    decided_seq: int = 0
    decided: tuple[Intent, ...] = ()
    """Intents of the last decision."""
    attention_seq: int = 0
    """Last record that concerns more than one market's prices."""
    markets: dict[str, MarketState] = {}
    links: dict[str, Link] = {}
    requests: dict[int, InFlight] = {}
    spot: dict[str, SpotBalance] = {}
    margin: dict[str, MarginBalance] = {}
    positions: dict[str, Position] = {}
    run_id: str = ""
    mode: str = ""
    settings: Settings = Settings()
    offset_low_ns: int = 0
    """The venue's clock is ahead of ours by at least this."""
    offset_high_ns: int = 0
    """The venue's clock is ahead of ours by at most this; both 0 before the first measurement."""
    time_asked_ns: int = 0
    markets_asked_ns: int = 0
    timers_asked_ns: int = 0
    """When the venue was last asked which kill-switch timers it has."""
    halted: str = ""
    """Why nothing may be quoted until a human looks; empty when it may."""
    stopping_ns: int = 0
    """When the run was asked to stop; 0 while it runs."""
    anomalies: int = 0
    last_anomaly: str = ""
    sent: int = 0
    """Requests decided on in this run."""
    sent_max: int = NO_LIMIT
    """Places and modifies that would bring `sent` above this exceed the message rate."""
    sent_marks: tuple[tuple[int, int], ...] = ()
    """Past values of `sent`, oldest first: (at ns, sent)."""
    clock_fault: str = clock.UNKNOWN
    """Why the bounds of the clock allow no quotes; empty when they do."""
    latched: str = ""
    """What the panic latch says; empty while there is none."""
    spent: dict[str, int] = {}
    """When each endpoint's bucket of tokens is full again; missing when it is (`engine.rates`)."""
    used: dict[str, int] = {}
    """Tokens taken since the last timer, by endpoint."""
    slack: int = 0
    """So many requests may go before the next timer without a look at any limit of the venue."""
    circuits: dict[str, Circuit] = {}
    """Endpoint groups in trouble."""
    told: dict[str, int] = {}
    """Limits of the venue that a decision named: not named again before this time."""
    losses: dict[str, Watch] = {}
    """P&L of all markets together by quote asset, where the account has a limit (`engine.losses`).
    """

    @property
    def measured(self) -> bool:
        """True once the venue's clock was compared with ours."""
        return bool(self.offset_low_ns or self.offset_high_ns)

    @property
    def clock_offset_ns(self) -> int:
        """Best estimate of the venue's clock minus ours; 0 where the measurements allow 0."""
        return max(self.offset_low_ns, min(0, self.offset_high_ns))

    def check(self) -> None:
        """Assert every invariant of the state."""
        assert self.decided_seq <= self.seq, "a decision from the future"
        assert self.offset_low_ns <= self.offset_high_ns, "impossible clock offset bounds"
        assert self.clock_fault == clock.clock_fault(self.offset_low_ns, self.offset_high_ns)
        for market in self.markets.values():
            market.check()
        assert all(count > 0 for count in self.used.values()), "tokens taken below one"
        assert self.slack <= 0 or not self.circuits, "slack in trouble"
        for circuit in self.circuits.values():
            circuit.check()
        for watch in self.losses.values():
            watch.check()
        owned = [o.client_order_id for m in self.markets.values() for o in m.live]
        assert len(owned) == len(set(owned)), "one client order id on two markets"


_encode = msgspec.msgpack.Encoder().encode


def fingerprint(state: State) -> bytes:
    """Hash every field of the state; 16 bytes, equal for equal states on every machine."""
    return hashlib.blake2b(_encode(state), digest_size=16).digest()


def advance(state: State, record: Record) -> State:
    """Take note of a record that only moves time on."""
    return replace(state, seq=record.seq, now_ns=record.recv_ns)


def held(market: MarketState, hold: Hold) -> MarketState:
    """Set one rule's hold on a market, or lift it (stage QUOTE)."""
    holds = with_hold(market.holds, hold)
    return replace(market, holds=holds, stage=highest(holds))


def with_market(state: State, record: Record, market: MarketState) -> State:
    """Take note of a record that changes one market only."""
    markets = {**state.markets, market.quoted.market.name: market}
    return replace(state, seq=record.seq, now_ns=record.recv_ns, markets=markets)
