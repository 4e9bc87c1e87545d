"""Risk on the only path to the wire: each limit has its edge, with the figures in the refusal."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.events import RiskRefusal
from engine.intents import Intent
from engine.reduce_limits import paced
from engine.risk import exposure_of, position_most, within_rate
from engine.state import State
from engine.step import decide
from engine.types import BUY, NO_LIMIT, SELL, Limits, Settings, Side, Stp
from tests.engine.builders import (
    MARKET,
    NAME,
    PERPETUAL,
    T0,
    Run,
    S,
    fixed,
    limits,
    new_order,
    quoted,
    quoting,
    snapshot,
    started,
)
from tests.engine.test_gates import in_market

MID = 1000  # of the builders' book

EDGES: tuple[tuple[Limits, Side, int, int, str, int, int], ...] = (
    (limits(position_max=10), BUY, 1000, 10, "", 0, 0),
    (limits(position_max=9), BUY, 1000, 10, "position", 10, 9),
    (limits(position_max=10), SELL, 1000, 10, "", 0, 0),
    (limits(position_max=9), SELL, 1000, 10, "position", 10, 9),
    (limits(position_notional_max=10_000), BUY, 1000, 10, "", 0, 0),
    (limits(position_notional_max=9_999), BUY, 1000, 10, "position", 10, 9),
    (limits(position_notional_max=9_999), SELL, 1000, 10, "position", 10, 9),
    (limits(order_notional_max=10_000), BUY, 1000, 10, "", 0, 0),
    (limits(order_notional_max=9_999), BUY, 1000, 10, "order_notional", 10_000, 9_999),
    (limits(order_notional_max=10_000, order_qty_max=9), BUY, 1000, 10, "order_qty", 10, 9),
    (limits(order_qty_max=10), BUY, 1000, 10, "", 0, 0),
    (limits(order_qty_max=9), BUY, 1000, 10, "order_qty", 10, 9),
    (limits(collar_bps=100), BUY, 990, 10, "", 0, 0),
    (limits(collar_bps=100), BUY, 1010, 10, "", 0, 0),
    (limits(collar_bps=100), BUY, 989, 10, "collar", 110, 100),
    (limits(collar_bps=100), SELL, 1011, 10, "collar", 110, 100),
    (limits(collar_bps=9), BUY, 999, 10, "collar", 10, 9),
    (limits(open_orders_max=1), BUY, 1000, 10, "", 0, 0),
    (limits(open_orders_max=0), BUY, 1000, 10, "open_orders", 1, 0),
    (limits(), BUY, 10, 1, "collar", 9900, 5000),
    (limits(collar_bps=10_000), BUY, 10, 1, "", 0, 0),
    (limits(collar_bps=10_000), BUY, 9, 1, "venue_minimum", 9, 10),
    (limits(collar_bps=10_000, order_qty_max=1), BUY, 9, 1, "venue_minimum", 9, 10),
    (limits(), BUY, 1000, 0, "positive", 0, 1),
    (limits(), BUY, 0, 10, "positive", 0, 1),
    (limits(), BUY, -1, 10, "positive", -1, 1),
)


@pytest.mark.parametrize(("limit", "side", "price", "qty", "rule", "found", "most"), EDGES)
def test_each_limit_has_its_edge(
    limit: Limits, side: Side, price: int, qty: int, rule: str, found: int, most: int
) -> None:
    run = started(quoted(limit=limit))
    run.wait(0)
    exposure = exposure_of(run.market, run.now_ns)
    refusal = exposure.approve(side, price, qty, 1)
    if not rule:
        assert refusal is None
        assert exposure.orders == 1
        assert (exposure.buy_qty, exposure.sell_qty) == ((qty, 0) if side is BUY else (0, qty))
        return
    assert refusal is not None
    assert (refusal.market, refusal.rule) == (NAME, rule)
    assert (refusal.found, refusal.limit) == (found, most)
    assert (exposure.orders, exposure.buy_qty, exposure.sell_qty) == (0, 0, 0)


@pytest.mark.parametrize(("qty", "rule"), [(2, ""), (1, "venue_minimum")])
def test_the_venues_smallest_quantity(qty: int, rule: str) -> None:
    run = started(quoted(replace(MARKET, qty_min=2)))
    refusal = exposure_of(run.market, run.now_ns).approve(BUY, 1000, qty, 1)
    assert (refusal.rule if refusal else "") == rule


@pytest.mark.parametrize(
    ("price", "qty", "rule"), [(0, 1, "positive"), (1, 0, "positive"), (1, 1, "")]
)
def test_a_market_without_minimums_takes_no_nothing(price: int, qty: int, rule: str) -> None:
    spec = replace(MARKET, notional_min=0, qty_min=0)
    run = started(quoted(spec, limit=limits(collar_bps=10_000)))
    refusal = exposure_of(run.market, run.now_ns).approve(BUY, price, qty, 1)
    assert (refusal.rule if refusal else "") == rule


REASONS: tuple[tuple[Limits, int, int, str], ...] = (
    (limits(position_max=9), 1000, 10, "buy of 10 could bring the position to 10 lots, limit 9"),
    (
        limits(order_notional_max=9),
        1000,
        10,
        "price 1000 x qty 10 is 10000, limit 9 (ticks x lots)",
    ),
    (limits(order_qty_max=9), 1000, 10, "qty 10 lots, limit 9"),
    (limits(collar_bps=9), 999, 10, "price 999 is 10 bps from the mid, limit 9"),
    (limits(open_orders_max=0), 1000, 10, "0 orders live, limit 0"),
    (limits(collar_bps=9999), 1, 1, "qty 1 and notional 1, the venue's minimum is 1 and 10"),
    (limits(), 0, 10, "price 0 and qty 10, both must be above 0"),
)


@pytest.mark.parametrize(("limit", "price", "qty", "reason"), REASONS)
def test_the_reason_has_the_figures(limit: Limits, price: int, qty: int, reason: str) -> None:
    refusal = exposure_of(started(quoted(limit=limit)).market, T0).approve(BUY, price, qty, 1)
    assert refusal is not None
    assert refusal.reason == reason


def test_a_short_position_is_named_as_such() -> None:
    refusal = exposure_of(started(quoted(limit=limits(position_max=9))).market, T0).approve(
        SELL, 1000, 10, 1
    )
    assert refusal is not None
    assert refusal.reason == "sell of 10 could bring the position to -10 lots, limit 9"


@pytest.mark.parametrize(
    ("last", "rule"), [(0, ""), (1000, ""), (991, ""), (990, "collar"), (1011, "collar")]
)
def test_prices_are_held_against_the_last_trade_too(last: int, rule: str) -> None:
    run = started(quoted(limit=limits(collar_bps=100)))
    in_market(run, feed=replace(run.market.feed, last_trade=last, traded_ns=run.now_ns))
    refusal = exposure_of(run.market, run.now_ns).approve(BUY, 1000, 1, 1)
    assert (refusal.rule if refusal else "") == rule
    if refusal is not None:
        assert f"is {102 if last == 990 else 109} bps from the last trade" in refusal.reason


def trade(trade_id: int, price: int, at_ns: int) -> e.PublicTrades:
    return e.PublicTrades(NAME, (e.PublicTrade(trade_id, price, 1, BUY, False, at_ns // 1000),))


@pytest.mark.parametrize(("age_ns", "refused"), [(0, True), (60 * S, True), (60 * S + 1, False)])
def test_a_last_trade_of_more_than_a_minute_ago_holds_no_price(age_ns: int, refused: bool) -> None:
    run = started(quoted(limit=limits(collar_bps=100)))
    run.push(trade(1, 900, run.now_ns))
    run.push(trade(2, 900, 0))
    now_ns = run.now_ns + age_ns
    refusal = exposure_of(run.market, now_ns).approve(BUY, 1000, 1, 1)
    assert (refusal is not None) is refused
    far = exposure_of(run.market, now_ns).approve(BUY, 1020, 1, 1)
    assert far is not None, "the mid holds it, whatever was traded when"


def test_a_trade_that_comes_as_history_is_as_old_as_the_venue_says() -> None:
    run = started(quoted(limit=limits(collar_bps=100)))
    run.push(trade(1, 900, run.now_ns - 61 * S))
    assert exposure_of(run.market, run.now_ns).approve(BUY, 1000, 1, 1) is None
    run.push(e.StreamClosed(NAME, "reset", 0))
    run.push(trade(2, 900, run.now_ns + 3600 * S))
    assert run.market.feed.traded_ns == run.now_ns, "never later than it came"


def test_a_stream_that_was_away_brings_no_new_life_to_an_old_trade() -> None:
    run = started(quoted(limit=limits(collar_bps=100)))
    run.push(trade(1, 900, run.now_ns))
    traded_ns = run.market.feed.traded_ns
    run.push(e.StreamClosed(NAME, "reset", 0), after_ns=50 * S)
    run.push(trade(1, 900, traded_ns), after_ns=20 * S)
    assert run.market.feed.traded_ns == traded_ns


MARKS = (("0", ""), ("10", ""), ("9.91", ""), ("9.90", "collar"), ("10.11", "collar"))


@pytest.mark.parametrize(("mark", "rule"), MARKS)
def test_prices_are_held_against_the_mark_too(mark: str, rule: str) -> None:
    run = started(quoted(limit=limits(collar_bps=100)))
    run.push(e.MarkPrice(NAME, Decimal(mark), Decimal(1), Decimal(0), 1))
    refusal = exposure_of(run.market, run.now_ns).approve(BUY, 1000, 1, 1)
    assert (refusal.rule if refusal else "") == rule
    if refusal is not None:
        assert refusal.reason == f"price 1000 is {refusal.found} bps from the mark, limit 100"


def test_a_price_on_the_edge_of_every_collar_passes() -> None:
    run = started(quoted(limit=limits(collar_bps=100)))
    feed = replace(run.market.feed, last_trade=1000, traded_ns=run.now_ns, mark2=2000)
    in_market(run, feed=feed)
    assert exposure_of(run.market, run.now_ns).approve(BUY, 1010, 1, 1) is None


def test_a_mark_is_kept_in_half_ticks_and_forgotten_with_its_stream() -> None:
    run = started()
    run.push(e.MarkPrice("ETH_PERP", Decimal(5), Decimal(5), Decimal(0), 1))
    assert run.market.feed.mark2 == 0
    touched = run.market.touched_seq
    run.push(e.MarkPrice(NAME, Decimal("10.1299"), Decimal(5), Decimal(0), 1))
    assert run.market.feed.mark2 == 2025
    assert run.market.touched_seq == touched, "no reason to price anew"
    run.push(e.StreamClosed(NAME, "reset", 0))
    assert run.market.feed.mark2 == 0


def test_without_a_two_sided_market_nothing_is_approved() -> None:
    run = started()
    run.push(snapshot(bids=(), update_id=9))
    refusal = exposure_of(run.market, run.now_ns).approve(SELL, 1000, 1, 1)
    assert refusal is not None
    assert refusal.rule == "collar"
    assert refusal.reason == "no two-sided market to measure the price against"
    assert (refusal.found, refusal.limit) == (0, 5_000)


def test_what_is_live_and_what_was_approved_count_both_ways() -> None:
    run, _ = quoting(((990, 10),), ((1010, 10),), limit=limits(position_max=30))
    in_market(run, position=4)
    exposure = exposure_of(run.market, run.now_ns)
    assert (exposure.orders, exposure.buy_qty, exposure.sell_qty) == (2, 10, 10)
    assert exposure.approve(BUY, 1000, 16, 0) is None, "4 + 10 + 16 is the limit"
    assert exposure.orders == 2, "a modify adds no order"
    assert exposure.approve(BUY, 1000, 1, 0) is not None
    assert exposure.approve(SELL, 1000, 24, 1) is None, "10 + 24 - 4 is the limit"
    assert exposure.orders == 3, "a place adds one"
    assert exposure.approve(SELL, 1000, 1, 1) is not None


def test_a_notional_limit_without_a_mark_allows_no_position() -> None:
    limit = limits(position_max=50, position_notional_max=10_000)
    assert position_most(limit, 0) == 0
    assert position_most(limit, 2000) == 10
    assert position_most(limit, 300) == 50
    assert position_most(limits(position_max=50), 0) == 50


def test_the_strategy_sees_the_room_of_a_notional_limit() -> None:
    run = started(quoted(limit=limits(position_notional_max=10_000)))
    assert (run.market.long_max, run.market.inventory_max) == (0, 1)
    run.wait(0)
    assert (run.market.long_max, run.market.short_max, run.market.inventory_max) == (10, 10, 10)


# --- message rate -----------------------------------------------------------------------------


def paced_run(most: int) -> Run:
    """Two levels a side, and settings that allow so many requests in ten seconds."""
    parameters = fixed(((990, 5), (980, 5)), ((1010, 5), (1020, 5)))
    run = Run(quoted(parameters=parameters), settings=Settings(requests_max=most))
    run.settle()
    return run


def test_requests_are_counted_as_they_are_decided() -> None:
    run = started()
    before = run.state.sent
    run.ask(i.QueryTime(), i.QueryMarkets())
    assert run.state.sent == before + 2
    assert run.state.sent_max == NO_LIMIT
    run.wait(1)
    assert run.state.sent_max == NO_LIMIT


def test_the_rate_moves_on_with_time() -> None:
    run = Run(quoted(), settings=Settings(requests_max=7))
    assert (run.state.sent, run.state.sent_max) == (0, 7)
    start_ns = run.now_ns

    def at(ns: int, sent: int) -> int:
        run.state = paced(replace(run.state, sent=sent), start_ns + ns)
        return run.state.sent_max

    assert at(0, 3) == 7
    assert at(S - 1, 4) == 7
    assert len(run.state.sent_marks) == 1
    assert at(S, 5) == 7
    assert len(run.state.sent_marks) == 2
    assert at(10 * S - 1, 6) == 7, "not yet the whole span"
    assert at(10 * S, 6) == 3 + 7
    assert at(11 * S - 1, 6) == 3 + 7
    assert at(11 * S, 6) == 5 + 7
    assert at(60 * S, 8) == 6 + 7
    assert len(run.state.sent_marks) == 2


@given(st.lists(st.tuples(st.integers(0, 3 * S), st.integers(0, 4)), max_size=60))
def test_no_span_ever_holds_more_than_the_rate(steps: list[tuple[int, int]]) -> None:
    state = State(settings=Settings(requests_max=10), sent_max=10, now_ns=100 * S)
    sent_ns: list[int] = []
    for after_ns, wanted in steps:
        state = paced(replace(state, now_ns=state.now_ns + after_ns), state.now_ns + after_ns)
        allowed = min(wanted, state.sent_max - state.sent)
        sent_ns += [state.now_ns] * allowed
        state = replace(state, sent=state.sent + allowed)
        recent = [ns for ns in sent_ns if ns > state.now_ns - 10 * S]
        assert len(recent) <= 10


def test_a_decision_within_the_rate_is_left_alone() -> None:
    run, _ = quoting()
    state = replace(run.state, sent=5, sent_max=7)
    intents: list[Intent] = [i.PlaceOrders(NAME, (new_order("a"),)), i.QueryTime()]
    assert within_rate(state, intents) == (intents, [])
    kept, refusals = within_rate(replace(state, sent=6), intents)
    assert kept == [i.QueryTime()], "what only asks counts first, and passes"
    assert len(refusals) == 1


def test_beyond_the_rate_nothing_is_placed_and_what_should_move_is_cancelled() -> None:
    run, (ask, bid) = quoting()
    state = replace(run.state, sent=5, sent_max=7, settings=Settings(requests_max=9))
    cancel = i.CancelOrder(NAME, "old")
    up = i.ModifyOrder(NAME, ask.client_order_id, 1011, 10, Stp.CANCEL_NEW)
    down = i.ModifyOrder(NAME, bid.client_order_id, 989, 10, Stp.CANCEL_NEW)
    place = i.PlaceOrders(NAME, (new_order("a"),))
    kept, refusals = within_rate(state, [cancel, up, down, place])
    assert kept == [cancel, up, i.CancelOrder(NAME, bid.client_order_id)]
    reason = "7 requests sent of the 9 allowed within 10000 ms"
    assert refusals == [RiskRefusal(NAME, "message_rate", reason, 7, 9)]
    kept, _ = within_rate(replace(state, sent=6), [cancel, up, down, place])
    assert [type(intent) for intent in kept] == [i.CancelOrder] * 3
    kept, _ = within_rate(replace(state, sent=4), [cancel, up, down, place])
    assert kept == [cancel, up, down]


def test_each_market_beyond_the_rate_is_told_of() -> None:
    perpetual = quoted(PERPETUAL)
    run = started(quoted(), perpetual)
    state = replace(run.state, sent=7, sent_max=7)
    intents: list[Intent] = [
        i.PlaceOrders(name, (new_order("a"),)) for name in (NAME, PERPETUAL.name, NAME)
    ]
    kept, refusals = within_rate(state, intents)
    assert kept == []
    assert [refusal.market for refusal in refusals] == [NAME, PERPETUAL.name]


def test_an_order_that_may_not_be_cancelled_yet_is_left() -> None:
    run, (ask, _) = quoting()
    up = i.ModifyOrder(NAME, ask.client_order_id, 1011, 10, Stp.CANCEL_NEW)
    for wait_ns, cancels in ((1, 0), (0, 1)):
        later = replace(ask, cancel_at_ns=run.now_ns + wait_ns)
        in_market(run, orders={**run.market.orders, ask.client_order_id: later})
        state = replace(run.state, sent=7, sent_max=7)
        assert len(within_rate(state, [up])[0]) == cancels


def test_cancels_alone_exceed_the_rate_and_are_no_refusal() -> None:
    run, _ = quoting()
    state = replace(run.state, sent=7, sent_max=7)
    cancels: list[Intent] = [i.CancelOrder(NAME, "x"), i.CancelOrder(NAME, "y")]
    assert within_rate(state, cancels) == (cancels, [])


def test_between_two_timers_no_more_is_sent_than_the_rate_leaves() -> None:
    run = paced_run(200)
    run.push(snapshot(at_ns=run.now_ns))
    run.push(e.TimerFired())
    assert run.state.slack <= run.state.sent_max - run.state.sent
    run.state = replace(run.state, sent=199, sent_max=200)
    run.push(e.TimerFired())
    assert run.state.slack == 200 - 199 + run.state.sent_max - 200


def test_a_decision_holds_no_more_than_the_rate_allows() -> None:
    run = started(quoted(parameters=fixed(((990, 5),), ((1010, 5),))))
    run.state = replace(run.state, sent_max=run.state.sent, slack=0)
    decision = decide(run.state)
    assert decision.intents == ()
    assert [refusal.rule for refusal in decision.refusals] == ["message_rate"]
    run.state = replace(run.state, sent_max=run.state.sent + 1)
    assert [type(intent) for intent in decide(run.state).intents] == [i.PlaceOrders]
    run.push(decision)
    assert run.market.hold_until_ns > run.now_ns


def test_what_the_session_asks_counts_before_the_quotes() -> None:
    run = started(quoted(parameters=fixed(((990, 5),), ((1010, 5),))))
    run.wait(6)
    run.state = replace(run.state, sent_max=run.state.sent + 2, slack=2)
    decision = decide(run.state)
    assert sum(isinstance(intent, i.Ping) for intent in decision.intents) == 2
    assert not any(isinstance(intent, i.PlaceOrders) for intent in decision.intents)
    assert [refusal.rule for refusal in decision.refusals] == ["message_rate"]


def test_settings_of_the_run_set_the_rate() -> None:
    run = paced_run(200)
    run.push(e.TimerFired())
    assert run.state.sent_max == 200
