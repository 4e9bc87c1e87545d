"""A channel that falls silent on a connection that lives stops its market, and is renewed."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from engine import events as e
from engine import freshness
from engine import intents as i
from engine.gates import closed_gate
from engine.state import Feed, LinkStatus
from tests.engine.builders import NAME, Run, S, snapshot, started


def told_mark() -> Run:
    run = started()
    run.push(e.MarkPrice(NAME, Decimal(10), Decimal(10), Decimal(0), 1))
    return run


def keep_depth(run: Run, seconds: int) -> None:
    """Let time pass on a link that answers pings, with a book that is told each second."""
    for _ in range(seconds):
        run.wait(1)
        if run.state.links[NAME].status is LinkStatus.READY:
            run.push(snapshot(update_id=run.state.seq, at_ns=run.now_ns))
        run.settle()


def test_a_mark_that_is_silent_for_more_than_ten_seconds_stops_its_market() -> None:
    run = told_mark()
    told_ns = run.now_ns
    keep_depth(run, 9)
    run.push(e.TimerFired(), after_ns=told_ns + 10 * S - run.now_ns)
    assert closed_gate(run.state, run.market) == ""
    run.push(e.TimerFired(), after_ns=1)
    assert closed_gate(run.state, run.market) == freshness.MARK_SILENT
    run.push(e.MarkPrice(NAME, Decimal(11), Decimal(11), Decimal(0), 1))
    assert closed_gate(run.state, run.market) == ""


def test_a_market_whose_mark_was_never_told_does_without() -> None:
    run = started()
    run.push(e.MarkPrice("ETH_PERP", Decimal(10), Decimal(10), Decimal(0), 1))
    keep_depth(run, 25)
    assert closed_gate(run.state, run.market) == ""
    assert run.state.links[NAME].opened_ns < run.now_ns - 25 * S


def test_the_connection_of_a_silent_mark_is_opened_anew_until_it_speaks() -> None:
    run = told_mark()
    opened: list[int] = []
    for _ in range(180):
        keep_depth(run, 1)
        opened_ns = run.state.links[NAME].opened_ns
        if opened_ns and opened_ns not in opened:
            opened.append(opened_ns)
        if run.now_ns - run.market.feed.marked_ns > 11 * S:
            assert closed_gate(run.state, run.market) in (freshness.MARK_SILENT, "no book")
    waits = [(after - before) // S for before, after in itertools.pairwise(opened)]
    assert waits == [21, 22, 24, 28, 36], "20 s, and a back-off that doubles"
    assert run.market.feed.mark2 == 0, "an old mark bounds nothing"
    while not run.market.feed.book_ok:
        keep_depth(run, 1)
    run.push(e.MarkPrice(NAME, Decimal(11), Decimal(11), Decimal(0), 1))
    assert closed_gate(run.state, run.market) == ""


def test_a_connection_whose_depth_is_silent_is_opened_anew() -> None:
    run = started()
    for _ in range(19):
        run.wait(1)
        run.settle()
    assert closed_gate(run.state, run.market) == "feed is stale"
    assert i.CloseStream(NAME) not in run.decide()
    run.wait(1.1)
    assert i.CloseStream(NAME) in run.decide()


SILENCE = [
    ("both were told of now", 100, 100, 0, False),
    ("depth was told of 20 s ago", 80, 100, 0, False),
    ("depth is older", 79, 100, 0, True),
    ("the mark was told of 20 s ago", 100, 80, 0, False),
    ("the mark is older", 100, 79, 0, True),
    ("no mark was ever told", 100, 0, 0, False),
    ("the connection is 20 s old", 0, 0, 80, False),
    ("the connection is older", 0, 0, 79, True),
]


@pytest.mark.parametrize("case", SILENCE, ids=[case[0] for case in SILENCE])
def test_a_connection_is_silent_after_twenty_seconds_of_its_own(
    case: tuple[str, int, int, int, bool],
) -> None:
    _, fresh_s, marked_s, opened_s, silent = case
    feed = Feed(fresh_ns=fresh_s * S, marked_ns=marked_s * S)
    assert freshness.is_silent(feed, opened_s * S, 100 * S) is silent
