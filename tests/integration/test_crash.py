"""An engine that dies, hangs, or loses its streams: the venue's timer and a new start clean up."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.events import (
    AnyEvent,
    BestBidOffer,
    BookDelta,
    BookSnapshot,
    Decided,
    Filled,
    LoopStalled,
    OpenOrdersListed,
    Record,
    RequestSent,
    RunStarted,
    StreamClosed,
)
from engine.intents import CancelOrder, ModifyOrder, PlaceOrders
from engine.reduce import reduce
from engine.state import ReconStage, State
from tests.integration.kit import (
    MARKETS,
    Engine,
    Venue,
    proved,
    running_engine,
    running_venue,
    wait_until,
)
from tests.integration.truth import assert_agrees_with_venue

pytestmark = pytest.mark.slow

TIMEOUT_S = 5.0
"""The kill-switch of these runs, the shortest that the venue has."""
RESUME_S = 5.0


def wait_cleared(venue: Venue, since: float) -> float:
    """Wait until the venue has cancelled everything by itself; returns after how many seconds."""
    wait_until(lambda: not venue.orders(), "no order", TIMEOUT_S + 10)
    return time.monotonic() - since


def has_deals(engine: Engine) -> Callable[[], bool]:
    return lambda: any(isinstance(record.event, Filled) for record in engine.records())


def stop(engine: Engine, venue: Venue) -> None:
    """End a run and expect that nothing is left and that the money agrees."""
    summary = engine.finish()
    assert (summary["clean"], summary["anomalies"]) == (True, 0), summary
    assert venue.orders() == []
    assert venue.timers() == []
    assert_agrees_with_venue(engine.journal, venue)


def counts_of(records: list[Record], kind: type[AnyEvent]) -> int:
    return sum(isinstance(record.event, kind) for record in records)


# --- death ------------------------------------------------------------------------------------


def test_a_killed_engine_is_cleared_by_the_venue_and_starts_again(tmp_path: Path) -> None:
    with running_venue() as venue:
        with running_engine(tmp_path, venue, name="first") as first:
            venue.wait_quotes()
            wait_until(has_deals(first), "a deal")
            first.send(signal.SIGKILL)
            killed_at = time.monotonic()
            first.wait()
        assert {order["market"] for order in venue.orders()} == set(MARKETS)
        assert len(venue.timers()) == len(MARKETS)
        assert wait_cleared(venue, killed_at) <= TIMEOUT_S + 1
        with running_engine(tmp_path, venue, name="second") as second:
            venue.wait_quotes()
            stop(second, venue)
        records = second.records()
    assert counts_of(records, RunStarted) == 2
    proof = proved(second.journal)
    assert proof["runs"] == 2
    assert proof["fingerprint"] == second.summary()["fingerprint"]


def test_an_engine_started_at_once_after_a_kill_takes_its_orders_over(tmp_path: Path) -> None:
    # A timer long enough that the orders are still there, however slowly the second run starts.
    patience = {"kill_switch_timeout": "60s"}
    with running_venue() as venue:
        with running_engine(tmp_path, venue, name="first", **patience) as first:
            venue.wait_quotes()
            first.send(signal.SIGKILL)
            first.wait()
        left = {order["clientOrderId"] for order in venue.orders()}
        assert left
        with running_engine(tmp_path, venue, name="second", **patience) as second:
            wait_until(
                lambda: any(is_place(record) for record in after_restart(second.records())),
                "the second run places or modifies",
            )
            venue.wait_quotes()
            stop(second, venue)
        records = second.records()
    listed = {
        order.client_order_id
        for record in after_restart(records)
        if isinstance(record.event, OpenOrdersListed)
        for order in record.event.orders
    }
    cancelled = {
        intent.client_order_id
        for record in after_restart(records)
        if isinstance(record.event, Decided)
        for intent in record.event.intents
        if isinstance(intent, CancelOrder)
    }
    # The cancels may be faster than the listing: without a book nothing of ours may rest.
    assert left & (listed | cancelled), "the second run sees to the orders of the first"
    assert proved(second.journal)["runs"] == 2


def after_restart(records: list[Record]) -> list[Record]:
    starts = [n for n, record in enumerate(records) if isinstance(record.event, RunStarted)]
    return records[starts[-1] :] if len(starts) > 1 else []


def is_place(record: Record) -> bool:
    return isinstance(record.event, Decided) and any(
        isinstance(intent, PlaceOrders | ModifyOrder) for intent in record.event.intents
    )


# --- a hang -----------------------------------------------------------------------------------


def test_a_stopped_engine_is_cleared_and_does_not_act_on_what_it_buffered(tmp_path: Path) -> None:
    with running_venue() as venue, running_engine(tmp_path, venue) as engine:
        venue.wait_quotes()
        engine.send(signal.SIGSTOP)
        stopped_at = time.monotonic()
        assert wait_cleared(venue, stopped_at) <= TIMEOUT_S + 1
        wait_until(lambda: not venue.timers(), "the timers have fired")
        engine.send(signal.SIGCONT)
        venue.wait_quotes()
        stop(engine, venue)
        records = engine.records()
    stalls = [r.seq for r in records if isinstance(r.event, LoopStalled) and r.event.gap_ns > 3e9]
    assert len(stalls) == 1
    for market in MARKETS:
        assert_blind_until_proved_fresh(records, stalls[0], market)
    proved(engine.journal)


def assert_blind_until_proved_fresh(records: list[Record], stall_seq: int, market: str) -> None:
    """No place or modify after the stall before reconciliation and a fresh frame of the market."""
    state, fresh = State(), False
    for record in records:
        event = record.event
        if record.seq > stall_seq and isinstance(event, BookSnapshot | BookDelta | BestBidOffer):
            late_ns = record.recv_ns - event.venue_us * 1_000
            fresh = fresh or (event.market == market and late_ns < 1_000_000_000)
        if record.seq > stall_seq and is_place(record) and market in repr(event):
            assert fresh, f"seq {record.seq} quotes {market} on a stale feed"
            assert state.markets[market].recon.stage is ReconStage.DONE or (
                not state.markets[market].recon.blind
            )
            return
        state = reduce(state, record)
    raise AssertionError(f"{market} was not quoted again")


# --- cut streams ------------------------------------------------------------------------------


def test_quoting_resumes_after_the_venue_cut_the_streams(tmp_path: Path) -> None:
    with running_venue() as venue, running_engine(tmp_path, venue) as engine:
        venue.wait_quotes()
        wait_until(has_deals(engine), "a deal")
        assert venue.ask("POST", "/cut") == {"cut": 3}
        cut_at = time.monotonic()
        wait_until(lambda: counts_of(engine.records(), StreamClosed) == 3, "the engine knows")
        wait_until(lambda: placed_after_cut(engine.records()), "new quotes")
        venue.wait_quotes()
        assert time.monotonic() - cut_at < RESUME_S
        stop(engine, venue)
        records = engine.records()
    assert_no_new_quotes_while_blind(records)
    proved(engine.journal)


def placed_after_cut(records: list[Record]) -> bool:
    closed = [record.seq for record in records if isinstance(record.event, StreamClosed)]
    named = [
        repr(record.event) for record in records if record.seq > closed[-1] and is_place(record)
    ]
    return all(any(market in text for text in named) for market in MARKETS)


def assert_no_new_quotes_while_blind(records: list[Record]) -> None:
    state = State()
    for record in records:
        event = record.event
        if isinstance(event, RequestSent) and event.path.startswith("/api/v4/order/"):
            intent = state.decided[event.index]
            if isinstance(intent, PlaceOrders | ModifyOrder):
                market = state.markets[intent.market]
                assert not market.recon.blind
                assert market.feed.book_ok
        state = reduce(state, record)
