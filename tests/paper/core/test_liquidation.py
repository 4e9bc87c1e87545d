"""Margin call, liquidation in steps, liquidation price, insurance (contract 10.12, 10.13)."""

from __future__ import annotations

import msgspec
import pytest

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import (
    US_PER_S,
    ExchangeConfig,
    NewOrder,
    PositionEvent,
    PositionEventType,
    PositionSide,
    PositionView,
    Stage,
    Status,
)
from tests.paper.exchange_kit import (
    NOW_US,
    PERP,
    exchange,
    net_lots,
    order,
    placed,
    refused,
    story,
    totals,
    units,
    with_alice,
)

CALL, LIQUIDATION = PositionEventType.MARGIN_CALL, PositionEventType.LIQUIDATION


class Scene:
    """Alice with 100 USDT at 10x against bob, the index set by hand, a second at a time."""

    def __init__(self, config: ExchangeConfig | None = None) -> None:
        self.venue: Exchange = exchange(config or with_alice(collateral={"USDT": "100"}))
        self.second = 0
        self.before = totals(self.venue)

    def open(self, side: str, amount: str, price: str = "100", **fields: object) -> None:
        other = "sell" if side == "buy" else "buy"
        self.bob(other, amount, price)
        placed(self.venue, "alice", self.perp(side, amount, price, **fields))

    def bob(self, side: str, amount: str, price: str) -> None:
        placed(self.venue, "bob", self.perp(side, amount, price))

    def perp(self, side: str, amount: str, price: str, **fields: object) -> NewOrder:
        return order(side, amount, price, market=PERP, **fields)

    def print(self, price: str) -> None:
        """Move index and last price, so that the mark is there within a second."""
        assert self.venue.set_index(PERP, price, NOW_US) is None
        self.bob("sell", "0.1", price)
        self.bob("buy", "0.1", price)

    def tick(self) -> list[tuple[PositionEventType, int]]:
        """Let a second pass; returns what alice was told about her positions."""
        self.second += 1
        self.venue.drain()
        self.venue.advance(NOW_US + self.second * US_PER_S)
        self.notices = self.venue.drain()
        self.venue.check()
        assert totals(self.venue) == self.before
        assert net_lots(self.venue) == 0
        return [
            (n.event, n.position.lots)
            for n in self.notices
            if isinstance(n, PositionEvent) and n.account == "alice"
        ]

    def held(self) -> PositionView:
        return self.venue.positions("alice")[0]


def test_a_call_then_liquidation_in_quarters_until_the_equity_suffices() -> None:
    scene = Scene()
    scene.open("buy", "9")
    resting = placed(scene.venue, "alice", scene.perp("sell", "1", "200"))
    scene.print("93.6")
    assert scene.tick() == []
    # Equity 99.505 - 9 x 7.5 = 32.0; maintenance 9 x 92.5 x 3 % = 24.975, called below 31.2.
    scene.print("92.3")
    assert scene.tick() == [(CALL, 9000)]
    assert scene.held().stage is Stage.MARGIN_CALL
    assert scene.tick() == []
    scene.print("91.6")
    scene.bob("buy", "100", "91.5")
    assert scene.tick() == [(LIQUIDATION, 9000)]
    number = next(iter(scene.venue.deals("alice"))).order_id
    assert story(scene.notices, "alice") == [
        "P3 AUTO_CANCELED_LIQUIDATION left 1000",
        "X AUTO_CANCELED_LIQUIDATION",
        "D taker 2250@915",
        "P3 FILLED left 0",
        "X FILLED",
    ]
    done = list(scene.venue.finished_orders("alice"))[:2]
    assert [o.order_id for o in done] == [number, resting.order_id]
    assert (done[0].client_order_id, done[0].source) == (f"liquidation_{number}_!", "liquidation")
    assert (done[0].ioc, done[0].reduce_only, int(done[0].type)) == (True, False, 8)
    assert scene.held().lots == 6750
    # That was enough to be above the maintenance again.
    assert scene.tick() == []
    assert (scene.held().lots, scene.held().stage) == (6750, None)


