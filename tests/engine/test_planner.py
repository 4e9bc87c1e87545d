"""The planner and risk: the fewest requests, never too much, never against ourselves."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.orders import Order
from engine.planner import client_order_id, plan
from engine.risk import exposure_of
from engine.state import State
from engine.step import decide, wanted_quote
from engine.types import Level, Limits, OrderStatus, Side, Stp, TwoSidedQuote, VenueOrder
from tests.engine.builders import (
    BUSY,
    NAME,
    T0,
    Pairs,
    Run,
    accepted,
    fill,
    fixed,
    limits,
    new_order,
    quoted,
    quoting,
    snapshot,
    started,
    venue_order,
)
from tests.engine.test_gates import in_market


def planned(run: Run, bids: Pairs = (), asks: Pairs = ()) -> list[tuple[object, ...]]:
    """What a plan for these quotes asks for, in short."""
    wanted = TwoSidedQuote(
        tuple(Level(p, q, Stp.CANCEL_NEW) for p, q in bids),
        tuple(Level(p, q, Stp.CANCEL_NEW) for p, q in asks),
    )
    return [short(intent) for intent in plan(attentive(run), run.market, wanted)[0]]


def attentive(run: Run) -> State:
    """The state as when the timer has just fired: nothing is put off."""
    return replace(run.state, attention_seq=run.state.decided_seq + 1)


@pytest.mark.parametrize(
    ("bids", "asks", "intents"),
    [
        (((985, 10),), ((1010, 10),), [("modify", "0", 985, 10)]),
        (((995, 10),), ((1010, 10),), []),
        (((990, 10),), ((1015, 10),), [("modify", "1", 1015, 10)]),
        (((990, 10),), ((1005, 10),), []),
        (((990, 9),), ((1010, 10),), [("modify", "0", 990, 9)]),
        (((990, 30),), ((1010, 10),), []),
        (((985, 10),), ((1005, 10),), [("modify", "0", 985, 10)]),
    ],
    ids=["bid too high", "bid too low", "ask too low", "ask too high", "bid too large",
         "bid too small", "both down: the bid first"],
)  # fmt: skip
def test_on_a_price_alone_only_what_is_in_danger_moves_at_once(
    bids: Pairs, asks: Pairs, intents: list[tuple[object, ...]]
) -> None:
    run, _ = quoting()
    run.push(e.Decided((), ()))
    wanted = TwoSidedQuote(
        tuple(Level(p, q, Stp.CANCEL_NEW) for p, q in bids),
        tuple(Level(p, q, Stp.CANCEL_NEW) for p, q in asks),
    )
    assert [short(intent) for intent in plan(run.state, run.market, wanted)[0]] == intents


def short(intent: i.Intent) -> tuple[object, ...]:
    match intent:
        case i.PlaceOrders(_, new):
            return ("place", *((order.side.name, order.price, order.qty) for order in new))
        case i.ModifyOrder(_, name, price, qty):
            return ("modify", name[-1], price, qty)
        case i.CancelOrder(_, name):
            return ("cancel", name[-1])
    raise AssertionError(intent)


# With the quotes of `quoting()`: order 0 is the bid 990 x 10, order 1 the ask 1010 x 10.
CASES: dict[str, tuple[Pairs, Pairs, list[tuple[object, ...]]]] = {
    "as it is: nothing": (((990, 10),), ((1010, 10),), []),
    "another price: one modify": (((991, 10),), ((1010, 10),), [("modify", "0", 991, 10)]),
    "more wanted: one modify": (((990, 11),), ((1010, 10),), []),
    "more than twice as much: one modify": (
        ((990, 21),), ((1010, 10),), [("modify", "0", 990, 21)],
    ),
    "less wanted: one modify": (((990, 9),), ((1010, 10),), [("modify", "0", 990, 9)]),
    "a side gone: one cancel": ((), ((1010, 10),), [("cancel", "0")]),
    "all gone: two cancels": ((), (), [("cancel", "1"), ("cancel", "0")]),
    "more levels: one bulk for both sides": (
        ((990, 10), (985, 5)), ((1010, 10), (1015, 5)),
        [("place", ("BUY", 985, 5), ("SELL", 1015, 5))],
    ),
    "market up past our ask: the ask first, the bid when the way is free": (
        ((1020, 10),), ((1040, 10),), [("modify", "1", 1040, 10)],
    ),
    "market down past our bid: the bid first": (
        ((960, 10),), ((980, 10),), [("modify", "0", 960, 10)],
    ),
    "a new bid level at our own ask waits": (
        ((990, 10), (1010, 5)), ((1010, 10),), [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_fewest_requests_that_bring_the_orders_to_the_quotes(name: str) -> None:
    bids, asks, expected = CASES[name]
    run, _ = quoting()
    assert planned(run, bids, asks) == expected


@pytest.mark.parametrize(("distance", "kept"), [(0, True), (3, True), (4, False)])
def test_a_price_within_the_tolerance_keeps_its_place(distance: int, kept: bool) -> None:
    run, _ = quoting(price_tolerance=3)
    for sign in (1, -1):
        assert (planned(run, ((990 + sign * distance, 10),), ((1010, 10),)) == []) is kept


@pytest.mark.parametrize(("left", "kept"), [(9, True), (5, True), (4, False)])
def test_a_partly_filled_order_is_kept_while_half_is_left(left: int, kept: bool) -> None:
    run, (_, bid) = quoting()
    name = bid.client_order_id
    run.push(e.OrderUpdated(venue_order(name, 1, leaves=left, price=990)))
    run.push(e.Filled(fill(1, qty=10 - left, price=990, client_order_id=name)))
    assert (planned(run, ((990, 10),), ((1010, 10),)) == []) is kept


def test_an_order_with_a_request_in_flight_is_left_alone() -> None:
    run, (ask, bid) = quoting()
    run.ask(
        i.ModifyOrder(NAME, bid.client_order_id, 985, 10, Stp.CANCEL_NEW),
        i.CancelOrder(NAME, ask.client_order_id),
    )
    assert planned(run, ((970, 10),), ((1030, 10),)) == []


def test_other_self_trade_or_visibility_settings_need_another_order() -> None:
    run, _ = quoting()
    for level in (Level(990, 10, Stp.NO), Level(990, 10, Stp.CANCEL_NEW, True, False)):
        ask = (Level(1010, 10, Stp.CANCEL_NEW),)
        intents, _ = plan(attentive(run), run.market, TwoSidedQuote((level,), ask))
        assert [short(intent) for intent in intents] == [("cancel", "0")]


def test_two_orders_in_one_place_of_the_ladder_become_one() -> None:
    run, _ = quoting()
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order("z-9", price=985),)))
    run.push(e.OrdersPlaced(NAME, accepted((new_order("z-9", price=985),), 9)), request)
    assert planned(run, ((990, 10),), ((1010, 10),)) == [("cancel", "9")]


def test_a_bulk_holds_twenty_orders() -> None:
    run = started()
    bulks = planned(run, tuple((990 - n, 1) for n in range(21)))
    assert [len(bulk) - 1 for bulk in bulks] == [20, 1]


def test_while_held_back_orders_are_only_cancelled() -> None:
    run, _ = quoting()
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order("x"),)))
    run.push(e.RequestRefused(BUSY), request)
    assert planned(run, ((985, 10),)) == [("cancel", "1")]


def test_client_ids_tell_run_decision_and_place_apart() -> None:
    ids = {
        client_order_id(run, seq, market, index)
        for run, seq, market, index in product("ab", (1, 2), (0, 1), range(20))
    }
    assert len(ids) == 2 * 2 * 2 * 20
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
               for name in ids)  # fmt: skip


# --- risk -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "price", "qty", "rule"),
    [
        (limits(), 1000, 10, ""),
        (limits(position_max=10), 1000, 10, ""),
        (limits(position_max=9), 1000, 10, "position"),
        (limits(order_notional_max=10_000), 1000, 10, ""),
        (limits(order_notional_max=9_999), 1000, 10, "order_notional"),
        (limits(collar_bps=100), 990, 10, ""),
        (limits(collar_bps=100), 989, 10, "collar"),
        (limits(collar_bps=100), 1011, 10, "collar"),
        (limits(open_orders_max=0), 1000, 10, "open_orders"),
        (limits(), 9, 1, "venue_minimum"),
        (limits(), 1000, 0, "positive"),
        (limits(), 0, 10, "positive"),
    ],
)
def test_each_limit_has_its_edge(limit: Limits, price: int, qty: int, rule: str) -> None:
    run = started(quoted(limit=limit))
    exposure = exposure_of(run.market, run.now_ns)
    refusal = exposure.approve(Side.BUY, price, qty, 1)
    assert (refusal.rule if refusal else "") == rule
    assert refusal is None or refusal.reason
    assert exposure.buy_qty == (0 if rule else qty)
    if rule == "open_orders":
        assert exposure.approve(Side.BUY, price, qty, 0) is None


def test_prices_are_held_against_the_last_trade_too() -> None:
    run = started(quoted(limit=limits(collar_bps=100)))
    run.push(e.PublicTrades(NAME, (e.PublicTrade(1, 900, 1, Side.BUY, False, T0 // 1000),)))
    refusal = exposure_of(run.market, run.now_ns).approve(Side.BUY, 1000, 1, 1)
    assert refusal is not None
    assert "from the last trade, limit 100" in refusal.reason


def test_without_a_two_sided_market_nothing_is_approved() -> None:
    run = started()
    run.push(snapshot(bids=(), update_id=9))
    refusal = exposure_of(run.market, run.now_ns).approve(Side.SELL, 1000, 1, 1)
    assert refusal is not None
    assert refusal.rule == "collar"
    assert wanted_quote(run.state, run.market) == TwoSidedQuote()


def test_a_refusal_by_risk_is_recorded_and_holds_the_market_back() -> None:
    spec = quoted(parameters=fixed(((990, 50),)), limit=limits(position_max=20))
    run = started(spec)
    decision = decide(run.state)
    assert [refusal.rule for refusal in decision.refusals] == ["position"]
    run.push(decision)
    run.push(snapshot(update_id=5))
    assert decide(run.state).refusals == ()
    run.wait(0.3)
    assert len(decide(run.state).refusals) == 1


def test_a_modify_that_could_pass_the_limit_is_a_cancel_then_a_place() -> None:
    run, (_, bid) = quoting(limit=limits(position_max=15))
    assert planned(run, ((985, 10),), ((1010, 10),)) == [("cancel", "0")]
    (request,) = run.ask(i.CancelOrder(NAME, bid.client_order_id))
    gone = venue_order(bid.client_order_id, 1, price=990, status=OrderStatus.CANCELLED)
    run.push(e.OrderCancelled(gone), request)
    assert planned(run, ((985, 10),), ((1010, 10),)) == [("place", ("BUY", 985, 10))]


def test_a_cancel_in_place_of_a_modify_is_not_repeated_at_full_speed_either() -> None:
    run, (_, bid) = quoting(limit=limits(position_max=15))
    (request,) = run.ask(i.CancelOrder(NAME, bid.client_order_id))
    run.push(e.RequestRefused(BUSY), request)
    run.wait(0.2)
    assert planned(run, ((985, 10),), ((1010, 10),)) == []
    run.wait(0.4)
    assert planned(run, ((985, 10),), ((1010, 10),)) == [("cancel", "0")]


def test_a_modify_beyond_another_limit_is_cancelled_with_the_reason() -> None:
    run, _ = quoting(limit=limits(order_notional_max=11_000))
    level = Level(990, 30, Stp.CANCEL_NEW)
    wanted = TwoSidedQuote((level,), (Level(1010, 10, Stp.CANCEL_NEW),))
    intents, refusals = plan(attentive(run), run.market, wanted)
    assert [short(intent) for intent in intents] == [("cancel", "0")]
    assert [refusal.rule for refusal in refusals] == ["order_notional"]


def test_no_plan_passes_the_position_limit_whatever_fills() -> None:
    """Every combination of position, resting bid, wanted bids and their sizes."""
    for held, resting, first, second in product((-20, 0, 15, 20), (0, 5, 15), (5, 20), (0, 10)):
        run = started(quoted(limit=limits(position_max=20)))
        if held:
            side = Side.BUY if held > 0 else Side.SELL
            run.push(e.Filled(fill(1, qty=abs(held), side=side)))
        if resting:
            new = (new_order("x-0", price=980, qty=resting),)
            (request,) = run.ask(i.PlaceOrders(NAME, new))
            run.push(e.OrdersPlaced(NAME, accepted(new)), request)
        wanted = ((985, first), (984, second)) if second else ((985, first),)
        worst = held + resting
        for intent in planned(run, wanted):
            if intent[0] == "modify":
                worst += intent[3]  # type: ignore[operator]
            elif intent[0] == "place":
                worst += sum(order[2] for order in intent[1:])  # type: ignore[index]
        assert worst <= max(20, held + resting)


# --- what takes -------------------------------------------------------------------------------


def takes(run: Run, qty: int, price: int = 1010) -> list[tuple[object, ...]]:
    """What a plan for one bid that takes asks for."""
    wanted = TwoSidedQuote((Level(price, qty, Stp.CANCEL_BOTH, post_only=False),))
    return [short(intent) for intent in plan(attentive(run), run.market, wanted)[0]]


def test_what_takes_waits_for_the_deals_that_are_owed() -> None:
    """It was sized by a position without them, and would be taken twice."""
    run, (bid,) = quoting(asks=())
    name, filled = bid.client_order_id, OrderStatus.FILLED
    run.push(e.OrderClosed(venue_order(name, 1, leaves=0, price=990, status=filled)))
    assert planned(run, ((990, 10),)) == [("place", ("BUY", 990, 10))], "what rests does not"
    assert takes(run, 10) == []
    run.push(e.Filled(fill(1, price=990, client_order_id=name)))
    assert takes(run, 10) == [("place", ("BUY", 1010, 10))]


def test_what_takes_waits_until_the_orders_that_it_replaces_are_gone() -> None:
    run, (first, second) = quoting(((990, 10), (985, 5)), asks=())
    assert takes(run, 10) == [("cancel", "0"), ("cancel", "1")]
    run.push(e.OrderClosed(cancelled(first, 1)))
    assert takes(run, 10) == [("cancel", "1")]
    run.push(e.OrderClosed(cancelled(second, 2)))
    assert takes(run, 10) == [("place", ("BUY", 1010, 10))]


def cancelled(order: Order, order_id: int) -> VenueOrder:
    return venue_order(
        order.client_order_id,
        order_id,
        qty=order.qty,
        price=order.price,
        status=OrderStatus.CANCELLED,
    )


def test_what_takes_is_not_enlarged_before_its_deals_are_told() -> None:
    run, (bid,) = quoting(asks=())
    taking = replace(bid, post_only=False, stp=Stp.CANCEL_BOTH, leaves_qty=3)
    in_market(run, bids=(taking,), orders={bid.client_order_id: taking})
    assert takes(run, 10, 990) == []
    told = replace(taking, filled_qty=7)
    in_market(run, bids=(told,), orders={bid.client_order_id: told})
    assert takes(run, 10, 990) == [("modify", "0", 990, 10)]
