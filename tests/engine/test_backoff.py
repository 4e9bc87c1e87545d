"""Back-off after 429, 5xx, silence and nonce refusals, and the circuit of each endpoint group."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import backoff, rates
from engine import events as e
from engine import intents as i
from engine.backoff import BACKOFF, Group, Trouble
from engine.events import OutcomeUnknown, RequestRefused, RequestThrottled
from engine.rates import MODIFY, admit, allowance
from engine.state import InFlight
from engine.step import decide
from engine.trouble import Circuit
from engine.types import Refusal, Stp
from tests.engine.builders import (
    BUSY,
    MS,
    NAME,
    NO_FUNDS,
    T0,
    Run,
    S,
    accepted,
    fixed,
    new_order,
    quoted,
    quoting,
    started,
)

NONCE = Refusal(429, 0, "", "Too many requests.")
PLACE = i.PlaceOrders(NAME, (new_order("z-1"),))
TIME = i.QueryTime()


def fail(run: Run, intent: i.Intent, event: e.AnyEvent) -> Circuit:
    """Send an intent, let it fail, and return its group's circuit."""
    (request,) = run.ask(intent)
    run.push(event, request)
    return run.state.circuits[backoff.group_of(intent)]


def place(run: Run, number: int) -> i.PlaceOrders:
    return i.PlaceOrders(NAME, (new_order(f"z-{number}"),))


# --- the table ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "trouble", "first_ms", "longest_s"),
    [
        (RequestThrottled(), Trouble.THROTTLED, 1000, 30),
        (OutcomeUnknown("HTTP 503", 503), Trouble.UNAVAILABLE, 500, 30),
        (OutcomeUnknown("HTTP 502", 502), Trouble.SERVER_ERROR, 250, 10),
        (OutcomeUnknown("HTTP 504", 504), Trouble.SERVER_ERROR, 250, 10),
        (OutcomeUnknown("reset"), Trouble.NO_ANSWER, 250, 10),
        (RequestRefused(NONCE), Trouble.NONCE, 250, 5),
        (RequestRefused(BUSY), Trouble.BUSY, 250, 5),
    ],
)
def test_each_trouble_doubles_its_own_back_off_up_to_its_longest(
    event: e.AnyEvent, trouble: Trouble, first_ms: int, longest_s: int
) -> None:
    run = started()
    for number in range(12):
        circuit = fail(run, TIME, event)
        assert (circuit.trouble, circuit.in_row) == (trouble, number + 1)
        plain_ns = min(first_ms * MS << number, longest_s * S)
        jitter_ns = circuit.retry_at_ns - run.now_ns - plain_ns
        assert 0 <= jitter_ns < plain_ns // 2
        run.push(e.Decided((), ()), after_ns=circuit.retry_at_ns - run.now_ns)
    assert set(BACKOFF) == set(Trouble)


def test_jitter_differs_between_runs_and_requests_and_replays() -> None:
    waits = []
    for run_id in ("a", "a", "b"):
        run = Run(quoted(), run_id=run_id)
        for _ in range(2):
            circuit = fail(run, TIME, RequestThrottled())
            waits.append(circuit.retry_at_ns)
    assert waits[:2] == waits[2:4]
    assert len(set(waits)) == 4


@pytest.mark.parametrize(
    ("intent", "group"),
    [
        (i.CancelAll(NAME), Group.CANCELS),
        (i.ArmKillSwitch(NAME, 15), Group.KILL_SWITCH),
    ],
)
def test_what_makes_us_safer_is_tried_twice_a_second_whatever_happened(
    intent: i.Intent, group: Group
) -> None:
    run = started()
    for number in range(4):
        circuit = fail(run, intent, RequestThrottled())
        assert circuit.retry_at_ns == run.now_ns + 500 * MS
        assert (circuit.in_row, group in run.state.circuits) == (number + 1, True)
        run.wait(0.5)
    (request,) = run.ask(intent)
    run.push(OutcomeUnknown("reset"), request)
    assert run.state.circuits[group].retry_at_ns == run.now_ns + 500 * MS