def test_a_loss_beyond_the_balance_is_paid_by_the_insurance() -> None:
    scene = Scene()
    scene.open("buy", "9")
    scene.print("80")
    scene.bob("buy", "100", "80")
    for _ in range(4):
        scene.tick()
    assert scene.venue.positions("alice") == []
    owed = scene.venue.collateral("alice")["USDT"].balance
    assert owed < -units("80")
    scene.tick()
    assert scene.venue.collateral("alice")["USDT"].balance == 0
    assert scene.venue.ledger.insurance == {"USDT": owed}
    assert [o.lots for o in scene.venue.finished_orders("alice")][:4] == [2250] * 4


def test_an_order_that_runs_out_of_book_is_partially_filled_and_tried_again() -> None:
    scene = Scene()
    scene.open("sell", "9")
    scene.print("120")
    assert scene.tick() == [(LIQUIDATION, -9000)]
    # Nobody sells: no order at all.
    assert len(list(scene.venue.finished_orders("alice"))) == 1
    scene.bob("sell", "1", "120")
    scene.tick()
    last = next(iter(scene.venue.finished_orders("alice")))
    assert (last.status, last.deal_lots, last.lots) == (Status.PARTIALLY_FILLED, 1000, 2250)
    scene.bob("sell", "100", "120")
    for _ in range(4):
        scene.tick()
    assert scene.venue.positions("alice") == []


def test_no_new_order_while_being_liquidated() -> None:
    scene = Scene()
    scene.open("buy", "9")
    scene.print("80")
    scene.tick()
    assert refused(scene.venue, "alice", scene.perp("buy", "1", "70")).code == 10
    placed(scene.venue, "alice", scene.perp("sell", "1", "90"))


def test_hedged_positions_are_liquidated_from_the_larger_one() -> None:
    alice = with_alice(collateral={"USDT": "100"}, hedge_mode=True)
    scene = Scene(alice)
    scene.open("buy", "6", position_side=PositionSide.LONG)
    scene.open("sell", "1", position_side=PositionSide.SHORT)
    scene.print("82")
    scene.bob("buy", "100", "82")
    told = scene.tick()
    assert sorted(told) == [(LIQUIDATION, -1000), (LIQUIDATION, 6000)]
    assert sorted(p.lots for p in scene.venue.positions("alice")) == [-1000, 4500]


@pytest.mark.parametrize("leverage", [1, 10, 20, 50])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_the_liquidation_price_is_the_first_that_liquidates(side: str, leverage: int) -> None:
    for offset, stage in ((0, Stage.LIQUIDATION), (1, Stage.MARGIN_CALL)):
        scene = Scene(with_alice(collateral={"USDT": "40"}, leverage=leverage))
        scene.open(side, "0.35", "100")
        if leverage > 1:
            scene.open(side, "2", "100.1")
        first = scene.held().liquidation_ticks
        if side == "buy" and leverage == 1:
            assert first is None
            return
        assert first is not None
        away = -1 if side == "sell" else 1
        scene.print(scene.venue.markets[PERP].spec.price_text(first + offset * away))
        scene.venue.set_index(PERP, None, NOW_US)
        scene.tick()
        assert scene.venue.markets[PERP].mark_ticks() is not None
        assert scene.held().stage is stage


def test_settings() -> None:
    config = msgspec.structs.replace(
        with_alice(collateral={"USDT": "100"}), liquidation_step="0.5", margin_call_ratio="2"
    )
    scene = Scene(config)
    scene.open("buy", "9")
    scene.print("94.5")
    assert scene.tick() == [(CALL, 9000)]
    scene.print("91")
    scene.bob("buy", "100", "91")
    scene.tick()
    assert scene.held().lots == 4500


def test_a_jump_of_the_clock_is_lived_through_second_by_second() -> None:
    ends = []
    for seconds in ([60], [1] * 60):
        scene = Scene()
        scene.open("buy", "9")
        scene.print("88")
        scene.bob("buy", "3", "88")
        scene.bob("buy", "100", "70")
        for step in seconds:
            scene.second += step - 1
            scene.tick()
        balance = scene.venue.collateral("alice")["USDT"].balance
        times = [o.ftime_us for o in scene.venue.finished_orders("alice")]
        ends.append((balance, times, scene.venue.ledger.insurance))
    assert ends[0] == ends[1]
    assert len(ends[0][1]) == 5
    assert ends[0][2]["USDT"] < 0
