"""One pass over a journal that follows every fill of ours from its cause to its aftermath.

Theory of operation. The journal is folded by the engine's own reducer; the tracer looks at each
record with the state before and after it. A place or modify begins a `Stay`; what the reducer then
makes of the order's id says which stay an answer, a push or a deal belongs to, so that races are
settled here as they were in the run. A deal counts when, and as, the inventory's fold counted it.
Memory holds the live orders, those the engine still remembers, and the fills of the last minute.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from engine import events as e
from engine.intents import ModifyOrder, PlaceOrders
from engine.orders import OPEN
from engine.reduce import HANDLERS
from engine.state import MarketState, State
from engine.types import OrderStatus, Role, VenueOrder
from engine.working import LEFT_LEVEL
from replay.aftermath import Aftermath
from replay.deals import Counted, counted_deals, same_units
from replay.legs import Decision, moment_of, unknown_leg
from replay.tracked import Stay, Tracked, own_lots, touches
from replay.trails import LATE_NS, NOT_YET, FillTrail, ParameterSet, QueuePoint, Sums

FORGET_EVERY = 16
"""So many fingerprints, about 16,000 records, between two looks for orders that are over."""


def trails(
    records: Iterable[e.Record], start: State | None = None, tracer: Tracer | None = None
) -> Iterator[FillTrail]:
    """Yield one trail for each fill of ours, in the order of the journal.

    A fill comes out when its last markout is known, a minute after it happened, or at the end.

    Args:
        records: A journal from its first record on, or from the one after `start`.
        start: The state before them (`adapters.runtime.journal_start`); the empty one by default.
        tracer: Does the work, and keeps the counts; a new one by default.
    """
    tracer = tracer or Tracer()
    state = start or State()
    observe, finished = tracer.observe, tracer.finished
    for record in records:
        before = state
        state = HANDLERS[type(record.event)](before, record, record.event)
        observe(before, record, state)
        while finished:
            yield finished.popleft()
    tracer.end()
    yield from finished


class Tracer:
    """Follows a fold, record by record.

    Attributes:
        finished: Trails that are whole and wait to be taken, oldest first.
        state: After the last record.
        own: Totals of our fills, by market.
        foreign: Totals of deals of the account on our markets that are not ours.
        strangers: How many these were, by market; the totals begin anew where its units change.
        parameters: Every set that a decision was made by, by index from 1.
    """

    def __init__(self) -> None:
        self.finished: deque[FillTrail] = deque()
        self.state = State()
        self.own: dict[str, Sums] = {}
        self.foreign: dict[str, Sums] = {}
        self.strangers: Counter[str] = Counter()
        self.parameters: list[ParameterSet] = []
        self._parameters: dict[tuple[str, str, str], ParameterSet] = {}
        self._runs: dict[str, None] = {}
        self._previous: e.Record | None = None
        self._frames: dict[str, e.Record] = {}
        self._orders: dict[str, Tracked] = {}
        self._resting: dict[str, list[Stay]] = {}
        self._decision: dict[str, Decision] = {}
        self._decided_seq = 0
        self._fingerprints = 0
        self._aftermath = Aftermath(self.finished)
        self._handlers: dict[type, Callable[[State, e.Record, Any, State], None]] = {
            e.BookDelta: self._book_delta,
            e.BookSnapshot: self._book_snapshot,
            e.BestBidOffer: self._frame,
            e.PublicTrades: self._public_trades,
            e.RunStarted: self._run_started,
            e.Decided: self._decided,
            e.RequestSent: self._request_sent,
            e.OrderOpened: self._order_event,
            e.OrderUpdated: self._order_event,
            e.OrderClosed: self._order_event,
            e.OrderModified: self._answer,
            e.OrderCancelled: self._answer,
            e.OrdersPlaced: self._orders_placed,
            e.OpenOrdersListed: self._orders_listed,
            e.Filled: self._filled,
            e.FillsListed: self._fills_listed,
            e.Fingerprint: self._forget,
        }

    def observe(self, before: State, record: e.Record, after: State) -> None:
        """Take note of a record; called for each one, in order.

        Args:
            before: The state before it.
            record: What the journal holds.
            after: The state after it.
        """
        handler = self._handlers.get(type(record.event))
        if handler is not None:
            handler(before, record, record.event, after)
        if record.recv_ns >= self._aftermath.due_ns:
            self._aftermath.settle(record, after)
        self._previous = record
        self.state = after

    def end(self) -> None:
        """The journal is over: what is not known yet stays unknown."""
        self._aftermath.end(NOT_YET)

    def resting(self, market: str) -> list[Stay]:
        """Return the stays that are shown to rest in a market, those of RPI orders left out."""
        return self._resting.get(market, [])

    # --- the market ---------------------------------------------------------------------------

    def _frame(self, before: State, record: e.Record, event: e.BestBidOffer, after: State) -> None:
        self._frames[event.market] = record

    def _book_delta(
        self, before: State, record: e.Record, event: e.BookDelta, after: State
    ) -> None:
        name = event.market
        market = after.markets.get(name)
        if market is None or market.feed is before.markets[name].feed:
            return
        self._frames[name] = record
        stays = self._resting.get(name)
        if stays and market.feed.book_ok:
            for stay in stays:
                if touches(stay.leg, event.bids, event.asks):
                    self._look(stay, stays, record, market, after)

    def _book_snapshot(
        self, before: State, record: e.Record, event: e.BookSnapshot, after: State
    ) -> None:
        market = after.markets.get(event.market)
        if market is None:
            return
        self._frames[event.market] = record
        stays = self._resting.get(event.market)
        if stays and market.feed.book_ok:
            for stay in stays:
                self._look(stay, stays, record, market, after)

    def _look(
        self, stay: Stay, stays: list[Stay], record: e.Record, market: MarketState, state: State
    ) -> None:
        limit = state.settings.depth_limit
        stay.book_changed(record, market, limit, own_lots(market, stays, stay.leg))

    def _public_trades(
        self, before: State, record: e.Record, event: e.PublicTrades, after: State
    ) -> None:
        market = before.markets.get(event.market)
        if market is None:
            return
        if after.markets[event.market].touched_seq == record.seq:
            self._frames[event.market] = record
        stays = self._resting.get(event.market)
        if stays and market.feed.trades_seen:
            known = market.feed.last_trade_id
            news = [trade for trade in event.trades if trade.trade_id > known]
            for stay in stays:
                stay.traded(record, news)

    # --- decisions and requests ---------------------------------------------------------------

    def _run_started(
        self, before: State, record: e.Record, event: e.RunStarted, after: State
    ) -> None:
        self._runs[event.run_id] = None
        self._frames.clear()
        left = {name for name in before.markets if name not in after.markets}
        for name, market in before.markets.items():
            now = after.markets.get(name)
            if now is not None and not same_units(market.quoted.market, now.quoted.market):
                # The inventory counts anew, too, and orders are known in other units.
                self.own.pop(name, None)
                self.foreign.pop(name, None)
                left.add(name)
        if record.recv_ns < before.now_ns:
            # The clock was set back between two runs: no horizon means anything any more.
            self._aftermath.end("not trusted")
        for tracked in list(self._orders.values()):
            if tracked.market in left:
                self._drop(tracked)

    def _decided(self, before: State, record: e.Record, event: e.Decided, after: State) -> None:
        self._decided_seq = record.seq
        if self._decision:
            self._decision = {}
        for intent in event.intents:
            if isinstance(intent, PlaceOrders | ModifyOrder):
                name = intent.market
                market = before.markets.get(name)
                if market is not None and name not in self._decision:
                    self._decision[name] = Decision(
                        market,
                        before.run_id,
                        self._parameter_set(market, record.seq),
                        self._frames.get(name),
                        self._previous,
                        record,
                    )

    def _parameter_set(self, market: MarketState, seq: int) -> ParameterSet:
        quoted = market.quoted
        key = (quoted.market.name, quoted.strategy, quoted.parameters)
        found = self._parameters.get(key)
        if found is None:
            digest = hashlib.sha256(f"{key[1]}\n{key[2]}".encode()).hexdigest()[:12]
            found = ParameterSet(len(self.parameters) + 1, digest, *key, seq)
            self._parameters[key] = found
            self.parameters.append(found)
        return found

    def _request_sent(
        self, before: State, record: e.Record, event: e.RequestSent, after: State
    ) -> None:
        if record.cause_seq != self._decided_seq or not self._decision:
            return
        if not 0 <= event.index < len(before.decided):
            return
        intent = before.decided[event.index]
        if isinstance(intent, PlaceOrders):
            decision = self._decision.get(intent.market)
            if decision is not None:
                sent = decision.sent(before.markets[intent.market], record)
                for new in intent.orders:
                    leg = decision.placed(new, sent)
                    self._orders[new.client_order_id] = Tracked(intent.market, Stay(leg))
        elif isinstance(intent, ModifyOrder):
            decision = self._decision.get(intent.market)
            tracked = self._tracked(before, intent.market, intent.client_order_id)
            if decision is not None and tracked is not None:
                sent = decision.sent(before.markets[intent.market], record)
                order = after.markets[intent.market].order(intent.client_order_id)
                leg = tracked.stay.leg
                level = leg.level if order is None else order.level
                tracked.next = Stay(decision.modified(leg, level, intent, sent))

    # --- what the venue says of orders --------------------------------------------------------

    def _order_event(self, before: State, record: e.Record, event: Any, after: State) -> None:
        self._told(before, record, event.order, after, "push")

    def _answer(self, before: State, record: e.Record, event: Any, after: State) -> None:
        self._told(before, record, event.order, after, "answer")

    def _orders_placed(
        self, before: State, record: e.Record, event: e.OrdersPlaced, after: State
    ) -> None:
        for result in event.results:
            if result.order is not None:
                self._told(before, record, result.order, after, "answer")

    def _orders_listed(
        self, before: State, record: e.Record, event: e.OpenOrdersListed, after: State
    ) -> None:
        for order in event.orders:
            self._told(before, record, order, after, "listing")

    def _told(
        self, before: State, record: e.Record, venue: VenueOrder, after: State, by: str
    ) -> None:
        known = self._orders.get(venue.client_order_id)
        if known is not None and known.stay.is_settled(venue):
            return
        market = after.markets.get(venue.market)
        order = None if market is None else market.order(venue.client_order_id)
        tracked = self._tracked(after, venue.market, venue.client_order_id)
        if market is None or order is None or tracked is None:
            return
        self._follow(tracked, market)
        stay = tracked.stay
        is_open = venue.status is OrderStatus.OPEN and order.status is OPEN
        if not is_open or venue.order_id != order.order_id:
            return
        if not stay.shown_us and not venue.filled_qty:
            stay.shown_us = venue.modified_us
        if stay.leg.acknowledged is None:
            stay.shown(moment_of(before.markets[venue.market], record), by)
            if not stay.leg.rpi:
                stays = self._resting.setdefault(venue.market, [])
                stays.append(stay)
                if market.feed.book_ok:
                    self._look(stay, stays, record, market, after)

    def _tracked(self, state: State, market_name: str, client_order_id: str) -> Tracked | None:
        # Of an order that was there before the journal's first record only its state is known.
        tracked = self._orders.get(client_order_id)
        if tracked is None and (market := state.markets.get(market_name)) is not None:
            order = market.order(client_order_id)
            if order is not None:
                run_id = client_order_id.partition("-")[0]
                stay = Stay(unknown_leg(order, run_id))
                stay.order_id = order.order_id
                tracked = self._orders[client_order_id] = Tracked(market_name, stay)
        return tracked

    def _follow(self, tracked: Tracked, market: MarketState) -> None:
        client_order_id = tracked.stay.leg.client_order_id
        order = market.order(client_order_id)
        if order is None:
            return
        ended = tracked.follow(order)
        if ended is not None:
            self._rests_no_more(tracked.market, ended)
        if client_order_id not in market.orders:
            self._rests_no_more(tracked.market, tracked.stay)

    def _rests_no_more(self, market: str, stay: Stay) -> None:
        stays = self._resting.get(market, [])
        if stay in stays:
            stays.remove(stay)

    def _drop(self, tracked: Tracked) -> None:
        self._rests_no_more(tracked.market, tracked.stay)
        del self._orders[tracked.stay.leg.client_order_id]

    def _forget(self, before: State, record: e.Record, event: Any, after: State) -> None:
        # At some of the fingerprints, one every thousand records: what the engine forgot too.
        self._fingerprints += 1
        if self._fingerprints % FORGET_EVERY:
            return
        for client_order_id, tracked in list(self._orders.items()):
            market = after.markets.get(tracked.market)
            if market is None or market.order(client_order_id) is None:
                self._drop(tracked)
            elif client_order_id not in market.orders:
                self._rests_no_more(tracked.market, tracked.stay)

    # --- deals --------------------------------------------------------------------------------

    def _filled(self, before: State, record: e.Record, event: e.Filled, after: State) -> None:
        for counted in counted_deals(before, event, after):
            self._deal(before, record, counted, after, "push")

    def _fills_listed(
        self, before: State, record: e.Record, event: e.FillsListed, after: State
    ) -> None:
        for counted in counted_deals(before, event, after):
            self._deal(before, record, counted, after, "history")

    def _deal(
        self, before: State, record: e.Record, counted: Counted, after: State, told_by: str
    ) -> None:
        fill = counted.fill
        tracked = self._tracked(before, fill.market, fill.client_order_id)
        run_id = fill.client_order_id.partition("-")[0]
        if tracked is None and run_id not in self._runs and run_id != before.run_id:
            self.strangers[fill.market] += 1
            self.foreign.setdefault(fill.market, Sums()).add(fill, counted.spread2)
            return
        self.own.setdefault(fill.market, Sums()).add(fill, counted.spread2)
        market, leg, level = before.markets[fill.market], None, LEFT_LEVEL
        path: tuple[QueuePoint, ...] = ()
        if tracked is not None:
            self._follow(tracked, after.markets[fill.market])
            stay = tracked.stay_of(fill.order_id)
            order = market.order(fill.client_order_id)
            leg, level, path = stay.leg, stay.leg.level, stay.queue.path
            if order is not None and order.level < LEFT_LEVEL and stay is tracked.stay:
                level = order.level
            if fill.role is Role.MAKER and leg.acknowledged is not None and not leg.rpi:
                stay.queue.met(record.seq)
        age_ns = record.recv_ns + after.clock_offset_ns - fill.venue_us * 1000
        trail = FillTrail(
            fill=fill,
            spec=market.quoted.market,
            leg=leg,
            level=level if level < LEFT_LEVEL else None,
            filled=moment_of(market, record),
            told_by=told_by,
            is_late=told_by == "history" and age_ns > LATE_NS,
            spread2=counted.spread2,
            position_before=counted.position_before,
            position_after=counted.position_after,
            queue=path,
            markouts=(),
        )
        self._aftermath.add(trail)