def test_a_run_that_stops_starts_afresh_and_waits_no_longer_than_half_a_second() -> None:
    run = started()
    fail(run, i.QueryOpenOrders(NAME, 0), RequestThrottled())
    run.push(e.StopRequested("operator"))
    assert run.state.circuits == {}
    circuit = fail(run, i.QueryOpenOrders(NAME, 0), RequestThrottled())
    assert circuit.retry_at_ns == run.now_ns + 500 * MS


# --- in a row -------------------------------------------------------------------------------------


def test_requests_that_went_out_together_fail_once_in_a_row() -> None:
    run = started()
    requests = run.ask(*(place(run, number) for number in range(3)))
    for request in requests:
        run.push(RequestThrottled(), request)
    circuit = run.state.circuits[Group.PLACES]
    assert (circuit.in_row, len(circuit.failed_ns)) == (1, 3)


def test_a_later_failure_never_shortens_the_wait() -> None:
    run = started()
    (first, second) = run.ask(place(run, 0), place(run, 1))
    run.push(RequestThrottled(), first)
    until_ns = run.state.circuits[Group.PLACES].retry_at_ns
    run.push(OutcomeUnknown("reset"), second)
    assert run.state.circuits[Group.PLACES].retry_at_ns == until_ns
    assert run.state.circuits[Group.PLACES].trouble == Trouble.NO_ANSWER


