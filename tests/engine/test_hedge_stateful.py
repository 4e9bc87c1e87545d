"""Hedge mode against the naive venue: legs are the sum of their deals, and hold what reduces them.

The venue here knows of each order only which leg it named. Whatever is late, lost or refused, what
rests there never reduces more than a leg holds, so no order is refused or cut for lack of one.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.orders import Order
from engine.types import BUY, LONG, SELL, SHORT, Position, PositionSide, Product, Side
from tests.engine.builders import MARKET, NAME, Pairs, Run, fixed, limits, quoted, snapshot
from tests.engine.test_quoting_stateful import POSITION_MAX, Quoting, ladders

PERPETUAL = replace(MARKET, product=Product.PERPETUAL)
HELD = ((0, 0), (20, 0), (0, 20), (30, 25), (12, 12))
"""Long and short positions from before, lots."""


def reduces(order: Order | i.NewOrder) -> bool:
    return (order.side is BUY) is not (order.position_side is LONG)


class Hedging(Quoting):
    """The same venue in hedge mode, where each order opens or reduces one of two positions."""

    @initialize(ladder=ladders(), held=st.sampled_from(HELD))
    def begin(self, ladder: tuple[Pairs, Pairs], held: tuple[int, int]) -> None:
        self.start = held
        self.sides: dict[str, PositionSide] = {}
        self.position = held[0] - held[1]
        limit = limits(position_max=POSITION_MAX + abs(self.position))
        self.run = Run(replace(quoted(PERPETUAL, fixed(*ladder), limit=limit), hedged=True))
        self.run.positions = self._positions()
        self.run.settle()
        self.run.push(snapshot(at_ns=self.run.now_ns))

    @rule()
    def decide(self) -> None:
        self.no_plan_reduces_more_than_a_leg_holds()
        self.run.positions = self._positions()
        super().decide()

    @rule()
    def report(self) -> None:
        self.run.positions = self._positions()
        self._tell(e.PositionsReported(self.run.positions))

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def the_limit_holds(self) -> None:
        if hasattr(self, "run"):
            most = self.run.market.quoted.limits.position_max
            assert abs(self.position) <= most

    @invariant()
    def orders_reduce_no_more_than_there_is(self) -> None:
        if not hasattr(self, "run"):
            return
        long, short = self.true_legs()
        assert self._reducing(SELL, LONG) <= long
        assert self._reducing(BUY, SHORT) <= short

    def no_plan_reduces_more_than_a_leg_holds(self) -> None:
        """With all that is in flight at its worst, and what nobody has told of yet."""
        market = self.run.market
        left = {LONG: market.inventory.legs.long, SHORT: market.inventory.legs.short}
        for order in (*market.live, *market.owing):
            if reduces(order):
                left[order.position_side] -= order.worst_qty
        for intent in self.run.decide():
            if isinstance(intent, i.PlaceOrders):
                for new in intent.orders:
                    if reduces(new):
                        left[new.position_side] -= new.qty
                        assert left[new.position_side] >= 0
            elif isinstance(intent, i.ModifyOrder):
                moved = self.run.order(intent.client_order_id)
                if reduces(moved):
                    left[moved.position_side] -= intent.qty
                    assert left[moved.position_side] >= 0

    @invariant()
    def the_legs_are_the_sum_of_the_deals_that_came(self) -> None:
        if hasattr(self, "run"):
            inventory = self.run.market.inventory
            expected = self.legs_of([deal for deal in self.deals if inventory.knows(deal.deal_id)])
            assert (inventory.legs.long, inventory.legs.short) == expected

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "run"):
            legs = self.run.market.inventory.legs
            assert (legs.long, legs.short) == self.true_legs()
            assert not self.run.market.halted

    # --- helpers ------------------------------------------------------------------------------

    def true_legs(self) -> tuple[int, int]:
        return self.legs_of(self.deals)

    def legs_of(self, deals: list[Any]) -> tuple[int, int]:
        long, short = self.start
        for deal in deals:
            if self.sides[deal.client_order_id] is LONG:
                long += deal.qty if deal.side is BUY else -deal.qty
            else:
                short += deal.qty if deal.side is SELL else -deal.qty
        return long, short

    def _reducing(self, side: Side, position_side: PositionSide) -> int:
        return sum(
            resting.leaves
            for name, resting in self.open.items()
            if resting.side is side and self.sides[name] is position_side
        )

    def _positions(self) -> tuple[Position, ...]:
        long, short = self.true_legs()
        return tuple(
            Position(NAME, number, qty, None, None, Decimal(0), side)
            for number, (side, qty) in enumerate(((LONG, long), (SHORT, -short)), 1)
            if qty
        )

    def _rest(self, new: i.NewOrder) -> e.PlaceResult:
        assert new.position_side in (LONG, SHORT), "refused with code 114"
        self.sides[new.client_order_id] = new.position_side
        return super()._rest(new)


Hedging.TestCase.settings = Quoting.TestCase.settings
TestHedging = pytest.mark.slow(Hedging.TestCase)


def check(machine: Hedging) -> None:
    machine.the_limit_holds()
    machine.own_sides_never_meet()
    machine.orders_reduce_no_more_than_there_is()
    machine.the_legs_are_the_sum_of_the_deals_that_came()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_storm(seed: int) -> None:
    """Fills, moves, refusals and losses without end, where hypothesis tries short stories."""
    rng = random.Random(seed)
    machine = Hedging()
    machine.begin((((990, 7),), ((1010, 7), (1011, 3))), HELD[seed % len(HELD)])
    for _ in range(400):
        for _ in range(rng.randrange(4)):
            if machine.requests:
                machine.arrive(rng, rng.choice("ooooooooornl"))
        if machine.open and rng.random() < 0.4:
            machine.trade(rng, rng.randrange(1, 8))
        for _ in range(rng.randrange(5)):
            if machine.pushes:
                machine.hear(rng)
            if machine.answers:
                machine.answered(rng)
        if rng.random() < 0.3:
            price, qty = 1000 + rng.randrange(-5, 6), rng.randrange(1, 12)
            machine.want((((price - 5, qty), (price - 6, 4)), ((price + 5, qty), (price + 6, 4))))
        elif rng.random() < 0.01:
            machine.disconnect()
        else:
            machine.wait(rng.choice((0.05, 0.3, 1.1)))
        check(machine)
    assert len(machine.deals) > 50
    machine.teardown()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_what_is_held_on_both_sides_does_not_grow(seed: int) -> None:
    """Hundreds of fills, most of them partial, leave no more than a few orders on both sides."""
    rng = random.Random(seed)
    machine, most = Hedging(), 0
    machine.begin((((990, 10), (989, 5)), ((1010, 10), (1011, 5))), (0, 0))
    for turn in range(700):
        machine.wait(0.3)
        if turn % 3 == 0:
            price = 1000 + rng.randrange(-3, 4)
            bids, asks = ((price - 9, 10), (price - 10, 5)), ((price + 9, 10), (price + 10, 5))
            machine.want((bids, asks))
        # Most arrives in time, the rest with what comes later.
        while machine.requests and rng.random() < 0.9:
            machine.arrive(rng, "o")
        while machine.pushes and rng.random() < 0.9:
            machine.hear(rng)
        while machine.answers and rng.random() < 0.9:
            machine.answered(rng)
        if machine.open:
            machine.trade(rng, rng.randrange(1, 11))
        check(machine)
        most = max(most, min(machine.true_legs()))
    assert len(machine.deals) > 500
    assert most < 60, "twice an order of each level, and the orders that rest"
    machine.teardown()
