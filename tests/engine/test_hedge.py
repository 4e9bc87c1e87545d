"""Hedge mode: the two positions of a market, and which of them each order is for."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.hedge import reducible
from engine.legs import Legs, dealt, misfit, of_net, were
from engine.orders import Order
from engine.stages import Hold, Stage, StageChange
from engine.types import (
    BOTH,
    BUY,
    LONG,
    SELL,
    SHORT,
    OrderStatus,
    Position,
    PositionSide,
    Product,
    Quoted,
    Side,
)
from tests.engine.builders import (
    MARKET,
    NAME,
    T0,
    Pairs,
    Run,
    accepted,
    fill,
    fixed,
    limits,
    quoted,
    snapshot,
    started,
    venue_order,
)

PERPETUAL = replace(MARKET, product=Product.PERPETUAL)


def spec(bids: Pairs = ((990, 10),), asks: Pairs = ((1010, 10),), most: int = 1000) -> Quoted:
    limit = limits(position_max=most)
    return replace(quoted(PERPETUAL, fixed(bids, asks), limit=limit), hedged=True)


def legs_of(long: int, short: int) -> tuple[Position, ...]:
    """Both positions as the venue lists them."""
    held = ((LONG, long), (SHORT, -short))
    return tuple(Position(NAME, 1, qty, None, None, Decimal(0), side) for side, qty in held if qty)


def holding(long: int, short: int, told: Quoted | None = None) -> Run:
    """A run that found both positions at its start."""
    run = Run(told or spec())
    run.positions = legs_of(long, short)
    run.settle()
    run.push(e.PositionsReported(run.positions))
    run.push(snapshot((980, 50), (1020, 50), at_ns=run.now_ns))
    return run


def sides(run: Run) -> dict[Side, list[PositionSide]]:
    """Let everything that is asked for come to rest; the positions of the live orders by side."""
    for seq, intent in run.act():
        if isinstance(intent, i.PlaceOrders):
            run.push(e.OrdersPlaced(NAME, accepted(intent.orders, first_id=10 * seq)), seq)
    market = run.market
    return {
        BUY: [o.position_side for o in market.bids],
        SELL: [o.position_side for o in market.asks],
    }


def held(run: Run) -> tuple[int, int]:
    legs = run.market.inventory.legs
    return legs.long, legs.short


def taken(run: Run, order: Order, qty: int, deal_id: int) -> None:
    """A deal of an order, and what the venue then shows of it."""
    deal = fill(
        deal_id,
        qty=qty,
        side=order.side,
        price=order.price,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
    )
    run.push(e.Filled(deal))


# --- the legs -----------------------------------------------------------------------------------

DEALS = [
    ("a buy for long opens it", BUY, LONG, (9, 5)),
    ("a sell for long reduces it", SELL, LONG, (1, 5)),
    ("a sell for short opens it", SELL, SHORT, (5, 9)),
    ("a buy for short reduces it", BUY, SHORT, (5, 1)),
    ("a stranger's buy reduces what is short", BUY, BOTH, (5, 1)),
    ("a stranger's sell reduces what is long", SELL, BOTH, (1, 5)),
]


@pytest.mark.parametrize(("name", "side", "position", "expected"), DEALS)
def test_a_deal(name: str, side: Side, position: PositionSide, expected: tuple[int, int]) -> None:
    after = dealt(Legs(5, 5), side, position, 4, T0, T0)
    assert (after.long, after.short) == expected
    assert after.past == ((T0, 5, 5),)


@pytest.mark.parametrize(("side", "expected"), [(BUY, (11, 5)), (SELL, (5, 11))])
def test_a_strangers_deal_that_no_leg_holds_opens(side: Side, expected: tuple[int, int]) -> None:
    after = dealt(Legs(5, 5), side, BOTH, 6, T0, T0)
    assert (after.long, after.short) == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from([BUY, SELL]), st.sampled_from([LONG, SHORT]), st.integers(1, 10**9)
        )
    )
)
def test_the_fold_of_deals_is_four_sums(deals: list[tuple[Side, PositionSide, int]]) -> None:
    legs = Legs()
    for seq, (side, position, qty) in enumerate(deals):
        legs = dealt(legs, side, position, qty, seq, seq - 5)

    def total(side: Side, position: PositionSide) -> int:
        return sum(qty for a, b, qty in deals if (a, b) == (side, position))

    assert legs.long == total(BUY, LONG) - total(SELL, LONG)
    assert legs.short == total(SELL, SHORT) - total(BUY, SHORT)
    assert legs.net_qty == sum(side.sign * qty for side, _, qty in deals)
    assert len(legs.past) <= 6


def test_a_report_equals_the_legs_at_one_moment_or_none() -> None:
    legs = dealt(Legs(5, 5), BUY, LONG, 1, 100, 0)
    legs = dealt(legs, SELL, SHORT, 1, 200, 0)
    for told, since_ns, agreed in [
        ((6, 6), 300, True),
        ((6, 5), 200, True),
        ((6, 5), 201, False),
        ((5, 5), 100, True),
        ((5, 6), 0, False),
    ]:
        assert were(legs, Legs(*told), since_ns) is agreed


def test_an_account_that_was_one_way_begins_with_one_leg() -> None:
    assert [of_net(net) for net in (3, 0, -3)] == [Legs(3, 0), Legs(), Legs(0, 3)]


MISFITS = [
    ("one-way, one position", False, [(BOTH, 5)], ""),
    ("one-way, whatever a single one is called", False, [(LONG, -5)], ""),
    ("one-way, two positions", False, [(LONG, 5), (SHORT, -5)], "the account is in hedge mode"),
    ("hedge mode, both", True, [(LONG, 5), (SHORT, -5)], ""),
    ("hedge mode, none", True, [], ""),
    ("hedge mode, neither", True, [(BOTH, 5)], "the account is not in hedge mode"),
    ("hedge mode, a short above zero", True, [(SHORT, 5)], "found a short position of 5 lots"),
]


@pytest.mark.parametrize(("name", "hedged", "held", "reason"), MISFITS)
def test_positions_of_another_mode(
    name: str, hedged: bool, held: list[tuple[PositionSide, int]], reason: str
) -> None:
    listed = tuple(Position(NAME, 1, qty, None, None, Decimal(0), side) for side, qty in held)
    found = misfit(listed, hedged=hedged)
    assert found.startswith(reason)
    assert bool(found) is bool(reason)
    run = started(replace(spec(), hedged=hedged))
    run.push(e.PositionsReported(listed))
    assert run.market.halted == found


# --- reports ------------------------------------------------------------------------------------


def test_the_baseline_is_both_positions() -> None:
    run = holding(30, 12)
    assert held(run) == (30, 12)
    assert run.market.position == 18
    assert not run.market.mismatch.since_ns


def test_legs_that_differ_while_their_sum_agrees_are_a_break() -> None:
    run = holding(30, 12)
    run.positions = legs_of(31, 13)
    run.push(e.PositionsReported(run.positions))
    assert run.market.mismatch.reported == "31 lots long, 13 short"
    run.wait(4)
    assert closed_gate(run.state, run.market) == "reconciling: reports differ from the deals"
    run.settle()
    assert (run.market.breaks, held(run), run.market.position) == (1, (31, 13), 18)
    assert not run.market.recon.blind


def test_a_report_that_a_late_deal_explains_is_no_break() -> None:
    run = holding(30, 12)
    sides(run)
    run.push(e.PositionsReported(legs_of(26, 12)))
    assert run.market.mismatch.since_ns
    [ask] = run.market.asks
    taken(run, ask, 4, 1)
    assert held(run) == (26, 12)
    assert not run.market.mismatch.since_ns
    # The next one was made before the deal.
    run.push(e.PositionsReported(legs_of(30, 12)))
    assert not run.market.mismatch.since_ns


def test_a_deal_is_of_the_leg_that_its_order_names() -> None:
    run = holding(30, 12)
    sides(run)
    [bid] = run.market.bids
    assert bid.position_side is LONG, "a stranger's bid would reduce what is short"
    taken(run, bid, 4, 1)
    assert held(run) == (34, 12)
    taken(run, bid, 1, 2)
    run.push(e.PositionsReported(legs_of(30, 12)))
    assert not run.market.mismatch.since_ns, "it was made before both deals"


def test_a_report_that_a_deal_leads_away_from_stays_noted() -> None:
    run = holding(30, 12)
    sides(run)
    run.push(e.PositionsReported(legs_of(26, 12)))
    noted = run.market.mismatch
    [bid], [ask] = run.market.bids, run.market.asks
    taken(run, bid, 1, 1)
    assert run.market.mismatch == noted
    # What the legs are after two deals is what was reported, and not what they were between.
    taken(run, ask, 4, 2)
    assert (held(run), run.market.mismatch) == ((27, 12), noted)


def test_positions_of_a_market_that_is_halted_hide_none_of_another() -> None:
    other = replace(spec(), market=replace(PERPETUAL, name="ETH_PERP", base_asset="ETH"))
    run = started(spec(), other)
    known = replace(run.market, halted="a human looks")
    run.state = replace(run.state, markets={**run.state.markets, NAME: known})
    strange = [Position(n, 1, 5, None, None, Decimal(0), BOTH) for n in (NAME, "ETH_PERP")]
    run.push(e.PositionsReported(tuple(strange)))
    assert run.market.halted == "a human looks"
    assert run.state.markets["ETH_PERP"].halted.startswith("the account is not in hedge mode")


def test_a_restart_keeps_the_legs_and_the_orders_sides() -> None:
    run = holding(30, 12)
    assert sides(run) == {BUY: [LONG], SELL: [LONG]}
    [ask] = run.market.asks
    again = Run(spec(), state=run.state, run_id="r2")
    assert held(again) == (30, 12)
    assert [o.position_side for o in again.market.live] == [LONG, LONG]
    taken(again, ask, 4, 1)
    assert held(again) == (26, 12)


def test_the_mode_may_change_between_two_runs() -> None:
    run = started(replace(spec(), hedged=False))
    run.push(e.Filled(fill(1, qty=7, side=SELL)))
    again = Run(spec(), state=run.state, run_id="r2")
    assert held(again) == (0, 7)


# --- which position an order is for -------------------------------------------------------------

LADDER: Pairs = ((990, 10), (989, 20))
CHOICES = [
    ("nothing is held: each side opens its own", 0, 0, [LONG, LONG], [SHORT, SHORT]),
    ("room for the best level, not for the next", 49, 0, [LONG, LONG], [LONG, SHORT]),
    ("room for both levels", 50, 0, [LONG, LONG], [LONG, LONG]),
    ("too little for twice the best", 19, 0, [LONG, LONG], [SHORT, SHORT]),
    ("both are reduced, so that they net", 60, 55, [SHORT, SHORT], [LONG, LONG]),
    ("short alone", 0, 20, [SHORT, LONG], [SHORT, SHORT]),
]


@pytest.mark.parametrize(("name", "long", "short", "bids", "asks"), CHOICES)
def test_new_orders(
    name: str, long: int, short: int, bids: list[PositionSide], asks: list[PositionSide]
) -> None:
    run = holding(long, short, spec(LADDER, ((1010, 10), (1011, 20))))
    assert sides(run) == {BUY: bids, SELL: asks}


def test_a_one_way_market_names_no_side() -> None:
    run = started(replace(spec(), hedged=False))
    assert sides(run) == {BUY: [BOTH], SELL: [BOTH]}


def moved(run: Run) -> list[i.Intent]:
    """What the engine does once its ask is wanted at another price."""
    run.push(e.ParametersChanged(NAME, fixed((), ((1005, 10),))))
    return [x for x in run.decide() if isinstance(x, i.ModifyOrder | i.CancelOrder)]


def asking(long: int, position_side: PositionSide) -> Run:
    """One ask that rests for a position, with so much held long by now."""
    start = {LONG: 1000, SHORT: 0}[position_side]
    run = holding(start, 0, spec(()))
    assert sides(run)[SELL] == [position_side]
    # The rest came and went by other orders.
    legs = replace(run.market.inventory.legs, long=long)
    inventory = replace(run.market.inventory, legs=legs, baseline=Decimal(long) / 1000)
    market = replace(run.market, inventory=inventory, position=long)
    run.state = replace(run.state, markets={NAME: market})
    return run


MOVES = [
    ("a reducing order moves while old and new size are there", 20, LONG, True),
    ("else it is cancelled, to be placed for what there is", 19, LONG, False),
    ("an opening order moves while nothing can be reduced", 19, SHORT, True),
    ("once something can, it is cancelled to reduce instead", 20, SHORT, False),
]


@pytest.mark.parametrize(("name", "long", "side", "moves"), MOVES)
def test_modifies(name: str, long: int, side: PositionSide, moves: bool) -> None:
    run = asking(long, side)
    [intent] = moved(run)
    assert isinstance(intent, i.ModifyOrder if moves else i.CancelOrder)


def test_a_cancel_that_was_refused_is_not_asked_for_again_at_once() -> None:
    run = asking(20, SHORT)
    [order] = run.market.asks
    later = replace(order, cancel_at_ns=run.now_ns + 10**9)
    market = replace(run.market, asks=(later,), orders={later.client_order_id: later})
    run.state = replace(run.state, markets={NAME: market})
    assert moved(run) == []


def test_what_is_in_flight_is_reserved_at_its_worst() -> None:
    run = holding(100, 0, spec(()))
    sides(run)
    assert reducible(run.market, SELL) == 90
    [ask] = run.market.asks
    run.ask(i.ModifyOrder(NAME, ask.client_order_id, 1005, 10, ask.stp))
    assert reducible(run.market, SELL) == 80
    gone = venue_order(
        ask.client_order_id, ask.order_id, leaves=4, side=SELL, status=OrderStatus.CANCELLED
    )
    run.push(e.OrderClosed(gone))
    # Its deals of 6 are still to come, and the new size of 10.
    assert (held(run), reducible(run.market, SELL)) == ((100, 0), 84)
    taken(run, ask, 6, 1)
    assert (held(run), reducible(run.market, SELL)) == ((94, 0), 84)
    filled = venue_order(ask.client_order_id, 99, leaves=0, side=SELL, status=OrderStatus.FILLED)
    run.push(e.OrderClosed(filled))
    assert run.market.asks == ()
    assert (held(run), reducible(run.market, SELL)) == ((94, 0), 84)


def test_flattening_reduces_the_larger_position_and_opens_none() -> None:
    run = holding(30, 12)
    told = Hold("test", Stage.FLATTEN, "", run.now_ns)
    run.push(e.Decided((), (), (StageChange(NAME, told),)))
    run.wait(0)
    [placed] = [x for x in run.decide() if isinstance(x, i.PlaceOrders)]
    [new] = placed.orders
    assert (new.side, new.qty, new.position_side, new.reduce_only) == (SELL, 18, LONG, True)


def test_flattening_waits_for_legs_that_are_put_right() -> None:
    run = holding(30, 12)
    # A stranger sold 20 short, which was taken for a part of the long position.
    run.push(e.Filled(fill(1, qty=20, side=SELL)))
    run.push(e.Filled(fill(2, qty=25, side=SELL)))
    assert held(run) == (10, 37)
    told = Hold("test", Stage.FLATTEN, "", run.now_ns)
    run.push(e.Decided((), (), (StageChange(NAME, told),)))
    run.wait(0)
    [placed] = [x for x in run.decide() if isinstance(x, i.PlaceOrders)]
    assert (placed.orders[0].qty, placed.orders[0].position_side) == (27, SHORT)
    market = replace(run.market, inventory=replace(run.market.inventory, legs=Legs(-1, 26)))
    run.state = replace(run.state, markets={NAME: market})
    assert not [x for x in run.decide() if isinstance(x, i.PlaceOrders)]