def test_an_answer_ends_the_row_but_only_to_what_was_sent_after_the_failure() -> None:
    run = started()
    (first, second) = run.ask(TIME, i.QueryMarkets())
    run.push(RequestThrottled(), first)
    run.push(e.MarketsListed((run.market.quoted.market,)), second)
    assert run.state.circuits[Group.PUBLIC].in_row == 1
    (third,) = run.ask(TIME)
    run.push(e.ServerTimeReported(T0 // S), third)
    circuit = run.state.circuits[Group.PUBLIC]
    assert (circuit.in_row, circuit.retry_at_ns, len(circuit.failed_ns)) == (0, 0, 1)
    again = fail(run, TIME, RequestThrottled())
    assert again.in_row == 1


def test_an_answer_at_the_very_moment_of_the_failure_counts() -> None:
    run = started()
    (first,) = run.ask(TIME)
    run.push(RequestThrottled(), first)
    request = replace(run.state.requests.get(first) or in_flight(), sent_ns=run.now_ns)
    assert backoff.worked(run.state, request).circuits[Group.PUBLIC].in_row == 0
    early = replace(request, sent_ns=run.now_ns - 1)
    assert backoff.worked(run.state, early) is run.state


def in_flight() -> InFlight:
    return InFlight(TIME, 0, 0)


def test_a_refusal_for_a_reason_is_an_answer() -> None:
    run = started()
    fail(run, place(run, 0), RequestThrottled())
    (request,) = run.ask(place(run, 1))
    run.push(RequestRefused(NO_FUNDS), request)
    assert run.state.circuits[Group.PLACES].in_row == 0


def test_groups_fail_by_themselves() -> None:
    run = started()
    fail(run, TIME, RequestThrottled())
    assert set(run.state.circuits) == {Group.PUBLIC}
    passed, refusals = admit(run.state, [PLACE, TIME, i.QueryMarkets()])
    assert passed == [PLACE]
    (refusal,) = refusals
    assert (refusal.rule, refusal.key, refusal.market) == ("backoff", Group.PUBLIC, "")
    wait_ms = -(-(run.state.circuits[Group.PUBLIC].retry_at_ns - run.now_ns) // MS)
    assert refusal.reason == (f"public data: throttled (429), 1 in a row, next try in {wait_ms} ms")


def test_a_deadline_is_a_failure_and_the_late_end_of_it_is_not_another() -> None:
    run = started()
    (request,) = run.ask(TIME)
    run.wait(3)
    circuit = run.state.circuits[Group.PUBLIC]
    assert (circuit.trouble, circuit.in_row) == (Trouble.NO_ANSWER, 1)
    run.push(OutcomeUnknown("reset"), request)
    assert run.state.circuits[Group.PUBLIC] == circuit


def test_a_throttled_request_is_no_reason_to_measure_the_clock() -> None:
    run = started()
    asked_ns = run.state.time_asked_ns
    fail(run, place(run, 0), RequestThrottled())
    assert run.state.time_asked_ns == asked_ns
    fail(run, place(run, 1), RequestRefused(NONCE))
    assert run.state.time_asked_ns == 0


# --- the circuit --------------------------------------------------------------------------------


def opened(run: Run, intent: i.Intent = TIME, failures: int = 5) -> Circuit:
    """Let a group fail until its circuit opens, each try when it is due."""
    for number in range(failures):
        circuit = fail(run, intent, OutcomeUnknown("reset"))
        assert circuit.is_open is (number == 4)
        if number < failures - 1:
            run.push(e.Decided((), ()), after_ns=circuit.retry_at_ns - run.now_ns)
    return circuit


def test_five_failures_in_half_a_minute_open_a_circuit_until_a_probe_is_answered() -> None:
    run = started()
    circuit = opened(run)
    assert circuit.in_row == 5
    until_ns = circuit.retry_at_ns
    before = replace(run.state, now_ns=until_ns - 1)
    (refusal,) = admit(before, [TIME])[1]
    assert refusal.rule == "breaker"
    assert refusal.reason == "public data: no answer, 5 in a row, next try in 1 ms"
    run.push(e.Decided((), ()), after_ns=until_ns - run.now_ns)
    passed, refusals = admit(run.state, [TIME, i.QueryMarkets()])
    assert passed == [TIME]
    assert refusals[0].rule == "breaker"
    assert refusals[0].reason == (
        "public data: no answer, 5 in a row, one request at a time until an answer"
    )
    (probe,) = run.ask(TIME)
    assert admit(run.state, [i.QueryMarkets()])[0] == []
    run.push(e.ServerTimeReported(run.now_ns // S), probe)
    assert run.state.circuits == {}
    assert admit(run.state, [TIME, i.QueryMarkets()]) == ([TIME, i.QueryMarkets()], [])


def test_a_failed_probe_leaves_the_circuit_open_for_longer() -> None:
    run = started()
    circuit = opened(run)
    run.push(e.Decided((), ()), after_ns=circuit.retry_at_ns - run.now_ns)
    again = fail(run, TIME, RequestThrottled())
    assert (again.is_open, again.in_row, len(again.failed_ns)) == (True, 6, 5)
    assert again.retry_at_ns >= run.now_ns + 30 * S
    (refusal,) = admit(run.state, [TIME])[1]
    assert refusal.rule == "breaker"


def test_four_failures_open_nothing_nor_do_old_ones() -> None:
    run = started()
    for number in range(6):
        circuit = fail(run, TIME, OutcomeUnknown("reset"))
        assert not circuit.is_open, number
        # The fifth is always 30 s after the first.
        run.push(e.Decided((), ()), after_ns=7_497 * MS)
    assert len(circuit.failed_ns) == 4


def test_failures_between_answers_open_a_circuit_too() -> None:
    run = started()
    for number in range(5):
        circuit = fail(run, TIME, OutcomeUnknown("reset"))
        assert circuit.is_open is (number == 4)
        if number < 4:
            (request,) = run.ask(TIME)
            run.push(e.ServerTimeReported(T0 // S), request)


def test_a_request_from_before_the_wait_is_no_probe() -> None:
    run = started()
    (old,) = run.ask(i.QueryMarkets())
    circuit = opened(run)
    run.push(e.Decided((), ()), after_ns=circuit.retry_at_ns - run.now_ns)
    assert old in run.state.requests
    assert admit(run.state, [TIME])[0] == [TIME]


@pytest.mark.parametrize(("intent", "patience_ns"), [(i.CancelAll(NAME), 500 * MS), (TIME, 3 * S)])
def test_a_probe_that_hangs_is_waited_for_so_long(intent: i.Intent, patience_ns: int) -> None:
    run = started()
    for _ in range(5):
        circuit = fail(run, intent, OutcomeUnknown("reset"))
        run.push(e.Decided((), ()), after_ns=circuit.retry_at_ns - run.now_ns)
    (probe,) = run.ask(intent)
    sent_ns = run.state.requests[probe].sent_ns
    for after_ns, passes in ((patience_ns - 1, False), (patience_ns, True)):
        state = replace(run.state, now_ns=sent_ns + after_ns)
        assert bool(admit(state, [intent])[0]) is passes


def test_old_trouble_is_forgotten() -> None:
    run = started()
    fail(run, TIME, RequestThrottled())
    failed_ns = run.now_ns
    (request,) = run.ask(TIME)
    run.push(e.ServerTimeReported(T0 // S), request)
    assert run.state.slack <= 0
    for after_ns, kept in ((30 * S - 1, True), (30 * S, False)):
        state = rates.settled(replace(run.state, now_ns=failed_ns + after_ns))
        assert (Group.PUBLIC in state.circuits) is kept
        assert (state.slack == 0) is kept
    # But not while nothing was answered since.
    run = started()
    fail(run, TIME, RequestThrottled())
    state = rates.settled(replace(run.state, now_ns=failed_ns + 60 * S))
    assert Group.PUBLIC in state.circuits


# --- in decisions -------------------------------------------------------------------------------


def test_what_is_held_back_is_said_once_and_decided_again_from_what_is_then() -> None:
    run = started(quoted(parameters=fixed(((990, 10),))))
    fail(run, place(run, 0), RequestThrottled())
    until_ns = run.state.circuits[Group.PLACES].retry_at_ns
    run.push(e.Decided((), ()), after_ns=200 * MS)
    run.push(e.ParametersChanged(NAME, fixed(((980, 10),))))
    decision = decide(run.state)
    assert decision.intents == ()
    assert [refusal.rule for refusal in decision.refusals] == ["backoff"]
    run.push(decision)
    assert run.state.told == {Group.PLACES: max(until_ns, run.now_ns + S)}
    assert decide(run.state).refusals == ()
    run.push(e.Decided((), ()), after_ns=until_ns - run.now_ns)
    run.push(e.ParametersChanged(NAME, fixed(((970, 10),))), after_ns=0)
    (intent,) = decide(run.state).intents
    assert isinstance(intent, i.PlaceOrders)
    assert intent.orders[0].price == 970


def test_a_place_that_fails_does_not_hold_back_what_cancels_and_moves() -> None:
    run, (_, bid) = quoting()
    fail(run, place(run, 0), RequestThrottled())
    run.wait(0.3)
    run.push(e.ParametersChanged(NAME, fixed(((980, 10),))))
    kinds = [type(intent) for intent in run.decide()]
    assert kinds.count(i.ModifyOrder) == 1
    assert i.CancelOrder in kinds
    assert bid.price == 990


@pytest.mark.parametrize(
    ("circuit", "now_ns", "allowed"),
    [
        (None, 5, 1500),
        (Circuit("x", 1, (1,), 6), 5, 0),
        (Circuit("x", 1, (1,), 5), 5, 1500),
        (Circuit("x", 5, (1,), 6, True), 5, 0),
        (Circuit("x", 5, (1,), 5, True), 5, 1),
    ],
)
def test_the_planner_is_told_how_many_requests_it_has(
    circuit: Circuit | None, now_ns: int, allowed: int
) -> None:
    run = started()
    circuits = {} if circuit is None else {Group.MODIFIES: circuit}
    state = replace(run.state, circuits=circuits, now_ns=now_ns, used={}, spent={})
    assert allowance(state, i.ModifyOrder, MODIFY) == allowed
    assert allowance(replace(state, used={"/api/v4/orders": 2500}), i.ModifyOrder, MODIFY) == 0
    if circuit is not None and circuit.is_open and allowed:
        modify = i.ModifyOrder(NAME, "x", 1, 1, Stp.CANCEL_NEW)
        probing = replace(state, requests={1: InFlight(modify, 5, 0)})
        assert allowance(probing, i.ModifyOrder, MODIFY) == 0


def test_a_bulk_whose_orders_rest_again_ends_the_trouble() -> None:
    run = started()
    fail(run, place(run, 0), OutcomeUnknown("HTTP 503", 503))
    bulk = i.PlaceOrders(NAME, (new_order("b-0"), new_order("b-1", price=999)))
    (request,) = run.ask(bulk)
    run.push(e.OrdersPlaced(NAME, accepted(bulk.orders, 5)), request)
    assert run.state.circuits[Group.PLACES].in_row == 0
