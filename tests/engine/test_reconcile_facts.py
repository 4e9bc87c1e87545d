"""What a reconciliation is after each step, field by field, and what an answer settles of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine import clock, reconcile
from engine import events as e
from engine import intents as i
from engine.orders import Pending, Status
from engine.reconcile import LAP, LEFT, PAGE, RACE_NS, RETRY_NS
from engine.state import Mismatch, Recon, ReconStage
from engine.types import OrderStatus, Position, SpotBalance, Stp, VenueOrder
from tests.engine.builders import (
    MS,
    NAME,
    PERPETUAL,
    T0,
    Run,
    S,
    balances,
    fill,
    margin,
    new_order,
    quoted,
    started,
    venue_order,
)
from tests.engine.reconciling import CID, ask, lose_private, placed, reconnect

STRANGER = venue_order("x-1", 77)
UNDER_WAY = Recon(
    stage=ReconStage.FILLS,
    reason="a deal is missing",
    blind=True,
    request_seq=7,
    asked_ns=T0,
    asked_seq=7,
    offset=PAGE,
    listed=(CID,),
    fills=(fill(5),),
    retry_at_ns=T0 - 1,
    orders_asked_ns=T0 - 9,
    orders_asked_seq=3,
    strangers=(STRANGER,),
)
"""In each field something that a reconciliation may have at some time."""

FRESH: dict[str, Any] = {"request_seq": 0, "offset": 0, "listed": (), "strangers": (), "fills": ()}


# --- begun, asked, failed -----------------------------------------------------------------------


def started_over(recon: Recon, *, blind: bool, at_ns: int = 0) -> Recon:
    market = replace(started().market, recon=recon)
    return reconcile.start(market, "a doubt", blind=blind, at_ns=at_ns).recon


def begun(**changes: Any) -> Recon:
    known = Recon(orders_asked_ns=T0 - 9, orders_asked_seq=3)
    return replace(known, reason="a doubt", **changes)


@pytest.mark.parametrize(
    ("request_seq", "at_ns", "retry_at_ns"), [(7, 0, 0), (0, 0, 40), (0, 50, 50), (0, 30, 40)]
)
def test_one_that_is_blind_starts_over_but_not_before_a_failed_question_is_due(
    request_seq: int, at_ns: int, retry_at_ns: int
) -> None:
    before = replace(UNDER_WAY, request_seq=request_seq, retry_at_ns=40)
    assert started_over(before, blind=True, at_ns=at_ns) == begun(retry_at_ns=retry_at_ns)


@dataclass(frozen=True)
class Waits:
    """A reconciliation under way, and whether a doubt needs another after it."""

    stage: ReconStage
    request_seq: int
    offset: int
    again: bool


@pytest.mark.parametrize(
    "case",
    [
        Waits(ReconStage.ORDERS, 0, 0, again=False),
        Waits(ReconStage.ORDERS, 7, 0, again=True),
        Waits(ReconStage.ORDERS, 0, PAGE, again=True),
        Waits(ReconStage.FILLS, 0, 0, again=True),
    ],
    ids=["nothing asked yet", "asked", "a page is there", "a later stage"],
)
def test_a_doubt_is_looked_into_by_what_is_under_way_only_if_it_has_asked_nothing(
    case: Waits,
) -> None:
    before = Recon(stage=case.stage, request_seq=case.request_seq, offset=case.offset)
    after = started_over(before, blind=False)
    assert after == replace(before, again="a doubt" if case.again else "")
    assert started_over(replace(before, again="one before"), blind=False).again == "one before"


def test_the_moment_of_a_listing_is_that_of_its_first_page() -> None:
    market = replace(started().market, recon=replace(UNDER_WAY, offset=0))
    record = e.Record(12, T0 + 5, 0, e.TimerFired())
    first = reconcile.asked(market, record)
    assert first.recon == replace(market.recon, request_seq=12, asked_ns=T0 + 5, asked_seq=12)
    second = replace(first, recon=replace(first.recon, request_seq=0, offset=PAGE))
    asked = reconcile.asked(second, replace(record, seq=15, recv_ns=T0 + 8)).recon
    assert asked == replace(second.recon, request_seq=15)


def test_a_stage_whose_question_failed_begins_at_its_first_page() -> None:
    market = replace(started().market, recon=UNDER_WAY)
    after = reconcile.failed(market, e.Record(12, T0 + 5, 7, e.RequestThrottled())).recon
    assert after == replace(UNDER_WAY, **FRESH, retry_at_ns=T0 + 5 + RETRY_NS)


# --- one stage after the other ------------------------------------------------------------------


def under_way(*, again: str = "") -> Run:
    """A run in the middle of its second page of executed history."""
    run = started()
    recon = replace(UNDER_WAY, again=again, request_seq=0)
    state = run.state
    run.state = replace(state, markets={NAME: replace(run.market, recon=recon)})
    run.wait(0.1)
    return run


def test_each_stage_begins_with_nothing_of_the_one_before() -> None:
    run = under_way()
    request = ask(run, i.QueryFills)
    before = run.market.recon
    run.push(e.FillsListed(NAME, PAGE, (), True), request)
    assert run.market.recon == replace(before, **FRESH, stage=ReconStage.BALANCES, retry_at_ns=0)
    run.settle()
    assert run.market.recon.stage is ReconStage.DONE
    assert not run.market.recon.blind


def test_a_doubt_that_waited_begins_anew_without_an_end_to_quoting() -> None:
    run = under_way(again="a modify was refused")
    run.base = "0.010"
    request = ask(run, i.QuerySpotBalances)
    run.push(e.SpotBalancesListed(balances("0.010")), request)
    assert run.market.recon == Recon(
        reason="a modify was refused", blind=False, orders_asked_ns=T0 - 9, orders_asked_seq=3
    )


@pytest.mark.parametrize("kind", [i.QueryOpenOrders, i.QueryFills])
def test_a_further_page_is_asked_for_with_what_is_known_by_then(kind: type) -> None:
    run = started()
    placed(run)
    run.push(e.Filled(fill(1, qty=1)))
    lose_private(run)
    run.wait(2)
    reconnect(run)
    request = ask(run, kind)
    before = run.market.recon
    deals = tuple(fill(deal_id, qty=1) for deal_id in range(150, 150 - PAGE, -1))
    if kind is i.QueryFills:
        run.push(e.FillsListed(NAME, 0, deals, False), request)
        found: dict[str, Any] = {"fills": deals, "offset": PAGE}
    else:
        listed = (venue_order(CID, 1), STRANGER)
        run.push(e.OpenOrdersListed(NAME, 0, listed, False), request)
        found = {"listed": (CID, "x-1"), "strangers": (STRANGER,), "offset": PAGE - LAP}
    assert run.market.recon == replace(before, request_seq=0, **found)


def test_history_before_the_baseline_is_not_asked_for_page_by_page() -> None:
    run = Run(quoted())
    request = ask(run, i.QueryFills)
    deals = tuple(fill(deal_id, qty=1) for deal_id in range(150, 150 - PAGE, -1))
    run.push(e.FillsListed(NAME, 0, deals, False), request)
    assert run.market.recon.stage is ReconStage.BALANCES


# --- what a listing settles ---------------------------------------------------------------------


def listing(run: Run, *listed: VenueOrder) -> None:
    """The private stream was lost; the venue answers with a listing of these."""
    lose_private(run)
    run.wait(2)
    reconnect(run)
    request = ask(run, i.QueryOpenOrders)
    run.push(e.OpenOrdersListed(NAME, 0, listed, True), request)


def modify(run: Run) -> int:
    (request,) = run.ask(i.ModifyOrder(NAME, CID, 1001, 8, Stp.CANCEL_NEW))
    return request


def test_a_listing_that_is_behind_a_modify_ends_no_order() -> None:
    run = started()
    placed(run)
    run.push(e.OrderModified(venue_order(CID, 2, qty=8, price=1001)), modify(run))
    listing(run, venue_order(CID, 1))
    order = run.order(CID)
    assert (order.status, order.order_id, order.qty) == (Status.OPEN, 2, 8)


def test_an_order_whose_modify_is_on_its_way_is_not_missing_from_a_listing() -> None:
    run = started()
    placed(run)
    lose_private(run)
    run.wait(2)
    reconnect(run)
    modify(run)
    run.wait(0.1)
    before = run.order(CID)
    request = ask(run, i.QueryOpenOrders)
    run.push(e.OpenOrdersListed(NAME, 0, (), True), request)
    assert run.order(CID) == before


def test_a_lost_cancel_that_a_listing_refutes_is_settled_by_that_record() -> None:
    run = started()
    placed(run)
    (request,) = run.ask(i.CancelOrder(NAME, CID))
    run.push(e.OutcomeUnknown("reset"), request)
    listing(run, venue_order(CID, 1))
    order = run.order(CID)
    assert (order.pending, order.updated_seq) == (Pending.NONE, run.state.seq)


@pytest.mark.parametrize(
    ("low_ns", "high_ns", "ahead_us"), [(0, 0, None), (3 * MS, 9 * MS, 3_000), (-MS, MS, -1_000)]
)
def test_an_order_was_missing_at_the_venues_time_of_the_question(
    low_ns: int, high_ns: int, ahead_us: int | None
) -> None:
    run = started()
    placed(run)
    lose_private(run)
    run.wait(2)
    reconnect(run)
    request = ask(run, i.QueryOpenOrders)
    run.state = replace(
        run.state,
        offset_low_ns=low_ns,
        offset_high_ns=high_ns,
        clock_fault=clock.clock_fault(low_ns, high_ns),
    )
    asked_us = run.market.recon.asked_ns // 1000
    run.push(e.OpenOrdersListed(NAME, 0, (), True), request)
    order = run.order(CID)
    assert (order.status, order.closed_ns) == (Status.CLOSED, run.now_ns)
    assert order.absent_us == (0 if ahead_us is None else asked_us + ahead_us)
    assert isinstance(order.absent_us, int)


def test_a_replacement_that_a_listing_lacks_may_have_filled_its_new_size_only() -> None:
    run = started()
    placed(run)
    request = modify(run)
    run.push(e.OrderClosed(venue_order(CID, 1, status=OrderStatus.CANCELLED)))
    run.push(e.OutcomeUnknown("reset"), request)
    run.wait(8)
    listing(run)
    order = run.order(CID)
    assert (order.status, order.close_reason) == (Status.CLOSED, "not in the listing")
    assert order.worst_qty == 8


@pytest.mark.parametrize(("short_ns", "is_proof"), [(1, False), (0, True)], ids=["early", "due"])
def test_silence_proves_something_from_one_moment_on(short_ns: int, is_proof: bool) -> None:
    run = started()
    request = placed(run, shown=False)
    run.push(e.OutcomeUnknown("timeout"), request)
    run.wait(8)
    question = ask(run, i.QueryOpenOrders)
    assert run.state.measured
    asked_ns = run.order(CID).nonce * MS + 6 * S - run.state.offset_low_ns - short_ns
    recon = replace(run.market.recon, asked_ns=asked_ns)
    run.state = replace(run.state, markets={NAME: replace(run.market, recon=recon)})
    run.push(e.OpenOrdersListed(NAME, 0, (), True), question)
    order = run.order(CID)
    assert (order.status is Status.CLOSED) is is_proof
    assert order.closed_ns == (run.now_ns if is_proof else 0)


def test_what_an_order_owes_that_ended_after_the_history_was_asked_for_stays_owed() -> None:
    run = started()
    placed(run)
    lose_private(run)
    run.wait(2)
    run.listed = (venue_order(CID, 1),)
    reconnect(run)
    request = ask(run, i.QueryFills)
    run.push(e.OrderClosed(venue_order(CID, 1, leaves=0, status=OrderStatus.FILLED)))
    run.push(e.FillsListed(NAME, 0, (), True), request)
    assert run.order(CID).worst_qty == 10, "its deal is not in a history that is older"


# --- balances and positions ---------------------------------------------------------------------


def test_what_a_listing_of_balances_or_positions_lacks_is_nothing() -> None:
    run = started(quoted(), quoted(PERPETUAL))
    run.push(e.SpotBalancesChanged((SpotBalance("ETH", Decimal(3), Decimal(0)),)))
    other = Position("ETH_PERP", 2, 10, None, None)
    run.push(e.PositionsReported((Position(PERPETUAL.name, 1, 10, None, None), other)))
    lose_private(run)
    run.wait(2)
    run.settle()
    assert set(run.state.spot) == {"BTC", "USDT"}
    assert list(run.state.positions.values()) == [other], "another market was not asked for"


def test_a_baseline_without_any_quote_asset_is_nothing_of_it() -> None:
    run = Run(quoted())
    request = ask(run, i.QuerySpotBalances)
    run.push(e.SpotBalancesListed(balances("0.010")[:1]), request)
    inventory = run.market.inventory
    assert (inventory.baseline, inventory.quote_baseline) == (Decimal("0.01"), Decimal(0))


@pytest.mark.parametrize(("early_ns", "breaks"), [(1, 0), (0, 1)], ids=["early", "due"])
def test_a_break_is_found_when_the_same_report_is_a_second_old(early_ns: int, breaks: int) -> None:
    run = started()
    run.push(e.SpotBalancesChanged(balances("0.500")))
    since_ns = run.market.mismatch.since_ns
    lose_private(run)
    run.push(e.TimerFired(), after_ns=RETRY_NS // 2)
    reconnect(run)
    request = ask(run, i.QuerySpotBalances)
    due_ns = since_ns + RETRY_NS - early_ns
    run.push(e.SpotBalancesListed(balances("0.500")), request, after_ns=due_ns - run.now_ns)
    assert run.market.breaks == breaks
    assert (run.market.mismatch == Mismatch()) is bool(breaks), "what is followed differs no more"


def test_a_perpetual_looks_again_while_orders_of_an_earlier_run_rest() -> None:
    name = PERPETUAL.name
    before = started(quoted(PERPETUAL))
    listed = venue_order("r1-1", 1, market=name)
    (request,) = before.ask(i.PlaceOrders(name, (new_order("r1-1"),)))
    before.push(e.OrdersPlaced(name, (e.PlaceResult(listed, None),)), request)
    run = Run(quoted(PERPETUAL), state=before.state, run_id="r2")
    run.listed = (listed,)
    request = ask(run, i.QueryMarginBalances)
    orders_asked_seq = run.market.recon.orders_asked_seq
    run.push(e.MarginBalancesListed((margin(),)), request)
    recon = run.market.recon
    assert recon == Recon(
        reason=LEFT,
        retry_at_ns=run.now_ns + RACE_NS,
        orders_asked_ns=recon.orders_asked_ns,
        orders_asked_seq=orders_asked_seq,
    )
