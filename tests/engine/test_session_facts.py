"""Streams, stalls and the end of a run, field by field."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import freshness
from engine import intents as i
from engine.links import Link
from engine.state import PRIVATE, LinkStatus, MarketState, Recon, ReconStage, Uptime
from engine.stopping import Shutdown
from engine.types import OrderStatus, Settings
from tests.engine.builders import (
    NAME,
    Run,
    S,
    balances,
    new_order,
    quoted,
    quoting,
    snapshot,
    started,
    venue_order,
)
from tests.engine.changes import fold, next_at, nothing_changes
from tests.engine.test_gates import in_market


def with_link(run: Run, stream: str, link: Link) -> dict[str, Link]:
    return {**run.state.links, stream: link}


def in_link(run: Run, stream: str, **fields: object) -> Link:
    link = replace(run.state.links[stream], **fields)
    run.state = replace(run.state, links=with_link(run, stream, link))
    return link


def looked_at(market: MarketState, reason: str, *, blind: bool) -> Recon:
    """A reconciliation that begins now, of a market that had none under way."""
    asked = market.recon
    assert asked.stage is ReconStage.DONE
    return Recon(
        reason=reason,
        blind=blind,
        orders_asked_ns=asked.orders_asked_ns,
        orders_asked_seq=asked.orders_asked_seq,
    )


# --- streams ----------------------------------------------------------------------------------


def test_a_feed_that_closes_is_forgotten_and_backs_off() -> None:
    run = started()
    feed = replace(run.market.feed, bbo=e.BestBidOffer(NAME, 9, 0, 995, 5, 1005, 5))
    in_market(run, feed=replace(feed, resubscribed_ns=5, trades_seen=True, mark2=2000))
    in_link(run, NAME, opened_ns=run.now_ns - S, ping_sent_ns=3, attempts=2, closing=True)
    seq, now_ns = next_at(run)
    closed = Link(attempts=3, retry_at_ns=now_ns + 4 * S + 4 * S * 999 // 2000)
    fold(
        run,
        e.StreamClosed(NAME, "reset", 999),
        feed={
            "book_ok": False,
            "bbo": None,
            "resubscribed_ns": 0,
            "trades_seen": False,
            "mark2": 0,
        },
        market={"touched_seq": seq},
        links=with_link(run, NAME, closed),
        attention_seq=seq,
    )


def test_a_private_stream_that_closes_leaves_us_blind() -> None:
    run = started()
    seq, now_ns = next_at(run)
    in_link(run, PRIVATE, opened_ns=now_ns - 30 * S, attempts=2)
    fold(
        run,
        e.StreamClosed(PRIVATE, "reset", 0),
        market={"recon": looked_at(run.market, "the private stream was lost", blind=True)},
        links=with_link(run, PRIVATE, Link(attempts=3, retry_at_ns=now_ns + 4 * S)),
        attention_seq=seq,
    )


@pytest.mark.parametrize(("attempts", "delay_s"), [(0, 1), (1, 2), (4, 16), (5, 30), (9, 30)])
def test_the_back_off_doubles_up_to_half_a_minute(attempts: int, delay_s: int) -> None:
    run = started()
    in_link(run, PRIVATE, status=LinkStatus.OPENING, attempts=attempts)
    run.push(e.StreamClosed(PRIVATE, "refused", 0))
    link = run.state.links[PRIVATE]
    assert link == Link(attempts=attempts + 1, retry_at_ns=run.now_ns + delay_s * S)


def test_a_stream_that_lasted_backs_off_anew() -> None:
    run = started()
    in_link(run, PRIVATE, opened_ns=next_at(run)[1] - 30 * S - 1, attempts=5)
    run.push(e.StreamClosed(PRIVATE, "reset", 0))
    assert run.state.links[PRIVATE].attempts == 1


def test_a_pong_answers_the_ping() -> None:
    run = started()
    before = in_link(run, NAME, ping_sent_ns=run.now_ns, attempts=2)
    seq, now_ns = next_at(run)
    answered = with_link(run, NAME, replace(before, ping_sent_ns=0, pong_ns=now_ns))
    fold(run, e.PongReceived(NAME), links=answered, attention_seq=seq)
    nothing_changes(run, e.PongReceived("ETH_USDT"))
    nothing_changes(run, e.StreamReady("ETH_USDT"))
    nothing_changes(run, e.StreamClosed("ETH_USDT", "reset", 0))
    nothing_changes(run, e.StreamOpened(NAME))


def test_a_feed_that_is_ready_waits_for_its_snapshot() -> None:
    run = started()
    in_market(run, feed=replace(run.market.feed, book_ok=False))
    in_link(run, NAME, status=LinkStatus.OPENING, opened_ns=7, attempts=2, closing=True)
    seq, now_ns = next_at(run)
    ready = Link(LinkStatus.READY, attempts=2, opened_ns=7, pong_ns=now_ns)
    fold(
        run,
        e.StreamReady(NAME),
        feed={"resubscribed_ns": now_ns},
        links=with_link(run, NAME, ready),
        attention_seq=seq,
    )
    in_market(run, feed=replace(run.market.feed, book_ok=True, resubscribed_ns=0))
    seq, now_ns = next_at(run)
    again = with_link(run, NAME, replace(ready, pong_ns=now_ns))
    fold(run, e.StreamReady(NAME), links=again, attention_seq=seq)


def test_a_private_stream_that_is_ready_is_looked_behind() -> None:
    run = started()
    in_link(run, PRIVATE, status=LinkStatus.OPENING, opened_ns=7)
    seq, now_ns = next_at(run)
    ready = Link(LinkStatus.READY, run.state.links[PRIVATE].attempts, 0, 7, 0, now_ns)
    fold(
        run,
        e.StreamReady(PRIVATE),
        market={"recon": looked_at(run.market, run.market.recon.reason, blind=True)},
        links=with_link(run, PRIVATE, ready),
        attention_seq=seq,
    )


# --- frames that cannot be read ---------------------------------------------------------------


def test_a_market_whose_frame_cannot_be_read_is_halted_and_nothing_else() -> None:
    run = started()
    for number, reason in ((1, "no such side"), (2, "no such type")):
        seq, _ = next_at(run)
        fold(
            run,
            e.FrameRefused(NAME, NAME, reason),
            market={"halted": "a frame was refused: no such side"},
            attention_seq=seq,
            anomalies=number,
            last_anomaly=f"seq {seq}: {NAME}: {reason}",
        )


@pytest.mark.parametrize(
    ("stream", "market", "looks"),
    [(PRIVATE, "", True), (PRIVATE, NAME, False), (NAME, "", False)],
)
def test_a_private_frame_that_may_be_about_anything_is_looked_behind(
    stream: str, market: str, looks: bool
) -> None:
    run = started()
    before = run.market
    run.push(e.FrameRefused(stream, market, "no such side"))
    wanted = looked_at(before, "a private frame was refused", blind=True) if looks else before.recon
    assert run.market.recon == wanted
    assert bool(run.market.halted) is (market == NAME)


def test_a_stream_whose_opening_is_refused_will_not_come() -> None:
    run = started()
    in_market(run, halted="before")
    opening = in_link(run, NAME, status=LinkStatus.OPENING, opened_ns=7)
    seq, _ = next_at(run)
    fold(
        run,
        e.FrameRefused(NAME, NAME, "no"),
        links=with_link(run, NAME, replace(opening, opened_ns=0)),
        attention_seq=seq,
        anomalies=1,
        last_anomaly=f"seq {seq}: {NAME}: no",
    )


# --- stalls and stops -------------------------------------------------------------------------


def test_a_stall_puts_every_feed_in_doubt() -> None:
    run = started()
    seq, _ = next_at(run)
    fold(
        run,
        e.LoopStalled(5 * S),
        feed={"doubt": freshness.STALLED},
        market={
            "touched_seq": seq,
            "recon": looked_at(run.market, "the loop stalled", blind=True),
        },
        attention_seq=seq,
        time_asked_ns=0,
    )


def test_a_stop_begins_once_and_tries_at_once_what_it_needs_for_its_proof() -> None:
    run = started()
    in_market(run, shutdown=Shutdown(cancel_request_seq=3))
    closed = in_link(run, PRIVATE, status=LinkStatus.CLOSED, retry_at_ns=run.now_ns + 9 * S)
    seq, now_ns = next_at(run)
    fold(
        run,
        e.StopRequested("SIGTERM"),
        market={"shutdown": Shutdown()},
        stopping_ns=now_ns,
        attention_seq=seq,
        links=with_link(run, PRIVATE, replace(closed, retry_at_ns=now_ns)),
    )
    in_market(run, shutdown=Shutdown(cancel_request_seq=3))
    in_link(run, PRIVATE, status=LinkStatus.READY)
    fold(run, e.StopRequested("SIGTERM"), attention_seq=seq + 1)


def test_the_latch_forbids_and_a_human_who_lifts_it_is_answered_by_a_look() -> None:
    run = started()
    seq, _ = next_at(run)
    fold(run, e.PlacingForbidden("panic at noon"), latched="panic at noon", attention_seq=seq)
    fold(
        run,
        e.PlacingAllowed(),
        market={"recon": looked_at(run.market, "the panic latch was lifted", blind=True)},
        latched="",
        attention_seq=seq + 1,
    )


# --- the timer --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "ask", "near"),
    [
        (990, 1010, (True, True)),
        (990, 1011, (True, False)),
        (989, 1010, (False, True)),
        (989, 1011, (False, False)),
    ],
)
def test_a_side_is_quoted_while_it_rests_within_a_hundred_bps_of_the_mid(
    bid: int, ask: int, near: tuple[bool, bool]
) -> None:
    run, _ = quoting(((bid, 10),), ((ask, 10),))
    run.push(snapshot((995, 50), (1005, 50), 7, at_ns=run.now_ns))
    in_market(run, uptime=Uptime())
    run.wait(1)
    first_ns = run.now_ns
    begun = Uptime(first_ns, first_ns) if any(near) else Uptime()
    assert run.market.uptime == begun
    run.wait(2)
    run.wait(1)
    bid_ns, ask_ns = (3 * S if side else 0 for side in near)
    went_on = Uptime(first_ns, run.now_ns, 3 * S, bid_ns, ask_ns) if any(near) else Uptime()
    assert run.market.uptime == went_on
    run.push(e.StopRequested("SIGTERM"))
    run.wait(1)
    assert run.market.uptime == went_on, "an end is no time to quote"


def test_an_order_that_the_venue_has_not_acknowledged_is_not_quoted() -> None:
    run = started()
    run.ask(i.PlaceOrders(NAME, (new_order("a", price=995),)))
    run.wait(1)
    assert run.market.uptime == Uptime()


def settled(run: Run) -> None:
    """End the look at the account that is under way."""
    in_market(run, recon=replace(run.market.recon, stage=ReconStage.DONE))


def test_an_unknown_order_is_looked_for_again_in_a_second() -> None:
    run, (_, bid) = quoting()
    (request,) = run.ask(i.CancelOrder(NAME, bid.client_order_id))
    run.push(e.OutcomeUnknown("timeout"), request)
    settled(run)
    wanted = looked_at(run.market, "an order's state is unknown", blind=False)
    run.push(e.TimerFired())
    assert run.market.recon == replace(wanted, retry_at_ns=run.now_ns + S)


@pytest.mark.parametrize(("late_ns", "looks"), [(0, False), (1, True)])
def test_a_deal_that_is_missing_for_three_seconds_is_looked_for(late_ns: int, looks: bool) -> None:
    run, (_, bid) = quoting()
    filled = venue_order(bid.client_order_id, bid.order_id, leaves=0, status=OrderStatus.FILLED)
    run.push(e.OrderClosed(filled))
    before = run.market
    run.push(e.TimerFired(), after_ns=3 * S + late_ns)
    wanted = looked_at(before, "a deal is missing", blind=False) if looks else before.recon
    assert run.market.recon == wanted


@pytest.mark.parametrize(("late_ns", "looks"), [(0, False), (1, True)])
def test_a_report_that_differs_for_three_seconds_leaves_us_blind(late_ns: int, looks: bool) -> None:
    run = started()
    run.push(e.SpotBalancesChanged(balances("0.007")))
    before = run.market
    run.push(e.TimerFired(), after_ns=3 * S + late_ns)
    reason = "reports differ from the deals"
    wanted = looked_at(before, reason, blind=True) if looks else before.recon
    assert run.market.recon == wanted


def test_every_so_often_the_account_is_looked_at_unless_the_run_ends() -> None:
    every_ns = 60 * S
    run = Run(quoted(), settings=replace(Settings(), reconcile_every_ns=every_ns))
    run.settle()
    asked_ns = run.market.recon.orders_asked_ns
    before = run.market
    run.push(e.TimerFired(), after_ns=asked_ns + every_ns - 1 - run.now_ns)
    assert run.market.recon == before.recon
    run.push(e.TimerFired(), after_ns=1)
    assert run.market.recon == looked_at(before, "it is time", blind=False)
    in_market(run, recon=before.recon)
    run.push(e.StopRequested("SIGTERM"))
    run.push(e.TimerFired())
    assert run.market.recon == before.recon


# --- frames that are sent ---------------------------------------------------------------------


def sent(run: Run, intent: i.Intent) -> e.RequestSent:
    """Decide on one intent; returns the record that it goes out."""
    run.push(e.Decided((intent,), ()))
    return e.RequestSent(0, 0, "WS", getattr(intent, "stream", ""), b"")


def test_a_stream_that_is_closed_on_purpose_is_known_to_be() -> None:
    run = started()
    event = sent(run, i.CloseStream(NAME))
    closing = replace(run.state.links[NAME], closing=True)
    fold(run, event, run.state.decided_seq, links=with_link(run, NAME, closing))


def test_a_renewed_subscription_is_waited_for() -> None:
    run = started()
    event = sent(run, i.Resubscribe(NAME))
    seq, now_ns = next_at(run)
    used = dict(run.state.used)
    run.push(event, run.state.decided_seq)
    assert run.market.feed.resubscribed_ns == now_ns
    assert sum(run.state.used.values()) == sum(used.values()) + 2
    assert run.state.seq == seq
