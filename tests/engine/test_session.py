"""The session: streams, pings, feeds, kill-switch, clock, and the way out."""

from __future__ import annotations

import pytest

from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.orders import Pending, Status
from engine.session import finished, overdue
from engine.state import PRIVATE, LinkStatus, ReconStage
from engine.types import Market, OrderStatus, Refusal, Settings, Side
from tests.engine.builders import (
    BUSY,
    MARKET,
    NAME,
    NOT_FOUND,
    PERPETUAL,
    T0,
    UNAUTHORISED,
    WOULD_TAKE,
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


# --- streams ----------------------------------------------------------------------------------


def test_a_run_begins_with_its_streams() -> None:
    run = Run(quoted())
    assert wanted(run, i.OpenStream) == [i.OpenStream(NAME), i.OpenStream(PRIVATE)]
    run.act()
    assert wanted(run, i.OpenStream) == []
    assert run.state.links[NAME].status is LinkStatus.OPENING


@pytest.mark.parametrize(
    ("failures", "jitter", "seconds"),
    [(1, 0, 1.0), (2, 0, 2.0), (3, 0, 4.0), (6, 0, 30.0), (9, 0, 30.0), (1, 999, 1.4995)],
)
def test_the_back_off_doubles_to_thirty_seconds_with_jitter(
    failures: int, jitter: int, seconds: float
) -> None:
    run = Run(quoted())
    for _ in range(failures):
        run.push(e.StreamClosed(NAME, "refused", jitter))
    run.wait(seconds - 0.01)
    assert i.OpenStream(NAME) not in run.decide()
    run.wait(0.01)
    assert i.OpenStream(NAME) in run.decide()


def test_a_stream_that_came_up_backs_off_from_the_start_again() -> None:
    run = Run(quoted())
    for _ in range(5):
        run.push(e.StreamClosed(NAME, "refused", 0))
    run.push(e.StreamReady(NAME))
    run.push(e.StreamClosed(NAME, "reset", 0))
    assert run.state.links[NAME].attempts == 1


def test_a_silent_stream_is_pinged_and_closed_when_no_pong_comes() -> None:
    run = started()
    run.wait(6)
    assert wanted(run, i.Ping) == [i.Ping(NAME), i.Ping(PRIVATE)]
    run.act()
    assert wanted(run, i.Ping) == []
    run.push(e.PongReceived(PRIVATE))
    run.wait(10.1)
    assert wanted(run, i.CloseStream) == [i.CloseStream(NAME)]
    run.act()
    assert wanted(run, i.CloseStream) == []
    run.push(e.StreamClosed(NAME, "asked", 0))
    assert run.state.links[NAME].status is LinkStatus.CLOSED


def test_news_of_an_unknown_stream_changes_no_link() -> None:
    run = started()
    before = run.state.links
    for event in (
        e.StreamOpened("ETH_USDT"),
        e.StreamReady("ETH_USDT"),
        e.PongReceived("ETH_USDT"),
        e.StreamClosed("ETH_USDT", "reset", 0),
    ):
        run.push(event)
    assert run.state.links == before


def test_losing_the_public_stream_takes_the_book_away() -> None:
    run, _ = quoting()
    run.push(e.StreamClosed(NAME, "reset", 0))
    assert closed_gate(run.state, run.market) == "no book"
    assert len(wanted(run, i.CancelOrder)) == 2


# --- feeds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        e.BookDelta(NAME, 9, 7, T0 // 1000, (985, 1), ()),
        e.BookDelta(NAME, 2, 1, T0 // 1000, (1010, 1), ()),
        snapshot(bids=(1010, 1), asks=(1010, 1), update_id=5),
    ],
    ids=["a delta that does not chain", "a delta that crosses", "a snapshot that crosses"],
)
def test_a_broken_book_pulls_the_quotes_and_is_renewed_at_once(event: e.AnyEvent) -> None:
    run, _ = quoting()
    run.push(event)
    assert run.market.feed.gaps == 1
    intents = run.decide()
    assert i.Resubscribe(NAME) in intents
    assert sum(isinstance(intent, i.CancelOrder) for intent in intents) == 2
    run.act()
    assert wanted(run, i.Resubscribe) == []
    run.push(e.BookDelta(NAME, 12, 11, 0, (985, 1), ()))
    assert not run.market.feed.book_ok, "nothing chains until a snapshot came"
    run.wait(5.1)
    assert wanted(run, i.Resubscribe) == [i.Resubscribe(NAME)]
    run.push(snapshot(update_id=20))
    assert run.market.feed.book_ok
    run.push(e.BookDelta(NAME, 21, 20, 0, (985, 1), (1010, 0)))
    assert run.market.feed.book.bid_prices == (990, 985, 980)
    assert run.market.feed.book.ask_prices == (1020,)


