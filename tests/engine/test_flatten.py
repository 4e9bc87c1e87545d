"""Flattening: one order at a time, sized to what is left; first it rests, then it takes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.flatten import FOLLOW_NS, TAKE_EVERY_NS
from engine.stages import FLATTEN_LEVEL, Hold, Stage, StageChange
from engine.step import decide
from engine.trouble import WouldTake
from engine.types import BUY, SELL, Limits, OrderStatus, Refusal, Side, Stp
from tests.engine.builders import (
    MARKET,
    NAME,
    PERPETUAL,
    Run,
    S,
    accepted,
    fill,
    fixed,
    limits,
    quoted,
    snapshot,
    started,
    venue_order,
)
from tests.engine.test_gates import in_market

PATIENCE_NS = 4 * S


def flattening(position: int, limit: Limits | None = None, **market: object) -> Run:
    """A run that holds so many lots and was told to flatten; nothing is live."""
    limit = replace(limit or limits(), flatten_patience_ns=PATIENCE_NS)
    run = started(quoted(replace(MARKET, **market), limit=limit))
    run.wait(0)
    held(run, position)
    run.push(e.Decided((), (), (StageChange(NAME, Hold("test", Stage.FLATTEN, "", run.now_ns)),)))
    run.wait(0)
    return run


def held(run: Run, position: int) -> None:
    """Hold so many lots by deals, as if from before."""
    if position:
        side = BUY if position > 0 else SELL
        run.push(e.Filled(fill(10_000, qty=abs(position), side=side, order_id=9)))
    assert run.market.position == position


def orders(run: Run) -> list[i.NewOrder]:
    places = [intent for intent in decide(run.state).intents if isinstance(intent, i.PlaceOrders)]
    return [order for place in places for order in place.orders]


def placed(run: Run, order_id: int = 1) -> i.NewOrder:
    """Send the one order that flattens, and let the venue rest it."""
    ((seq, intent),) = [(s, x) for s, x in run.act() if isinstance(x, i.PlaceOrders)]
    run.push(e.OrdersPlaced(NAME, accepted(intent.orders, order_id)), seq)
    (order,) = intent.orders
    return order


def cancelled(run: Run) -> list[str]:
    intents = decide(run.state).intents
    return [intent.client_order_id for intent in intents if isinstance(intent, i.CancelOrder)]


def book(run: Run, bid: int, ask: int) -> None:
    update_id = run.market.feed.book.update_id + 1
    run.push(snapshot((bid, 50), (ask, 50), update_id=update_id, at_ns=run.now_ns))
    run.wait(0)


@pytest.mark.parametrize(
    ("position", "side", "price"), [(7, SELL, 1010), (-7, BUY, 990), (1, SELL, 1010)]
)
def test_it_rests_at_the_best_price_first(position: int, side: Side, price: int) -> None:
    run = flattening(position)
    (new,) = orders(run)
    assert (new.side, new.price, new.qty) == (side, price, abs(position))
    assert (new.post_only, new.ioc, new.rpi, new.reduce_only) == (True, False, False, False)
    assert (new.level, new.stp) == (FLATTEN_LEVEL, Stp.CANCEL_NEW)


def test_a_perpetual_asks_the_venue_to_reduce_only() -> None:
    run = flattening(5, product=PERPETUAL.product)
    (new,) = orders(run)
    assert new.reduce_only


def test_one_order_at_a_time() -> None:
    run = flattening(7)
    placed(run)
    assert run.market.flattened_ns > 0
    run.wait(0.1)
    assert decide(run.state).intents == ()


def test_quotes_that_are_left_go_first() -> None:
    run = started(quoted(parameters=fixed(((990, 5),), ((1010, 5),))))
    ((seq, intent),) = [(s, x) for s, x in run.act() if isinstance(x, i.PlaceOrders)]
    run.push(e.OrdersPlaced(NAME, accepted(intent.orders)), seq)
    held(run, 8)
    run.push(e.Decided((), (), (StageChange(NAME, Hold("test", Stage.FLATTEN, "", run.now_ns)),)))
    run.wait(0)
    sent = run.act()
    assert sorted(type(x).__name__ for _, x in sent) == ["CancelOrder", "CancelOrder"]
    run.wait(0.1)
    assert run.act() == [], "not before they are gone"
    for seq, x in sent:
        assert isinstance(x, i.CancelOrder)
        order = run.order(x.client_order_id)
        side, price = order.side, order.price
        gone = venue_order(x.client_order_id, order.order_id, qty=5, side=side, price=price,
                           status=OrderStatus.CANCELLED)  # fmt: skip
        run.push(e.OrderCancelled(gone), seq)
    assert [(new.side, new.qty) for new in orders(run)] == [(SELL, 8)]


def test_a_deal_that_is_still_owed_is_not_sold_again() -> None:
    run = flattening(8)
    new = placed(run)
    partly = venue_order(new.client_order_id, 1, qty=8, leaves=5, side=SELL, price=1010,
                         status=OrderStatus.CANCELLED)  # fmt: skip
    run.push(e.OrderClosed(partly))
    assert run.market.sell_worst == 3
    assert [order.qty for order in orders(run)] == [5]
    deal = fill(5, qty=3, price=1010, side=SELL, order_id=1, client_order_id=new.client_order_id)
    run.push(e.Filled(deal))
    assert (run.market.position, [order.qty for order in orders(run)]) == (5, [5])


def test_it_follows_the_market_once_a_second() -> None:
    run = flattening(7)
    new = placed(run)
    sent_ns = run.order(new.client_order_id).sent_ns
    book(run, 980, 1000)
    assert cancelled(run) == [], "just placed"
    run.push(e.TimerFired(), after_ns=sent_ns + FOLLOW_NS - 1 - run.now_ns)
    assert cancelled(run) == []
    run.push(e.TimerFired(), after_ns=1)
    assert cancelled(run) == [new.client_order_id]
    book(run, 1000, 1010)
    assert cancelled(run) == [], "nobody stands in front of it"
    book(run, 1000, 1020)
    assert cancelled(run) == []


def test_a_bid_follows_the_market_too() -> None:
    run = flattening(-7)
    new = placed(run)
    run.wait(2)
    assert cancelled(run) == []
    book(run, 990, 1010)
    assert cancelled(run) == []
    book(run, 991, 1010)
    assert cancelled(run) == [new.client_order_id]


def test_a_market_without_asks_in_front_leaves_a_sell_alone() -> None:
    run = flattening(7)
    placed(run)
    run.wait(2)
    run.push(snapshot((990, 5), (), update_id=9, at_ns=run.now_ns))
    assert cancelled(run) == []


def test_an_order_that_would_cross_zero_goes() -> None:
    run = flattening(7)
    new = placed(run)
    in_market(run, position=6)
    assert cancelled(run) == [new.client_order_id]
    in_market(run, position=7)
    assert cancelled(run) == []
    in_market(run, position=-3)
    assert cancelled(run) == [new.client_order_id]
    in_market(run, position=0)
    assert cancelled(run) == [new.client_order_id]


def test_a_cancel_that_was_refused_waits() -> None:
    run = flattening(7)
    new = placed(run)
    in_market(run, position=6)
    order = replace(run.order(new.client_order_id), cancel_at_ns=run.now_ns + 1)
    in_market(run, orders={order.client_order_id: order}, asks=(order,))
    assert cancelled(run) == []
    order = replace(order, cancel_at_ns=run.now_ns)
    in_market(run, orders={order.client_order_id: order}, asks=(order,))
    assert cancelled(run) == [new.client_order_id]


def test_a_closed_gate_cancels_and_waits() -> None:
    run = flattening(7)
    in_market(run, feed=replace(run.market.feed, doubt="old"))
    assert decide(run.state).intents == ()
    run = flattening(7)
    new = placed(run)
    in_market(run, feed=replace(run.market.feed, doubt="old"))
    assert cancelled(run) == [new.client_order_id]


def test_a_back_off_holds_it_too() -> None:
    run = flattening(7)
    in_market(run, hold_until_ns=run.now_ns + 1)
    assert orders(run) == []
    in_market(run, hold_until_ns=run.now_ns)
    assert len(orders(run)) == 1


# --- taking -----------------------------------------------------------------------------------


def impatient(position: int, limit: Limits | None = None, **market: object) -> Run:
    run = flattening(position, limit, **market)
    run.now_ns += PATIENCE_NS
    book(run, 990, 1010)
    return run


def test_it_takes_after_its_patience_and_not_before() -> None:
    run = flattening(7)
    since_ns = run.market.holds[0].since_ns
    run.now_ns = since_ns + PATIENCE_NS - 1
    run.push(snapshot(update_id=5, at_ns=run.now_ns), after_ns=0)
    assert [new.ioc for new in orders(run)] == [False]
    run.push(e.TimerFired(), after_ns=1)
    assert [(new.ioc, new.post_only) for new in orders(run)] == [(True, False)]


@pytest.mark.parametrize(
    ("position", "collar_bps", "price"),
    [(7, 50, 995), (-7, 50, 1005), (7, 49, 996), (-7, 49, 1004), (7, 1, 1000), (-7, 1, 1000)],
)
def test_it_takes_within_the_collar(position: int, collar_bps: int, price: int) -> None:
    run = impatient(position, limits(flatten_collar_bps=collar_bps))
    (new,) = orders(run)
    assert (new.price, new.qty, new.ioc, new.level) == (price, 7, True, FLATTEN_LEVEL)


def test_the_maker_that_rests_is_cancelled_before_it_takes() -> None:
    run = flattening(7)
    new = placed(run)
    run.now_ns += PATIENCE_NS
    book(run, 990, 1010)
    assert cancelled(run) == [new.client_order_id]
    in_market(run, asks=tuple(replace(order, post_only=False) for order in run.market.asks))
    assert cancelled(run) == [], "an order that takes ends by itself"


def test_it_takes_once_a_second() -> None:
    assert (TAKE_EVERY_NS, FOLLOW_NS) == (S, S)
    run = impatient(7)
    in_market(run, flattened_ns=run.now_ns - TAKE_EVERY_NS + 1)
    assert orders(run) == []
    in_market(run, flattened_ns=run.now_ns - TAKE_EVERY_NS)
    assert len(orders(run)) == 1


def test_no_order_is_larger_than_its_limits() -> None:
    (new,) = orders(flattening(9, limits(order_qty_max=4)))
    assert new.qty == 4
    (new,) = orders(flattening(9, limits(order_notional_max=5 * 1010)))
    assert new.qty == 5
    (new,) = orders(flattening(9, limits(order_notional_max=5 * 1010 - 1)))
    assert new.qty == 4


def test_what_no_order_can_be_made_of_is_left() -> None:
    assert [new.qty for new in orders(flattening(4, qty_min=4))] == [4]
    run = flattening(3, qty_min=4)
    assert decide(run.state).stages[0].hold.stage is Stage.OFF
    assert orders(run) == []
    assert orders(flattening(9, limits(order_qty_max=3), qty_min=4)) == []
    assert [new.qty for new in orders(flattening(9, notional_min=9 * 1010))] == []
    assert [new.qty for new in orders(flattening(-9, notional_min=9 * 990))] == [9]
    assert orders(flattening(-9, notional_min=9 * 990 + 1)) == []


def test_without_two_sides_it_waits() -> None:
    run = flattening(7)
    for update_id, bids, asks in ((9, (990, 5), ()), (10, (), (1010, 5))):
        run.push(snapshot(bids, asks, update_id=update_id, at_ns=run.now_ns))
        run.wait(0)
        decision = decide(run.state)
        assert (decision.intents, decision.stages) == ((), ()), "it neither trades nor gives up"


def test_a_price_that_is_refused_again_and_again_waits() -> None:
    run = flattening(7)
    refused = (WouldTake(SELL, 1010, 4, 1, run.now_ns),)
    in_market(run, would_take=refused)
    assert orders(run) == []
    in_market(run, would_take=())
    assert len(orders(run)) == 1


def test_a_refusal_by_risk_is_told() -> None:
    run = flattening(7, limits(collar_bps=50))
    decision = decide(run.state)
    assert [refusal.rule for refusal in decision.refusals] == ["collar"]
    assert decision.intents == ()


def test_a_post_only_refusal_steps_back() -> None:
    run = flattening(7)
    ((seq, _),) = [(s, x) for s, x in run.act() if isinstance(x, i.PlaceOrders)]
    refusal = Refusal(422, 13, "postOnly", "This order couldn't be executed as a maker order")
    run.push(e.RequestRefused(refusal), seq)
    in_market(run, hold_until_ns=0)
    assert [new.price for new in orders(run)] == [1011]


def test_the_earliest_of_several_reasons_counts() -> None:
    run = flattening(7)
    later = Hold("later", Stage.FLATTEN, "", run.now_ns + 5 * S)
    stop = Hold("a", Stage.STOP, "", 1)
    run.push(e.Decided((), (), (StageChange(NAME, later), StageChange(NAME, stop))))
    run.now_ns = run.market.holds[-1].since_ns + PATIENCE_NS
    book(run, 990, 1010)
    assert [new.ioc for new in orders(run)] == [True]


def test_in_the_end_it_is_off() -> None:
    run = flattening(7)
    new = placed(run)
    deal = fill(5, qty=7, price=1010, side=SELL, order_id=1, client_order_id=new.client_order_id)
    run.push(e.Filled(deal))
    run.push(decide(run.state))
    assert run.market.stage is Stage.OFF
    assert run.market.holds[0].human
    run.wait(0.1)
    assert decide(run.state).intents == ()


def test_lifted_half_way_the_order_goes_and_quotes_come_back() -> None:
    run = flattening(7)
    new = placed(run)
    run.push(e.ParametersChanged(NAME, fixed(((990, 5),), ((1010, 5),))))
    run.push(e.Decided((), (), (StageChange(NAME, Hold("test", Stage.QUOTE, "")),)))
    run.wait(0)
    intents = decide(run.state).intents
    assert i.CancelOrder(NAME, new.client_order_id) in intents
    assert any(isinstance(intent, i.PlaceOrders) for intent in intents)
