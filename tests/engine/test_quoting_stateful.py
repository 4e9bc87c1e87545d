"""Quoting against a tiny naive venue that accepts, fills, refuses, delays and loses at random.

News reaches the engine in any order. The position limit is never crossed at the venue, own bids
never reach own asks there, and risk never counts less than the venue may still do.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine import events as e
from engine import intents as i
from engine.planner import _change, plan
from engine.risk import exposure_of
from engine.state import PRIVATE, LinkStatus
from engine.step import wanted_quote
from engine.types import OrderStatus, Refusal, Side, VenueFill, VenueOrder
from tests.engine.builders import (
    NAME,
    NOT_FOUND,
    WOULD_TAKE,
    Pairs,
    S,
    fill,
    fixed,
    limits,
    quoted,
    snapshot,
    started,
    venue_order,
)

POSITION_MAX = 25
NONCE_WINDOW_NS = 5 * S
TOO_OLD = Refusal(429, 0, "", "Too many requests.")

prices = st.integers(985, 1015)
sizes = st.integers(1, 15)


class Resting(NamedTuple):
    order_id: int
    side: Side
    price: int
    qty: int
    leaves: int


@st.composite
def ladders(draw: st.DrawFn) -> tuple[Pairs, Pairs]:
    """Up to two levels a side, every bid below every ask."""
    chosen = sorted(draw(st.lists(prices, min_size=2, max_size=4, unique=True)))
    split = draw(st.integers(0, len(chosen)))
    bids = tuple((price, draw(sizes)) for price in reversed(chosen[:split][-2:]))
    asks = tuple((price, draw(sizes)) for price in chosen[split:][:2])
    return bids, asks


class Quoting(RuleBasedStateMachine):
    """The engine on one side, the venue's truth on the other, and what is on its way between."""

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, Resting] = {}
        self.position = 0
        self.deals: list[VenueFill] = []
        self.requests: list[tuple[int, i.Intent]] = []
        """On their way to the venue."""
        self.answers: list[tuple[int, e.AnyEvent]] = []
        """On their way back."""
        self.pushes: list[e.AnyEvent] = []
        """On the private stream; in any order."""
        self.next_id = 1
        self.book_id = 10

    @initialize(ladder=ladders())
    def begin(self, ladder: tuple[Pairs, Pairs]) -> None:
        spec = quoted(parameters=fixed(*ladder), limit=limits(position_max=POSITION_MAX))
        self.run = started(spec)

    # --- the engine ---------------------------------------------------------------------------

    @rule()
    def decide(self) -> None:
        for seq, intent in self.run.act():
            if isinstance(intent, i.PlaceOrders | i.ModifyOrder | i.CancelOrder):
                self.requests.append((seq, intent))
                continue
            self.run.base = str(Decimal(self.position) / 1000)
            self.run.listed = tuple(self._listed(name) for name in self.open)
            self.run.history = tuple(reversed(self.deals))
            answer = self.run.answer_to(intent)
            assert answer is not None
            self.run.push(answer, seq)

    @rule(ladder=ladders())
    def want(self, ladder: tuple[Pairs, Pairs]) -> None:
        self.run.push(e.ParametersChanged(NAME, fixed(*ladder)))
        self.decide()

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.1, 4.0]))
    def wait(self, seconds: float) -> None:
        self.book_id += 1
        self.run.push(snapshot(update_id=self.book_id, at_ns=self.run.now_ns))
        self.run.wait(seconds)
        self.decide()

    # --- the venue ----------------------------------------------------------------------------

    @precondition(lambda self: self.requests)
    @rule(pick=st.randoms(use_true_random=False), fate=st.sampled_from("ooooornl"))
    def arrive(self, pick: object, fate: str) -> None:
        """A request reaches the venue: done, refused, not found in time, or its answer is lost."""
        seq, intent = self.requests.pop(self._index(pick, self.requests))
        answer: e.AnyEvent
        if fate == "r" and not isinstance(intent, i.CancelOrder):
            answer = e.RequestRefused(WOULD_TAKE)
        elif fate == "n":
            answer = e.RequestThrottled()
        else:
            answer = self._in_time(seq, intent)
        if fate == "l":
            answer = e.OutcomeUnknown("reset")
        self.answers.append((seq, answer))

    @precondition(lambda self: self.open)
    @rule(pick=st.randoms(use_true_random=False), qty=sizes)
    def trade(self, pick: object, qty: int) -> None:
        """Somebody takes from one of our orders."""
        name = list(self.open)[self._index(pick, self.open)]
        resting = self.open[name]
        taken = min(qty, resting.leaves)
        resting = resting._replace(leaves=resting.leaves - taken)
        self.position += resting.side.sign * taken
        deal = fill(
            len(self.deals) + 1,
            qty=taken,
            price=resting.price,
            side=resting.side,
            order_id=resting.order_id,
            client_order_id=name,
        )
        self.deals.append(deal)
        self._tell(e.Filled(deal))
        if resting.leaves:
            self.open[name] = resting
            self._tell(e.OrderUpdated(self._venue(name, resting, OrderStatus.OPEN)))
        else:
            del self.open[name]
            self._tell(e.OrderClosed(self._venue(name, resting, OrderStatus.FILLED)))

    # --- the way back -------------------------------------------------------------------------

    @precondition(lambda self: self.pushes)
    @rule(pick=st.randoms(use_true_random=False))
    def hear(self, pick: object) -> None:
        self.run.push(self.pushes.pop(self._index(pick, self.pushes)))
        self.decide()

    @precondition(lambda self: self.answers)
    @rule(pick=st.randoms(use_true_random=False))
    def answered(self, pick: object) -> None:
        seq, answer = self.answers.pop(self._index(pick, self.answers))
        self.run.push(answer, seq)
        self.decide()

    @rule()
    def disconnect(self) -> None:
        """The private stream ends, and with it whatever it still had to tell."""
        self.pushes.clear()
        self.run.push(e.StreamClosed(PRIVATE, "reset", 0))
        self.decide()

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def the_limit_holds(self) -> None:
        assert abs(self.position) <= POSITION_MAX

    @invariant()
    def own_sides_never_meet(self) -> None:
        bids = [o.price for o in self.open.values() if o.side is Side.BUY]
        asks = [o.price for o in self.open.values() if o.side is Side.SELL]
        assert not bids or not asks or max(bids) < min(asks)

    @invariant()
    def risk_counts_at_least_the_truth(self) -> None:
        if not hasattr(self, "run"):
            return
        exposure, known = exposure_of(self.run.market, self.run.now_ns), self.run.market.position
        bids = sum(o.leaves for o in self.open.values() if o.side is Side.BUY)
        asks = sum(o.leaves for o in self.open.values() if o.side is Side.SELL)
        assert known + exposure.buy_qty >= self.position + bids
        assert known - exposure.sell_qty <= self.position - asks

    @invariant()
    def the_short_way_through_the_planner_is_the_long_way(self) -> None:
        if not hasattr(self, "run"):
            return
        state, market = self.run.state, self.run.market
        wanted = wanted_quote(state, market)
        patient = state.attention_seq <= state.decided_seq
        assert plan(state, market, wanted) == _change(state, market, wanted, 0, patient)

    def teardown(self) -> None:
        """Let the storm pass: in the end the engine knows what the venue knows."""
        if not hasattr(self, "run"):
            return
        self.run.push(e.ParametersChanged(NAME, fixed()))
        for _ in range(16):
            self.wait(4.0)
            while self.requests:
                seq, intent = self.requests.pop()
                self.answers.append((seq, self._in_time(seq, intent)))
            while self.answers:
                seq, answer = self.answers.pop()
                self.run.push(answer, seq)
            while self.pushes:
                self.run.push(self.pushes.pop())
        assert self.open == {}
        assert self.run.market.live == ()
        assert self.run.market.position == self.position
        exposure = exposure_of(self.run.market, self.run.now_ns)
        assert (exposure.buy_qty, exposure.sell_qty) == (0, 0)
        assert self.run.market.breaks == 0

    # --- helpers ------------------------------------------------------------------------------

    def _index(self, pick: object, items: object) -> int:
        return pick.randrange(len(items))  # type: ignore[attr-defined,arg-type,no-any-return]

    def _tell(self, event: e.AnyEvent) -> None:
        # A stream that is down remembers nothing (contract 11.6).
        if self.run.state.links[PRIVATE].status is LinkStatus.READY:
            self.pushes.append(event)

    def _in_time(self, seq: int, intent: i.Intent) -> e.AnyEvent:
        # Past the nonce window the venue accepts nothing (contract section 2).
        if self.run.now_ns - self.run.state.requests[seq].sent_ns > NONCE_WINDOW_NS:
            return e.RequestRefused(TOO_OLD)
        return self._done(intent)

    def _done(self, intent: i.Intent) -> e.AnyEvent:
        match intent:
            case i.PlaceOrders(_, new):
                return e.OrdersPlaced(NAME, tuple(self._rest(order) for order in new))
            case i.ModifyOrder(_, name, price, qty):
                return self._replace(name, price, qty)
            case i.CancelOrder(_, name):
                resting = self.open.pop(name, None)
                if resting is None:
                    return e.RequestRefused(NOT_FOUND)
                gone = self._venue(name, resting, OrderStatus.CANCELLED)
                self._tell(e.OrderClosed(gone))
                return e.OrderCancelled(gone)
        raise AssertionError(intent)

    def _rest(self, new: i.NewOrder) -> e.PlaceResult:
        name = new.client_order_id
        assert name not in self.open, "a client id is never used twice"
        self.open[name] = Resting(self.next_id, new.side, new.price, new.qty, new.qty)
        self.next_id += 1
        venue = self._listed(name)
        self._tell(e.OrderOpened(venue))
        return e.PlaceResult(venue, None)

    def _replace(self, name: str, price: int, qty: int) -> e.AnyEvent:
        old = self.open.get(name)
        if old is None:
            return e.RequestRefused(NOT_FOUND)
        self._tell(e.OrderClosed(self._venue(name, old, OrderStatus.CANCELLED)))
        self.open[name] = Resting(self.next_id, old.side, price, qty, qty)
        self.next_id += 1
        self._tell(e.OrderOpened(self._listed(name)))
        return e.OrderModified(self._listed(name))

    def _listed(self, name: str) -> VenueOrder:
        return self._venue(name, self.open[name], OrderStatus.OPEN)

    def _venue(self, name: str, resting: Resting, status: OrderStatus) -> VenueOrder:
        return venue_order(
            name,
            resting.order_id,
            qty=resting.qty,
            leaves=resting.leaves,
            side=resting.side,
            price=resting.price,
            status=status,
        )


Quoting.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestQuoting = pytest.mark.slow(Quoting.TestCase)