def test_a_keepalive_snapshot_replaces_the_book_and_is_no_gap() -> None:
    run = started()
    run.push(snapshot(bids=(991, 5), asks=(1009, 5), update_id=50))
    assert (run.market.feed.gaps, run.market.feed.book.bid_prices) == (0, (991,))


def test_a_snapshot_without_an_update_id_is_no_book_to_chain_from() -> None:
    run = started()
    run.push(snapshot(update_id=0))
    assert not run.market.feed.book_ok


def test_trades_repeated_after_a_subscribe_are_no_news() -> None:
    run = started()
    newer = e.PublicTrade(8, 1001, 1, Side.BUY, False, 0)
    older = e.PublicTrade(7, 999, 1, Side.BUY, False, 0)
    run.push(e.PublicTrades(NAME, (newer, older)))
    assert (run.market.feed.last_trade, run.market.feed.last_trade_id) == (1001, 8)
    run.push(e.PublicTrades(NAME, (older,)))
    run.push(e.PublicTrades(NAME, ()))
    assert run.market.feed.last_trade == 1001


# --- kill-switch ------------------------------------------------------------------------------


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
    assert run.market.orders == {}
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


# --- the clock --------------------------------------------------------------------------------


def test_the_clock_offset_is_bounded_by_every_measurement() -> None:
    run = Run(quoted())
    (first,) = run.ask(i.QueryTime())
    run.push(e.ServerTimeReported(T0 // S + 2), first)
    low, high = run.state.offset_low_ns, run.state.offset_high_ns
    assert low < 2 * S < high
    assert run.state.clock_offset_ns == low
    run.wait(30.5)
    (second,) = run.ask(i.QueryTime())
    run.push(e.ServerTimeReported(run.now_ns // S + 2), second)
    assert low <= run.state.offset_low_ns <= run.state.offset_high_ns <= high
    run.wait(30)
    (third,) = run.ask(i.QueryTime())
    run.push(e.ServerTimeReported(run.now_ns // S - 9), third)
    assert run.state.offset_high_ns < -7 * S
    assert "differ by more than 4 s" in _doubt(run)


def _doubt(run: Run) -> str:
    fresh = started()
    merged = fresh.state.__class__(
        **{
            name: getattr(fresh.state, name)
            for name in fresh.state.__struct_fields__
            if not name.startswith("offset_")
        },
        offset_low_ns=run.state.offset_low_ns,
        offset_high_ns=run.state.offset_high_ns,
    )
    return closed_gate(merged, fresh.market)


def test_time_and_markets_are_asked_for_again_and_again() -> None:
    run = started()
    assert wanted(run, i.QueryTime) == []
    run.wait(31)
    assert wanted(run, i.QueryTime) == [i.QueryTime()]
    run.act()
    assert wanted(run, i.QueryTime) == []
    run.wait(31)
    assert wanted(run, i.QueryMarkets) == [], "one of the two is still in flight"


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ((), "the venue does not list it any more"),
        ((PERPETUAL,), "the venue does not list it any more"),
    ],
)
def test_a_market_that_is_not_listed_any_more_is_halted(
    listed: tuple[Market, ...], reason: str
) -> None:
    run, _ = quoting()
    (request,) = run.ask(i.QueryMarkets())
    run.push(e.MarketsListed(listed), request)
    assert closed_gate(run.state, run.market) == reason


def test_a_market_whose_precision_changed_is_halted() -> None:
    run = started()
    (request,) = run.ask(i.QueryMarkets())
    changed = Market(*(*[getattr(MARKET, f) for f in MARKET.__struct_fields__[:4]], 3,
                         *[getattr(MARKET, f) for f in MARKET.__struct_fields__[5:]]))  # fmt: skip
    run.push(e.MarketsListed((changed,)), request)
    assert closed_gate(run.state, run.market) == "the venue changed its precision"


# --- refusals and deadlines -------------------------------------------------------------------


def test_refusals_in_a_row_hold_back_new_orders_longer_and_longer() -> None:
    run = started(quoted(parameters=fixed(((990, 10),))))
    holds: list[int] = []
    for _ in range(8):
        ((request, _),) = [x for x in run.act() if isinstance(x[1], i.PlaceOrders)]
        run.push(e.OrdersPlaced(NAME, (e.PlaceResult(None, WOULD_TAKE),)), request)
        hold_ns = run.market.hold_until_ns - run.now_ns
        holds.append(hold_ns)
        run.wait(hold_ns / S - 0.01)
        assert wanted(run, i.PlaceOrders) == []
        run.wait(0.01)
        run.push(snapshot(update_id=run.state.seq, at_ns=run.now_ns))
        run.settle(0)
        for seq, intent in [x for x in run.act() if not isinstance(x[1], i.PlaceOrders)]:
            answer = run.answer_to(intent)
            assert answer is not None
            run.push(answer, seq)
        break
    assert holds == [100_000_000]


def test_a_place_that_rests_ends_the_row_of_refusals() -> None:
    run = started()
    for number in range(2):
        (request,) = run.ask(i.PlaceOrders(NAME, (new_order(f"a{number}"),)))
        run.push(e.OrdersPlaced(NAME, (e.PlaceResult(None, WOULD_TAKE),)), request)
    assert run.market.refused_in_row == 2
    assert run.market.hold_until_ns == run.now_ns + 200_000_000
    (request,) = run.ask(i.PlaceOrders(NAME, (new_order(CID),)))
    run.push(e.OrdersPlaced(NAME, (e.PlaceResult(venue_order(CID, 1), None),)), request)
    assert run.market.refused_in_row == 0


def test_a_refused_key_halts_everything_until_a_human_looks() -> None:
    run, _ = quoting()
    (request,) = run.ask(i.QueryTime())
    run.push(e.RequestRefused(UNAUTHORISED), request)
    assert closed_gate(run.state, run.market).startswith("the venue refused the key: 401")


@pytest.mark.parametrize("refusal", [UNAUTHORISED, BUSY, Refusal(429, 0, "", "")])
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


def test_two_spot_markets_share_one_account_query_at_a_time() -> None:
    other = Market("ETH_USDT", "ETH", *(getattr(MARKET, f) for f in MARKET.__struct_fields__[2:]))
    run = Run(quoted(), quoted(other), settings=Settings())
    run.settle(20)
    for market in run.state.markets.values():
        assert market.recon.stage is ReconStage.DONE
        assert market.inventory.baseline is not None


def test_a_stream_that_never_becomes_ready_is_closed() -> None:
    run = Run(quoted())
    run.act()
    run.push(e.StreamOpened(NAME))
    run.wait(5)
    assert wanted(run, i.CloseStream) == []
    run.wait(60)
    assert i.CloseStream(NAME) in run.decide()


def test_a_stream_whose_subscription_is_refused_is_closed_at_once() -> None:
    run = Run(quoted())
    run.act()
    run.push(e.FrameRefused(NAME, "", "unknown market"))
    assert wanted(run, i.CloseStream) == [i.CloseStream(NAME)]


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


def test_closed_orders_are_forgotten_after_a_minute_but_not_while_deals_are_missing() -> None:
    run = started()
    for number in range(90):
        name = f"o-{number}"
        run.ask(i.PlaceOrders(NAME, (new_order(name),)))
        leaves, status = (0, OrderStatus.FILLED) if number < 5 else (10, OrderStatus.CANCELLED)
        run.push(e.OrderClosed(venue_order(name, 100 + number, leaves=leaves, status=status)))
    assert len(run.market.owing) == 5
    run.wait(61)
    run.ask(i.PlaceOrders(NAME, (new_order("last"),)))
    assert set(run.market.orders) == {"o-0", "o-1", "o-2", "o-3", "o-4", "last"}
    assert len(run.market.owing) == 5
