"""The way out: cancel all, prove it, disarm, or leave the timer armed and say so."""

from __future__ import annotations

import pytest

from engine import events as e
from engine import intents as i
from engine.events import RunEnded
from engine.session import ending, finished, overdue
from engine.state import PRIVATE
from engine.types import OrderStatus
from tests.engine.builders import (
    BUSY,
    MS,
    NAME,
    Run,
    S,
    fill,
    new_order,
    quoted,
    quoting,
    venue_order,
)

CID = "r1-1"


def wanted(run: Run, kind: type) -> list[i.Intent]:
    return [intent for intent in run.decide() if isinstance(intent, kind)]


# --- the end ----------------------------------------------------------------------------------


def stopping() -> Run:
    run, _ = quoting()
    run.push(e.StopRequested("SIGTERM"))
    return run


def finish(run: Run, rounds: int = 6) -> None:
    for _ in range(rounds):
        run.settle()
        run.wait(0.6)


def test_a_stop_cancels_all_proves_it_and_disarms() -> None:
    run = stopping()
    intents = run.decide()
    assert i.CancelAll(NAME) in intents
    assert not any(isinstance(x, i.PlaceOrders | i.ModifyOrder) for x in intents)
    finish(run)
    assert run.market.shutdown.disarmed
    assert run.market.kill_switch.armed_until_ns == 0
    assert finished(run.state)
    assert run.market.live == ()
    run.wait(5)
    assert all(isinstance(intent, i.Ping) for intent in run.decide())


def test_the_timer_is_not_disarmed_while_a_listing_shows_an_order() -> None:
    run = stopping()
    (_, bid) = run.market.live
    run.listed = (venue_order(bid.client_order_id, 1, price=990),)
    for _ in range(4):
        left = run.settle(8)
        assert left == []
        run.wait(0.6)
        assert not run.market.shutdown.disarmed
    run.listed = ()
    finish(run)
    assert finished(run.state)


def test_a_place_that_overtook_the_cancel_is_cancelled_before_the_timer_is_disarmed() -> None:
    run, _ = quoting()
    (place,) = run.ask(i.PlaceOrders(NAME, (new_order(CID, price=980, level=1),)))
    run.push(e.StopRequested("SIGTERM"))
    run.settle()
    assert not run.market.shutdown.disarmed, "the place is still in flight"
    run.push(e.OrdersPlaced(NAME, (e.PlaceResult(venue_order(CID, 9, price=980), None),)), place)
    run.listed = (venue_order(CID, 9, price=980),)
    run.wait(0.6)
    sent: list[i.Intent] = []
    for _ in range(6):
        for seq, intent in run.act():
            sent.append(intent)
            if isinstance(intent, i.CancelAll):
                run.listed = ()
            answer = run.answer_to(intent)
            assert answer is not None
            run.push(answer, seq)
        run.wait(0.6)
    assert i.CancelAll(NAME) in sent
    assert sent.index(i.CancelAll(NAME)) < sent.index(i.DisarmKillSwitch(NAME))
    assert finished(run.state)


@pytest.mark.parametrize(
    "end", [e.RequestRefused(BUSY), e.RequestThrottled(), e.OutcomeUnknown("reset")]
)
def test_a_cancel_all_that_fails_is_sent_again(end: e.AnyEvent) -> None:
    run = stopping()
    ((request, _),) = [x for x in run.act() if isinstance(x[1], i.CancelAll)]
    run.push(end, request)
    assert wanted(run, i.CancelAll) == []
    run.wait(0.5)
    assert wanted(run, i.CancelAll) == [i.CancelAll(NAME)]


def test_a_stop_that_cannot_prove_its_orders_gone_is_overdue_and_leaves_the_timer() -> None:
    run = stopping()
    run.push(e.StreamClosed(PRIVATE, "reset", 999))
    assert not overdue(run.state)
    run.wait(8.1)
    assert overdue(run.state)
    assert not finished(run.state)
    assert run.market.kill_switch.armed_until_ns > 0


def test_the_timer_is_not_disarmed_while_an_arming_may_still_reach_the_venue() -> None:
    run, _ = quoting()
    run.ask(i.ArmKillSwitch(NAME, 15))
    run.push(e.StopRequested("SIGTERM"))
    assert i.CancelAll(NAME) in run.decide(), "which waits for no timer"
    finish(run)
    assert run.market.live == ()
    assert not run.market.shutdown.disarmed, "it may still overtake the disarming"
    finish(run)
    assert finished(run.state)


