"""What one journal's engine did at the moments at which the other one's was filled.

Theory of operation. A question is a fill of the other journal. What the engine knew and wanted is
looked at when the first record after that moment comes; what its orders did at the venue is looked
at `SETTLED_NS` later, when the news of it has come, too. So memory holds a few seconds at any time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from engine import events as e
from engine.orders import Pending
from engine.stages import FLATTEN_LEVEL
from engine.state import MarketState, State
from engine.types import Level, Quoted, Side
from replay.parity.causes import Restraint
from replay.parity.restraints import Restraints, bent
from replay.parity.stays import Stays
from replay.scenes import level_of, quote_holding, quote_now
from replay.tracer import Tracer
from replay.tracked import queue_ahead

NEAR_NS = 1_000_000_000
"""A quote that came or went within this of a fill missed it by time."""
SETTLED_NS = 3_000_000_000
"""News of an order comes within this, or is not waited for."""


class Question(msgspec.Struct, frozen=True, gc=False):
    """A fill of the other journal."""

    market: str
    side: Side
    price: int
    level: int
    """In the other one's ladder."""
    at_ns: int
    position: int
    """The other one's inventory against the target before it, lots."""


class Look(msgspec.Struct):
    """What was seen."""

    position: int = 0
    """Inventory against the target, lots."""
    is_changed: bool = False
    """Quoted by another configuration than the first."""
    reach: int = 0
    """Ticks by which an order on the question's level may be away from what is wanted."""
    want: int = 0
    """Ticks that it wanted on the question's level; 0 for no quote there."""
    want_so: int = 0
    """Ticks that it would have wanted, had it held the question's inventory."""
    is_coming: bool = False
    """A request for the question's price was on its way."""
    bent: Restraint | None = None
    """What had its prices changed."""
    ahead: int | None = None
    """Lots before the order that rested at the price, at the most; None if that cannot be told."""
    rests: bool = False
    """At the question's price."""
    standing: int = 0
    """Ticks of the nearest price at which the side rested; 0 for none."""
    apart_ns: int | None = None
    """When it came to that price (above zero) or had left it (below), if within `NEAR_NS`."""
    was_filled: bool = False
    """It left it by being filled."""
    empty_ns: int | None = None
    """For how long nothing had rested on the side, if for no longer than `NEAR_NS`."""
    restraint: Restraint | None = None
    """Why nothing rested on the side, if something held it back."""


class Looker:
    """Answers questions while a journal is followed.

    Attributes:
        looks: By the number of the question; missing where the journal had no state of the market.
    """

    def __init__(self, questions: Sequence[Question], tracer: Tracer) -> None:
        """Prepare.

        Args:
            questions: In the order of time.
            tracer: Follows the same journal, for places in queues.
        """
        self.looks: dict[int, Look] = {}
        self.stays = Stays()
        self.restraints = Restraints()
        self._tracer = tracer
        self._first: dict[str, Quoted] = {}
        self._waiting = deque(enumerate(questions))
        self._open: deque[tuple[int, Question]] = deque()

    def observe(self, before: State, record: e.Record, after: State) -> None:
        """Follow a record, before the tracer does."""
        event = record.event
        while self._waiting and self._waiting[0][1].at_ns < record.recv_ns:
            self._see(*self._waiting.popleft(), before)
        if isinstance(event, e.RunStarted) and not self._first:
            self._first = {each.market.name: each for each in event.quoted}
        self.stays.observe(before, record, after)
        if isinstance(event, e.Decided):
            self.restraints.decided(before, record, event, self.stays.quoted)
        elif isinstance(event, e.OrdersPlaced | e.RequestRefused):
            self.restraints.answered(before, record, event)
        settled_ns = record.recv_ns - SETTLED_NS
        while self._open and self._open[0][1].at_ns < settled_ns:
            self._settle(*self._open.popleft())
        if isinstance(event, e.Fingerprint):
            oldest_ns = self._open[0][1].at_ns if self._open else settled_ns
            self.stays.forget(oldest_ns - NEAR_NS)
            self.restraints.forget(oldest_ns - NEAR_NS)

    def end(self) -> None:
        """The journal is over: what is not seen by now was after it."""
        while self._open:
            self._settle(*self._open.popleft())

    def is_changed(self, market: MarketState) -> bool:
        """Say whether a market is quoted otherwise than in the journal's first run."""
        return market.quoted != self._first.get(market.quoted.market.name)

    def _see(self, number: int, question: Question, state: State) -> None:
        market = state.markets.get(question.market)
        if market is None:
            return
        side, price = question.side, question.price
        level, held = question.level, question.position
        self.looks[number] = Look(
            position=market.position,
            is_changed=self.is_changed(market),
            reach=market.quoted.price_tolerance * (level + 1) if level < FLATTEN_LEVEL else 0,
            want=_price(level_of(quote_now(state, market), side, level)),
            want_so=_price(level_of(quote_holding(state, market, held), side, level)),
            is_coming=_is_coming(market, side, price),
            bent=bent(market),
            ahead=queue_ahead(self._tracer.resting(question.market), side, price),
        )
        self._open.append((number, question))

    def _settle(self, number: int, question: Question) -> None:
        look, stays = self.looks[number], self.stays
        name, side, price, at_ns = question.market, question.side, question.price, question.at_ns
        standing = stays.standing(name, side, at_ns)
        look.rests = price in standing
        look.standing = min(standing, key=lambda each: abs(each - price), default=0)
        near = None if look.rests else stays.nearest(name, side, price, at_ns)
        if near is not None and abs(near[0]) <= NEAR_NS:
            look.apart_ns, look.was_filled = near
        if not standing:
            since_ns = stays.empty_since_ns(name, side, at_ns)
            if at_ns - since_ns <= NEAR_NS:
                look.empty_ns = at_ns - since_ns
            look.restraint = self.restraints.within(name, side, since_ns, at_ns)


def _price(want: Level | None) -> int:
    return 0 if want is None else want.price


def _is_coming(market: MarketState, side: Side, price: int) -> bool:
    for order in market.live:
        if order.side is side:
            if order.pending is Pending.PLACE and order.price == price:
                return True
            if order.pending is Pending.MODIFY and order.wanted_price == price:
                return True
    return False
