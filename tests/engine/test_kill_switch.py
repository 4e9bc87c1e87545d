"""The kill-switch: armed first, refreshed in time, escalated before it fires, checked."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.kill_switch import check_intents, refresh_ns
from engine.session import finished
from engine.state import PRIVATE
from engine.stopping import KillSwitch
from engine.types import KillSwitchTimer, OrderStatus, Settings
from tests.engine.builders import (
    BUSY,
    NAME,
    PERPETUAL,
    Run,
    S,
    fixed,
    quoted,
    quoting,
    snapshot,
    started,
    venue_order,
)


def wanted(run: Run, kind: type) -> list[i.Intent]:
    return [intent for intent in run.decide() if isinstance(intent, kind)]


def arm(run: Run) -> int:
    """Send a refresh without an answer; returns its request."""
    (request,) = run.ask(i.ArmKillSwitch(NAME, 15))
    return request


def armed(run: Run, expiry_s: int = 0) -> e.KillSwitchArmed:
    return e.KillSwitchArmed(KillSwitchTimer(NAME, 0, expiry_s or run.now_ns // S + 15))


def timer(run: Run) -> KillSwitch:
    return run.market.kill_switch


# --- arming and refreshing --------------------------------------------------------------------


def test_the_timer_is_armed_before_the_first_order_and_refreshed_in_time() -> None:
    run = Run(quoted(parameters=fixed(((990, 10),))))
    run.push(e.StreamReady(NAME))
    run.push(e.StreamReady(PRIVATE))
    run.push(snapshot(at_ns=run.now_ns))
    sent = run.settle()
    assert [type(intent) for _, intent in sent] == [i.PlaceOrders]
    armed_ns = run.market.kill_switch.refreshed_ns
    assert run.market.kill_switch.armed_until_ns == armed_ns + 14 * S
    run.wait(3.5)
    assert wanted(run, i.ArmKillSwitch) == []
    run.wait(0.5)
    assert wanted(run, i.ArmKillSwitch) == [i.ArmKillSwitch(NAME, 15)]


def test_no_order_before_the_timer_is_armed() -> None:
    run = Run(quoted(parameters=fixed(((990, 10),))))
    run.push(e.StreamReady(NAME))
    run.push(e.StreamReady(PRIVATE))
    run.push(snapshot(at_ns=run.now_ns))
    for _ in range(8):
        for seq, intent in run.act():
            answer = run.answer_to(intent)
            if answer is not None and not isinstance(intent, i.ArmKillSwitch):
                run.push(answer, seq)
    assert (run.market.orders, run.market.closed) == ({}, ())
    assert closed_gate(run.state, run.market) == "kill-switch not armed"


def test_no_refresh_while_the_private_stream_is_down() -> None:
    run = started()
    run.push(e.StreamClosed(PRIVATE, "reset", 999))
    run.wait(5)
    assert wanted(run, i.ArmKillSwitch) == []


def test_no_refresh_while_a_cancel_stays_unconfirmed() -> None:
    run, (ask, _) = quoting()
    (request,) = run.ask(i.CancelOrder(NAME, ask.client_order_id))
    run.wait(5)
    assert run.order(ask.client_order_id).unknown
    assert wanted(run, i.ArmKillSwitch) == []
    cancelled = venue_order(ask.client_order_id, 2, status=OrderStatus.CANCELLED)
    run.push(e.OrderCancelled(cancelled), request)
    assert wanted(run, i.ArmKillSwitch) == [i.ArmKillSwitch(NAME, 15)]


@pytest.mark.parametrize(
    "end", [e.RequestRefused(BUSY), e.RequestThrottled(), e.OutcomeUnknown("reset")]
)
def test_a_failed_refresh_is_tried_again_soon(end: e.AnyEvent) -> None:
    run = started()
    run.wait(4)
    ((request, _),) = [item for item in run.act() if isinstance(item[1], i.ArmKillSwitch)]
    run.push(end, request)
    assert wanted(run, i.ArmKillSwitch) == []
    run.wait(0.5)
    assert wanted(run, i.ArmKillSwitch) == [i.ArmKillSwitch(NAME, 15)]


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        (Settings(), 3.75),
        (Settings(kill_switch_timeout_s=5), 1.25),
        (Settings(kill_switch_refresh_ns=4 * S), 4.0),
        (Settings(kill_switch_timeout_s=600, kill_switch_refresh_ns=S), 1.0),
    ],
)
def test_the_timer_is_refreshed_as_often_as_set(settings: Settings, seconds: float) -> None:
    assert refresh_ns(settings) == seconds * S
    run = Run(quoted(), settings=settings)
    run.settle()
    sent_ns = timer(run).refreshed_ns
    run.push(e.TimerFired(), after_ns=sent_ns + int(seconds * S) - 1 - run.now_ns)
    assert wanted(run, i.ArmKillSwitch) == []
    run.push(e.TimerFired(), after_ns=1)
    assert wanted(run, i.ArmKillSwitch) == [i.ArmKillSwitch(NAME, settings.kill_switch_timeout_s)]


def test_an_answer_that_comes_after_the_next_refresh_left_does_not_hide_that_one() -> None:
    run = started()
    first = arm(run)
    run.wait(3.1)
    assert timer(run).request_seq == 0, "its outcome is unknown by now"
    second = arm(run)
    run.push(armed(run), first)
    assert timer(run).request_seq == second
    assert timer(run).answered_seq == run.state.seq
    run.push(armed(run), second)
    assert timer(run).request_seq == 0


def test_a_failure_that_comes_after_the_next_refresh_left_does_not_hide_that_one() -> None:
    run = started()
    first = arm(run)
    run.wait(3.1)
    second = arm(run)
    run.push(e.RequestThrottled(), first)
    assert timer(run).request_seq == second
    run.push(e.RequestThrottled(), second)
    assert timer(run).request_seq == 0


# --- escalation -------------------------------------------------------------------------------


def failing(run: Run, until_ns: int) -> None:
    """Let every refresh be refused until a moment, and answer the rest."""
    while run.now_ns < until_ns:
        run.push(e.TimerFired(), after_ns=min(S // 10, until_ns - run.now_ns))
        for seq, intent in run.act():
            if isinstance(intent, i.ArmKillSwitch):
                run.push(e.RequestRefused(BUSY), seq, 0)
            elif (answer := run.answer_to(intent)) is not None:
                run.push(answer, seq, 0)


def test_a_timer_that_cannot_be_refreshed_is_escalated_while_it_still_runs() -> None:
    run, orders = quoting()
    at_ns = timer(run).refreshed_ns + 10 * S
    assert timer(run).escalate_at_ns == at_ns
    run.listed = tuple(venue_order(o.client_order_id, o.order_id, side=o.side, price=o.price)
                       for o in orders)  # fmt: skip
    run.push(snapshot(update_id=5, at_ns=run.now_ns))
    failing(run, at_ns - S)
    run.push(e.TimerFired(), after_ns=at_ns - 1 - run.now_ns)
    assert closed_gate(run.state, run.market) == ""
    assert len(run.market.live) == 2
    run.push(e.TimerFired(), after_ns=1)
    assert closed_gate(run.state, run.market) == "kill-switch not refreshed for too long"
    assert i.CancelAll(NAME) in run.decide()
    assert wanted(run, i.PlaceOrders) == []
    assert timer(run).armed_until_ns > run.now_ns + 3 * S, "it is still armed"


def escalated() -> Run:
    run, _ = quoting()
    run.push(e.TimerFired(), after_ns=timer(run).escalate_at_ns - run.now_ns)
    return run


def test_an_escalation_asks_once_at_a_time_and_again_while_an_order_looks_live() -> None:
    run = escalated()
    ((request, _),) = [x for x in run.act() if isinstance(x[1], i.CancelAll)]
    assert wanted(run, i.CancelAll) == []
    run.push(e.OrdersAllCancelled(NAME), request)
    assert wanted(run, i.CancelAll) == []
    run.push(e.TimerFired(), after_ns=S // 2 - 1)
    assert wanted(run, i.CancelAll) == []
    run.push(e.TimerFired(), after_ns=1)
    assert wanted(run, i.CancelAll) == [i.CancelAll(NAME)]
    run.settle()
    assert run.market.live == ()
    run.wait(1)
    assert wanted(run, i.CancelAll) == []


@pytest.mark.parametrize("end", [e.RequestRefused(BUSY), e.OutcomeUnknown("reset")])
def test_an_escalation_that_fails_is_tried_again(end: e.AnyEvent) -> None:
    run = escalated()
    ((request, _),) = [x for x in run.act() if isinstance(x[1], i.CancelAll)]
    run.push(end, request)
    assert wanted(run, i.CancelAll) == []
    run.wait(0.5)
    assert wanted(run, i.CancelAll) == [i.CancelAll(NAME)]


def test_nothing_is_escalated_where_nothing_rests_or_nothing_was_armed() -> None:
    run = started()
    run.push(e.TimerFired(), after_ns=timer(run).escalate_at_ns - run.now_ns)
    assert wanted(run, i.CancelAll) == []
    before, _ = quoting()
    again = Run(quoted(), state=before.state, run_id="r2")
    assert again.market.live
    assert wanted(again, i.CancelAll) == []


def test_a_refresh_that_comes_through_lets_the_quotes_back() -> None:
    run = escalated()
    run.settle()
    for order in run.market.live:
        gone = venue_order(order.client_order_id, order.order_id, status=OrderStatus.CANCELLED)
        run.push(e.OrderClosed(gone))
    run.push(snapshot(update_id=9, at_ns=run.now_ns))
    left = run.settle()
    assert closed_gate(run.state, run.market) == ""
    assert [type(intent) for _, intent in left] == [i.PlaceOrders]


def test_a_stop_after_an_escalation_cancels_anew_and_proves_it() -> None:
    run = escalated()
    run.settle()
    assert run.market.shutdown.cancelled_seq
    run.push(e.StopRequested("SIGTERM"))
    assert not run.market.shutdown.cancelled_seq
    assert wanted(run, i.CancelAll) == [i.CancelAll(NAME)]
    run.act()
    seq = run.market.shutdown.cancel_request_seq
    run.push(e.StopRequested("SIGINT"))
    assert run.market.shutdown.cancel_request_seq == seq, "a second stop begins nothing anew"
    for _ in range(6):
        run.settle()
        run.wait(4)
    run.settle()
    assert finished(run.state)


# --- what the venue says it has ---------------------------------------------------------------


def checked(run: Run) -> int:
    """Let the next check leave; returns its request."""
    for _ in range(120):
        run.wait(0.25)
        for seq, intent in run.act():
            if isinstance(intent, i.QueryKillSwitch):
                assert intent.market == ""
                return seq
            answer = run.answer_to(intent)
            if answer is not None:
                run.push(answer, seq)
    raise AssertionError("no check")


def test_timers_are_checked_once_all_are_armed_and_then_every_twenty_seconds() -> None:
    run = Run(quoted(), quoted(PERPETUAL))
    run.push(e.StreamReady(PRIVATE))
    asked = {intent: seq for seq, intent in run.act()}
    first = i.ArmKillSwitch(NAME, 15)
    run.push(armed(run), asked[first])
    assert check_intents(run.state) == []
    second = asked[i.ArmKillSwitch(PERPETUAL.name, 15)]
    run.push(e.KillSwitchArmed(KillSwitchTimer(PERPETUAL.name, 0, 9)), second)
    assert check_intents(run.state) == [i.QueryKillSwitch("")]
    run.settle()
    asked_ns = run.state.timers_asked_ns
    assert asked_ns
    run.push(e.TimerFired(), after_ns=asked_ns + 20 * S - 1 - run.now_ns)
    assert check_intents(run.state) == []
    run.push(e.TimerFired(), after_ns=1)
    assert check_intents(run.state) == [], "its answer would say nothing of what is armed"
    assert len(wanted(run, i.ArmKillSwitch)) == 2
    arming = [seq for seq, intent in run.act() if isinstance(intent, i.ArmKillSwitch)]
    assert check_intents(run.state) == []
    for seq in arming:
        run.push(armed(run), seq)
    assert check_intents(run.state) == [i.QueryKillSwitch("")]
    run.push(e.StopRequested("done"))
    assert check_intents(run.state) == []


def test_timers_that_are_as_armed_are_left_alone() -> None:
    run, _ = quoting()
    request, before = checked(run), timer(run)
    run.push(e.KillSwitchesListed((KillSwitchTimer(NAME, 0, before.expiry_s),)), request)
    assert (timer(run), run.state.anomalies) == (before, 0)


def test_a_timer_that_is_gone_closes_the_gate_and_is_armed_at_once() -> None:
    run, _ = quoting()
    request = checked(run)
    run.push(snapshot(update_id=9, at_ns=run.now_ns))
    run.push(e.KillSwitchesListed(()), request)
    assert closed_gate(run.state, run.market) == "kill-switch not armed"
    assert wanted(run, i.ArmKillSwitch) == [i.ArmKillSwitch(NAME, 15)]
    assert run.state.anomalies == 1
    assert "there is none" in run.state.last_anomaly
    assert NAME in run.state.last_anomaly


@pytest.mark.parametrize(("early_ns", "anomalies"), [(1, 1), (0, 0)])
def test_a_timer_that_may_have_fired_by_now_is_no_surprise_when_it_is_gone(
    early_ns: int, anomalies: int
) -> None:
    run, _ = quoting()
    request, before = checked(run), timer(run)
    run.push(e.KillSwitchesListed(()), request, before.armed_until_ns - early_ns - run.now_ns)
    assert run.state.anomalies == anomalies


@pytest.mark.parametrize(("by_s", "earlier_s"), [(-4, 4), (-1, 1), (1, 0), (300, 0)])
def test_a_timer_that_somebody_else_set_is_armed_anew_and_trusted_no_longer_than_it_runs(
    by_s: int, earlier_s: int
) -> None:
    run, _ = quoting()
    request, before = checked(run), timer(run)
    other = KillSwitchTimer(NAME, 0, before.expiry_s + by_s)
    run.push(e.KillSwitchesListed((other,)), request)
    assert wanted(run, i.ArmKillSwitch) == [i.ArmKillSwitch(NAME, 15)]
    assert timer(run).armed_until_ns == before.armed_until_ns - earlier_s * S
    assert timer(run).escalate_at_ns == before.escalate_at_ns - earlier_s * S
    assert run.state.anomalies == 1
    run.settle()
    again = checked(run)
    run.push(e.KillSwitchesListed((KillSwitchTimer(NAME, 0, timer(run).expiry_s),)), again)
    assert run.state.anomalies == 1


@pytest.mark.parametrize("when", ["in flight", "answered since", "lost since"])
def test_a_listing_says_nothing_of_a_timer_armed_since_it_was_asked_for(when: str) -> None:
    run, _ = quoting()
    request = checked(run)
    refresh = arm(run)
    if when == "answered since":
        run.push(armed(run), refresh)
    elif when == "lost since":
        run.push(e.OutcomeUnknown("reset"), refresh)
        run.state = replace(run.state, timers_asked_ns=0)
        assert check_intents(run.state) == [], "it may have come, and is to be tried again"
    before = timer(run)
    run.push(e.KillSwitchesListed(()), request)
    assert (timer(run), run.state.anomalies) == (before, 0)


def test_a_listing_says_nothing_of_a_market_that_was_never_armed() -> None:
    run = Run(quoted())
    (request,) = run.ask(i.QueryKillSwitch(""))
    run.push(e.KillSwitchesListed((KillSwitchTimer(NAME, 0, 99),)), request)
    assert (timer(run), run.state.anomalies) == (KillSwitch(), 0)


def test_news_of_the_timer_of_a_market_that_is_not_quoted_changes_nothing() -> None:
    run = started()
    other = i.ArmKillSwitch("ETH_USDT", 15)
    for end in (armed(run), e.RequestRefused(BUSY), e.KillSwitchDisarmed("ETH_USDT")):
        (request,) = run.ask(other)
        before = run.state.markets
        run.push(end, request)
        assert run.state.markets == before


def test_a_timer_is_not_refreshed_before_its_retry() -> None:
    run = started()
    later = replace(timer(run), refreshed_ns=0, retry_at_ns=run.now_ns + S)
    run.state = replace(run.state, markets={NAME: replace(run.market, kill_switch=later)})
    run.push(e.TimerFired(), after_ns=S - 1)
    assert wanted(run, i.ArmKillSwitch) == []
    run.push(e.TimerFired(), after_ns=1)
    assert wanted(run, i.ArmKillSwitch) == [i.ArmKillSwitch(NAME, 15)]
