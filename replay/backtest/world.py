"""Engine and venue in virtual time: others move as recorded, and the engine quotes among them.

Theory of operation. Three lines of timed messages meet: what others do at the venue, what reaches
the venue from us, and what reaches the engine. The earliest of all is next, so time never steps
back. What the engine is told waits for the next turn of its loop, which takes `TURN_NS` from the
first thing that waits to the decision: all that has come by then is folded, and decided on once, as
in the live loop. Everything that is drawn comes from one seed, so equal inputs give equal records.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable

from adapters.paper.core import model as core
from engine import events as e
from engine import intents as i
from engine.events import Record
from engine.reduce import HANDLERS
from engine.session import ending
from engine.state import PRIVATE
from engine.types import Market, Product
from replay.backtest.crowd import Crowd
from replay.backtest.engine import Engine, Journal, Request
from replay.backtest.latency import Latency
from replay.backtest.moves import DEPTH, TOUCH, Move
from replay.backtest.played import Played, refused
from replay.backtest.venue import BacktestVenue
from replay.model.background import ModelBackground
from replay.model.venue import ACCOUNT, NS_PER_US, private_events
from replay.queue_models import queue_model

TICK_NS = 100_000_000
"""The live loop's timer."""
TURN_NS = 50_000
"""From the first frame that waits to the decision: its way through the WebSocket, the task that
wakes, the fold. `make bench` measures more on most machines."""
SECOND_NS = 1_000_000_000
SHOWN_LEVELS = 10
"""Levels a side of a perpetual's book from which its mark and premium are worked out."""
PROGRESS_EVERY = 4_096
"""Moves between two words of progress."""
NEVER_NS = 1 << 62
"""Later than anything."""
LATE_NS = 30 * SECOND_NS
"""An orderly end takes this long at most; the engine gives up before."""

Call = Callable[..., None]
MarketData = e.BestBidOffer | e.BookDelta | e.BookSnapshot | e.PublicTrades | e.MarkPrice


