"""Every limit at once, and stages set and lifted at random, against the naive venue.

No limit is crossed at any interleaving of what is asked, answered, filled, lost and told.
"""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from engine import events as e
from engine import intents as i
from engine.stages import Hold, SideOff, Stage, StageChange, is_off
from engine.state import MarketState
from engine.types import BUY, SELL, Settings
from tests.engine.builders import NAME, Pairs, Run, S, fixed, limits, quoted, snapshot
from tests.engine.test_quoting_stateful import Quoting, ladders

MID = 1000
LIMIT = limits(
    position_max=25,
    position_notional_max=20 * MID,
    order_qty_max=11,
    order_notional_max=11 * MID,
    collar_bps=120,
    open_orders_max=3,
    widen_bps=10,
)
STAGES = [stage for stage in Stage if stage not in (Stage.FLATTEN, Stage.OFF)]


class Limited(Quoting):
    """The same venue; what the engine sends is checked when it is decided."""

    @initialize(ladder=ladders())
    def begin(self, ladder: tuple[Pairs, Pairs]) -> None:
        spec = quoted(parameters=fixed(*ladder), limit=LIMIT)
        settings = Settings(requests_max=60, requests_span_ns=10 * S)
        self.run = Run(spec, settings=settings)
        self.run.settle()
        self.run.push(snapshot(at_ns=self.run.now_ns))
        self.run.wait(0)
        self.sent_ns: list[int] = []

    @rule(
        stage=st.sampled_from(STAGES),
        name=st.sampled_from(["a", "b"]),
        off=st.sampled_from(list(SideOff)),
    )
    def hold(self, stage: Stage, name: str, off: SideOff) -> None:
        """A limit or a human sets a stage, or lifts it."""
        held = Hold(name, stage, "", self.run.now_ns, side_off=off if stage else SideOff.NONE)
        self.run.push(e.Decided((), (), (StageChange(NAME, held),)))
        self.run.push(e.TimerFired())
        self.decide()

    @rule()
    def decide(self) -> None:
        before = self.run.state
        asked = len(self.requests)
        super().decide()
        if before.seq == self.run.state.seq:
            return
        market = before.markets[NAME]
        for _, intent in self.requests[asked:]:
            if not isinstance(intent, i.CancelOrder):
                self.sent_ns.append(self.run.now_ns)
                _check(market, intent)

    @invariant()
    def every_limit_holds(self) -> None:
        if not hasattr(self, "run"):
            return
        assert abs(self.position) <= 20, "20,000 at a mid of 1,000"
        assert len(self.open) <= LIMIT.open_orders_max
        recent = [ns for ns in self.sent_ns if ns > self.run.now_ns - 10 * S]
        assert len(recent) <= 60

    def teardown(self) -> None:
        """Nothing holds it back any more."""
        if hasattr(self, "run"):
            for name in ("a", "b"):
                lifted = StageChange(NAME, Hold(name, Stage.QUOTE, ""))
                self.run.push(e.Decided((), (), (lifted,)))
        super().teardown()


def _check(market: MarketState, intent: i.Intent) -> None:
    # One request, against the market that it was decided in.
    if isinstance(intent, i.ModifyOrder):
        order = market.orders[intent.client_order_id]
        assert market.stage < Stage.CANCEL
        assert not is_off(market.holds, order.side, market.position)
        if market.stage is Stage.STOP:
            assert intent.qty <= order.leaves_qty
            away = order.price - intent.price if order.side is BUY else intent.price - order.price
            assert away >= 0
        sizes = [(intent.price, intent.qty)]
    else:
        assert isinstance(intent, i.PlaceOrders)
        assert market.stage < Stage.STOP
        for new in intent.orders:
            assert new.side in (BUY, SELL)
            assert not is_off(market.holds, new.side, market.position)
        sizes = [(new.price, new.qty) for new in intent.orders]
    for price, qty in sizes:
        assert abs(price - MID) <= 12, "120 basis points"
        assert qty <= LIMIT.order_qty_max
        assert price * qty <= LIMIT.order_notional_max


Limited.TestCase.settings = Quoting.TestCase.settings
TestLimited = pytest.mark.slow(Limited.TestCase)
