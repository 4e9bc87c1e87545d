"""One pass over the records around a fill: what the planner made of the order, what moved, what
the market did.

The pass begins at the decision that gave the order its price, or ten seconds before the fill where
that is earlier, and ends a minute after the fill.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine import events as e
from engine.guards import stage_changes, with_stages
from engine.intents import CancelAll, CancelOrder, ModifyOrder
from engine.stages import FLATTEN_LEVEL
from engine.state import MarketState, State
from engine.top import mid2
from replay.deals import same_units
from replay.scenes import level_of, quote_holding, quote_now
from replay.trails import HORIZONS_NS, FillTrail
from replay.verdicts import Kind, eagerness, judged

BEFORE_NS = 10_000_000_000
"""The market is shown from so long before a fill."""
AFTER_NS = HORIZONS_NS[-1]
"""Until so long after it."""


class Told(msgspec.Struct, frozen=True):
    """A record, with the state that it was folded into."""

    record: e.Record
    before: State


class Looks(msgspec.Struct, frozen=True):
    """Decisions in a row that made the same of the order."""

    kind: Kind
    waits: bool
    count: int
    first_seq: int
    first_ns: int
    last_seq: int
    last_ns: int
    eager_least: int
    """Ticks that it stood nearer to the market than wanted, at the least; negative for further."""
    eager_most: int


class Move(msgspec.Struct, frozen=True):
    """A request that was to take the order away from its price."""

    seq: int
    sent_ns: int
    price: int
    """Where to, ticks; 0 for a cancel."""
    answer_seq: int = 0
    """0 for none within the minute."""
    answer_ns: int = 0
    answer: str = ""
    """Class of the event."""
    refused: bool = False


class Place(msgspec.Struct, frozen=True):
    """A moment of the journal."""

    seq: int
    at_ns: int


class Watch:
    """Follows the fold around one fill, record by record.

    Attributes:
        told: Records that were asked for.
        looks: What the decisions between send and fill made of the order.
        nearer: Since when each decision wanted the order further from the market, until the fill.
        nearer_most: By how many ticks, at the most.
        moves: Requests that were to take it away, before the fill.
        mids: (ns, twice the mid) wherever it changed.
        trades: Public trades, with the record that told of each.
        left: Where the quote would have left by itself, had the fill not come.
        times: When each record was taken in that was asked for.
    """

    def __init__(self, trail: FillTrail, touching: frozenset[int]) -> None:
        """Follow the order of a fill.

        Args:
            trail: Of the fill; its order is known.
            touching: Records to be kept.
        """
        self.told: dict[int, Told] = {}
        self.looks: list[Looks] = []
        self.nearer: Place | None = None
        self.nearer_most = 0
        self.moves: dict[int, Move] = {}
        self.mids: list[tuple[int, int]] = []
        self.trades: list[tuple[int, int, e.PublicTrade]] = []
        self.left: Place | None = None
        self.times: dict[int, int] = {}
        self._is_over = False
        self._trail = trail
        self._touching = touching
        self._queue = frozenset(point.seq for point in trail.queue)
        leg = trail.leg
        began = None if leg is None else leg.sent or leg.acknowledged
        self._began_seq = trail.seq if began is None else began.seq

    def step(self, before: State, record: e.Record, after: State) -> None:
        """Take note of a record.

        Args:
            before: The state before it.
            record: What the journal holds.
            after: The state after it.
        """
        seq, event = record.seq, record.event
        if seq in self._touching:
            self.told[seq] = Told(record, before)
        if seq in self._queue:
            self.times[seq] = record.recv_ns
        name = self._trail.fill.market
        known, market = before.markets.get(name), after.markets.get(name)
        if record.recv_ns < before.now_ns or _has_other_units(known, market):
            self._part(seq)
        if self._is_over or known is None or market is None:
            return
        if known.feed is not market.feed and market.feed.book_ok and not market.feed.doubt:
            self._mid(record.recv_ns, mid2(market))
        if isinstance(event, e.PublicTrades) and event.market == name:
            self._traded(known, record, event)
        elif isinstance(event, e.Decided):
            self._decided(before, known, record)
        elif isinstance(event, e.RequestSent):
            self._sent(before, record, event)
        elif record.cause_seq in self.moves:
            self._answered(record)

    def _part(self, seq: int) -> None:
        # The clock was set back between two runs, or the market has other units from now on: times
        # or prices before and after do not compare.
        if seq > self._trail.seq:
            self._is_over = True
        else:
            self.mids.clear()
            self.trades.clear()

    def _mid(self, at_ns: int, mid: int) -> None:
        if mid and (not self.mids or self.mids[-1][1] != mid):
            self.mids.append((at_ns, mid))

    def _traded(self, market: MarketState, record: e.Record, event: e.PublicTrades) -> None:
        # The first trades after subscribing are history, and a trade may be told twice.
        if market.feed.trades_seen:
            last = market.feed.last_trade_id
            news = [trade for trade in event.trades if trade.trade_id > last]
            self.trades += [(record.seq, record.recv_ns, trade) for trade in reversed(news)]

    def _decided(self, before: State, market: MarketState, record: e.Record) -> None:
        decided_seq = before.decided_seq
        attention = before.attention_seq > decided_seq
        if not (attention or market.touched_seq > decided_seq):
            return
        state = deciding(before)
        market = state.markets[market.quoted.market.name]
        if self._began_seq < record.seq < self._trail.seq:
            self._look(state, market, record)
        elif record.seq > self._trail.seq and self.left is None:
            self._may_leave(state, market, record)

    def _look(self, state: State, market: MarketState, record: e.Record) -> None:
        leg = self._trail.leg
        order = None if leg is None else market.order(leg.client_order_id)
        if order is None:
            return
        want = level_of(quote_now(state, market), order.side, order.level)
        patient = state.attention_seq <= state.decided_seq
        found = judged(order, want, market.quoted.price_tolerance, patient)
        if not found.wanted or found.eager <= 0:
            self.nearer, self.nearer_most = None, 0
        elif self.nearer is None:
            self.nearer = Place(record.seq, record.recv_ns)
        self.nearer_most = max(self.nearer_most, found.eager) if self.nearer else 0
        last = self.looks[-1] if self.looks else None
        if last is not None and (last.kind, last.waits) == (found.kind, found.waits):
            self.looks[-1] = msgspec.structs.replace(
                last,
                count=last.count + 1,
                last_seq=record.seq,
                last_ns=record.recv_ns,
                eager_least=min(last.eager_least, found.eager),
                eager_most=max(last.eager_most, found.eager),
            )
            return
        at = (record.seq, record.recv_ns)
        self.looks.append(Looks(found.kind, found.waits, 1, *at, *at, found.eager, found.eager))

    def _may_leave(self, state: State, market: MarketState, record: e.Record) -> None:
        trail = self._trail
        if trail.is_late or trail.level is None or trail.level >= FLATTEN_LEVEL:
            return
        quote = quote_holding(state, market, trail.position_before)
        want = level_of(quote, trail.fill.side, trail.level)
        reach = market.quoted.price_tolerance * (trail.level + 1)
        if want is None or eagerness(trail.fill.side, trail.fill.price, want.price) > reach:
            self.left = Place(record.seq, record.recv_ns)

    def _sent(self, before: State, record: e.Record, event: e.RequestSent) -> None:
        # Only what was on its way when the fill came.
        if not self._began_seq < record.seq < self._trail.seq:
            return
        if record.cause_seq != before.decided_seq or not 0 <= event.index < len(before.decided):
            return
        price = self._away(before.decided[event.index])
        if price is not None:
            self.moves[record.seq] = Move(record.seq, record.recv_ns, price)

    def _away(self, intent: Any) -> int | None:
        # Where an intent takes the order, if further from the market; 0 for a cancel.
        trail, leg = self._trail, self._trail.leg
        if isinstance(intent, CancelAll):
            return 0 if intent.market == trail.fill.market else None
        if not isinstance(intent, CancelOrder | ModifyOrder):
            return None
        if leg is None or intent.client_order_id != leg.client_order_id:
            return None
        if isinstance(intent, CancelOrder):
            return 0
        is_away = eagerness(trail.fill.side, trail.fill.price, intent.price) > 0
        return intent.price if is_away else None

    def _answered(self, record: e.Record) -> None:
        move = self.moves[record.cause_seq]
        refused = isinstance(
            record.event, e.RequestRefused | e.RequestThrottled | e.RequestWithheld
        )
        if refused and record.seq < self._trail.seq:
            # It took nothing away, and another one may have followed.
            del self.moves[record.cause_seq]
            return
        if not move.answer_seq:
            self.moves[record.cause_seq] = msgspec.structs.replace(
                move,
                answer_seq=record.seq,
                answer_ns=record.recv_ns,
                answer=type(record.event).__name__,
                refused=refused,
            )


def _has_other_units(before: MarketState | None, after: MarketState | None) -> bool:
    if before is None or after is None or before.quoted is after.quoted:
        return False
    return not same_units(before.quoted.market, after.quoted.market)


def deciding(state: State) -> State:
    """Return the state that a decision prices in: with the stages that it changes itself."""
    if state.attention_seq > state.decided_seq and (changes := stage_changes(state)):
        return with_stages(state, changes)
    return state