def test_an_arming_may_arrive_for_as_long_as_its_nonce_allows() -> None:
    run, _ = quoting()
    decided = run.push(e.Decided((i.ArmKillSwitch(NAME, 15),), ()))
    sent_ns = run.now_ns + MS
    ahead = e.RequestSent(0, sent_ns // MS + 4000, "POST", "/api/v4/order/kill-switch", b"")
    run.push(ahead, decided)
    run.push(e.StopRequested("SIGTERM"))
    finish(run)
    finish(run)
    assert run.now_ns - sent_ns < 10 * S
    assert not run.market.shutdown.disarmed, "it was signed 4 s ahead"
    while run.now_ns - sent_ns < 12 * S:
        finish(run)
    assert finished(run.state)


def test_a_second_stop_does_not_move_the_deadline() -> None:
    run = stopping()
    first = run.state.stopping_ns
    run.wait(2)
    run.push(e.StopRequested("SIGINT"))
    assert run.state.stopping_ns == first


def test_an_observing_run_ends_at_once() -> None:
    run = Run(quoted(), mode="observe")
    assert not finished(run.state)
    run.push(e.StopRequested("done"))
    assert finished(run.state)


def test_a_stopping_run_that_never_armed_does_not_arm() -> None:
    run = Run(quoted())
    run.push(e.StreamReady(PRIVATE))
    run.push(e.StopRequested("SIGTERM"))
    assert wanted(run, i.ArmKillSwitch) == []
    assert wanted(run, i.CancelAll) == [i.CancelAll(NAME)]


def test_a_stopping_run_goes_on_refreshing_until_it_is_proved_empty() -> None:
    run = stopping()
    run.listed = (venue_order(run.market.live[1].client_order_id, 1, price=990),)
    run.settle(6)
    run.wait(4)
    assert wanted(run, i.ArmKillSwitch) == [i.ArmKillSwitch(NAME, 15)]
    run.listed = ()
    run.push(e.StreamClosed(PRIVATE, "reset", 0))
    run.wait(1)
    run.settle()
    assert finished(run.state)


def test_a_private_stream_that_breaks_while_stopping_is_opened_again_within_seconds() -> None:
    run, _ = quoting()
    for _ in range(6):
        run.push(e.StreamClosed(PRIVATE, "reset", 999))
    run.push(e.StopRequested("SIGTERM"))
    assert i.OpenStream(PRIVATE) in run.decide(), "what broke before is tried at once"
    run.settle()
    run.push(e.StreamClosed(PRIVATE, "reset", 999))
    run.wait(1.5)
    finish(run)
    assert finished(run.state)


# --- the last look ----------------------------------------------------------------------------


def without_history(run: Run, rounds: int) -> None:
    """Answer everything but questions for deals."""
    for _ in range(rounds):
        for seq, intent in run.act():
            answer = run.answer_to(intent)
            if answer is not None and not isinstance(intent, i.QueryFills):
                run.push(answer, seq)
            elif isinstance(intent, i.QueryFills):
                run.push(e.OutcomeUnknown("dropped"), seq)
        run.wait(0.6)


def test_a_run_whose_deals_were_never_told_does_not_end_clean() -> None:
    run = stopping()
    without_history(run, 12)
    assert run.market.shutdown.disarmed
    assert not overdue(run.state)
    assert ending(run.state) is None, "the history may still come"
    without_history(run, 3)
    assert ending(run.state) == RunEnded(False, "no order is left, but deals may be missing")
    run.wait(1)
    run.settle()
    assert ending(run.state) == RunEnded(True, "stopped")


def test_a_deal_told_by_nothing_but_its_order_is_waited_for() -> None:
    run = stopping()
    (_, bid) = run.market.live
    finish(run)
    assert finished(run.state)
    cid = bid.client_order_id
    filled = venue_order(cid, 1, price=990, leaves=0, status=OrderStatus.FILLED)
    run.push(e.OrderClosed(filled))
    assert not finished(run.state)
    run.push(e.Filled(fill(1, price=990, client_order_id=cid)))
    assert finished(run.state)


def test_the_end_names_what_is_left() -> None:
    run, _ = quoting()
    assert ending(run.state) is None, "nobody asked for an end"
    run.push(e.StopRequested("SIGTERM"))
    run.wait(8)
    assert ending(run.state) is None
    run.wait(0.001)
    reason = "orders not proved gone: kill-switch left armed"
    assert ending(run.state) == RunEnded(False, reason)
