"""Funding: each payment once, and what is unknown stays unknown."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine import reduce_funding
from engine.clock import clock_fault
from engine.funding import EVERY_NS, LATE_S, PAGE, RETRY_NS, Funding
from engine.inventory import pnl
from engine.legs import Legs
from engine.money import ZERO
from engine.types import Position, Refusal
from engine.watch import pnl2
from tests.engine.builders import MARKET, NAME, PERPETUAL, T0, Run, S, quoted, started
from tests.engine.funding_runs import (
    DUE_S,
    PERP,
    T0_S,
    D,
    asks,
    funding,
    mark,
    page,
    pass_time,
    payment,
    query,
    running,
)

# --- when it is asked ---------------------------------------------------------------------------


def test_it_is_asked_when_the_run_begins_and_each_hour() -> None:
    run = running(told=False)
    assert funding(run).ask_at_ns > T0, "asked once the position was known"
    assert funding(run).counted_s == T0_S
    pass_time(run, EVERY_NS // S - 1)
    assert asks(run) == []
    pass_time(run, EVERY_NS // S + 1)
    assert asks(run) == [i.QueryFunding(PERP, 0)]


def test_it_is_asked_after_a_settlement_and_not_before() -> None:
    run = running()
    pass_time(run, 99.9)
    assert (asks(run), funding(run).unknown) == ([], False)
    pass_time(run, 100)
    assert (asks(run), funding(run).unknown, funding(run).settled_s) == ([], True, DUE_S)
    pass_time(run, 102)
    request = query(run)
    assert asks(run) == [], "one query at a time"
    run.push(page(payment(DUE_S, "-0.5")), request)
    assert (funding(run).received, funding(run).unknown) == (D("-0.5"), False)
    assert asks(run) == []


def test_what_is_spot_or_margin_asks_for_none() -> None:
    run = started(quoted(MARKET))
    pass_time(run, 7300)
    assert asks(run) == []


def test_a_run_that_only_looks_on_or_is_stopping_asks_for_none() -> None:
    run = Run(quoted(PERPETUAL), mode="observe")
    run.settle()
    pass_time(run, 10)
    assert asks(run) == []
    run = running()
    run.push(e.StopRequested("test"))
    pass_time(run, 102)
    assert (asks(run), funding(run).unknown) == ([], True)


def test_the_venue_went_on_before_our_clock_said_so() -> None:
    run = running()
    pass_time(run, 99)
    run.push(mark(DUE_S + 100))
    assert (funding(run).settled_s, funding(run).next_s) == (DUE_S, DUE_S + 100)
    assert funding(run).unknown


def test_a_mark_of_a_settlement_that_has_passed_says_nothing_new() -> None:
    run = running()
    pass_time(run, 100)
    before = funding(run)
    run.push(mark())
    assert funding(run) == before
    run.push(mark(DUE_S + 100))
    same = run.market.inventory
    run.push(mark(DUE_S + 100))
    assert run.market.inventory is same, "nothing is copied for what is known"
    run.push(mark(DUE_S + 100, rate="0.002"))
    assert funding(run).rate == D("0.002"), "another rate for the same settlement"
    assert (funding(run).next_s, funding(run).settled_s) == (DUE_S + 100, DUE_S)
    late = replace(mark(DUE_S + 101), next_funding_ms=1000 * (DUE_S + 101) + 999)
    run.push(late)
    same = run.market.inventory
    assert same.funding.next_s == DUE_S + 101, "whole seconds"
    run.push(late)
    assert run.market.inventory is same


# --- what counts --------------------------------------------------------------------------------


def test_each_payment_counts_once_and_none_from_before_the_baseline() -> None:
    run = running()
    pass_time(run, 102)
    old, paid = payment(T0_S - 5, "7"), payment(DUE_S, "-0.5")
    run.push(page(paid, old), query(run))
    assert funding(run).received == D("-0.5")
    run.push(mark(DUE_S + 100))
    pass_time(run, 202)
    run.push(page(payment(DUE_S + 100, "0.2"), paid, old), query(run))
    assert funding(run).received == D("-0.3")
    run.push(page(payment(DUE_S + 100, "0.2"), paid, old), 99_999)
    assert funding(run).received == D("-0.3"), "an answer to no request"


def test_all_pages_down_to_the_counted_are_asked_for() -> None:
    run = running()
    pass_time(run, 102)
    newest = [payment(DUE_S - number, "-0.01") for number in range(PAGE)]
    run.push(page(*newest, complete=False), query(run))
    assert funding(run).received == ZERO, "nothing is counted by halves"
    assert asks(run) == [i.QueryFunding(PERP, PAGE)]
    # A settlement between the pages: the last row of the first is the first of the second.
    second = [newest[-1], payment(DUE_S - PAGE, "-1"), payment(T0_S - 5, "7")]
    run.push(page(*second, complete=False, offset=PAGE), query(run))
    assert funding(run).received == D("-1.99") if DUE_S - PAGE > T0_S else D("-1")
    assert asks(run) == []
    assert funding(run).payments == ()


def test_two_payments_of_one_settlement_both_count() -> None:
    run = running()
    pass_time(run, 102)
    run.push(page(payment(DUE_S, "-0.5"), payment(DUE_S, "0.1")), query(run))
    assert funding(run).received == D("-0.4")


# --- what is unknown ----------------------------------------------------------------------------


def test_what_was_paid_is_unknown_until_it_is_told_and_counts_as_a_cost_in_the_limits() -> None:
    run = running(position=5)
    flat = pnl2(run.market.inventory, PERPETUAL, 2000)
    pass_time(run, 102)
    # 0.005 BTC at 10 USDT and 0.1 %: 0.00005 USDT, which is 10 half units of 10^-5 USDT.
    assert funding(run).foretold == D("0.00005")
    found = pnl(run.market.inventory, PERPETUAL, 2000)
    assert (found.funding, found.unknown_funding_s) == (ZERO, DUE_S)
    assert pnl2(run.market.inventory, PERPETUAL, 2000) == flat - 10
    run.push(page(payment(DUE_S, "-0.00004")), query(run))
    found = pnl(run.market.inventory, PERPETUAL, 2000)
    assert (found.funding, found.unknown_funding_s) == (D("-0.00004"), 0)
    assert pnl2(run.market.inventory, PERPETUAL, 2000) == flat - 8


@pytest.mark.parametrize(("position", "rate"), [(-5, "0.001"), (5, "-0.001")])
def test_an_income_that_is_not_told_yet_counts_nothing(position: int, rate: str) -> None:
    run = running(position=position, told=False)
    run.push(mark(rate=rate))
    pass_time(run, 102)
    assert (funding(run).unknown, funding(run).foretold) == (True, ZERO)


def test_without_a_mark_the_mid_says_what_is_foretold() -> None:
    run = running()
    run.push(e.StreamClosed(PERP, "gone", 0))
    assert run.market.feed.mark2 == 0
    pass_time(run, 102)
    assert funding(run).foretold == D("0.00005")


def test_nothing_held_is_nothing_unknown_but_it_is_asked_all_the_same() -> None:
    run = running(position=0)
    pass_time(run, 102)
    assert not funding(run).unknown
    run.push(page(payment(DUE_S, "-0.5")), query(run))
    assert funding(run).received == D("-0.5"), "the venue knows better"


@pytest.mark.parametrize("legs", [Legs(5, 0), Legs(0, 5)], ids=["long", "short"])
def test_one_leg_is_enough_to_be_paid_for(legs: Legs) -> None:
    run = running(position=0)
    inventory = replace(run.market.inventory, legs=legs)
    assert reduce_funding.settled(replace(run.market, inventory=inventory), T0) == replace(
        run.market,
        inventory=replace(
            inventory,
            funding=replace(
                inventory.funding,
                settled_s=DUE_S,
                next_s=0,
                unknown=True,
                ask_at_ns=T0 + S,
            ),
        ),
    )


def test_two_legs_that_make_up_for_each_other_are_paid_for_all_the_same() -> None:
    run = running(position=0)
    inventory = replace(run.market.inventory, legs=Legs(5, 5))
    run.state = replace(run.state, markets={PERP: replace(run.market, inventory=inventory)})
    pass_time(run, 102)
    assert (funding(run).unknown, funding(run).foretold) == (True, ZERO)
    run.push(page(payment(DUE_S, "-0.5"), payment(DUE_S, "0.5")), query(run))
    assert (funding(run).received, funding(run).unknown) == (ZERO, False)


def test_a_payment_that_is_not_listed_yet_is_asked_for_again_later_each_time() -> None:
    run = running()
    pass_time(run, 102)
    asked_ns = []
    while run.now_ns < T0 + (100 + LATE_S + 61) * S and (funding(run).unknown):
        run.push(e.TimerFired(), after_ns=S)
        if asks(run):
            asked_ns.append(run.now_ns)
            run.push(page(payment(T0_S - 5, "7")), query(run))
    waits = [round((b - a) / S) for a, b in pairwise(asked_ns)]
    assert waits[:6] == [2, 4, 8, 16, 32, 60]
    assert (funding(run).received, funding(run).foretold) == (ZERO, ZERO), "it paid nothing"
    assert run.now_ns >= T0 + (100 + LATE_S) * S


@pytest.mark.parametrize(
    "end",
    [
        e.RequestRefused(Refusal(422, 30, "market", "no")),
        e.RequestThrottled(),
        e.OutcomeUnknown("reset", 502),
        e.FrameRefused("rest", "", "expected records"),
    ],
    ids=["refused", "throttled", "unknown", "unreadable"],
)
def test_a_query_that_fails_leaves_it_unknown_however_long(end: e.AnyEvent) -> None:
    run = running()
    pass_time(run, 102)
    run.push(end, query(run))
    assert (asks(run), funding(run).unknown) == ([], True)
    assert funding(run).ask_at_ns == run.now_ns + RETRY_NS
    pass_time(run, 102 + LATE_S + 10)
    assert funding(run).unknown
    run.push(page(payment(DUE_S, "-0.5")), query(run))
    assert (funding(run).received, funding(run).unknown) == (D("-0.5"), False)
    assert run.market.halted == ""


def test_a_query_without_an_answer_is_made_again() -> None:
    run = running()
    pass_time(run, 102)
    query(run)
    pass_time(run, 104)
    assert funding(run).request_seq, "the deadline has not passed"
    pass_time(run, 109)
    assert asks(run) == [i.QueryFunding(PERP, 0)]


def test_a_settlement_that_passes_while_it_is_asked_is_asked_for_by_itself() -> None:
    run = running()
    pass_time(run, 102)
    request = query(run)
    run.push(mark(DUE_S + 3))
    pass_time(run, 103.5)
    run.push(page(payment(DUE_S, "-0.5")), request)
    assert funding(run).unknown, "the second settlement"
    pass_time(run, 107)
    run.push(page(payment(DUE_S + 3, "-0.5"), payment(DUE_S, "-0.5")), query(run))
    assert (funding(run).received, funding(run).unknown) == (D(-1), False)


# --- over restarts ------------------------------------------------------------------------------


def test_what_was_paid_while_the_engine_was_down_is_counted_by_the_next_run() -> None:
    run = running()
    pass_time(run, 102)
    run.push(page(payment(DUE_S, "-0.5")), query(run))
    run.push(mark(DUE_S + 100))
    run.push(e.RunStarted("r2", "paper", (), "{}", run.state.settings, (quoted(PERPETUAL),)))
    pass_time(run, 1000)
    assert funding(run).unknown
    pass_time(run, 1002)
    later = [payment(DUE_S + number, "-0.5") for number in (300, 200, 100, 0)]
    run.push(page(*later), query(run))
    assert (funding(run).received, funding(run).unknown) == (D(-2), False)


def test_a_journal_that_never_counted_funding_counts_it_from_the_next_run_on() -> None:
    run = running(told=False)
    inventory = replace(run.market.inventory, funding=Funding())
    old = replace(run.state, markets={PERP: replace(run.market, inventory=inventory)})
    run = Run(quoted(PERPETUAL), state=old, run_id="r2")
    assert funding(run).counted_s == run.now_ns // S


def test_a_query_of_an_earlier_run_is_made_again() -> None:
    run = running()
    pass_time(run, 102)
    query(run)
    run.push(e.RunStarted("r2", "paper", (), "{}", run.state.settings, (quoted(PERPETUAL),)))
    assert funding(run).request_seq == 0
    assert funding(run).unknown
    assert asks(run) == [i.QueryFunding(PERP, 0)]


def test_before_the_baseline_nothing_is_asked_or_unknown() -> None:
    run = Run(quoted(PERPETUAL))
    run.push(mark(T0_S + 1))
    pass_time(run, 5)
    assert (asks(run), funding(run).unknown, funding(run).settled_s) == ([], False, T0_S + 1)
    position = Position(PERP, 1, 3, None, None)
    run.push(e.PositionsListed(PERP, (position,)), *run.ask(i.QueryPositions(PERP)))
    assert funding(run).counted_s == run.now_ns // S


def test_the_clock_of_the_venue_is_the_one_that_counts() -> None:
    run = running()
    # The venue is 40 s ahead.
    (asked,) = run.ask(i.QueryTime())
    state = replace(run.state, offset_low_ns=0, offset_high_ns=0)
    run.state = replace(state, clock_fault=clock_fault(0, 0))
    run.push(e.ServerTimeReported((run.now_ns + 40 * S) // S), asked)
    run.push(e.TimerFired())
    assert not funding(run).unknown
    pass_time(run, 61.5)
    assert funding(run).unknown


def test_a_market_of_another_name_is_nobodys() -> None:
    run = running()
    before = funding(run)
    run.push(e.FundingListed(NAME, 0, (payment(DUE_S, "1"),), True), *run.ask(i.QueryTime()))
    run.push(replace(mark(), market=NAME))
    assert funding(run) == before


@pytest.mark.parametrize(
    "end",
    [e.RequestThrottled(), page(payment(DUE_S, "1"))],
    ids=["it failed", "a page came"],
)
def test_an_answer_to_a_query_that_is_made_no_more_changes_nothing(end: e.AnyEvent) -> None:
    run = running()
    pass_time(run, 102)
    (asked,) = asks(run)
    old, new = run.ask(asked)[0], run.ask(asked)[0]
    before = funding(run)
    assert before.request_seq == new
    run.push(end, old)
    assert funding(run) == before
    run.push(e.RunStarted("r2", "paper", (), "{}", run.state.settings, (quoted(MARKET),)))
    run.push(end, new)
    assert list(run.state.markets) == [NAME], "its market is quoted no more"
