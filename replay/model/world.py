"""Engine and venue on one heap of timed messages: a run of the journal's market in virtual time.

The engine's step loop, planner, risk and strategy are those of a live run; the venue is the
exchange core with everybody else in it; a request and what comes of it take as long as the journal
measured. Time jumps from one message to the next. Equal seeds give equal runs.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from random import Random

import msgspec

from adapters.paper.core import model as core
from adapters.paper.core.market import Market
from engine import events as e
from engine import intents as i
from engine.backoff import Group, group_of
from engine.rates import endpoint_of
from engine.state import PRIVATE, State
from engine.step import decide
from replay.changes import Changes
from replay.model.background import ModelBackground
from replay.model.flow import Act, Depth, Told, Touch, Trades
from replay.model.survey import ModelFill, Survey, model_fill
from replay.model.venue import ACCOUNT, NS_PER_US, ModelVenue, private_events, venue_fill
from replay.queue_models import queue_model
from replay.whatif import Asked

DEFAULT_NS = 5_000_000
"""Latency of a leg that the journal has no measurement of."""
LAST_NS = 1_000_000_000
"""What is on its way at the end of the journal arrives within this, or not at all."""


class ModelRun(msgspec.Struct):
    """What a modelled run came to."""

    state: State = State()
    fills: list[ModelFill] = []
    asked: Asked = msgspec.field(default_factory=Asked)
    refused: int = 0
    """Requests, or orders of one, that the venue refused."""
    decisions: int = 0


class World:
    """An engine that quotes the journal's market in the exchange core."""

    def __init__(self, found: Survey, changes: Changes, queue: str, seed: int) -> None:
        """Prepare a run.

        Args:
            found: What the journal told of itself.
            changes: What to decide by instead of what was recorded.
            queue: Name of the queue model.
            seed: Of the latencies drawn.

        Raises:
            ConfigError: no such queue model, or a market that the exchange core cannot hold.
        """
        self.result = ModelRun()
        self._found = found
        self._changes = changes
        self._queue = queue
        self._random = Random(f"{seed}")
        self._heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._posted = 0
        self._now_ns = 0
        self._state = State()
        self._venue: ModelVenue | None = None
        self._background: dict[str, ModelBackground] = {}
        self._open: dict[str, int] = {}
        self._sent: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
        self._update_ids: dict[str, int] = {}
        self._depth_ids: dict[str, int] = {}
        self._snapshot_ids: dict[str, int] = {}
        self._told_ns: dict[str, int] = {}
        self._epoch = 0
        self._pushed_ns = 0
        for name, market in found.markets.items():
            # Said before anything is modelled.
            queue_model(queue, market.qty_decimals)
            self._update_ids[name] = self._snapshot_ids[name] = 0

    def run(self, acts: Iterable[Act]) -> ModelRun:
        """Let the journal's time pass.

        Args:
            acts: `replay.model.flow.flow` of the journal that was surveyed.

        Raises:
            ConfigError: the changes do not fit a market.
        """
        until_ns = 0
        for act in acts:
            while self._heap and self._heap[0][0] < act.at_ns:
                self._turn()
            self._at(act.at_ns, self._act, act)
            until_ns = act.at_ns + LAST_NS
        while self._heap and self._heap[0][0] <= until_ns:
            self._turn()
        self.result.state = self._state
        return self.result

    def _at(self, at_ns: int, call: Callable[..., None], *arguments: object) -> None:
        self._posted += 1
        heapq.heappush(self._heap, (max(at_ns, self._now_ns), self._posted, call, arguments))

    def _turn(self) -> None:
        # All that happens at one time, then one decision about it.
        heap = self._heap
        self._now_ns = now_ns = heap[0][0]
        before = self._state.seq
        while heap and heap[0][0] == now_ns:
            _, _, call, arguments = heapq.heappop(heap)
            call(*arguments)
        if self._state.seq != before:
            self._decide()

    # --- others -------------------------------------------------------------------------------

    def _act(self, act: Act) -> None:
        match act:
            case Told():
                self._told(act)
            case Depth():
                self._depth(act)
            case Touch():
                self._touch(act)
            case Trades():
                for trade in act.news:
                    self._background_of(act.event.market).replay_trade(
                        core.Side(trade.side),
                        trade.price,
                        trade.qty,
                        self._now_us,
                        retail=trade.rpi,
                    )
                self._push_private(act.told_ns)
                self._tell(act.event.market, act.told_ns, act.event)

    def _told(self, act: Told) -> None:
        event = act.event
        if isinstance(event, e.RunStarted):
            if self._venue is None:
                self._venue = ModelVenue(self._found, self._now_ns)
            self._open.clear()
            self._epoch += 1
        elif isinstance(event, e.StreamClosed) and self._open.pop(event.stream, None) is None:
            # The engine closed it itself, or never had it open.
            return
        self._take(event)

    def _depth(self, act: Depth) -> None:
        background = self._background_of(act.market)
        changes: list[tuple[core.Side, int, int]] = []
        sides = ((core.Side.BUY, act.bids), (core.Side.SELL, act.asks))
        # Levels are left before others are taken, so that the book moves without crossing itself.
        for side, levels in sides:
            changes += [(side, p, 0) for p in background.shown(side) if p not in levels]
        for side, levels in sides:
            changes += [(side, price, lots) for price, lots in levels.items()]
        background.set_levels(changes, self._now_us)
        self._push_private(act.told_ns)
        self._tell(act.market, act.told_ns, self._book(act.market, is_snapshot=act.is_snapshot))

    def _touch(self, act: Touch) -> None:
        background = self._background_of(act.market)
        changes: list[tuple[core.Side, int, int]] = []
        for side, sign, (price, lots) in (
            (core.Side.BUY, 1, act.bid),
            (core.Side.SELL, -1, act.ask),
        ):
            if price:
                better = [p for p in background.shown(side) if (p - price) * sign > 0]
                changes += [(side, p, 0) for p in better]
                changes.append((side, price, lots))
        background.set_levels(changes, self._now_us)
        self._push_private(act.told_ns)
        best, update_id = self._market(act.market).best(), self._next_update_id(act.market)
        event = e.BestBidOffer(act.market, update_id, self._now_us, *best)
        self._tell(act.market, act.told_ns, event)

    def _background_of(self, market: str) -> ModelBackground:
        found = self._background.get(market)
        if found is None:
            assert self._venue is not None, "market data before the first run"
            model = queue_model(self._queue, self._found.markets[market].qty_decimals)
            found = ModelBackground(self._venue.exchange, market, ACCOUNT, model)
            self._background[market] = found
        return found

    # --- what the engine is told --------------------------------------------------------------

    def _book(self, market: str, *, is_snapshot: bool) -> e.BookSnapshot | e.BookDelta:
        limit = self._state.settings.depth_limit
        bids, asks = (dict(side) for side in self._market(market).depth(limit))
        update_id = self._next_update_id(market)
        before = self._sent.get(market)
        self._sent[market] = (bids, asks)
        if is_snapshot or before is None:
            self._depth_ids[market] = update_id
            return e.BookSnapshot(market, update_id, self._now_us, _flat(bids), _flat(asks))
        past, self._depth_ids[market] = self._depth_ids[market], update_id
        return e.BookDelta(
            market,
            update_id,
            past,
            self._now_us,
            _flat(_changes(before[0], bids)),
            _flat(_changes(before[1], asks)),
        )

    def _tell(self, market: str, told_ns: int, event: e.AnyEvent) -> None:
        # Frames of one connection never overtake each other.
        self._told_ns[market] = told_ns = max(told_ns, self._told_ns.get(market, 0))
        self._at(told_ns, self._deliver, market, self._epoch, event)

    def _deliver(self, stream: str, epoch: int, event: e.AnyEvent) -> None:
        if self._open.get(stream) is None or epoch != self._epoch:
            return
        if (
            isinstance(event, e.BookDelta | e.BookSnapshot | e.BestBidOffer)
            and event.update_id <= self._snapshot_ids[stream]
        ):
            # It was on its way when the snapshot of a new subscription was made.
            return
        self._take(event)

    def _push_private(self, told_ns: int = 0) -> None:
        # What others caused is told when their own frame was: both leave the venue at one moment,
        # ours before (10.13). What we caused ourselves takes what a push was measured to take.
        venue = self._venue
        assert venue is not None, "a deal before the first run"
        notices = venue.exchange.drain()
        for notice in notices:
            if isinstance(notice, core.Deal):
                self.result.fills.append(model_fill(venue_fill(notice), self._now_ns))
        for event in private_events(notices):
            at_ns = told_ns or self._now_ns + self._found.latencies.push.draw(
                self._random, DEFAULT_NS
            )
            self._pushed_ns = max(self._pushed_ns, at_ns)
            self._at(self._pushed_ns, self._deliver, PRIVATE, self._epoch, event)

    # --- the engine ---------------------------------------------------------------------------

    def _take(self, event: e.AnyEvent, cause_seq: int = 0) -> int:
        record = e.Record(self._state.seq + 1, self._now_ns, cause_seq, event)
        self._state = self._changes.fold(self._state, record)
        return record.seq

    def _answer(self, seq: int, event: e.AnyEvent) -> None:
        if seq in self._state.requests:
            self._take(event, seq)

    def _decide(self) -> None:
        decision = decide(self._state)
        decided_seq = self._take(decision, self._state.seq)
        self.result.decisions += 1
        self.result.asked.add(decision)
        for index, intent in enumerate(decision.intents):
            if group_of(intent) is Group.STREAMS:
                stream = str(getattr(intent, "stream", ""))
                self._take(e.RequestSent(index, 0, "WS", stream, b""), decided_seq)
                self._stream(intent, stream)
            else:
                path = endpoint_of(self._state, intent)
                nonce = (self._now_ns + self._state.clock_offset_ns) // 1_000_000
                seq = self._take(e.RequestSent(index, nonce, "POST", path, b""), decided_seq)
                there_ns = self._found.latencies.there.draw(self._random, DEFAULT_NS)
                self._at(self._now_ns + there_ns, self._reach, seq, intent)

    def _reach(self, seq: int, intent: i.Intent) -> None:
        assert self._venue is not None, "a request before the first run"
        answer = self._venue.ask(intent, self._now_ns)
        self._push_private()
        if answer is None:
            return
        if isinstance(answer, e.RequestRefused):
            self.result.refused += 1
        elif isinstance(answer, e.OrdersPlaced):
            self.result.refused += len([r for r in answer.results if r.refusal is not None])
        back_ns = self._found.latencies.back.draw(self._random, DEFAULT_NS)
        self._at(self._now_ns + back_ns, self._answer, seq, answer)

    def _stream(self, intent: i.Intent, stream: str) -> None:
        legs = self._found.latencies
        later_ns = self._now_ns + legs.there.draw(self._random, DEFAULT_NS)
        later_ns += legs.push.draw(self._random, DEFAULT_NS)
        match intent:
            case i.OpenStream():
                self._at(later_ns, self._opened, stream)
            case i.CloseStream():
                self._at(later_ns, self._closed, stream)
            case i.Ping():
                self._at(later_ns, self._deliver, stream, self._epoch, e.PongReceived(stream))
            case i.Resubscribe():
                self._at(later_ns, self._snapshot, stream)

    def _opened(self, stream: str) -> None:
        if stream in self._state.links:
            self._open[stream] = self._now_ns
            self._take(e.StreamReady(stream))
            if stream != PRIVATE:
                self._snapshot(stream)

    def _snapshot(self, market: str) -> None:
        bids, asks = self._market(market).depth(1)
        if self._open.get(market) is not None and bids and asks:
            book = self._book(market, is_snapshot=True)
            self._snapshot_ids[market] = book.update_id
            self._take(book)

    def _closed(self, stream: str) -> None:
        self._open.pop(stream, None)
        if stream in self._state.links:
            self._take(e.StreamClosed(stream, "closed by us", 0))

    # --- help ---------------------------------------------------------------------------------

    @property
    def _now_us(self) -> int:
        return self._now_ns // NS_PER_US

    def _market(self, name: str) -> Market:
        assert self._venue is not None, "market data before the first run"
        return self._venue.exchange.markets[name]

    def _next_update_id(self, market: str) -> int:
        self._update_ids[market] += 1
        return self._update_ids[market]


def _flat(levels: dict[int, int]) -> tuple[int, ...]:
    return tuple([number for level in levels.items() for number in level])


def _changes(before: dict[int, int], after: dict[int, int]) -> dict[int, int]:
    gone = {price: 0 for price in before if price not in after}
    return {**gone, **{price: lots for price, lots in after.items() if before.get(price) != lots}}
