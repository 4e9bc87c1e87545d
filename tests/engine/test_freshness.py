"""What shows old things is doubted at its own bound, and believed again once it shows new ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from engine import clock, freshness
from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.types import OrderStatus
from tests.engine.builders import (
    MS,
    NAME,
    PERPETUAL,
    Run,
    S,
    new_order,
    quoted,
    quoting,
    snapshot,
    started,
    venue_order,
)

# --- the clock --------------------------------------------------------------------------------

BOUNDS = [
    ("never measured", 0, 0, clock.UNKNOWN, ""),
    ("may be equal", -S, S, "", ""),
    ("a second ahead of us", S, 2 * S, "", ""),
    ("more than a second ahead", S + 1, 2 * S, "", "our clock is at least 1.0 s behind"),
    ("a second behind us", -2 * S, -S, "", ""),
    ("more than a second behind", -2 * S, -S - 1, "", "our clock is at least 1.0 s ahead of"),
    ("four seconds ahead", 4 * S, 5 * S, "", "our clock is at least 4.0 s behind"),
    ("more than four ahead", 4 * S + 1, 5 * S, clock.WRONG, "our clock is at least 4.0 s behind"),
    ("four seconds behind", -5 * S, -4 * S, "", "our clock is at least 4.0 s ahead of"),
    ("more than four behind", -5 * S, -4 * S - 1, clock.WRONG, "our clock is at least 4.0 s ahead"),
    ("a bound of nothing is one", 0, S, "", ""),
]


@pytest.mark.parametrize("case", BOUNDS, ids=[case[0] for case in BOUNDS])
def test_the_clock_is_warned_of_at_one_second_and_stops_at_four(
    case: tuple[str, int, int, str, str],
) -> None:
    _, low_ns, high_ns, fault, warning = case
    assert clock.clock_fault(low_ns, high_ns) == fault
    found = clock.clock_warning(low_ns, high_ns)
    assert found.startswith(warning)
    assert bool(found) == bool(warning)


ANSWERS = [
    ("the first", 0, 0, (9 * S, 10 * S)),
    ("one that narrows below", 8 * S, 10 * S, (9 * S, 10 * S)),
    ("one that narrows above", 9 * S, 11 * S, (9 * S, 10 * S)),
    ("one that tells nothing new", 9 * S + 1, 10 * S - 1, (9 * S + 1, 10 * S - 1)),
    ("one that meets the bound below", 10 * S, 11 * S, (10 * S, 10 * S)),
    ("one just above all that was", 7 * S, 9 * S - 1, (9 * S, 10 * S)),
    ("one just below all that was", 10 * S + 1, 12 * S, (9 * S, 10 * S)),
]


@pytest.mark.parametrize("case", ANSWERS, ids=[case[0] for case in ANSWERS])
def test_each_answer_narrows_the_bounds_or_begins_anew(
    case: tuple[str, int, int, tuple[int, int]],
) -> None:
    _, low_ns, high_ns, expected = case
    # Asked and answered in the same moment, at 1 s by our clock.
    assert clock.narrowed(low_ns, high_ns, 10, S, S) == expected


def test_the_time_between_question_and_answer_widens_the_bounds() -> None:
    assert clock.narrowed(0, 0, 10, 1 * S, 3 * S) == (7 * S, 10 * S)


def test_nothing_is_quoted_before_the_clocks_were_compared() -> None:
    run = started()
    run.state = replace(run.state, offset_low_ns=0, offset_high_ns=0, clock_fault=clock.UNKNOWN)
    assert closed_gate(run.state, run.market) == clock.UNKNOWN
    tell_time(run)
    assert closed_gate(run.state, run.market) == ""


def test_a_clock_that_is_wrong_stops_all_until_it_is_right_again() -> None:
    run = started()
    tell_time(run, 7)
    assert closed_gate(run.state, run.market) == clock.WRONG
    tell_time(run)
    assert closed_gate(run.state, run.market) == ""


@pytest.mark.parametrize(
    ("end", "at_s"), [(e.OutcomeUnknown("reset"), 1), (e.RequestThrottled(), 1.5)]
)
def test_the_time_is_asked_again_soon_after_an_answer_that_never_came(
    end: e.AnyEvent, at_s: float
) -> None:
    run = started()
    (request,) = run.ask(i.QueryTime())
    run.push(end, request)
    run.wait(0.998)
    assert i.QueryTime() not in run.decide()
    run.wait(at_s - 0.998)
    assert i.QueryTime() in run.decide()


def tell_time(run: Run, ahead_s: int = 0) -> None:
    (request,) = run.ask(i.QueryTime())
    run.push(e.ServerTimeReported(run.now_ns // S + ahead_s), request)


# --- frames by the venue's stamp --------------------------------------------------------------


def frame(run: Run, age_ns: int, *, update_id: int, whole: bool) -> None:
    """Take in depth that was `age_ns` old by our clock when it came."""
    stamp_us = (run.now_ns + MS - age_ns) // 1000
    if whole:
        run.push(e.BookSnapshot(NAME, update_id, stamp_us, (990, 50), (1010, 50)))
    else:
        run.push(e.BookDelta(NAME, update_id, update_id - 1, stamp_us, (990, update_id), ()))


def measured(run: Run, low_ns: int, high_ns: int) -> None:
    run.state = replace(
        run.state,
        offset_low_ns=low_ns,
        offset_high_ns=high_ns,
        clock_fault=clock.clock_fault(low_ns, high_ns),
    )


US = 1_000
STAMPS = [
    # (name, offset bounds, age by our clock, doubted)
    ("2 s old", (-1, 1), 2 * S, ""),
    ("older than 2 s", (-1, 1), 2 * S + US, freshness.LATE),
    ("old unless the venue is behind", (-S, S), 3 * S, ""),
    ("too old though the venue is behind", (-S, S), 3 * S + US, freshness.LATE),
    ("of the next second", (-1, 1), -S, ""),
    ("of more than the next second", (-1, 1), -S - US, freshness.LATE),
    ("early unless the venue is ahead", (-S, S), -2 * S, ""),
    ("too early though the venue is ahead", (-S, S), -2 * S - US, freshness.LATE),
    ("late by a venue that is ahead", (2 * S, 3 * S), US, freshness.LATE),
    ("in time by a venue that is ahead", (2 * S, 3 * S), -2 * S, ""),
]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("case", STAMPS, ids=[case[0] for case in STAMPS])
def test_depth_is_doubted_by_the_venues_own_stamp(
    case: tuple[str, tuple[int, int], int, str], whole: bool
) -> None:
    _, bounds, age_ns, doubt = case
    run = started()
    frame(run, 0, update_id=10, whole=True)
    measured(run, *bounds)
    frame(run, age_ns, update_id=11, whole=whole)
    assert run.market.feed.doubt == doubt
    assert closed_gate(run.state, run.market) == doubt
    # It may be a clock that has moved: the venue's time is asked for at once.
    assert (run.state.time_asked_ns == 0) == bool(doubt)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("age_ns", "believed"),
    [(S, True), (S + US, False), (0, True), (-S, True), (-S - US, False)],
)
def test_doubt_ends_with_a_frame_of_now(age_ns: int, believed: bool, whole: bool) -> None:
    run = started()
    frame(run, 0, update_id=10, whole=True)
    measured(run, -1, 1)
    run.push(e.LoopStalled(S))
    assert run.market.feed.doubt == freshness.STALLED
    run.state = replace(run.state, time_asked_ns=run.now_ns)
    frame(run, age_ns, update_id=11, whole=whole)
    assert run.market.feed.doubt == ("" if believed else freshness.STALLED)
    assert run.state.time_asked_ns, "asked for when the doubt began, not with every frame"


def test_a_late_frame_says_late_until_one_comes_in_time() -> None:
    run, _ = quoting()
    frame(run, 5 * S, update_id=2, whole=False)
    frame(run, 4 * S, update_id=3, whole=False)
    assert closed_gate(run.state, run.market) == freshness.LATE
    assert sum(isinstance(intent, i.CancelOrder) for intent in run.decide()) == 2
    frame(run, 0, update_id=4, whole=False)
    assert closed_gate(run.state, run.market) == ""


def test_a_stall_doubts_every_feed_and_asks_for_the_time() -> None:
    run = started(quoted(), quoted(PERPETUAL))
    run.push(e.LoopStalled(S))
    assert [m.feed.doubt for m in run.state.markets.values()] == [freshness.STALLED] * 2
    assert run.state.time_asked_ns == 0
    assert i.QueryTime() in run.decide()


# --- depth beside the ticker ------------------------------------------------------------------


def ticker(run: Run, update_id: int, bid: int = 991, ask: int = 1010) -> None:
    run.push(e.BestBidOffer(NAME, update_id, run.now_ns // 1000, bid, 5, ask, 5), after_ns=0)


def test_depth_that_is_silent_while_the_ticker_moves_is_doubted_after_two_seconds() -> None:
    run, _ = quoting()
    ticker(run, 5)
    run.wait(0.1)
    assert run.market.feed.ahead_ns == run.now_ns
    run.wait(2)
    assert closed_gate(run.state, run.market) == ""
    run.push(e.TimerFired(), after_ns=1)
    assert closed_gate(run.state, run.market) == freshness.BEHIND
    run.push(snapshot(update_id=6, at_ns=run.now_ns))
    assert closed_gate(run.state, run.market) == ""


def test_an_earlier_doubt_keeps_its_name() -> None:
    run, _ = quoting()
    run.push(e.LoopStalled(S))
    ticker(run, 5)
    run.wait(0.1)
    run.wait(3)
    assert run.market.feed.doubt == freshness.STALLED


NOT_BEHIND: list[tuple[str, Callable[[Run], None]]] = [
    ("no ticker came", lambda run: None),
    ("the ticker is as old as depth", lambda run: ticker(run, 1)),
    ("it shows the prices of depth", lambda run: ticker(run, 5, 990, 1010)),
]


@pytest.mark.parametrize("case", NOT_BEHIND, ids=[case[0] for case in NOT_BEHIND])
def test_a_ticker_that_tells_nothing_new_raises_no_doubt(
    case: tuple[str, Callable[[Run], None]],
) -> None:
    run, _ = quoting()
    case[1](run)
    run.wait(0.1)
    run.wait(3)
    assert (run.market.feed.ahead_ns, run.market.feed.doubt) == (0, "")


@pytest.mark.parametrize(("bid", "ask"), [(991, 1010), (990, 1011), (0, 1010), (990, 0)])
def test_either_side_of_the_ticker_may_be_ahead(bid: int, ask: int) -> None:
    run, _ = quoting()
    ticker(run, 2, bid, ask)
    run.wait(0.1)
    assert run.market.feed.ahead_ns == run.now_ns


def test_an_empty_book_agrees_with_an_empty_ticker() -> None:
    run, _ = quoting()
    run.push(snapshot((), (), update_id=2, at_ns=run.now_ns))
    ticker(run, 3, 0, 0)
    run.wait(0.1)
    assert run.market.feed.ahead_ns == 0


def test_every_depth_frame_begins_the_wait_anew_and_agreement_ends_it() -> None:
    run, _ = quoting()
    for number in range(5):
        ticker(run, 10 * number + 5)
        run.wait(0.1)
        run.wait(1.5)
        run.push(snapshot(update_id=10 * number + 4, at_ns=run.now_ns))
        assert run.market.feed.doubt == ""
    run.wait(0.1)
    assert run.market.feed.ahead_ns == run.now_ns
    ticker(run, 100, 990, 1010)
    run.wait(0.1)
    assert run.market.feed.ahead_ns == 0


# --- unknown orders ---------------------------------------------------------------------------


def lost_place() -> Run:
    run = started()
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order("x"),)))
    run.push(e.OutcomeUnknown("reset"), request)
    run.push(snapshot(update_id=7, at_ns=run.now_ns))
    return run


def test_an_order_unknown_for_more_than_five_seconds_stops_the_market() -> None:
    run = lost_place()
    sent_ns = run.order("x").sent_ns
    run.push(e.TimerFired(), after_ns=sent_ns + 5 * S - run.now_ns)
    assert closed_gate(run.state, run.market) == ""
    run.push(e.TimerFired(), after_ns=1)
    assert closed_gate(run.state, run.market) == "order x has been unknown for too long"
    # Once it is settled the market is free, without waiting for the timer.
    known = replace(run.order("x"), unknown=False)
    orders = {**run.market.orders, "x": known}
    settled = replace(run.market, orders=orders)
    assert closed_gate(run.state, settled) == ""
    assert closed_gate(run.state, replace(run.market, orders={})) == ""


def test_the_timer_forgets_an_order_that_is_known_again() -> None:
    run = lost_place()
    run.wait(6)
    assert run.market.unknown_for_long == "x"
    run.push(e.OrderClosed(venue_order("x", 1, status=OrderStatus.CANCELLED)))
    assert closed_gate(run.state, run.market) == ""
    run.wait(0.1)
    assert run.market.unknown_for_long == ""


def test_an_order_in_flight_is_not_unknown() -> None:
    run = started()
    run.ask(i.PlaceOrders(NAME, (new_order("x"),)))
    late = e.Record(run.state.seq + 1, run.now_ns + 9 * S, 0, e.TimerFired())
    assert freshness.at_timer(run.market, late) is run.market
