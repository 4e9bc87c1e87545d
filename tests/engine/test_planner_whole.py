"""Plans, whole: every field of every request, and every refusal."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.orders import Order
from engine.planner import plan
from engine.risk import exposure_of
from engine.trouble import WouldTake
from engine.types import (
    BUY,
    SELL,
    Level,
    OrderStatus,
    Side,
    Stp,
    TwoSidedQuote,
    VenueOrder,
)
from tests.engine.builders import (
    NAME,
    PERPETUAL,
    Pairs,
    Run,
    limits,
    quoted,
    quoting,
    snapshot,
    started,
    venue_order,
)
from tests.engine.test_gates import in_market
from tests.engine.test_planner import attentive

CN = Stp.CANCEL_NEW
Plan = tuple[list[i.Intent], list[e.RiskRefusal]]


def wanting(bids: Pairs = (), asks: Pairs = ()) -> TwoSidedQuote:
    return TwoSidedQuote(
        tuple(Level(price, qty, CN) for price, qty in bids),
        tuple(Level(price, qty, CN) for price, qty in asks),
    )


def planned(run: Run, bids: Pairs = (), asks: Pairs = ()) -> Plan:
    return plan(attentive(run), run.market, wanting(bids, asks))


def modify(name: str, price: int, qty: int = 10) -> i.ModifyOrder:
    return i.ModifyOrder(NAME, name, price, qty, CN)


def in_order(run: Run, client_order_id: str, **fields: object) -> None:
    """Change fields of a resting order that its place among the others does not depend on."""
    order = replace(run.order(client_order_id), **fields)
    rest: dict[str, object] = {"orders": {**run.market.orders, client_order_id: order}}
    for side in ("bids", "asks"):
        group = getattr(run.market, side)
        rest[side] = tuple(order if o.client_order_id == client_order_id else o for o in group)
    in_market(run, **rest)


def test_new_orders_are_named_by_run_decision_market_and_place() -> None:
    run = started(quoted(), quoted(PERPETUAL))
    wanted = TwoSidedQuote(
        (Level(990, 10, CN), Level(985, 5, Stp.CANCEL_BOTH, True, False)),
        (Level(1010, 7, CN),),
    )
    market = run.state.markets[PERPETUAL.name]
    seq = run.state.seq + 1
    new = (
        i.NewOrder(f"r1-{seq}-1-0", BUY, 990, 10, CN, False, True, 0),
        i.NewOrder(f"r1-{seq}-1-1", BUY, 985, 5, Stp.CANCEL_BOTH, True, False, 1),
        i.NewOrder(f"r1-{seq}-1-2", SELL, 1010, 7, CN, False, True, 0),
    )
    assert plan(run.state, market, wanted) == ([i.PlaceOrders(PERPETUAL.name, new)], [])


def test_a_refused_level_does_not_hold_up_the_others() -> None:
    run = started(quoted(limit=limits(order_qty_max=10)))
    intents, refusals = planned(run, ((990, 11), (985, 10)), ((1010, 11), (1015, 10)))
    (place,) = intents
    assert isinstance(place, i.PlaceOrders)
    assert [(order.side, order.level, order.price) for order in place.orders] == [
        (BUY, 1, 985),
        (SELL, 1, 1015),
    ]
    assert [refusal.rule for refusal in refusals] == ["order_qty"] * 2


def test_places_count_as_orders_and_modifies_do_not() -> None:
    run, (ask, bid) = quoting(limit=limits(open_orders_max=2))
    moves = [modify(ask.client_order_id, 1012), modify(bid.client_order_id, 985)]
    assert planned(run, ((985, 10),), ((1012, 10),)) == (moves, [])
    intents, refusals = planned(run, ((985, 10), (980, 1)), ((1012, 10),))
    assert intents == moves
    assert [(refusal.rule, refusal.found) for refusal in refusals] == [("open_orders", 3)]


def test_refusals_of_moves_and_of_places_are_told_together() -> None:
    run, (ask, bid) = quoting(limit=limits(collar_bps=200))
    intents, refusals = planned(run, ((970, 10), (969, 10)), ((1010, 10),))
    assert intents == [i.CancelOrder(NAME, bid.client_order_id)]
    assert [refusal.rule for refusal in refusals] == ["collar", "collar"]
    assert [refusal.reason[:9] for refusal in refusals] == ["price 970", "price 969"]
    assert run.order(ask.client_order_id) == ask


@pytest.mark.parametrize(("wait_ns", "cancels"), [(0, True), (1, False)])
def test_what_may_not_move_is_cancelled_once_it_may_be(wait_ns: int, cancels: bool) -> None:
    run, (_, bid) = quoting(limit=limits(collar_bps=200))
    in_order(run, bid.client_order_id, cancel_at_ns=run.now_ns + wait_ns)
    intents, _ = planned(run, ((970, 10),), ((1010, 10),))
    assert intents == ([i.CancelOrder(NAME, bid.client_order_id)] if cancels else [])
    intents, _ = planned(run, (), ((1010, 10),))
    assert intents == ([i.CancelOrder(NAME, bid.client_order_id)] if cancels else [])
    in_market(run, hold_until_ns=run.now_ns + 300_000_000)
    intents, _ = planned(run, ((985, 10),), ((1010, 10),))
    assert intents == ([i.CancelOrder(NAME, bid.client_order_id)] if cancels else [])


def test_near_the_position_limit_a_move_is_a_cancel_and_no_refusal() -> None:
    run, (_, bid) = quoting(limit=limits(position_max=15))
    assert planned(run, ((985, 10),), ((1010, 10),)) == (
        [i.CancelOrder(NAME, bid.client_order_id)],
        [],
    )


@pytest.mark.parametrize(("price", "moved"), [(984, False), (983, True), (996, False), (997, True)])
def test_deeper_levels_keep_their_places_for_longer_where_others_are_placed(
    price: int, moved: bool
) -> None:
    run, orders = quoting(((1000, 10), (990, 10)), ((1010, 10),), price_tolerance=3)
    second = orders[-1].client_order_id
    intents, _ = planned(run, ((1000, 10), (price, 10), (970, 10)), ((1010, 10),))
    moves = [intent for intent in intents if isinstance(intent, i.ModifyOrder)]
    assert moves == ([modify(second, price)] if moved else [])
    assert len(intents) == 1 + moved


@pytest.mark.parametrize(("price", "moved"), [(984, False), (983, True), (996, False), (997, True)])
def test_deeper_levels_keep_their_places_for_longer_where_nothing_else_is_to_do(
    price: int, moved: bool
) -> None:
    run, orders = quoting(((1000, 10), (990, 10)), ((1010, 10),), price_tolerance=3)
    second = orders[-1].client_order_id
    expected = [modify(second, price)] if moved else []
    assert planned(run, ((1000, 10), (price, 10)), ((1010, 10),)) == (expected, [])


def test_what_is_too_shy_waits_for_the_timer_where_others_are_placed() -> None:
    run, (_, bid) = quoting()
    run.push(e.Decided((), ()))
    wanted = wanting(((995, 10), (980, 10)), ((1010, 10),))
    (place,), _ = plan(run.state, run.market, wanted)
    assert isinstance(place, i.PlaceOrders)
    intents, _ = plan(attentive(run), run.market, wanted)
    assert intents[0] == modify(bid.client_order_id, 995)
    assert len(intents) == 2


def test_of_two_references_the_one_that_is_too_far_is_named() -> None:
    run = started(quoted(limit=limits(collar_bps=100)))
    in_market(run, feed=replace(run.market.feed, last_trade=990, traded_ns=run.now_ns))
    refusal = exposure_of(run.market, run.now_ns).approve(BUY, 1010, 1, 1)
    assert refusal is not None
    assert refusal.reason == "price 1010 is 203 bps from the last trade, limit 100"


# --- what may cross ---------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "allowed"), [(1005, False), (1006, True)])
def test_an_ask_stays_above_where_a_bid_is_on_its_way_to(price: int, allowed: bool) -> None:
    run, (ask, bid) = quoting()
    run.ask(modify(bid.client_order_id, 1005))
    expected = [modify(ask.client_order_id, price)] if allowed else []
    assert planned(run, ((1005, 10),), ((price, 10),)) == (expected, [])


@pytest.mark.parametrize(("price", "allowed"), [(995, False), (994, True)])
def test_a_bid_stays_below_where_an_ask_is_on_its_way_to(price: int, allowed: bool) -> None:
    run, (ask, bid) = quoting()
    run.ask(modify(ask.client_order_id, 995))
    expected = [modify(bid.client_order_id, price)] if allowed else []
    assert planned(run, ((price, 10),), ((995, 10),)) == (expected, [])


def test_a_bid_that_is_placed_may_pass_one_that_moves_but_no_ask() -> None:
    run, (ask, first, second) = quoting(((990, 10), (980, 10)))
    run.push(e.OrderClosed(closed(first)))
    for price, placed in ((992, 1), (1010, 0)):
        intents, _ = planned(run, ((price, 10), (985, 10)), ((1010, 10),))
        assert intents[0] == modify(second.client_order_id, 985)
        assert len(intents) == 1 + placed
    assert run.order(ask.client_order_id) == ask


def test_where_levels_are_missing_no_order_takes_the_level_of_another() -> None:
    run, (_, first, second, third) = quoting(((990, 10), (989, 10), (988, 10)))
    run.push(e.OrderClosed(closed(second)))
    intents, _ = planned(run, ((992, 10), (991, 10), (990, 10)), ((1010, 10),))
    assert intents[:2] == [
        modify(first.client_order_id, 992),
        modify(third.client_order_id, 990),
    ]
    assert isinstance(intents[2], i.PlaceOrders)


def closed(order: Order) -> VenueOrder:
    return venue_order(
        order.client_order_id, order.order_id, price=order.price, status=OrderStatus.CANCELLED
    )


def test_an_ask_may_rest_at_the_lowest_price_there_is() -> None:
    limit = limits(collar_bps=10_000)
    run = started(quoted(limit=limit))
    run.push(snapshot((1, 50), (3, 50), update_id=2))
    (place,), refusals = planned(run, (), ((1, 10),))
    assert isinstance(place, i.PlaceOrders)
    assert [order.price for order in place.orders] == [1]
    assert refusals == []


# --- where the venue refused a post-only order ------------------------------------------------


def would_take(run: Run, side: Side, price: int) -> None:
    in_market(run, would_take=(WouldTake(side, price, 1, run.state.seq, run.now_ns),))


TAKING = (
    ("a bid goes one tick behind it", BUY, 1000, (1003, 1010), (999, None)),
    ("an ask goes one tick behind it", SELL, 1000, (990, 997), (None, 1001)),
    ("a bid that is there already stays", BUY, 991, (1003, 1010), (None, None)),
    ("an ask that is there already stays", SELL, 1009, (990, 997), (None, None)),
    ("the other side goes on", BUY, 991, (1003, 1012), (None, 1012)),
    ("the other side goes on, asks", SELL, 1009, (985, 997), (985, None)),
)


@pytest.mark.parametrize(
    ("side", "held", "prices", "moves"), [t[1:] for t in TAKING], ids=[t[0] for t in TAKING]
)
def test_a_price_that_would_take_is_not_tried_again(
    side: Side, held: int, prices: tuple[int, int], moves: tuple[int | None, int | None]
) -> None:
    run, (ask, bid) = quoting()
    would_take(run, side, held)
    intents, refusals = planned(run, ((prices[0], 10),), ((prices[1], 10),))
    to_bid, to_ask = moves
    expected = [modify(ask.client_order_id, to_ask)] if to_ask is not None else []
    expected += [modify(bid.client_order_id, to_bid)] if to_bid is not None else []
    assert (intents, refusals) == (expected, [])


@pytest.mark.parametrize("side", Side)
def test_where_only_the_size_shrinks_the_price_stays(side: Side) -> None:
    run, (ask, bid) = quoting()
    would_take(run, side, 990 if side is BUY else 1010)
    bid_qty, ask_qty = (5, 10) if side is BUY else (10, 5)
    own = bid if side is BUY else ask
    expected = [modify(own.client_order_id, own.price, 5)]
    assert planned(run, ((990, bid_qty),), ((1010, ask_qty),)) == (expected, [])
