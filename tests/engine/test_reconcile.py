"""Reconciliation: what queries tell is merged with what pushes told, and the newer wins."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine import clock
from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.inventory import RECENT_DEALS
from engine.orders import Pending, Status
from engine.reconcile import PAGE
from engine.risk import exposure_of
from engine.state import ReconStage
from engine.types import OrderStatus, Position, Refusal, Stp
from tests.engine.builders import (
    MS,
    NAME,
    NO_FUNDS,
    PERPETUAL,
    Run,
    S,
    balances,
    fill,
    fixed,
    new_order,
    quoted,
    started,
    venue_order,
)
from tests.engine.reconciling import CID, ask, lose_private, placed, reconnect

# --- cold start -------------------------------------------------------------------------------


def test_a_cold_start_takes_its_baseline_and_counts_no_old_deal() -> None:
    run = Run(quoted(inventory_target=2_000))
    run.base = "2.5"
    run.history = (fill(8), fill(7))
    run.settle()
    assert run.market.inventory.baseline == Decimal("2.5")
    assert run.market.inventory.quote_baseline == Decimal("1000")
    assert run.market.inventory.fills == 0
    assert run.market.position == 500
    run.push(e.Filled(fill(8)))
    run.push(e.Filled(fill(9, qty=10)))
    assert run.market.position == 510


def test_a_deal_pushed_before_the_baseline_is_part_of_it() -> None:
    run = Run(quoted())
    request = ask(run, i.QuerySpotBalances)
    run.push(e.Filled(fill(5, qty=10)))
    run.push(e.SpotBalancesListed(balances("0.01")), request)
    run.settle()
    assert (run.market.position, run.market.inventory.fills) == (10, 0)


def test_a_perpetual_starts_from_its_reported_position() -> None:
    run = Run(quoted(PERPETUAL))
    request = ask(run, i.QueryPositions)
    position = Position(PERPETUAL.name, 1, -40, Decimal("10"), None)
    run.push(e.PositionsListed(PERPETUAL.name, (position,)), request)
    run.settle()
    assert run.market.position == -40
    assert run.market.recon.stage is ReconStage.DONE
    assert "USDT" in run.state.margin


def test_observing_asks_for_nothing_of_the_account() -> None:
    run = Run(quoted(), mode="observe")
    sent = [intent for _, intent in run.settle()]
    assert sent == []
    assert set(run.state.links) == {NAME}
    assert closed_gate(run.state, run.market) == "observing only"


# --- what listings correct --------------------------------------------------------------------


def test_orders_that_ended_while_we_were_away_are_closed_and_their_deals_counted() -> None:
    run = started()
    placed(run)
    lose_private(run)
    run.history = (fill(5, qty=10, client_order_id=CID),)
    run.base = "0.010"
    run.wait(2)
    run.settle()
    assert run.order(CID).status is Status.CLOSED
    assert run.market.position == 10
    assert exposure_of(run.market, run.now_ns).buy_qty == 0
    assert not run.market.recon.blind


def test_an_order_still_listed_after_a_reconnect_goes_on_with_what_is_left() -> None:
    run = started()
    placed(run)
    lose_private(run)
    run.listed = (venue_order(CID, 1, leaves=6),)
    run.history = (fill(5, qty=4, client_order_id=CID),)
    run.base = "0.004"
    run.wait(2)
    run.settle()
    order = run.order(CID)
    assert (order.status, order.leaves_qty, order.filled_qty) == (Status.OPEN, 6, 4)
    assert (run.market.position, order.worst_qty) == (4, 6)


@pytest.mark.parametrize("shown_new", [False, True], ids=["listed as before", "listed as modified"])
def test_a_listing_sets_right_a_modify_whose_outcome_was_lost(shown_new: bool) -> None:
    run = started(quoted(parameters=fixed(((1001, 10),)), price_tolerance=5))
    placed(run)
    (request,) = run.ask(i.ModifyOrder(NAME, CID, 1001, 8, Stp.CANCEL_NEW))
    run.push(e.OutcomeUnknown("reset"), request)
    was, now = venue_order(CID, 1), venue_order(CID, 2, qty=8, price=1001)
    run.listed = (now if shown_new else was,)
    run.settle()
    if not shown_new:
        order = run.order(CID)
        assert order.unknown, "within the nonce window the modify may still come"
        assert order.worst_qty == 18
        for _ in range(9):
            run.wait(1)
            run.settle()
    order = run.order(CID)
    expected = (1001, 8, 2) if shown_new else (1000, 10, 1)
    assert (order.price, order.qty, order.order_id) == expected
    assert (order.pending, order.unknown) == (Pending.NONE, False)
    assert order.worst_qty == expected[1]


def test_a_listing_that_still_shows_an_order_makes_a_lost_cancel_due_again() -> None:
    run = started()
    placed(run)
    (request,) = run.ask(i.CancelOrder(NAME, CID))
    run.push(e.OutcomeUnknown("reset"), request)
    run.listed = (venue_order(CID, 1),)
    assert run.settle(3) == []
    run.wait(0.25)
    left = run.settle(1)
    assert [intent for _, intent in left] == [i.CancelOrder(NAME, CID)]


def test_news_pushed_after_the_question_is_newer_than_the_listing() -> None:
    run = started()
    lose_private(run)
    run.wait(2)
    reconnect(run)
    request = ask(run, i.QueryOpenOrders)
    placed(run, shown=False)
    run.push(e.OrderOpened(venue_order(CID, 1)))
    run.push(e.OpenOrdersListed(NAME, 0, (), True), request)
    assert run.order(CID).status is Status.OPEN


def test_a_listed_order_that_closed_since_the_question_stays_closed() -> None:
    run = started()
    placed(run)
    lose_private(run)
    run.wait(2)
    reconnect(run)
    request = ask(run, i.QueryOpenOrders)
    cancelled = venue_order(CID, 1, status=OrderStatus.CANCELLED)
    run.push(e.OrderClosed(cancelled))
    run.push(e.OpenOrdersListed(NAME, 0, (venue_order(CID, 1),), True), request)
    assert run.order(CID).status is Status.CLOSED
    assert run.state.anomalies == 0


def test_an_order_that_a_listing_lacked_reopens_when_it_is_shown_again() -> None:
    run = started()
    placed(run)
    lose_private(run)
    run.wait(2)
    run.settle()
    assert run.order(CID).status is Status.CLOSED
    run.push(e.OrderUpdated(venue_order(CID, 1, leaves=7)))
    order = run.order(CID)
    assert (order.status, order.leaves_qty, order.order_id) == (Status.OPEN, 7, 1)
    assert run.state.anomalies == 0, "a push that waited through a stall is no surprise"


@pytest.mark.parametrize(("ago_s", "reopens"), [(3, False), (-1, True)], ids=["before", "since"])
def test_a_push_that_is_older_than_the_listing_reopens_nothing(ago_s: int, reopens: bool) -> None:
    run = started()
    placed(run)
    lose_private(run)
    run.wait(2)
    run.settle()
    assert run.order(CID).status is Status.CLOSED
    changed_us = run.now_ns // 1000 - ago_s * 1_000_000
    shown = replace(venue_order(CID, 1, leaves=7), modified_us=changed_us)
    run.push(e.OrderUpdated(shown))
    assert (run.order(CID).status is Status.OPEN) is reopens
    assert run.state.anomalies == 0


def test_foreign_orders_and_deals_change_no_order_but_the_inventory() -> None:
    run = started()
    run.push(e.OrderOpened(venue_order("by hand", 77)))
    run.push(e.Filled(fill(5, qty=3, order_id=77, client_order_id="by hand")))
    assert (run.market.orders, run.market.closed) == ({}, ())
    assert run.market.position == 3
    assert run.state.anomalies == 0


# --- never accepted ---------------------------------------------------------------------------


def test_silence_within_the_nonce_window_proves_nothing() -> None:
    run = started()
    request = placed(run, shown=False)
    run.push(e.OutcomeUnknown("timeout"), request)
    run.settle()
    order = run.order(CID)
    assert (order.status, order.unknown, order.worst_qty) == (Status.NEW, True, 10)


def test_silence_asked_after_the_nonce_window_proves_it_was_never_accepted() -> None:
    run = started()
    request = placed(run, shown=False)
    run.push(e.OutcomeUnknown("timeout"), request)
    sent_ns = run.order(CID).sent_ns
    while run.order(CID).status is Status.NEW:
        run.wait(0.5)
        run.settle()
    assert run.order(CID).close_reason == "never accepted"
    assert exposure_of(run.market, run.now_ns).buy_qty == 0
    assert run.now_ns - sent_ns >= 6_000_000_000


@pytest.mark.parametrize(("asked_s", "proves"), [(6, False), (8.9, False), (9.1, True)])
def test_the_nonce_window_is_that_of_the_nonce_not_of_the_moment_of_sending(
    asked_s: float, proves: bool
) -> None:
    # Nonces run ahead of a clock that was thought to be behind, or was ahead in the run before.
    run = started()
    run.state = replace(run.state, offset_low_ns=0, offset_high_ns=S)
    decided = run.push(e.Decided((i.PlaceOrders(NAME, (new_order(CID),)),), ()))
    sent_ns = run.now_ns + MS
    ahead = e.RequestSent(0, sent_ns // MS + 3000, "POST", "/api/v4/order/bulk", b"")
    run.push(e.OutcomeUnknown("timeout"), run.push(ahead, decided))
    lose_private(run)
    reconnect(run)
    run.push(e.TimerFired(), after_ns=sent_ns + int(asked_s * S) - run.now_ns)
    request = ask(run, i.QueryOpenOrders)
    run.state = replace(run.state, offset_low_ns=0, offset_high_ns=S)
    run.push(e.OpenOrdersListed(NAME, 0, (), True), request)
    assert (run.order(CID).status is Status.CLOSED) is proves


@pytest.mark.parametrize(("low_s", "proves"), [(-1, False), (0, True)])
def test_the_window_ends_by_the_clock_of_the_venue(low_s: int, proves: bool) -> None:
    run = started()
    request = placed(run, shown=False)
    run.push(e.OutcomeUnknown("timeout"), request)
    run.wait(6.5)
    request = ask(run, i.QueryOpenOrders)
    run.state = replace(run.state, offset_low_ns=low_s * S, offset_high_ns=S)
    run.push(e.OpenOrdersListed(NAME, 0, (), True), request)
    assert (run.order(CID).status is Status.CLOSED) is proves


def test_without_the_time_of_the_venue_silence_proves_nothing() -> None:
    run = started()
    request = placed(run, shown=False)
    run.push(e.OutcomeUnknown("timeout"), request)
    run.wait(20)
    request = ask(run, i.QueryOpenOrders)
    run.state = replace(run.state, offset_low_ns=0, offset_high_ns=0, clock_fault=clock.UNKNOWN)
    run.push(e.OpenOrdersListed(NAME, 0, (), True), request)
    assert run.order(CID).unknown


def test_a_refusal_that_comes_after_the_silence_is_no_surprise() -> None:
    run = started()
    request = placed(run, shown=False)
    while run.order(CID).status is Status.NEW:
        run.wait(0.5)
        run.settle()
    before = run.order(CID)
    run.push(e.RequestRefused(NO_FUNDS), request)
    assert (run.order(CID), run.state.anomalies) == (before, 0)


def test_a_place_that_filled_unseen_is_counted_by_the_history_before_risk_forgets_it() -> None:
    run = started()
    request = placed(run, shown=False)
    run.push(e.OutcomeUnknown("timeout"), request)
    run.wait(8)
    listing = ask(run, i.QueryOpenOrders)
    run.push(e.OpenOrdersListed(NAME, 0, (), True), listing)
    assert run.order(CID).status is Status.CLOSED
    assert exposure_of(run.market, run.now_ns).buy_qty == 10, "its deals are still to be asked for"
    (history,) = (seq for seq, intent in run.act() if isinstance(intent, i.QueryFills))
    deals = (fill(5, qty=10, client_order_id=CID),)
    run.push(e.FillsListed(NAME, 0, deals, True), history)
    assert (run.market.position, exposure_of(run.market, run.now_ns).buy_qty) == (10, 0)


def test_a_place_in_flight_is_not_missing_from_a_listing() -> None:
    run = started()
    lose_private(run)
    run.wait(2)
    reconnect(run)
    placed(run, shown=False)
    run.wait(0.1)
    request = ask(run, i.QueryOpenOrders)
    run.push(e.OpenOrdersListed(NAME, 0, (), True), request)
    assert run.order(CID).status is Status.NEW


@pytest.mark.parametrize("text", ["This client order id is already used", ""])
def test_a_duplicate_client_id_means_that_an_order_may_exist(text: str) -> None:
    run = started()
    request = placed(run, shown=False)
    refusal = Refusal(422, 36, "clientOrderId", text or "already used by the current account.")
    run.push(e.OrdersPlaced(NAME, (e.PlaceResult(None, refusal),)), request)
    assert run.order(CID).unknown
    assert run.market.recon.stage is ReconStage.ORDERS


# --- deals missed while away ------------------------------------------------------------------


def test_deals_are_asked_for_page_by_page_until_a_known_one() -> None:
    run = started()
    run.push(e.Filled(fill(1, qty=1)))
    lose_private(run)
    run.wait(2)
    reconnect(run)
    first = ask(run, i.QueryFills)
    newest = tuple(fill(deal_id, qty=1) for deal_id in range(150, 150 - PAGE, -1))
    run.push(e.FillsListed(NAME, 0, newest, False), first)
    (second,) = (seq for seq, intent in run.act() if intent == i.QueryFills(NAME, PAGE))
    oldest = tuple(fill(deal_id, qty=1) for deal_id in range(50, 0, -1))
    run.push(e.FillsListed(NAME, PAGE, oldest, False), second)
    assert run.market.position == 150
    assert run.market.recon.stage is ReconStage.BALANCES


def test_more_deals_missed_than_are_remembered_by_id_are_all_counted() -> None:
    run = started()
    run.push(e.Filled(fill(1, qty=1)))
    lose_private(run)
    run.wait(2)
    reconnect(run)
    request = ask(run, i.QueryFills)
    last = 8 * PAGE
    for page in range(8):
        top = last - page * PAGE
        deals = tuple(fill(deal_id, qty=1) for deal_id in range(top, top - PAGE, -1))
        run.push(e.FillsListed(NAME, page * PAGE, deals, False), request)
        if run.market.recon.stage is ReconStage.FILLS:
            (request,) = (seq for seq, intent in run.act() if isinstance(intent, i.QueryFills))
    assert run.market.position == last > RECENT_DEALS


def test_a_doubt_during_a_reconciliation_is_looked_into_after_it() -> None:
    run = started()
    run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    run.wait(3.1)
    listing = ask(run, i.QueryOpenOrders)
    (place,) = run.ask(i.PlaceOrders(NAME, (new_order("r1-2"),)))
    run.push(e.OutcomeUnknown("reset"), place)
    assert run.market.recon.request_seq == listing, "the one under way goes on"
    run.push(e.OpenOrdersListed(NAME, 0, (), True), listing)
    for _ in range(3):
        run.act()
        for seq, request in list(run.state.requests.items()):
            answer = run.answer_to(request.intent)
            if answer is not None:
                run.push(answer, seq)
    assert run.market.recon.orders_asked_seq > listing, "and another follows"


def test_a_deal_pushed_since_the_reconnect_does_not_end_the_paging() -> None:
    run = started()
    run.push(e.Filled(fill(1, qty=1)))
    lose_private(run)
    run.wait(2)
    reconnect(run)
    first = ask(run, i.QueryFills)
    run.push(e.Filled(fill(150, qty=1)))
    newest = tuple(fill(deal_id, qty=1) for deal_id in range(150, 150 - PAGE, -1))
    run.push(e.FillsListed(NAME, 0, newest, False), first)
    assert run.market.recon.stage is ReconStage.FILLS
    assert run.market.recon.offset == PAGE
