"""Flattening against the naive venue: whatever is late or lost, the position only goes to zero."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant

from engine import events as e
from engine import intents as i
from engine.stages import Hold, Stage, StageChange
from engine.types import BUY, SELL, OrderStatus
from tests.engine.builders import NAME, S, fill, fixed, limits, quoted, started
from tests.engine.test_quoting_stateful import POSITION_MAX, Quoting, Resting


class Flattening(Quoting):
    """The same venue; the engine holds a position from before and was told to flatten."""

    @initialize(position=st.integers(-20, 20), patience_s=st.sampled_from([0, 2, 100]))
    def begin(self, position: int, patience_s: int) -> None:
        limit = limits(position_max=POSITION_MAX, flatten_patience_ns=patience_s * S)
        self.run = started(quoted(parameters=fixed(), limit=limit))
        self.position = self.last = position
        if position:
            side = BUY if position > 0 else SELL
            deal = fill(1, qty=abs(position), side=side, order_id=10**6)
            self.deals.append(deal)
            self.run.push(e.Filled(deal))
        told = Hold("test", Stage.FLATTEN, "", self.run.now_ns)
        self.run.push(e.Decided((), (), (StageChange(NAME, told),)))

    @invariant()
    def the_position_only_goes_to_zero(self) -> None:
        if hasattr(self, "run"):
            assert min(self.last, 0) <= self.position <= max(self.last, 0)
            self.last = self.position

    def _rest(self, new: i.NewOrder) -> e.PlaceResult:
        if not new.ioc:
            return super()._rest(new)
        # It takes all, half or nothing, and is over at once.
        taken = (new.qty, new.qty // 2, 0)[self.next_id % 3]
        resting = Resting(self.next_id, new.side, new.price, new.qty, new.qty - taken)
        self.next_id += 1
        name = new.client_order_id
        if taken:
            self.position += new.side.sign * taken
            deal = fill(
                len(self.deals) + 1,
                qty=taken,
                price=new.price,
                side=new.side,
                order_id=resting.order_id,
                client_order_id=name,
            )
            self.deals.append(deal)
            self._tell(e.Filled(deal))
        status = OrderStatus.CANCELLED if resting.leaves else OrderStatus.FILLED
        venue = self._venue(name, resting, status)
        self._tell(e.OrderClosed(venue))
        return e.PlaceResult(venue, None)

    def teardown(self) -> None:
        """A human re-enables: what still rests goes, and the engine knows what the venue knows."""
        if hasattr(self, "run"):
            lifted = Hold("test", Stage.QUOTE, "")
            self.run.push(e.Decided((), (), (StageChange(NAME, lifted),)))
        super().teardown()


Flattening.TestCase.settings = Quoting.TestCase.settings
TestFlattening = pytest.mark.slow(Flattening.TestCase)
