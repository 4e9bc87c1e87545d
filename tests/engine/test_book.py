"""The book against a naive model, and the market's top without our own orders."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import events as e
from engine import intents as i
from engine.book import Book, apply_delta, from_snapshot
from engine.top import merged_top, mid2, net_top, view_of
from engine.types import OrderStatus, Side
from engine.working import GHOST_NS
from tests.engine.builders import NAME, Run, new_order, quoting, snapshot, started, venue_order

LIMIT = 8
bid_changes = st.lists(st.tuples(st.integers(80, 99), st.integers(0, 5)), max_size=5)
ask_changes = st.lists(st.tuples(st.integers(100, 119), st.integers(0, 5)), max_size=5)


def flat(levels: list[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(number for level in levels for number in level)


def naive(model: dict[int, int], changes: list[tuple[int, int]], *, bids: bool) -> dict[int, int]:
    after = {**model, **dict(changes)}
    kept = sorted((p for p, qty in after.items() if qty), reverse=bids)[:LIMIT]
    return {price: after[price] for price in kept}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(bid_changes, ask_changes), max_size=8))
def test_deltas_do_what_a_dict_does(frames: list[tuple[list, list]]) -> None:  # type: ignore[type-arg]
    book, bids, asks = Book(), {}, {}  # type: ignore[var-annotated]
    for number, (bid, ask) in enumerate(frames, 1):
        before = book
        kept = (before.bid_prices, before.ask_qtys)
        book = apply_delta(book, flat(bid), flat(ask), number, number * 10, LIMIT)
        bids, asks = naive(bids, bid, bids=True), naive(asks, ask, bids=False)
        book.check()
        assert dict(zip(book.bid_prices, book.bid_qtys, strict=True)) == bids
        assert dict(zip(book.ask_prices, book.ask_qtys, strict=True)) == asks
        assert list(book.bid_prices) == sorted(bids, reverse=True)
        assert (book.update_id, book.venue_us) == (number, number * 10)
        assert kept == (before.bid_prices, before.ask_qtys), "old books stay as they were"


def test_a_snapshot_is_read_as_it_comes() -> None:
    book = from_snapshot((99, 1, 98, 2), (101, 3), 7, 8)
    assert book == Book((99, 98), (1, 2), (101,), (3,), 7, 8)
    assert not book.crossed


@pytest.mark.parametrize(
    "book",
    [
        Book((99,), (), (101,), (1,)),
        Book((99,), (1,), (101,), ()),
        Book((98, 99), (1, 1)),
        Book((), (), (102, 101), (1, 1)),
        Book((99,), (0,)),
        Book((101,), (1,), (101,), (1,)),
    ],
    ids=["bid qty missing", "ask qty missing", "bids rise", "asks fall", "empty", "crossed"],
)
def test_check_finds_what_is_wrong(book: Book) -> None:
    with pytest.raises(AssertionError):
        book.check()


# --- top --------------------------------------------------------------------------------------


def bbo(update_id: int, bid: int, ask: int, qty: int = 7) -> e.BestBidOffer:
    return e.BestBidOffer(NAME, update_id, 0, bid, qty if bid else 0, ask, qty if ask else 0)


@pytest.mark.parametrize(
    ("ticker", "top"),
    [
        (None, (990, 50, 1010, 50)),
        (bbo(9, 995, 1005), (990, 50, 1010, 50)),
        (bbo(10, 995, 1005), (995, 7, 1005, 7)),
        (bbo(11, 995, 0), (995, 7, 0, 0)),
    ],
    ids=["no ticker", "older ticker", "as new as the book", "newer, one side empty"],
)
def test_the_top_is_the_newer_of_depth_and_ticker(
    ticker: e.BestBidOffer | None, top: tuple[int, ...]
) -> None:
    run = started()
    run.push(snapshot(update_id=10))
    if ticker is not None:
        run.push(ticker)
    assert merged_top(run.market.feed) == top
    assert mid2(run.market) == (top[0] + top[2] if top[0] and top[2] else 0)


def test_a_ticker_that_jumps_over_the_book_hides_the_levels_behind_it() -> None:
    run, _ = quoting(bids=((980, 50),), asks=((1010, 50),))
    run.push(bbo(10, 980, 1010, qty=50))
    settle_ghosts(run)
    bid, bid_qty, ask, ask_qty = net_top(run.market)
    assert (bid, bid_qty) == (0, 0), "990 is gone by the newer ticker, and 980 is ours"
    assert (ask, ask_qty) == (1020, 50)
    assert view_of(run.market, run.state.now_ns) is None


def settle_ghosts(run: Run) -> None:
    run.wait(1)


def test_a_timer_forgets_a_price_we_left_the_moment_its_time_is_over() -> None:
    run, (_, bid) = quoting()
    gone = venue_order(bid.client_order_id, 1, price=990, status=OrderStatus.CANCELLED)
    run.push(e.OrderClosed(gone))
    for after_ns, own_bids in ((GHOST_NS - 1, {990: 10}), (1, {})):
        run.push(e.TimerFired(), after_ns=after_ns)
        assert run.market.own_bids == own_bids


def test_our_own_orders_are_no_part_of_the_market() -> None:
    run, _ = quoting(bids=((995, 10),), asks=((1010, 10),))
    run.push(snapshot(bids=(995, 10, 990, 50), asks=(1010, 25, 1020, 5), update_id=20))
    settle_ghosts(run)
    assert net_top(run.market) == (990, 50, 1010, 15)
    view = view_of(run.market, run.state.now_ns)
    assert view is not None
    assert (view.bid_price, view.ask_qty, view.inventory, view.inventory_max) == (990, 15, 0, 100)


def test_hidden_orders_are_not_taken_off_the_visible_book() -> None:
    run = started()
    run.ask(i.PlaceOrders(NAME, (new_order("hidden", rpi=True), new_order("seen", price=999))))
    assert run.market.own_bids == {999: 10}


def test_a_price_we_just_left_is_still_ours_for_a_moment() -> None:
    run, (_, bid) = quoting(bids=((995, 10),), asks=((1010, 10),))
    run.push(snapshot(bids=(995, 10, 990, 50), asks=(1010, 25), update_id=20))
    gone = venue_order(bid.client_order_id, 1, price=995, status=OrderStatus.CANCELLED)
    run.push(e.OrderClosed(gone))
    assert net_top(run.market)[0] == 990
    settle_ghosts(run)
    assert net_top(run.market)[0] == 995, "somebody else is there by now"
    assert bid.side is Side.BUY
