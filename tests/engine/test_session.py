"""The session: streams, pings, feeds, kill-switch and clock."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.state import PRIVATE, LinkStatus, ReconStage
from engine.strategy import MarketEvent, Strategy, register
from engine.types import Market, Settings, Side
from tests.engine.builders import (
    MARKET,
    NAME,
    PERPETUAL,
    T0,
    Run,
    S,
    quoted,
    quoting,
    snapshot,
    started,
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


def test_a_stream_that_flaps_backs_off_further_and_further() -> None:
    run = Run(quoted())
    waits = []
    for _ in range(3):
        run.wait(5)
        run.act()
        run.push(e.StreamReady(NAME))
        run.push(e.StreamClosed(NAME, "reset", 0))
        waits.append((run.state.links[NAME].retry_at_ns - run.now_ns) // S)
    assert waits == [1, 2, 4]


def test_a_first_snapshot_that_never_comes_is_asked_for_again() -> None:
    run = Run(quoted())
    run.act()
    run.push(e.StreamReady(NAME))
    assert wanted(run, i.Resubscribe) == []
    run.wait(5.1)
    assert wanted(run, i.Resubscribe) == [i.Resubscribe(NAME)]


def test_a_private_frame_that_cannot_be_read_makes_every_market_look_again() -> None:
    run = started()
    run.push(e.FrameRefused(PRIVATE, "", "not JSON"))
    assert closed_gate(run.state, run.market) == "reconciling: a private frame was refused"
    run.settle()
    assert closed_gate(run.state, run.market) == ""


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


def test_two_spot_markets_share_one_account_query_at_a_time() -> None:
    other = Market("ETH_USDT", "ETH", *(getattr(MARKET, f) for f in MARKET.__struct_fields__[2:]))
    run = Run(quoted(), quoted(other), settings=Settings())
    run.settle(20)
    for market in run.state.markets.values():
        assert market.recon.stage is ReconStage.DONE
        assert market.inventory.baseline is not None


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


def test_a_delta_that_comes_twice_changes_nothing_the_second_time() -> None:
    run, _ = quoting()
    delta = e.BookDelta(NAME, 5, 1, run.now_ns // 1000, (990, 7), ())
    run.push(delta)
    feed = run.market.feed
    run.push(delta, after_ns=S)
    assert run.market.feed == feed, "it is no sign of life either"
    run.push(e.BookDelta(NAME, 6, 5, run.now_ns // 1000, (990, 8), ()))
    assert (run.market.feed.book.update_id, run.market.feed.gaps) == (6, 0)
    run.push(delta)
    assert run.market.feed.gaps == 1, "an older one is not to be explained"


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


class Flow(Strategy, frozen=True):
    """Counts the trades it is shown."""

    def initial_memory(self) -> int:
        return 0

    def fold(self, memory: int, event: MarketEvent, now_ns: int) -> int:
        return memory + isinstance(event, e.PublicTrades)


def test_trades_from_before_the_subscription_are_no_flow_for_a_strategy() -> None:
    register("flow", Flow)
    run = started(replace(quoted(), strategy="flow", parameters="{}"))

    def trade(trade_id: int) -> None:
        run.push(e.PublicTrades(NAME, (e.PublicTrade(trade_id, 1001, 1, Side.BUY, False, 0),)))

    trade(8)
    assert (run.market.feed.last_trade, run.market.memory) == (1001, 0)
    trade(9)
    assert run.market.memory == 1
    run.push(e.StreamClosed(NAME, "reset", 0))
    trade(12)
    assert run.market.memory == 1, "the first trades of a new subscription are history again"


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
