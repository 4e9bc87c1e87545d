"""The panic latch in the fold: quotes are pulled, nothing is placed, the timer runs out."""

from __future__ import annotations

import pytest

from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.orders import Status
from engine.session import finished
from engine.state import ReconStage
from engine.types import OrderStatus, VenueOrder
from tests.engine.builders import NAME, Run, new_order, quoted, quoting, snapshot, venue_order

CID = "r1-1"


def latched() -> Run:
    run, _ = quoting()
    run.push(e.PlacingForbidden("panic latch: at noon"))
    return run


def kinds(run: Run) -> set[type]:
    return {type(intent) for intent in run.decide()}


def test_under_the_latch_every_quote_is_cancelled_and_none_placed() -> None:
    run = latched()
    assert closed_gate(run.state, run.market) == "panic latch: at noon"
    assert sorted(intent.client_order_id for intent in run.decide()) == sorted(  # type: ignore[union-attr]
        order.client_order_id for order in run.market.live
    )
    assert kinds(run) == {i.CancelOrder}


def test_under_the_latch_the_timer_is_left_to_run_out() -> None:
    run = latched()
    run.act()
    armed_until_ns = run.market.kill_switch.armed_until_ns
    for _ in range(20):
        run.wait(1)
        assert i.ArmKillSwitch not in kinds(run)
        run.settle()
    assert run.market.kill_switch.armed_until_ns == armed_until_ns


def test_a_lifted_latch_quotes_again_once_the_account_was_looked_at() -> None:
    run = latched()
    run.settle()
    for order in run.market.live:
        run.push(e.OrderClosed(cancelled(order.client_order_id)))
    run.wait(16)
    run.settle()
    run.push(snapshot(update_id=9, at_ns=run.now_ns))
    run.push(e.PlacingAllowed())
    assert run.state.latched == ""
    assert run.market.recon.stage is ReconStage.ORDERS
    assert closed_gate(run.state, run.market) == "reconciling: the panic latch was lifted"
    left = [intent for _, intent in run.settle()]
    assert [type(intent) for intent in left] == [i.PlaceOrders]
    assert run.market.kill_switch.armed_until_ns > run.now_ns


def cancelled(client_order_id: str) -> VenueOrder:
    return venue_order(client_order_id, 1, status=OrderStatus.CANCELLED)


def test_a_latched_run_can_still_be_stopped_clean() -> None:
    run = latched()
    run.push(e.StopRequested("SIGTERM"))
    for _ in range(6):
        run.settle()
        run.wait(0.6)
    assert finished(run.state)
    assert run.market.shutdown.disarmed


def test_a_run_begins_without_the_latch_of_the_one_before() -> None:
    run = latched()
    run.push(e.RunStarted("r2", "paper", (), "{}", run.state.settings, (quoted(),)))
    assert run.state.latched == ""


def test_a_place_that_was_withheld_is_closed_for_certain() -> None:
    run, _ = quoting()
    (place,) = run.ask(i.PlaceOrders(NAME, (new_order(CID, price=980, level=1),)))
    run.push(e.RequestWithheld("the panic latch"), place)
    order = run.order(CID)
    assert (order.status, order.unknown) == (Status.CLOSED, False)
    assert CID not in run.market.orders


@pytest.mark.parametrize("late", [False, True])
def test_a_modify_that_was_withheld_leaves_the_order_as_it_was(late: bool) -> None:
    run, (ask, _) = quoting()
    (modify,) = run.ask(i.ModifyOrder(NAME, ask.client_order_id, 1015, 10, ask.stp))
    if late:
        run.wait(4)
        assert run.order(ask.client_order_id).unknown
    run.push(e.RequestWithheld("the panic latch"), modify)
    order = run.order(ask.client_order_id)
    assert order.price == ask.price
    if not late:
        assert (order.status, order.unknown) == (Status.OPEN, False)