class World:
    """One backtest."""

    def __init__(
        self,
        venue: BacktestVenue,
        journal: Journal | None,
        started: e.RunStarted,
        latency: Latency,
        queue: str,
        now_ns: int,
    ) -> None:
        """Begin the run at a moment.

        Args:
            venue: With the run's markets.
            journal: Takes every record from the first on; None where nobody reads them.
            started: First record of the run.
            latency: Of requests, answers, pushes and market data.
            queue: Name of the queue model.
            now_ns: When it begins.

        Raises:
            ConfigError: no such queue model.
        """
        self._venue = venue
        self._latency = latency
        self._feed_ns = latency.feed_ns
        self._now_ns = now_ns
        self._markets: dict[str, Market] = {q.market.name: q.market for q in started.quoted}
        self.crowds = [self._crowd(started, name, queue) for name in self._markets]
        self._by_name = {crowd.name: crowd for crowd in self.crowds}
        self._perpetuals = [
            name for name, m in self._markets.items() if m.product is Product.PERPETUAL
        ]
        self._engine = Engine(journal, self._markets, lambda: self._now_ns)
        self._mail: deque[tuple[int, MarketData]] = deque()
        self._inbox: list[tuple[int, int, Call, tuple[object, ...]]] = []
        self._reaching: list[tuple[int, int, Call, tuple[object, ...]]] = []
        self._posted = self._pushed_ns = self._told_ns = 0
        # When the engine decides next, and when the venue is next reached.
        self._wake_ns = self._reach_ns = NEVER_NS
        self._open: dict[str, None] = {}
        self._refused = self._moves = 0
        self._started_ns = now_ns
        self._later(now_ns, self._take_now, started)
        self._later(now_ns + TICK_NS, self._tick)
        self._reach(now_ns, self._begin)

    def _crowd(self, started: e.RunStarted, name: str, queue: str) -> Crowd:
        model = queue_model(queue, self._markets[name].qty_decimals)
        background = ModelBackground(self._venue.exchange, name, ACCOUNT, model)
        seat = self._venue.account.seats[name]
        return Crowd(background, seat, started.settings.depth_limit)

    def run(
        self,
        moves: Iterable[Move],
        told: Callable[[int, int], None] | None = None,
        end_ns: int = 0,
    ) -> Played:
        """Let the moves of others happen, then let the engine stop in good order.

        Args:
            moves: In the order of time, from the beginning of the run on.
            told: Told of progress: moves so far, and the time.
            end_ns: When it is told to stop, no sooner than after the last move.
        """
        crowds, tell = self.crowds, self._tell
        count = 0
        for count, move in enumerate(moves, start=1):
            at_ns = move[0]
            if self._wake_ns <= at_ns or self._reach_ns <= at_ns:
                self._turns(at_ns)
            self._now_ns = at_ns
            crowd = crowds[move[1]]
            kind = move[2]
            now_us = at_ns // NS_PER_US
            if kind == TOUCH:
                _, _, _, told_ns, seq, bid, bid_lots, ask, ask_lots = move
                best = crowd.touch(now_us, seq, bid, bid_lots, ask, ask_lots)
                if best is not None:
                    tell(told_ns, best)
            elif kind == DEPTH:
                crowd.depth(now_us, *move[4:])
                tell(move[3], crowd.book(now_us, is_snapshot=False))
                best = crowd.ticker(now_us)
                if best is not None:
                    tell(move[3], best)
            else:
                tell(move[3], crowd.trade(now_us, *move[4:]))
                if crowd.acted:
                    crowd.acted = False
                    self._push_private(move[3], crowd)
            if crowd.acted:
                crowd.acted = False
                self._push_private(move[3], None)
            if told is not None and not count % PROGRESS_EVERY:
                told(count, at_ns)
        self._moves = count
        self._turns(end_ns - 1)
        self._now_ns = max(self._now_ns, end_ns - 1)
        return self._finish()

    def _finish(self) -> Played:
        self._later(self._now_ns + 1, self._take_now, e.StopRequested("the data is over"))
        until_ns = self._now_ns + LATE_NS
        ended = None
        while ended is None and (next_ns := min(self._wake_ns, self._reach_ns)) <= until_ns:
            self._turns(next_ns)
            ended = ending(self._engine.state)
        ended = ended or e.RunEnded(clean=False, reason="did not end in time")
        self._engine.take(ended, self._now_ns)
        digest = self._engine.fingerprint()
        self._engine.sync()
        return Played(
            ended=ended,
            state=self._engine.state,
            fingerprint=digest,
            started_ns=self._started_ns,
            ended_ns=self._now_ns,
            moves=self._moves,
            events=self._engine.events,
            decisions=self._engine.decisions,
            requests=self._engine.requests,
            refused=self._refused,
        )

    # --- time ---------------------------------------------------------------------------------

    def _later(self, at_ns: int, call: Call, *arguments: object) -> None:
        # Something reaches the engine.
        self._posted += 1
        heapq.heappush(self._inbox, (at_ns, self._posted, call, arguments))
        self._wake_ns = min(self._wake_ns, at_ns + TURN_NS)

    def _tell(self, told_ns: int, event: MarketData) -> None:
        # Market data; frames never overtake each other.
        if not told_ns:
            told_ns = self._now_ns + self._feed_ns()
        if told_ns < self._told_ns:
            told_ns = self._told_ns
        self._told_ns = told_ns
        self._mail.append((told_ns, event))
        if told_ns + TURN_NS < self._wake_ns:
            self._wake_ns = told_ns + TURN_NS

    def _turns(self, until_ns: int) -> None:
        # The earliest of what reaches the venue and of what reaches the engine, while it is due.
        reaching = self._reaching
        while True:
            if self._wake_ns <= self._reach_ns:
                if self._wake_ns > until_ns:
                    return
                self._live(self._wake_ns)
            elif self._reach_ns > until_ns:
                return
            else:
                self._now_ns, _, call, arguments = heapq.heappop(reaching)
                self._reach_ns = reaching[0][0] if reaching else NEVER_NS
                call(*arguments)

    def _live(self, now_ns: int) -> None:
        # One turn of the engine: all that has come, then one decision about it.
        engine, mail, inbox, is_open = self._engine, self._mail, self._inbox, self._open
        keep, before = engine.records.append, engine.state.seq
        while True:
            # There is always a timer in the inbox.
            next_ns = inbox[0][0]
            if mail and mail[0][0] <= next_ns:
                next_ns, event = mail[0]
                if next_ns > now_ns:
                    break
                mail.popleft()
                if event.market in is_open:
                    # As `take`, written out for what happens most.
                    state = engine.state
                    record = Record(state.seq + 1, next_ns, 0, event)
                    keep(record)
                    engine.state = HANDLERS[type(event)](state, record, event)
            elif next_ns <= now_ns:
                _, _, call, arguments = heapq.heappop(inbox)
                self._now_ns = next_ns
                call(*arguments)
            else:
                break
        self._now_ns, self._wake_ns = now_ns, next_ns + TURN_NS
        if engine.state.seq != before:
            requests = engine.decide(now_ns)
            if requests:
                self._send(requests)

    # --- the engine ---------------------------------------------------------------------------

    def _begin(self) -> None:
        # The first turn is lived through before others move.
        if not self._engine.state.seq:
            self._live(self._wake_ns)

    def _take_now(self, event: e.AnyEvent) -> None:
        self._engine.take(event, self._now_ns)

    def _tick(self) -> None:
        now_ns = self._now_ns
        self._engine.take(e.TimerFired(), now_ns)
        self._later(now_ns + TICK_NS, self._tick)
        self._let_venue_act(now_ns)

    def _send(self, requests: list[Request]) -> None:
        for seq, intent, path, is_stream in requests:
            if is_stream:
                self._stream(intent)
            else:
                there_ns = self._now_ns + self._latency.there_ns()
                self._reach(there_ns, self._ask, seq, intent, path)

    def _reach(self, at_ns: int, call: Call, *arguments: object) -> None:
        self._posted += 1
        heapq.heappush(self._reaching, (at_ns, self._posted, call, arguments))
        self._reach_ns = min(self._reach_ns, at_ns)

    def _answer(self, seq: int, event: e.AnyEvent) -> None:
        if seq in self._engine.state.requests:
            self._refused += refused(event)
            self._engine.take(event, self._now_ns, seq)

    # --- the venue ----------------------------------------------------------------------------

    def _ask(self, seq: int, intent: i.Intent, path: str) -> None:
        now_us = self._now_ns // NS_PER_US
        crowd = self._by_name.get(getattr(intent, "market", ""))
        if crowd is not None:
            self._prepare(crowd, intent, now_us)
        answer = self._venue.answer(intent, path, self._now_ns)
        if crowd is not None:
            crowd.acted = False
        self._push_private(0, crowd)
        if answer is not None:
            self._later(self._now_ns + self._latency.back_ns(), self._answer, seq, answer)

    def _prepare(self, crowd: Crowd, intent: i.Intent, now_us: int) -> None:
        if isinstance(intent, i.PlaceOrders):
            for new in intent.orders:
                crowd.before_order(core.Side(new.side), new.price, now_us)
        elif isinstance(intent, i.ModifyOrder):
            held = self._venue.account.seats[crowd.name].client_ids.get(intent.client_order_id)
            if held is not None:
                crowd.before_order(held.side, intent.price, now_us)

    def _tell_best(self, crowd: Crowd, told_ns: int) -> None:
        best = crowd.ticker(self._now_ns // NS_PER_US)
        if best is not None:
            self._tell(told_ns, best)

    def _push_private(self, told_ns: int, traded: Crowd | None) -> None:
        # What others caused is told when their own frame is, what we caused takes a push's time.
        # Frames of one connection never overtake each other. Best prices are told anew where
        # somebody traded, and everywhere when our orders are others, which we are always told of.
        notices = self._venue.exchange.drain()
        events = private_events(notices)
        if events:
            for crowd in self.crowds:
                crowd.after_us(self._now_ns // NS_PER_US)
        if traded is not None:
            self._tell_best(traded, told_ns)
        if not events:
            return
        for crowd in self.crowds:
            if crowd is not traded:
                self._tell_best(crowd, told_ns)
        for event in events:
            at_ns = told_ns or self._now_ns + self._latency.push_ns()
            self._pushed_ns = max(self._pushed_ns, at_ns)
            self._later(self._pushed_ns, self._push, event)

    def _push(self, event: e.AnyEvent) -> None:
        if PRIVATE in self._open:
            self._engine.take(event, self._now_ns)

    def _let_venue_act(self, now_ns: int) -> None:
        # Timers of the kill-switch, and what perpetuals do at whole seconds.
        now_us = now_ns // NS_PER_US
        is_second = now_ns // SECOND_NS != (now_ns - TICK_NS) // SECOND_NS
        if is_second:
            for name in self._perpetuals:
                self._by_name[name].show(SHOWN_LEVELS, now_us)
        self._venue.exchange.advance(now_us)
        self._push_private(0, None)
        if is_second:
            for name in self._perpetuals:
                mark = self._venue.mark(name)
                if mark is not None:
                    self._tell(0, mark)

    # --- streams ------------------------------------------------------------------------------

    def _stream(self, intent: i.Intent) -> None:
        stream = str(getattr(intent, "stream", ""))
        there_ns = self._now_ns + self._latency.there_ns()
        match intent:
            case i.OpenStream():
                self._reach(there_ns, self._open_stream, stream)
            case i.CloseStream():
                self._later(there_ns + self._latency.push_ns(), self._closed, stream)
            case i.Ping():
                self._later(there_ns + self._latency.push_ns(), self._pong, stream)
            case i.Resubscribe():
                self._reach(there_ns, self._snapshot, stream)

    def _open_stream(self, stream: str) -> None:
        # What was on its way went over another connection.
        waiting = [item for item in self._mail if item[1].market != stream]
        self._mail.clear()
        self._mail.extend(waiting)
        opened_ns = self._now_ns + self._latency.push_ns()
        self._later(opened_ns, self._opened, stream)
        if stream == PRIVATE:
            self._pushed_ns = max(self._pushed_ns, opened_ns)
        else:
            # What it tells comes behind its opening; of one moment, mail is looked at first.
            self._told_ns = max(self._told_ns, opened_ns + 1)
            self._snapshot(stream)

    def _opened(self, stream: str) -> None:
        if stream in self._engine.state.links:
            self._open[stream] = None
            self._take_now(e.StreamOpened(stream))
            self._take_now(e.StreamReady(stream))

    def _snapshot(self, market: str) -> None:
        crowd = self._by_name[market]
        if crowd.is_open:
            self._tell(0, crowd.book(self._now_ns // NS_PER_US, is_snapshot=True))

    def _pong(self, stream: str) -> None:
        if stream in self._open:
            self._take_now(e.PongReceived(stream))

    def _closed(self, stream: str) -> None:
        self._open.pop(stream, None)
        if stream in self._engine.state.links:
            self._take_now(e.StreamClosed(stream, "closed by us", 0))
