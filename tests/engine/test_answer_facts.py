"""Answers to requests, field by field: what each leaves of the order and its market."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.backoff import Group
from engine.gates import closed_gate
from engine.orders import CLOSED, IDLE, Order
from engine.state import ReconStage
from engine.stopping import Shutdown
from engine.types import OrderStatus, Refusal, Stp
from tests.engine.builders import (
    BUSY,
    MS,
    NAME,
    NO_FUNDS,
    NOT_FOUND,
    WOULD_TAKE,
    Run,
    S,
    margin,
    new_order,
    quoting,
    started,
    venue_order,
)
from tests.engine.changes import fold, next_at
from tests.engine.test_gates import in_market
from tests.engine.test_kill_switch import arm, armed, timer, wanted

CID = "r1-1"


def resting() -> tuple[Run, Order]:
    """A run with one bid of 10 at 990, and that bid."""
    run, (bid,) = quoting(bids=((990, 10),), asks=())
    return run, bid


def modify(run: Run, order: Order) -> int:
    (request,) = run.ask(i.ModifyOrder(NAME, order.client_order_id, 985, 12, Stp.CANCEL_NEW))
    return request


def cancel(run: Run, order: Order) -> int:
    (request,) = run.ask(i.CancelOrder(NAME, order.client_order_id))
    return request


def place(run: Run) -> int:
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    return request


def looks(run: Run, reason: str) -> bool:
    """Say whether a look at the account has begun that lets the quotes stand."""
    recon = run.market.recon
    return (recon.stage, recon.reason, recon.blind) == (ReconStage.ORDERS, reason, False)


# --- refused ----------------------------------------------------------------------------------


def test_a_refused_place_is_over_for_the_venues_reason() -> None:
    run = started()
    request = place(run)
    asked = run.order(CID)
    seq = run.push(e.RequestRefused(NO_FUNDS), request)
    assert run.order(CID) == replace(
        asked,
        status=CLOSED,
        pending=IDLE,
        updated_seq=seq,
        closed_ns=run.now_ns,
        close_reason="refused: 10 Not enough balance.",
    )
    assert run.state.attention_seq == seq


def test_a_throttled_place_is_over_and_its_endpoint_waits() -> None:
    run = started()
    run.push(e.RequestThrottled(), place(run))
    assert run.order(CID).close_reason == "refused: 0 throttled"
    assert run.market.hold_until_ns == run.now_ns + 100 * MS
    assert list(run.state.circuits) == [Group.PLACES]


def test_a_place_that_was_not_sent_is_over_and_no_trouble_of_the_venue() -> None:
    run = started()
    run.push(e.RequestWithheld("no token"), place(run))
    assert run.order(CID).close_reason == "refused: 0 no token"
    assert run.market.hold_until_ns == run.now_ns + 100 * MS
    assert run.state.circuits == {}
    assert (run.state.halted, run.market.halted) == ("", "")


def test_a_refused_modify_leaves_the_order_and_is_looked_behind() -> None:
    run, bid = resting()
    request = modify(run, bid)
    asked = run.order(bid.client_order_id)
    seq = run.push(e.RequestRefused(NO_FUNDS), request)
    assert run.order(bid.client_order_id) == replace(asked, pending=IDLE, updated_seq=seq)
    assert looks(run, "a modify was refused")
    assert run.market.hold_until_ns == run.now_ns + 100 * MS


def test_a_modify_refused_whose_old_half_has_ended_leaves_nothing() -> None:
    run, bid = resting()
    request = modify(run, bid)
    half = venue_order(bid.client_order_id, 1, price=990, status=OrderStatus.CANCELLED)
    run.push(e.OrderClosed(half))
    run.push(e.RequestRefused(NO_FUNDS), request)
    over = run.order(bid.client_order_id)
    assert (over.status, over.close_reason) == (CLOSED, "ended during a modify")
    assert over.closed_ns == run.now_ns


def test_a_modify_that_would_take_is_priced_anew_and_a_cancel_is_not() -> None:
    run, bid = resting()
    run.push(e.RequestRefused(WOULD_TAKE), modify(run, bid))
    assert [held.price for held in run.market.would_take] == [985]
    assert run.market.hold_until_ns == 0
    run, bid = resting()
    run.push(e.RequestRefused(WOULD_TAKE), cancel(run, bid))
    assert run.market.would_take == ()
    assert run.market.hold_until_ns == run.now_ns + 100 * MS


def test_a_refused_cancel_waits_and_holds_the_market() -> None:
    run, bid = resting()
    request = cancel(run, bid)
    asked = run.order(bid.client_order_id)
    seq = run.push(e.RequestRefused(BUSY), request)
    assert run.order(bid.client_order_id) == replace(
        asked, pending=IDLE, updated_seq=seq, cancel_at_ns=run.now_ns + S // 2
    )
    assert run.market.recon.stage is ReconStage.DONE


def test_what_is_not_found_is_over_and_may_have_filled() -> None:
    run, bid = resting()
    seq = run.push(e.RequestRefused(NOT_FOUND), cancel(run, bid))
    over = run.order(bid.client_order_id)
    assert (over.status, over.close_reason) == (CLOSED, "not found at the venue")
    assert (over.updated_seq, over.closed_ns, over.worst_qty) == (seq, run.now_ns, 10)


@pytest.mark.parametrize(("refused", "hold_ms"), [(0, 100), (4, 1600), (6, 5000), (90, 5000)])
def test_the_hold_doubles_and_never_exceeds_five_seconds(refused: int, hold_ms: int) -> None:
    run = started()
    in_market(run, refused_in_row=refused)
    run.push(e.RequestRefused(NO_FUNDS), place(run))
    assert run.market.refused_in_row == refused + 1
    assert run.market.hold_until_ns == run.now_ns + hold_ms * MS


# --- lost -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [modify, cancel])
def test_a_lost_request_leaves_the_order_unknown_and_is_looked_behind(ask: object) -> None:
    run, bid = resting()
    assert callable(ask)
    request = ask(run, bid)
    asked = run.order(bid.client_order_id)
    run.push(e.OutcomeUnknown("timeout"), request)
    assert run.order(bid.client_order_id) == replace(asked, unknown=True)
    assert looks(run, "a request's outcome is unknown")


def test_a_lost_request_that_a_push_has_settled_leaves_nothing_unknown() -> None:
    run = started()
    request = place(run)
    run.push(e.OrderOpened(venue_order(CID, 1)))
    before = run.order(CID)
    run.push(e.OutcomeUnknown("timeout"), request)
    assert run.order(CID) == before
    assert run.market.recon.stage is ReconStage.DONE


def test_an_escalation_that_fails_is_tried_again_in_half_a_second() -> None:
    run = started()
    (request,) = run.ask(i.CancelAll(NAME))
    assert run.market.shutdown == Shutdown(cancel_request_seq=request)
    run.push(e.RequestRefused(BUSY), request)
    assert run.market.shutdown == Shutdown(retry_at_ns=run.now_ns + S // 2)


def test_a_kill_switch_that_is_not_armed_is_tried_again_in_half_a_second() -> None:
    run = started()
    (request,) = run.ask(i.ArmKillSwitch(NAME, 15))
    assert run.market.kill_switch.request_seq == request
    run.push(e.RequestRefused(BUSY), request)
    timer = run.market.kill_switch
    assert (timer.request_seq, timer.retry_at_ns) == (0, run.now_ns + S // 2)


# --- done -------------------------------------------------------------------------------------


def test_a_modify_that_is_answered_rests_under_its_new_id() -> None:
    run, bid = resting()
    request = modify(run, bid)
    moved = venue_order(bid.client_order_id, 2, qty=12, price=985)
    seq = run.push(e.OrderModified(moved), request)
    after = run.order(bid.client_order_id)
    assert (after.order_id, after.price, after.qty, after.pending) == (2, 985, 12, IDLE)
    assert after.updated_seq == seq


def test_a_modify_that_kept_its_id_did_nothing() -> None:
    run, bid = resting()
    request = modify(run, bid)
    asked = run.order(bid.client_order_id)
    seq = run.push(e.OrderModified(venue_order(bid.client_order_id, 1, price=990)), request)
    assert run.order(bid.client_order_id) == replace(asked, pending=IDLE, updated_seq=seq)


def test_a_cancel_that_is_answered_ends_the_order() -> None:
    run, bid = resting()
    request = cancel(run, bid)
    done = venue_order(bid.client_order_id, 1, price=990, status=OrderStatus.CANCELLED)
    seq = run.push(e.OrderCancelled(done), request)
    over = run.order(bid.client_order_id)
    assert (over.status, over.updated_seq, over.closed_ns) == (CLOSED, seq, run.now_ns)
    assert over.close_reason == "CANCELLED"


WRONG = (
    e.OrdersPlaced(NAME, ()),
    e.OrderModified(venue_order(CID, 1)),
    e.OrderCancelled(venue_order(CID, 1)),
)


@pytest.mark.parametrize("answer", WRONG)
def test_an_answer_of_another_kind_is_told_and_changes_nothing(answer: e.AnyEvent) -> None:
    run = started()
    (request,) = run.ask(i.QueryTime())
    requests = {seq: sent for seq, sent in run.state.requests.items() if seq != request}
    seq, _ = next_at(run)
    kind = type(answer).__name__
    fold(
        run,
        answer,
        request,
        requests=requests,
        attention_seq=seq,
        anomalies=1,
        last_anomaly=f"seq {seq}: {kind} answers another kind of request",
    )


@pytest.mark.parametrize("stopping", [False, True])
def test_all_cancelled_is_looked_behind_and_waits_unless_the_run_ends(stopping: bool) -> None:
    run = started()
    if stopping:
        run.push(e.StopRequested("SIGTERM"))
    (request,) = run.ask(i.CancelAll(NAME))
    seq = run.push(e.OrdersAllCancelled(NAME), request)
    retry_at_ns = 0 if stopping else run.now_ns + S // 2
    assert run.market.shutdown == Shutdown(cancelled_seq=seq, retry_at_ns=retry_at_ns)
    assert looks(run, "cancel all")
    in_market(run, shutdown=Shutdown())
    (request,) = run.ask(i.CancelAll(NAME))
    in_market(run, shutdown=Shutdown(cancel_request_seq=request + 1))
    run.push(e.OrdersAllCancelled(NAME), request)
    assert run.market.shutdown == Shutdown(cancel_request_seq=request + 1), "a later one counts"


def test_margin_balances_are_merged_and_looked_at() -> None:
    run = started()
    run.push(e.MarginBalancesChanged((margin("BTC", "1"),)))
    seq, _ = next_at(run)
    merged = {**run.state.margin, "USDT": margin("USDT", "50")}
    changed = e.MarginBalancesChanged((margin("USDT", "50"),))
    fold(run, changed, margin=merged, attention_seq=seq)


def test_positions_are_replaced_and_looked_at() -> None:
    run = started()
    seq, _ = next_at(run)
    fold(run, e.PositionsReported(()), positions={}, attention_seq=seq)


@pytest.mark.parametrize(("code", "lifts"), [(10, True), (19, False), (31, True)])
def test_a_refusal_of_the_market_halts_it_and_a_list_may_lift_that(code: int, lifts: bool) -> None:
    run = started()
    seq = run.push(e.RequestRefused(Refusal(422, code, "market", "No such market.")), place(run))
    assert run.market.halted == f"the venue refused the market: {code} No such market."
    assert run.market.halted_seq == (seq if lifts else 0)


@pytest.mark.parametrize("arrived_first", [True, False])
def test_an_answer_that_comes_long_after_that_of_a_later_refresh_takes_no_time_away(
    arrived_first: bool,
) -> None:
    run, _ = quoting()
    first = arm(run)
    run.wait(3.1)
    second = arm(run)
    run.push(armed(run), second)
    later = timer(run)
    run.wait(7)
    # Whichever the venue took last is what it counts from.
    expiry_s = later.expiry_s - 3 if arrived_first else later.expiry_s + 1
    run.push(armed(run, expiry_s), first)
    assert timer(run) == replace(
        later, expiry_s=max(expiry_s, later.expiry_s), answered_seq=run.state.seq
    )
    assert closed_gate(run.state, run.market) == ""
    assert wanted(run, i.CancelAll) == []
