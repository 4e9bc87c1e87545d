"""What a plan costs: ladders that shift, requests that are short, bulks and single orders."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.backoff import Group
from engine.planner import plan
from engine.rates import LIMITS, MODIFY, NEW, bucket_of
from engine.shifting import is_good
from engine.state import State
from engine.trouble import Circuit
from engine.types import Level, Placement, Stp, TwoSidedQuote
from tests.engine.builders import (
    BUSY,
    NAME,
    NO_FUNDS,
    PERPETUAL,
    Pairs,
    Run,
    accepted,
    fixed,
    limits,
    new_order,
    quoted,
    quoting,
    started,
)
from tests.engine.test_planner import attentive, planned

BIDS: Pairs = ((990, 10), (989, 10), (988, 10))
ASKS: Pairs = ((1010, 10), (1011, 10), (1012, 10))


def step(pairs: Pairs, ticks: int) -> Pairs:
    return tuple((price + ticks, qty) for price, qty in pairs)


def wanting(run: Run, bids: Pairs, asks: Pairs) -> None:
    """Want other quotes, as the timer sees them."""
    run.push(e.ParametersChanged(NAME, fixed(bids, asks)))
    run.wait(0.001)


def resting(run: Run) -> dict[int, tuple[int, str]]:
    """Level and id of each live order by its price."""
    return {order.price: (order.level, order.client_order_id) for order in run.market.live}


# --- a ladder that shifts -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticks", "moves"),
    [
        (-1, {(990, 987), (1012, 1009)}),
        (1, {(988, 991), (1010, 1013)}),
        (-2, {(990, 987), (989, 986), (1011, 1008), (1012, 1009)}),
        (2, {(988, 991), (989, 992), (1010, 1013), (1011, 1014)}),
        (-3, {(p, p - 3) for p in (990, 989, 988, 1010, 1011, 1012)}),
    ],
)
def test_a_ladder_that_shifts_moves_only_its_ends(ticks: int, moves: set[tuple[int, int]]) -> None:
    run, orders = quoting(BIDS, ASKS)
    at = {order.client_order_id: order.price for order in orders}
    before = resting(run)
    wanting(run, step(BIDS, ticks), step(ASKS, ticks))
    found = set()
    for _ in range(4):
        sent = [(seq, m) for seq, m in run.act() if isinstance(m, i.ModifyOrder)]
        found |= {(at[m.client_order_id], m.price) for _, m in sent}
        for seq, m in sent:
            old = run.order(m.client_order_id)
            new = (new_order(old.client_order_id, side=old.side, price=m.price, qty=m.qty),)
            (result,) = accepted(new, 100 + seq)
            assert result.order is not None
            run.push(e.OrderModified(result.order), seq)
        run.wait(0.1)
    assert found == moves
    after = resting(run)
    assert sorted(after) == sorted(p for p, _ in (*step(BIDS, ticks), *step(ASKS, ticks)))
    # Levels follow prices, and what stayed is the very same order.
    for side, pairs in ((BIDS, step(BIDS, ticks)), (ASKS, step(ASKS, ticks))):
        assert [after[price][0] for price, _ in pairs] == [0, 1, 2]
        for price in {p for p, _ in side} & {p for p, _ in pairs}:
            assert after[price][1] == before[price][1]
    assert run.market.whole


def test_a_move_that_shifts_levels_tells_the_new_ladder_and_one_that_does_not_tells_none() -> None:
    run, _ = quoting(BIDS, ((1010, 10),))
    bids = [order.client_order_id for order in run.market.bids]
    wanting(run, step(BIDS, -1), ((1010, 10),))
    ((_, moved),) = run.act()
    assert isinstance(moved, i.ModifyOrder)
    assert moved.ladder == (bids[1], bids[2], bids[0])
    assert [order.client_order_id for order in run.market.bids] == list(moved.ladder)
    assert [order.level for order in run.market.bids] == [0, 1, 2]
    run, _ = quoting(BIDS, ((1010, 10),))
    wanting(run, step(BIDS, -10), ((1010, 10),))
    assert [m.ladder for m in run.decide() if isinstance(m, i.ModifyOrder)] == [()] * 3


def test_a_cancel_beside_a_shift_is_told_of_no_ladder() -> None:
    run, _ = quoting(BIDS, ())
    first, second, third = [order.client_order_id for order in run.market.bids]
    wanting(run, ((989, 10), (988, 10)), ())
    cancel, moved = run.decide()
    assert cancel == i.CancelOrder(NAME, third)
    assert moved == i.ModifyOrder(NAME, first, 988, 10, Stp.CANCEL_NEW, (second, first, third))


def test_an_order_in_flight_keeps_its_level_while_the_others_shift() -> None:
    run, _ = quoting(BIDS, ())
    first, second, third = run.market.bids
    run.ask(i.ModifyOrder(NAME, first.client_order_id, 991, 10, first.stp))
    wanting(run, ((991, 10), (988, 10), (987, 10)), ())
    ((_, moved),) = run.act()
    assert isinstance(moved, i.ModifyOrder)
    assert (moved.client_order_id, moved.price) == (second.client_order_id, 987)
    assert moved.ladder == (
        first.client_order_id, third.client_order_id, second.client_order_id
    )  # fmt: skip


def test_orders_of_another_kind_or_size_do_not_take_each_others_level() -> None:
    order = quoting()[0].market.bids[0]
    want = Level(990, 10, Stp.CANCEL_NEW)
    assert is_good(order, want, 0, 0)
    assert not is_good(order, replace(want, stp=Stp.NO), 0, 0)
    assert not is_good(order, replace(want, rpi=True, post_only=False), 0, 0)
    assert not is_good(order, replace(want, post_only=False), 0, 0)
    for qty, good in ((9, False), (20, True), (21, False)):
        assert is_good(order, replace(want, qty=qty), 0, 0) is good
    for price, tolerance, level, good in (
        (991, 0, 0, False), (989, 0, 5, False), (993, 3, 0, True), (994, 3, 0, False),
        (987, 3, 0, True), (986, 3, 0, False), (984, 3, 1, True), (983, 3, 1, False),
    ):  # fmt: skip
        assert is_good(order, replace(want, price=price), tolerance, level) is good
    ask = quoting()[0].market.asks[0]
    for price, good in ((1013, True), (1014, False), (1007, True), (1006, False)):
        assert is_good(ask, replace(want, price=price), 3, 0) is good


def test_a_mixed_ladder_is_not_shifted_into_orders_of_another_kind() -> None:
    run = started(quoted(limit=limits(position_max=1000)))
    kinds = ((990, True), (989, False), (988, True))
    new = tuple(
        new_order(f"k-{at}", price=price, level=at, rpi=rpi)
        for at, (price, rpi) in enumerate(kinds)
    )
    (request,) = run.ask(i.PlaceOrders(NAME, new))
    run.push(e.OrdersPlaced(NAME, accepted(new)), request)
    levels = tuple(Level(price - 2, 10, Stp.CANCEL_NEW, rpi, not rpi) for price, rpi in kinds)
    intents, _ = plan(attentive(run), run.market, TwoSidedQuote(levels, ()))
    moves = [(m.client_order_id, m.price, m.ladder) for m in intents
             if isinstance(m, i.ModifyOrder)]  # fmt: skip
    assert moves == [("k-0", 988, ()), ("k-1", 987, ()), ("k-2", 986, ())]


# --- where requests are short ---------------------------------------------------------------------


def short_of(run: Run, key: str, tokens: int) -> State:
    """The state of the timer, with so many tokens left for an endpoint."""
    depth = bucket_of(key, run.state.settings.rate_percent).depth
    spent = {key: run.now_ns + (depth - tokens) * bucket_of(key, 80).each_ns}
    return replace(attentive(run), spent=spent, used={}, slack=0)


@pytest.mark.parametrize(("tokens", "modified"), [(4, 4), (3, 3), (2, 2), (1, 1), (0, 0)])
def test_the_most_endangered_move_and_the_rest_is_cancelled_or_kept(
    tokens: int, modified: int
) -> None:
    run, orders = quoting(((990, 10), (980, 10)), ((1010, 10), (1020, 10)))
    # In danger by 25, 5 and 1 ticks; the last is too shy by 5.
    bids = tuple(Level(p, 10, Stp.CANCEL_NEW) for p in (965, 975))
    asks = tuple(Level(p, 10, Stp.CANCEL_NEW) for p in (1005, 1021))
    intents, _ = plan(short_of(run, MODIFY, tokens), run.market, TwoSidedQuote(bids, asks))
    price = {order.client_order_id: order.price for order in orders}
    moved = [price[m.client_order_id] for m in intents if isinstance(m, i.ModifyOrder)]
    gone = [price[c.client_order_id] for c in intents if isinstance(c, i.CancelOrder)]
    ranked = [990, 980, 1020, 1010]
    assert sorted(moved) == sorted(ranked[:modified])
    assert sorted(gone) == sorted(set(ranked[modified:]) - {1010})


def test_moves_that_may_all_go_are_not_ranked() -> None:
    run, (ask, bid) = quoting()
    bids, asks = (Level(965, 10, Stp.CANCEL_NEW),), (Level(1011, 10, Stp.CANCEL_NEW),)
    intents, _ = plan(short_of(run, MODIFY, 2), run.market, TwoSidedQuote(bids, asks))
    assert [move.client_order_id for move in intents if isinstance(move, i.ModifyOrder)] == [
        ask.client_order_id,
        bid.client_order_id,
    ]


def test_what_is_too_large_by_more_goes_first_among_equals() -> None:
    run, orders = quoting(((990, 10), (980, 10)), ())
    bids = (Level(990, 9, Stp.CANCEL_NEW), Level(980, 8, Stp.CANCEL_NEW))
    intents, _ = plan(short_of(run, MODIFY, 1), run.market, TwoSidedQuote(bids, ()))
    price = {order.client_order_id: order.price for order in orders}
    kinds = [(type(m), price[m.client_order_id]) for m in intents]  # type: ignore[union-attr]
    assert kinds == [(i.CancelOrder, 990), (i.ModifyOrder, 980)]


def test_while_moves_are_held_back_what_is_in_danger_is_cancelled_at_once() -> None:
    run, _ = quoting()
    trouble = {Group.MODIFIES: Circuit("x", 1, (1,), run.now_ns + 1)}
    run.state = replace(run.state, circuits=trouble, slack=0)
    assert planned(run, ((985, 10),), ((1010, 10),)) == [("cancel", "0")]
    assert planned(run, ((995, 10),), ((1010, 10),)) == []
    # But not over and over, where the venue refused the last cancel.
    (bid,) = run.market.bids
    (request,) = run.ask(i.CancelOrder(NAME, bid.client_order_id))
    run.push(e.RequestRefused(BUSY), request)
    assert planned(run, ((985, 10),), ((1010, 10),)) == []


def test_a_decision_beyond_the_slack_is_planned_with_care() -> None:
    run, _ = quoting()
    state = replace(short_of(run, MODIFY, 1), slack=2)
    wanted = TwoSidedQuote((Level(985, 10, Stp.CANCEL_NEW),), (Level(1015, 10, Stp.CANCEL_NEW),))
    kinds = [type(m) for m in plan(state, run.market, wanted)[0]]
    assert kinds == [i.ModifyOrder, i.ModifyOrder]
    kinds = [type(m) for m in plan(replace(state, slack=1), run.market, wanted)[0]]
    assert sorted(kind.__name__ for kind in kinds) == ["CancelOrder", "ModifyOrder"]


# --- held back after refusals ---------------------------------------------------------------------


def test_a_long_hold_does_not_keep_an_order_where_it_is_in_danger() -> None:
    run, _ = quoting()
    for number in range(3):
        (request,) = run.ask(i.PlaceOrders(NAME, (new_order(f"x-{number}"),)))
        run.push(e.RequestRefused(NO_FUNDS), request)
    left_ns = run.market.hold_until_ns - run.now_ns
    assert left_ns == 400_000_000
    assert planned(run, ((985, 10),), ((1010, 10),)) == [("cancel", "0")]
    assert planned(run, ((995, 10),), ((1010, 10),)) == []
    assert planned(run, ((985, 10), (980, 5)), ((1010, 10),)) == [("cancel", "0")]
    for held_ns, expected in ((250_000_001, [("cancel", "0")]), (250_000_000, []), (1, [])):
        run.state = replace(run.state, now_ns=run.market.hold_until_ns - held_ns)
        assert planned(run, ((985, 10),), ((1010, 10),)) == expected
    run.state = replace(run.state, now_ns=run.market.hold_until_ns)
    assert planned(run, ((985, 10),), ((1010, 10),)) == [("modify", "0", 985, 10)]


# --- bulk and pipelined -------------------------------------------------------------------------


def placing(run: Run, state: State, levels: int) -> list[list[int]]:
    bids = tuple(Level(990 - at, 1, Stp.CANCEL_NEW) for at in range(levels))
    intents, _ = plan(state, run.market, TwoSidedQuote(bids, ()))
    assert all(isinstance(intent, i.PlaceOrders) for intent in intents)
    return [[o.price for o in m.orders] for m in intents if isinstance(m, i.PlaceOrders)]


@pytest.mark.parametrize(
    ("placement", "levels", "sizes"),
    [
        (Placement.BULK, 1, [1]),
        (Placement.BULK, 3, [3]),
        (Placement.BULK, 20, [20]),
        (Placement.BULK, 23, [20, 3]),
        (Placement.PIPELINED, 1, [1]),
        (Placement.PIPELINED, 3, [1, 1, 1]),
    ],
)
def test_new_orders_leave_in_bulks_or_one_by_one(
    placement: Placement, levels: int, sizes: list[int]
) -> None:
    run = started(replace(quoted(), placement=placement))
    bulks = placing(run, attentive(run), levels)
    assert [len(bulk) for bulk in bulks] == sizes
    assert [price for bulk in bulks for price in bulk] == [990 - at for at in range(levels)]


@pytest.mark.parametrize(("tokens", "sizes"), [(3, [1, 1, 1]), (2, [3]), (0, [3])])
def test_where_tokens_are_short_a_bulk_is_the_cheaper_way(tokens: int, sizes: list[int]) -> None:
    run = started(replace(quoted(), placement=Placement.PIPELINED))
    state = short_of(run, NEW, tokens)
    assert [len(bulk) for bulk in placing(run, state, 3)] == sizes
    assert [len(bulk) for bulk in placing(run, replace(state, slack=3), 3)] == [1, 1, 1]
    assert [len(bulk) for bulk in placing(run, replace(state, slack=2), 3)] == sizes
    assert NEW in LIMITS


@pytest.mark.parametrize("placement", list(Placement))
def test_in_a_perpetuals_bulk_nothing_may_take(placement: Placement) -> None:
    run = started(quoted(), replace(quoted(PERPETUAL), placement=placement))
    market = run.state.markets["BTC_PERP"]
    kinds = (True, False, True, False)
    bids = tuple(Level(990 - at, 1, Stp.CANCEL_NEW, False, post) for at, post in enumerate(kinds))
    bids += (Level(980, 1, Stp.CANCEL_NEW, True, False),)
    intents, _ = plan(attentive(run), market, TwoSidedQuote(bids, ()))
    prices = [[o.price for o in m.orders] for m in intents if isinstance(m, i.PlaceOrders)]
    if placement is Placement.BULK:
        assert prices == [[990, 988, 980], [989], [987]]
    else:
        assert prices == [[990], [989], [988], [987], [980]]
    names = [o.client_order_id for m in intents if isinstance(m, i.PlaceOrders) for o in m.orders]
    assert len(set(names)) == 5
    spot, _ = plan(attentive(run), run.market, TwoSidedQuote(bids, ()))
    if placement is Placement.BULK:
        assert [len(m.orders) for m in spot if isinstance(m, i.PlaceOrders)] == [5]


# --- corners --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("away", "kept"), [(6, True), (7, False)])
def test_a_deeper_level_is_kept_further_off_also_while_others_are_missing(
    away: int, kept: bool
) -> None:
    run, _ = quoting(((990, 10), (980, 10)), ((1010, 10), (1020, 10)), price_tolerance=3)
    bids: Pairs = ((990, 10), (980 - away, 10), (960, 5))
    asks: Pairs = ((1010, 10), (1020 + away, 10))
    kinds = [intent[0] for intent in planned(run, bids, asks)]
    assert kinds == ["place"] if kept else ["modify", "modify", "place"]


def test_a_position_limit_that_a_modify_meets_is_no_refusal() -> None:
    run, _ = quoting(limit=limits(position_max=15))
    wanted = TwoSidedQuote((Level(985, 10, Stp.CANCEL_NEW),), (Level(1010, 10, Stp.CANCEL_NEW),))
    intents, refusals = plan(attentive(run), run.market, wanted)
    assert [type(intent) for intent in intents] == [i.CancelOrder]
    assert refusals == []


def test_quotes_that_cross_each_other_never_both_go_out() -> None:
    run, _ = quoting()
    assert planned(run, ((1005, 10),), ((1003, 10),)) == [("modify", "1", 1003, 10)]
    assert planned(started(), ((1005, 10),), ((1005, 10),)) == [("place", ("BUY", 1005, 10))]


def test_at_the_end_of_a_hold_what_is_missing_is_placed() -> None:
    run, _ = quoting()
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order("x"),)))
    run.push(e.RequestRefused(NO_FUNDS), request)
    wanted: tuple[Pairs, Pairs] = (((990, 10), (980, 5)), ((1010, 10),))
    run.state = replace(run.state, now_ns=run.market.hold_until_ns - 1)
    assert planned(run, *wanted) == []
    run.state = replace(run.state, now_ns=run.market.hold_until_ns)
    assert planned(run, *wanted) == [("place", ("BUY", 980, 5))]


@pytest.mark.parametrize("missing", [False, True], ids=["nothing missing", "a level missing"])
@pytest.mark.parametrize(
    ("price", "qty", "kept"),
    [
        (1013, 10, True), (1014, 10, False), (1007, 10, True), (1006, 10, False),
        (1010, 20, True), (1010, 21, False), (1010, 9, False),
    ],
)  # fmt: skip
def test_what_keeps_its_place_does_so_on_both_ways_through_the_plan(
    missing: bool, price: int, qty: int, kept: bool
) -> None:
    bids: Pairs = ((990, 10), (970, 5)) if missing else ((990, 10),)
    run, _ = quoting(price_tolerance=3)
    kinds = [intent[0] for intent in planned(run, bids, ((price, qty),))]
    assert ("modify" not in kinds) is kept
    assert ("place" in kinds) is missing
    run, _ = quoting(((990, 10),), (), price_tolerance=3)
    mirrored: Pairs = ((2000 - price, qty), *bids[1:])
    assert ("modify" not in [intent[0] for intent in planned(run, mirrored)]) is kept


def test_a_cancel_that_was_refused_is_not_repeated_at_full_speed_for_a_side_that_is_gone() -> None:
    run, (_, bid) = quoting()
    (request,) = run.ask(i.CancelOrder(NAME, bid.client_order_id))
    run.push(e.RequestRefused(BUSY), request)
    at_ns = run.order(bid.client_order_id).cancel_at_ns
    for now_ns, expected in ((at_ns - 1, []), (at_ns, [("cancel", "0")])):
        run.state = replace(run.state, now_ns=now_ns)
        assert planned(run, (), ((1010, 10),)) == expected
