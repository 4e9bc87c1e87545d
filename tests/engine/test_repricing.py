"""Post-only refusals: one tick away at each, a bounded number of times, then the level waits."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.repricing import bounded, refused, rested
from engine.types import OrderStatus, Refusal, Side
from tests.engine.builders import (
    MS,
    NAME,
    NO_FUNDS,
    WOULD_TAKE,
    Run,
    S,
    accepted,
    fill,
    fixed,
    new_order,
    quoted,
    quoting,
    started,
    venue_order,
)

BUY, SELL = Side.BUY, Side.SELL
STOPPED = Refusal(422, 31, "market", "Market is not available.")


def placing(run: Run) -> i.PlaceOrders | None:
    """What the engine places now."""
    found = [intent for intent in run.decide() if isinstance(intent, i.PlaceOrders)]
    return found[0] if found else None


def refuse(run: Run, intent: i.PlaceOrders) -> None:
    (request,) = run.ask(intent)
    run.push(e.OrdersPlaced(NAME, (e.PlaceResult(None, WOULD_TAKE),) * len(intent.orders)), request)


@pytest.mark.parametrize(("side", "away"), [(BUY, -1), (SELL, 1)])
def test_each_refusal_moves_one_tick_away_and_then_the_level_waits(side: Side, away: int) -> None:
    pairs = ((1000, 10),)
    spec = quoted(parameters=fixed(pairs) if side is BUY else fixed((), pairs))
    run = started(spec)
    tried = []
    while (intent := placing(run)) is not None:
        tried.append(intent.orders[0].price)
        refuse(run, intent)
    assert tried == [1000, 1000 + away, 1000 + 2 * away, 1000 + 3 * away]
    assert run.market.hold_until_ns == 0
    at_ns = run.now_ns
    run.wait(4.999)
    assert placing(run) is None
    run.push(e.TimerFired(), after_ns=at_ns + 5 * S - run.now_ns)
    again = placing(run)
    assert again is not None
    assert again.orders[0].price == 1000


def test_levels_behind_one_that_waits_go_on() -> None:
    run = started(quoted(parameters=fixed(((1000, 10), (990, 10)))))
    for _ in range(4):
        (request,) = run.ask(i.PlaceOrders(NAME, (new_order(f"a-{run.state.seq}", price=995),)))
        run.push(e.OrdersPlaced(NAME, (e.PlaceResult(None, WOULD_TAKE),)), request)
    intent = placing(run)
    assert intent is not None
    assert [(order.price, order.level) for order in intent.orders] == [(990, 1)]


@pytest.mark.parametrize(
    ("side", "price", "refused_at", "allowed"),
    [
        (BUY, 999, 1000, 999), (BUY, 1000, 1000, 999), (BUY, 1005, 1000, 999),
        (SELL, 1001, 1000, 1001), (SELL, 1000, 1000, 1001), (SELL, 990, 1000, 1001),
    ],
)  # fmt: skip
def test_only_what_is_as_eager_is_bounded(
    side: Side, price: int, refused_at: int, allowed: int
) -> None:
    market = refused(started().market, side, refused_at, 1, S)
    assert bounded(market, side, price, S) == allowed
    other = SELL if side is BUY else BUY
    assert bounded(market, other, price, S) == price


def test_a_refusal_is_believed_for_a_second_and_a_row_of_them_for_five() -> None:
    market = refused(started().market, BUY, 1000, 1, S)
    assert bounded(market, BUY, 1000, 2 * S - 1) == 999
    assert bounded(market, BUY, 1000, 2 * S) == 1000
    for request_seq in (2, 3):
        market = refused(market, BUY, 1000, request_seq, S)
    assert bounded(market, BUY, 1000, S) == 999
    market = refused(market, BUY, 1000, 4, S)
    assert bounded(market, BUY, 1000, 6 * S - 1) == 0
    assert bounded(market, BUY, 1000, 6 * S) == 1000


def test_a_row_begins_anew_after_a_second_without_a_refusal() -> None:
    market = refused(started().market, BUY, 1000, 1, S)
    (held,) = refused(market, BUY, 1010, 2, 2 * S - 1).would_take
    assert (held.count, held.price) == (2, 1000)
    (held,) = refused(market, BUY, 1010, 2, 2 * S).would_take
    assert (held.count, held.price) == (1, 1010)


def test_several_refusals_of_one_request_are_one_and_the_least_eager_price_counts() -> None:
    market = started().market
    for side, prices, least in ((BUY, (1000, 998, 999), 998), (SELL, (1000, 1002, 1001), 1002)):
        for price in prices:
            market = refused(market, side, price, 7, S)
        held = next(h for h in market.would_take if h.side is side)
        assert (held.count, held.price) == (1, least)
    assert len(market.would_take) == 2


def test_an_order_that_rests_ends_the_row_of_its_side() -> None:
    market = started().market
    for request_seq in range(3):
        market = refused(refused(market, BUY, 1000, request_seq, S), SELL, 1010, request_seq, S)
    counts = {held.side: held.count for held in rested(market, BUY).would_take}
    assert counts == {BUY: 0, SELL: 3}
    run = started()
    refuse(run, i.PlaceOrders(NAME, (new_order("a"),)))
    new = (new_order("b", price=998),)
    (request,) = run.ask(i.PlaceOrders(NAME, new))
    run.push(e.OrdersPlaced(NAME, accepted(new)), request)
    assert [held.count for held in run.market.would_take] == [0]


# --- modifies -------------------------------------------------------------------------------------


def wanting(run: Run, bid: int) -> list[i.ModifyOrder]:
    run.push(e.ParametersChanged(NAME, fixed(((bid, 10),), ((1010, 10),))))
    # What is merely too shy waits for the timer.
    run.wait(0.001)
    return [intent for intent in run.decide() if isinstance(intent, i.ModifyOrder)]


def test_a_refused_modify_is_repriced_and_the_order_stays_where_it_is() -> None:
    run, (_, bid) = quoting()
    (modify,) = wanting(run, 1000)
    (request,) = run.ask(modify)
    run.push(e.RequestRefused(WOULD_TAKE), request)
    assert run.order(bid.client_order_id).price == 990
    assert [intent.price for intent in wanting(run, 1000)] == [999]
    assert run.market.hold_until_ns == 0
    # Where it would not come nearer, it is left alone.
    (request,) = run.ask(i.ModifyOrder(NAME, bid.client_order_id, 991, 10, bid.stp))
    run.push(e.RequestRefused(WOULD_TAKE), request)
    assert wanting(run, 1000) == []
    run.wait(1)
    assert [intent.price for intent in wanting(run, 1000)] == [1000]


def test_while_a_level_waits_its_order_may_shrink_and_move_away() -> None:
    run, (ask, bid) = quoting()
    for number in range(4):
        (request,) = run.ask(i.ModifyOrder(NAME, bid.client_order_id, 995 + number, 10, bid.stp))
        run.push(e.RequestRefused(WOULD_TAKE), request)
    assert wanting(run, 1000) == []
    assert [intent.price for intent in wanting(run, 985)] == [985]
    run.push(e.ParametersChanged(NAME, fixed(((1000, 5),), ((1010, 10),))))
    (modify,) = [intent for intent in run.decide() if isinstance(intent, i.ModifyOrder)]
    assert (modify.price, modify.qty) == (990, 5)
    assert ask.price == 1010


def test_a_modify_refused_after_its_order_was_forgotten_changes_nothing() -> None:
    run, (_, bid) = quoting()
    (request,) = run.ask(i.ModifyOrder(NAME, bid.client_order_id, 1000, 10, bid.stp))
    closed = venue_order(bid.client_order_id, bid.order_id, leaves=0, status=OrderStatus.FILLED)
    run.push(e.OrderClosed(closed))
    deal = fill(1, order_id=bid.order_id, client_order_id=bid.client_order_id)
    run.push(e.Filled(deal))
    run.state = replace(run.state, markets={NAME: replace(run.market, closed=())})
    run.push(e.RequestRefused(WOULD_TAKE), request)
    assert run.market.would_take == ()


def test_a_modify_that_was_settled_and_then_is_refused_is_an_anomaly_and_reprices() -> None:
    run, (_, bid) = quoting()
    (request,) = run.ask(i.ModifyOrder(NAME, bid.client_order_id, 1000, 10, bid.stp))
    moved = venue_order(bid.client_order_id, 50, price=1000)
    run.push(e.OrderOpened(moved))
    run.push(e.RequestRefused(WOULD_TAKE), request)
    assert "settled, then refused" in run.state.last_anomaly
    assert (run.order(bid.client_order_id).price, len(run.market.would_take)) == (1000, 1)


# --- bulks, item by item ------------------------------------------------------------------------


def test_a_bulk_is_taken_item_by_item_and_holds_the_market_back_once() -> None:
    run = started()
    names = ("a", "b", "c", "d", "e")
    new = tuple(new_order(name, price=990 - at) for at, name in enumerate(names))
    (request,) = run.ask(i.PlaceOrders(NAME, new))
    results = (
        accepted(new)[0],
        e.PlaceResult(None, NO_FUNDS),
        e.PlaceResult(None, WOULD_TAKE),
        e.PlaceResult(None, NO_FUNDS),
    )
    run.push(e.OrdersPlaced(NAME, results), request)
    states = [(run.order(n).status.value, run.order(n).unknown) for n in names]
    assert states == [
        ("open", False), ("closed", False), ("closed", False), ("closed", False), ("new", True)
    ]  # fmt: skip
    assert (run.market.refused_in_row, run.market.hold_until_ns) == (1, run.now_ns + 100 * MS)
    (held,) = run.market.would_take
    assert (held.side, held.price, held.count) == (BUY, 988, 1)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_stopped_market_is_seen_wherever_in_the_bulk_it_is_told(at: int) -> None:
    run = started()
    new = tuple(new_order(name) for name in "abc")
    (request,) = run.ask(i.PlaceOrders(NAME, new))
    results = [e.PlaceResult(None, NO_FUNDS)] * 3
    results[at] = e.PlaceResult(None, STOPPED)
    run.push(e.OrdersPlaced(NAME, tuple(results)), request)
    assert run.market.halted.startswith("the venue refused the market: 31")


def test_a_bulk_refused_for_duplicates_alone_holds_nothing_back() -> None:
    run = started()
    duplicate = Refusal(422, 36, "clientOrderId", "This client order id is already used by")
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order("a"), new_order("b"))))
    run.push(e.OrdersPlaced(NAME, (e.PlaceResult(None, duplicate),) * 2), request)
    assert [run.order(name).unknown for name in "ab"] == [True, True]
    assert (run.market.refused_in_row, run.market.hold_until_ns) == (0, 0)
