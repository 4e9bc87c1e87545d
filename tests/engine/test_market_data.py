"""Public data, field by field: what each frame changes in the state, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine import events as e
from engine.book import Book
from engine.freshness import FRAME_EARLY_NS, FRAME_LATE_NS, LATE, STALLED
from engine.inventory import add_fill
from engine.reduce import reduce
from engine.strategy import MarketEvent, register
from engine.types import Settings, Side
from tests.engine.builders import MARKET, NAME, Fixed, Run, S, fill, quoted, snapshot, started
from tests.engine.changes import fold, next_at, nothing_changes
from tests.engine.test_gates import in_market

Heard = tuple[int, str, int]


class Listening(Fixed, frozen=True):
    """Counts what it is shown, and remembers what that was last, and when."""

    def initial_memory(self) -> Heard:
        return 0, "", 0

    def fold(self, memory: Heard, event: MarketEvent, now_ns: int) -> Heard:
        return memory[0] + 1, type(event).__name__, now_ns


class Calm(Fixed, frozen=True):
    """Remembers nothing; of tickers, only another bid stirs it."""

    def is_stirred(self, before: e.BestBidOffer, after: e.BestBidOffer) -> bool:
        return before.bid_price != after.bid_price


register("listening", Listening)
register("calm", Calm)


def with_strategy(name: str) -> Run:
    return started(replace(quoted(), strategy=name, parameters="{}"))


def heard(run: Run, name: str) -> Heard:
    """What the memory of `Listening` becomes with the next event."""
    count: int = run.market.memory[0]
    return count + 1, name, next_at(run)[1]


def delta(
    run: Run, bids: tuple[int, ...] = (991, 5), *, past: int | None = None, age_ns: int = 0
) -> e.BookDelta:
    """The next delta, stamped so long before it will have come."""
    _, now_ns = next_at(run)
    chained = run.market.feed.book.update_id
    past_id = chained if past is None else past
    return e.BookDelta(NAME, chained + 1, past_id, (now_ns - age_ns) // 1000, bids, ())


def test_a_snapshot_replaces_the_book_and_ends_the_wait_for_it() -> None:
    run = started()
    in_market(run, feed=replace(run.market.feed, resubscribed_ns=5, doubt=STALLED, gaps=2))
    event = snapshot(bids=(991, 5), asks=(1009, 6), update_id=50, at_ns=next_at(run)[1])
    seq, now_ns = next_at(run)
    book = Book((991,), (5,), (1009,), (6,), 50, event.venue_us)
    fold(
        run,
        event,
        feed={"book": book, "resubscribed_ns": 0, "fresh_ns": now_ns, "doubt": ""},
        market={"touched_seq": seq},
    )


def test_a_delta_is_merged_and_told_to_the_strategy() -> None:
    run = with_strategy("listening")
    event = delta(run)
    seq, now_ns = next_at(run)
    book = run.market.feed.book
    merged = Book(
        (991, *book.bid_prices),
        (5, *book.bid_qtys),
        book.ask_prices,
        book.ask_qtys,
        event.update_id,
        event.venue_us,
    )
    fold(
        run,
        event,
        feed={"book": merged, "fresh_ns": now_ns},
        market={"touched_seq": seq, "memory": heard(run, "BookDelta")},
    )


def test_a_delta_keeps_no_more_levels_than_the_run_asks_for() -> None:
    run = Run(quoted(), settings=replace(Settings(), depth_limit=2))
    run.settle()
    run.push(snapshot(at_ns=run.now_ns))
    run.push(delta(run))
    assert run.market.feed.book.bid_prices == (991, 990)


@pytest.mark.parametrize(
    ("age_ns", "low_ns", "high_ns", "doubt"),
    [
        (FRAME_LATE_NS, 0, 0, ""),
        (FRAME_LATE_NS + 1000, 0, 0, LATE),
        (FRAME_LATE_NS - S, S, S, ""),
        (FRAME_LATE_NS - S + 1000, S, S, LATE),
        (FRAME_LATE_NS + S, -S, S, ""),
        (-FRAME_EARLY_NS, 0, 0, ""),
        (-FRAME_EARLY_NS - 1000, 0, 0, LATE),
        (-FRAME_EARLY_NS - S, 0, S, ""),
        (-FRAME_EARLY_NS - S - 1000, 0, S, LATE),
        (-FRAME_EARLY_NS + S, -S, -S, ""),
        (-FRAME_EARLY_NS + S - 1000, -S, -S, LATE),
    ],
)
def test_a_delta_is_doubted_where_both_bounds_of_the_clock_say_so(
    age_ns: int, low_ns: int, high_ns: int, doubt: str
) -> None:
    run = started()
    run.now_ns -= run.now_ns % 1000  # stamps are whole microseconds
    run.state = replace(run.state, offset_low_ns=low_ns, offset_high_ns=high_ns)
    asked_ns = run.state.time_asked_ns
    assert asked_ns
    seq, now_ns = next_at(run)
    after = reduce(run.state, e.Record(seq, now_ns, 0, delta(run, age_ns=age_ns)))
    assert after.markets[NAME].feed.doubt == doubt
    assert after.time_asked_ns == (0 if doubt else asked_ns)


def test_a_doubt_lasts_until_a_frame_is_stamped_near_now() -> None:
    run = started()
    in_market(run, feed=replace(run.market.feed, doubt=STALLED))
    stall_ns = run.state.settings.fresh_after_stall_ns
    run.push(delta(run, age_ns=stall_ns + S // 10))
    assert run.market.feed.doubt == STALLED
    run.push(delta(run))
    assert run.market.feed.doubt == ""


GAPS = (
    ("a delta that does not chain", lambda run: delta(run, past=77)),
    ("a delta that crosses the book", lambda run: delta(run, (1010, 5))),
    ("a snapshot that is crossed", lambda run: snapshot(bids=(1010, 5), update_id=60)),
)


@pytest.mark.parametrize("frame", [gap[1] for gap in GAPS], ids=[gap[0] for gap in GAPS])
def test_a_book_that_cannot_be_trusted_is_gone_and_the_session_must_look(
    frame: Callable[[Run], e.AnyEvent],
) -> None:
    run = started()
    in_market(run, feed=replace(run.market.feed, resubscribed_ns=5))
    broken = {"book": Book(), "book_ok": False, "resubscribed_ns": 0, "gaps": 1}
    seq, _ = next_at(run)
    fold(run, frame(run), feed=broken, attention_seq=seq)
    nothing_changes(run, delta(run))


def test_a_frame_that_is_repeated_or_of_no_market_of_ours_changes_nothing() -> None:
    run = started()
    run.push(delta(run))
    update_id = run.market.feed.book.update_id
    nothing_changes(run, e.BookDelta(NAME, update_id, 0, 0, (1, 1), ()))
    other = "ETH_USDT"
    nothing_changes(run, snapshot(market=other))
    nothing_changes(run, e.BookDelta(other, 2, 1, 0, (), ()))
    nothing_changes(run, e.BestBidOffer(other, 2, 0, 990, 5, 1010, 5))
    nothing_changes(run, e.PublicTrades(other, (trade(1),)))
    nothing_changes(run, e.MarkPrice(other, Decimal(1), Decimal(1), Decimal(0), 1))


# --- ticker -----------------------------------------------------------------------------------


def ticker(bid: int, ask: int = 1010) -> e.BestBidOffer:
    return e.BestBidOffer(NAME, 9, 0, bid, 5, ask, 5)


def test_only_a_ticker_that_stirs_the_strategy_is_a_reason_to_price_anew() -> None:
    run = with_strategy("calm")
    seq, _ = next_at(run)
    fold(run, ticker(995), feed={"bbo": ticker(995)}, market={"touched_seq": seq})
    fold(run, ticker(995, 1009), feed={"bbo": ticker(995, 1009)})
    seq, _ = next_at(run)
    fold(run, ticker(996), feed={"bbo": ticker(996)}, market={"touched_seq": seq})


def test_a_ticker_that_a_strategy_remembers_is_a_reason_to_price_anew() -> None:
    run = with_strategy("listening")
    for bid in (995, 996):
        memory = {"memory": heard(run, "BestBidOffer"), "touched_seq": next_at(run)[0]}
        fold(run, ticker(bid), feed={"bbo": ticker(bid)}, market=memory)


# --- trades and mark --------------------------------------------------------------------------


def trade(trade_id: int, price: int = 1001) -> e.PublicTrade:
    return e.PublicTrade(trade_id, price, 1, Side.BUY, False, 0)


def test_the_first_trades_are_history_and_later_ones_are_no_reason_to_price_anew() -> None:
    run = started()
    seq, now_ns = next_at(run)
    told = (trade(7, 1003), replace(trade(8), venue_us=(now_ns - S) // 1000), trade(6, 1002))
    made_ns = (now_ns - S) // 1000 * 1000 - run.state.clock_offset_ns
    fold(
        run,
        e.PublicTrades(NAME, told),
        feed={
            "last_trade": 1001,
            "last_trade_id": 8,
            "trades_seen": True,
            "traded_ns": made_ns,
        },
        market={"touched_seq": seq},
    )
    nothing_changes(run, e.PublicTrades(NAME, (trade(8, 1005),)))
    nothing_changes(run, e.PublicTrades(NAME, ()))
    later = e.PublicTrades(NAME, (trade(9, 1002),))
    now_ns = next_at(run)[1]
    fold(run, later, feed={"last_trade": 1002, "last_trade_id": 9, "traded_ns": now_ns})


@pytest.mark.parametrize("ids", [(8, 7), (7, 8)])
def test_the_newest_of_two_trades_counts_in_whatever_order_they_come(ids: tuple[int, int]) -> None:
    run = started()
    run.push(e.PublicTrades(NAME, tuple(trade(number, 1000 + number) for number in ids)))
    assert (run.market.feed.last_trade_id, run.market.feed.last_trade) == (8, 1008)


@pytest.mark.parametrize(("low_ns", "high_ns", "ahead_ns"), [(2 * S, 3 * S, 2 * S), (-S, -S, -S)])
def test_history_was_made_by_the_venues_clock(low_ns: int, high_ns: int, ahead_ns: int) -> None:
    run = started()
    run.state = replace(run.state, offset_low_ns=low_ns, offset_high_ns=high_ns)
    venue_us = (run.now_ns - 60 * S) // 1000
    told = e.PublicTrades(NAME, (replace(trade(8), venue_us=venue_us),))
    seq, now_ns = next_at(run)
    after = reduce(run.state, e.Record(seq, now_ns, 0, told))
    assert after.markets[NAME].feed.traded_ns == venue_us * 1000 - ahead_ns


def test_trades_that_a_strategy_remembers_are_a_reason_to_price_anew() -> None:
    run = with_strategy("listening")
    run.push(e.PublicTrades(NAME, (trade(8),)))
    assert run.market.memory[1] == "BookSnapshot", "history is not told"
    fold(
        run,
        e.PublicTrades(NAME, (trade(9, 1002),)),
        feed={"last_trade": 1002, "last_trade_id": 9, "traded_ns": next_at(run)[1]},
        market={"memory": heard(run, "PublicTrades"), "touched_seq": next_at(run)[0]},
    )


# --- our own deals ----------------------------------------------------------------------------


def test_a_deal_is_told_to_the_strategy_and_measured_against_the_mid() -> None:
    run = with_strategy("listening")
    before, deal, memory = run.market, fill(7, qty=3, price=995), heard(run, "Filled")
    seq = run.push(e.Filled(deal))
    after = run.market
    assert after.memory == memory
    assert after.inventory == add_fill(before.inventory, MARKET, deal, 2000)
    assert after.inventory != add_fill(before.inventory, MARKET, deal, 1990)
    assert (after.position, after.touched_seq) == (3, seq)
