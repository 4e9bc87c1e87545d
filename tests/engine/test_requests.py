"""How requests end: refused, throttled, late, unreadable or lost; and what is timed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.orders import Pending, Status
from engine.session import overdue
from engine.state import PRIVATE
from engine.tombstones import GENERATION, every
from engine.types import OrderStatus, Refusal, Stp
from tests.engine.builders import (
    BUSY,
    MARKET,
    NAME,
    NO_FUNDS,
    NOT_FOUND,
    UNAUTHORISED,
    Run,
    S,
    fixed,
    new_order,
    quoted,
    quoting,
    snapshot,
    started,
    venue_order,
)

CID = "r1-1"


def wanted(run: Run, kind: type) -> list[i.Intent]:
    return [intent for intent in run.decide() if isinstance(intent, kind)]


# --- refusals and deadlines -------------------------------------------------------------------


def arm(run: Run) -> None:
    refresh = i.ArmKillSwitch(NAME, 15)
    (request,) = run.ask(refresh)
    answer = run.answer_to(refresh)
    assert answer is not None
    run.push(answer, request)


def test_refusals_in_a_row_hold_back_new_orders_longer_and_longer() -> None:
    run = started(quoted(parameters=fixed(((990, 10),))))
    holds: list[float] = []
    for number in range(7):
        arm(run)
        (request,) = run.ask(i.PlaceOrders(NAME, (new_order(f"x-{number}"),)))
        run.push(e.OrdersPlaced(NAME, (e.PlaceResult(None, NO_FUNDS),)), request)
        hold_s = (run.market.hold_until_ns - run.now_ns) / S
        holds.append(hold_s)
        run.push(snapshot(update_id=run.state.seq, at_ns=run.now_ns))
        run.wait(hold_s - 0.005)
        assert wanted(run, i.PlaceOrders) == []
        run.wait(0.005)
        assert len(wanted(run, i.PlaceOrders)) == 1
    assert holds == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]


def test_a_place_that_rests_ends_the_row_of_refusals() -> None:
    run = started()
    for number in range(2):
        (request,) = run.ask(i.PlaceOrders(NAME, (new_order(f"a{number}"),)))
        run.push(e.OrdersPlaced(NAME, (e.PlaceResult(None, NO_FUNDS),)), request)
    assert run.market.refused_in_row == 2
    assert run.market.hold_until_ns == run.now_ns + 200_000_000
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    run.push(e.OrdersPlaced(NAME, (e.PlaceResult(venue_order(CID, 1), None),)), request)
    assert run.market.refused_in_row == 0


@pytest.mark.parametrize(("leaves", "waits"), [(10, True), (4, False)])
def test_an_order_that_is_cancelled_as_it_arrives_is_not_repeated_at_full_speed(
    leaves: int, waits: bool
) -> None:
    """Self-trade prevention would take the next one too; what filled in part is another matter."""
    run = started(quoted(parameters=fixed(((990, 10),))))
    ((request, intent),) = run.act()
    assert isinstance(intent, i.PlaceOrders)
    name = intent.orders[0].client_order_id
    gone = venue_order(name, 1, price=990, leaves=leaves, status=OrderStatus.CANCELLED)
    run.push(e.OrdersPlaced(NAME, (e.PlaceResult(gone, None),)), request)
    assert run.order(name).status is Status.CLOSED
    assert bool(wanted(run, i.PlaceOrders)) is not waits
    run.wait(0.098)
    assert bool(wanted(run, i.PlaceOrders)) is not waits
    run.wait(0.002)
    assert wanted(run, i.PlaceOrders)
    assert run.market.refused_in_row == (1 if waits else 0)


def test_a_modify_whose_new_order_is_cancelled_as_it_arrives_holds_the_market_back() -> None:
    run, (ask, _) = quoting()
    name = ask.client_order_id
    (request,) = run.ask(i.ModifyOrder(NAME, name, 1020, 10, Stp.CANCEL_NEW))
    gone = venue_order(name, 9, side=ask.side, price=1020, status=OrderStatus.CANCELLED)
    run.push(e.OrderModified(gone), request)
    assert run.market.hold_until_ns == run.now_ns + 100_000_000


def test_a_refused_key_halts_everything_until_a_human_looks() -> None:
    run, _ = quoting()
    (request,) = run.ask(i.QueryTime())
    run.push(e.RequestRefused(UNAUTHORISED), request)
    assert closed_gate(run.state, run.market).startswith("the venue refused the key: 401")


def test_a_key_that_is_refused_a_stream_halts_everything_too() -> None:
    run, _ = quoting()
    run.push(e.StreamClosed(PRIVATE, "websocket token: HTTP 401", 0, UNAUTHORISED))
    assert run.state.halted == "the venue refused the key: 401 Unauthorized request."
    run.wait(60)
    assert i.OpenStream(PRIVATE) not in run.decide(), "never asked for with it again"


@pytest.mark.parametrize(
    ("refusal", "asks"),
    [(None, False), (BUSY, False), (Refusal(429, 0, "", "Too many requests."), True)],
)
def test_a_token_refused_for_another_reason_is_asked_for_again(
    refusal: Refusal | None, asks: bool
) -> None:
    run, _ = quoting()
    run.push(e.StreamClosed(PRIVATE, "websocket token", 0, refusal))
    run.wait(1.1)
    intents = run.decide()
    assert i.OpenStream(PRIVATE) in intents
    assert (i.QueryTime() in intents) is asks, "a nonce is refused for a clock that is off"
    assert run.state.halted == ""


def test_after_a_refused_key_nothing_is_sent_with_it_again() -> None:
    run, (ask, _) = quoting()
    (request,) = run.ask(i.CancelOrder(NAME, ask.client_order_id))
    run.push(e.RequestRefused(UNAUTHORISED), request)
    run.push(e.StreamClosed(PRIVATE, "reset", 999))
    for _ in range(20):
        run.wait(6)
        sent = run.decide()
        assert all(isinstance(intent, i.Ping | i.CloseStream) for intent in sent), sent
    run.push(e.StopRequested("operator"))
    assert overdue(run.state), "it ends at once, with the kill-switch armed"


@pytest.mark.parametrize("refusal", [BUSY, Refusal(429, 0, "", "")])
def test_a_refused_cancel_is_not_repeated_without_a_pause(refusal: Refusal) -> None:
    run, (ask, bid) = quoting()
    requests = run.ask(*(i.CancelOrder(NAME, order.client_order_id) for order in (ask, bid)))
    run.push(e.StreamClosed(NAME, "reset", 999))
    for request in requests:
        run.push(e.RequestRefused(refusal), request)
    assert wanted(run, i.CancelOrder) == []
    run.wait(6)
    assert len(wanted(run, i.CancelOrder)) == 2


def test_a_refused_market_is_halted() -> None:
    run = started()
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    run.push(e.RequestRefused(Refusal(453, 30, "orderType", "not available")), request)
    assert closed_gate(run.state, run.market).startswith("the venue refused the market")
    assert run.order(CID).status is Status.CLOSED


UNAVAILABLE = Refusal(422, 31, "market", "Market is not available.")


def refused_market(refusal: Refusal) -> Run:
    run = started()
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    run.push(e.RequestRefused(refusal), request)
    assert closed_gate(run.state, run.market).startswith("the venue refused the market")
    return run


@pytest.mark.parametrize("code", [10, 31, 51])
def test_a_market_that_was_not_available_comes_back_with_a_later_list(code: int) -> None:
    key = "price" if code == 51 else "market"
    run = refused_market(Refusal(422, code, key, "Market is not available."))
    (request,) = run.ask(i.QueryMarkets())
    run.push(e.MarketsListed((MARKET,)), request)
    assert closed_gate(run.state, run.market) == ""
    assert run.market.touched_seq == run.state.seq, "it is priced again at once"
    run.push(e.MarketsListed((MARKET,)), *run.ask(i.QueryMarkets()))
    assert run.market.halted_seq == 0


def test_a_list_asked_for_before_the_refusal_lifts_nothing() -> None:
    run = started()
    place, request = run.ask(i.PlaceOrders(NAME, (new_order(CID),)), i.QueryMarkets())
    run.push(e.RequestRefused(UNAVAILABLE), place)
    run.push(e.MarketsListed((MARKET,)), request)
    assert run.market.halted


@pytest.mark.parametrize(
    "refusal",
    [Refusal(453, 30, "orderType", "not available"), Refusal(422, 19, "market", "not for margin")],
)
def test_a_market_that_the_account_may_not_trade_waits_for_a_human(refusal: Refusal) -> None:
    run = refused_market(refusal)
    run.push(e.MarketsListed((MARKET,)), *run.ask(i.QueryMarkets()))
    assert run.market.halted


def test_an_earlier_halt_is_not_lifted_by_a_list() -> None:
    run = started()
    run.push(e.FrameRefused(NAME, NAME, "no such price"))
    (place,) = run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    run.push(e.RequestRefused(UNAVAILABLE), place)
    run.push(e.MarketsListed((MARKET,)), *run.ask(i.QueryMarkets()))
    assert run.market.halted == "a frame was refused: no such price"


def test_a_market_that_left_the_list_comes_back_with_it_unless_its_precision_changed() -> None:
    run = started()
    run.push(e.MarketsListed(()), *run.ask(i.QueryMarkets()))
    assert run.market.halted == "the venue does not list it any more"
    halted_seq = run.market.halted_seq
    run.push(e.MarketsListed(()), *run.ask(i.QueryMarkets()))
    assert run.market.halted_seq == halted_seq
    run.push(e.MarketsListed((MARKET,)), *run.ask(i.QueryMarkets()))
    assert run.market.halted == ""
    for name in ("price_decimals", "qty_decimals"):
        changed = replace(MARKET, **{name: 1})
        run.push(e.MarketsListed((changed,)), *run.ask(i.QueryMarkets()))
        assert run.market.halted == "the venue changed its precision"
        run.push(e.MarketsListed((MARKET,)), *run.ask(i.QueryMarkets()))
        assert run.market.halted, "what was sent meanwhile was priced in other units"
        run.push(e.MarketsListed(()), *run.ask(i.QueryMarkets()))
        run.push(e.MarketsListed((MARKET,)), *run.ask(i.QueryMarkets()))
        assert run.market.halted


def test_a_nonce_refusal_measures_the_clock_again() -> None:
    run = started()
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    run.push(e.RequestRefused(Refusal(429, 0, "", "Too many requests.")), request)
    assert wanted(run, i.QueryTime) == [i.QueryTime()]


def test_a_bulk_answer_that_ends_early_leaves_the_rest_unknown() -> None:
    run = started()
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order("a"), new_order("b"), new_order("c"))))
    results = (e.PlaceResult(venue_order("a", 1), None), e.PlaceResult(None, None))
    run.push(e.OrdersPlaced(NAME, results), request)
    assert [run.order(name).unknown for name in "abc"] == [False, True, True]


def test_a_deadline_makes_every_order_of_the_request_unknown_once() -> None:
    run = started()
    run.ask(i.PlaceOrders(NAME, (new_order("a"), new_order("b"))))
    run.wait(2.9)
    assert not run.order("a").unknown
    run.wait(0.2)
    assert [run.order(name).unknown for name in "ab"] == [True, True]
    first = run.market.recon
    run.wait(0.1)
    assert run.market.recon == first


def test_a_late_refusal_of_a_settled_request_leaves_the_next_one_in_flight() -> None:
    run, (ask, _) = quoting()
    name = ask.client_order_id
    (request,) = run.ask(i.CancelOrder(NAME, name))
    run.push(e.OutcomeUnknown("reset"), request)
    (again,) = run.ask(i.CancelOrder(NAME, name))
    run.push(e.RequestRefused(BUSY), request)
    assert "an answer to no request" in run.state.last_anomaly
    assert run.order(name).pending is Pending.CANCEL
    run.push(e.RequestRefused(NOT_FOUND), again)
    assert run.order(name).status is Status.CLOSED


@pytest.mark.parametrize("refusal", [BUSY, NOT_FOUND])
def test_a_late_refusal_of_a_cancel_that_a_listing_settled_is_no_surprise(
    refusal: Refusal,
) -> None:
    run, (ask, _) = quoting()
    (request,) = run.ask(i.CancelOrder(NAME, ask.client_order_id))
    run.wait(3.5)
    assert run.order(ask.client_order_id).unknown
    run.listed = tuple(
        venue_order(o.client_order_id, o.order_id, side=o.side, price=o.price)
        for o in run.market.live
    )
    run.settle()
    settled = run.order(ask.client_order_id)
    assert (settled.pending, settled.unknown) == (Pending.NONE, False)
    run.push(e.RequestRefused(refusal), request)
    assert run.order(ask.client_order_id) == settled
    assert run.state.anomalies == 0


def test_an_answer_of_another_kind_is_an_anomaly_and_changes_nothing_else() -> None:
    run, (ask, _) = quoting()
    venue = venue_order(ask.client_order_id, 2)
    for event in (
        e.OrdersPlaced(NAME, ()),
        e.OrderModified(venue),
        e.OrderCancelled(venue),
        e.KillSwitchDisarmed(NAME),
    ):
        before = run.market
        (request,) = run.ask(i.QueryTime())
        run.push(event, request)
        assert "answers another kind of request" in run.state.last_anomaly
        assert run.market == before


def test_a_frame_that_cannot_be_read_halts_its_market_and_ends_its_request() -> None:
    run = started()
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    run.push(e.FrameRefused("rest", NAME, "status 'weird'"), request)
    assert closed_gate(run.state, run.market) == "a frame was refused: status 'weird'"
    assert run.order(CID).unknown
    assert request not in run.state.requests
    run.push(e.FrameRefused(PRIVATE, "", "no market"))
    assert run.state.anomalies == 2


def test_changed_parameters_take_effect_at_the_next_decision() -> None:
    run, (ask, bid) = quoting()
    run.push(e.ParametersChanged(NAME, fixed(((985, 10),), ((1010, 10),))))
    (modify,) = wanted(run, i.ModifyOrder)
    assert isinstance(modify, i.ModifyOrder)
    assert (modify.client_order_id, modify.price) == (bid.client_order_id, 985)
    assert run.market.quoted.parameters == fixed(((985, 10),), ((1010, 10),))
    assert ask.price == 1010


def test_closed_orders_are_forgotten_after_a_minute_but_not_while_deals_are_missing() -> None:
    run = started()
    for number in range(GENERATION):
        name = f"o-{number}"
        run.ask(i.PlaceOrders(NAME, (new_order(name),)))
        leaves, status = (0, OrderStatus.FILLED) if number < 5 else (10, OrderStatus.CANCELLED)
        run.push(e.OrderClosed(venue_order(name, 100 + number, leaves=leaves, status=status)))
    assert len(run.market.owing) == 5
    run.wait(61)
    run.ask(i.PlaceOrders(NAME, (new_order("last"),)))
    cancelled = venue_order("last", 200, leaves=10, status=OrderStatus.CANCELLED)
    run.push(e.OrderClosed(cancelled))
    known = {order.client_order_id for order in every(run.market.closed)}
    assert known == {"o-0", "o-1", "o-2", "o-3", "o-4", "last"}
    assert len(run.market.owing) == 5


# --- uptime -----------------------------------------------------------------------------------


def test_uptime_counts_all_time_since_the_first_quote_by_side() -> None:
    run, (ask, _) = quoting(bids=((999, 10),), asks=((1001, 10),))
    run.push(snapshot(update_id=3))
    run.wait(0.1)
    for _ in range(10):
        run.push(snapshot(update_id=4), after_ns=S // 20)
        run.wait(0.05)
    uptime = run.market.uptime
    assert (uptime.total_ns, uptime.bid_ns, uptime.ask_ns) == (S, S, S)
    closed = venue_order(ask.client_order_id, 2, status=OrderStatus.CANCELLED)
    run.push(e.OrderClosed(closed))
    run.wait(1)
    after = run.market.uptime
    assert after.bid_ns - uptime.bid_ns == after.total_ns - uptime.total_ns > S
    assert after.ask_ns == uptime.ask_ns
