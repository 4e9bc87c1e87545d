"""Others with only what can meet us in the core, against all of them there."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.paper.core import model as core
from adapters.paper.core.exchange import Exchange
from adapters.paper.flow.base import FlowClock
from adapters.paper.flow.recorded import RecordedFlow
from adapters.paper.flow.rows import open_recording
from adapters.ports import SystemFs
from engine.book import apply_delta, from_snapshot
from engine.events import BookDelta, BookSnapshot
from replay.backtest.crowd import Crowd
from replay.backtest.half import Half
from replay.backtest.moves import DEPTH, TOUCH, TRADE, Move
from replay.backtest.rows import read_moves
from replay.model.background import ModelBackground
from replay.queue_models import queue_model
from tests.backtest.recordings import recorded, write

NAME = "BTC_USDT"
US = "demo-1"
EVERY_US = 250_000
DEPTH_LIMIT = 20


class Venue:
    """An exchange in which we quote now and then; deals are what comes of it."""

    def __init__(self, now_us: int) -> None:
        self.exchange = Exchange(core.ExchangeConfig(), now_us)
        self.seat = self.exchange.accounts[US].seats[NAME]

    @property
    def deals(self) -> list[tuple[int, core.Side, int, int]]:
        return [(d.time_us, d.side, d.ticks, d.lots) for d in self.exchange.accounts[US].deals]

    def place(self, side: core.Side, ticks: int, number: int, now_us: int) -> None:
        request = core.NewOrder(
            market=NAME,
            side=side,
            amount="0.01",
            price=f"{ticks / 100:.2f}",
            client_order_id=f"{number}-{side.name}",
            post_only=True,
        )
        self.exchange.place(US, request, now_us)


class Sparse(Venue):
    """One in which the core holds only what can meet us."""

    def __init__(self, now_us: int) -> None:
        super().__init__(now_us)
        background = ModelBackground(self.exchange, NAME, US, queue_model("risk_averse", 6))
        self.crowd = Crowd(background, self.seat, DEPTH_LIMIT)

    def play(self, move: Move) -> None:
        now_us, crowd = move[0] // 1000, self.crowd
        if move[2] == TOUCH:
            crowd.touch(now_us, *move[4:])
        elif move[2] == DEPTH:
            crowd.depth(now_us, *move[4:])
        else:
            crowd.trade(now_us, *move[4:])
        if crowd.acted:
            crowd.acted = False
            crowd.after_us(now_us)

    def place(self, side: core.Side, ticks: int, number: int, now_us: int) -> None:
        self.crowd.before_order(side, ticks, now_us)
        super().place(side, ticks, number, now_us)
        self.crowd.after_us(now_us)


def best(moves: list[Move], until_us: int) -> tuple[int, int]:
    """The last touch before a time."""
    *_, touch = (m for m in moves if m[2] == TOUCH and m[0] // 1000 < until_us)
    return touch[5], touch[7]


@pytest.mark.slow
@pytest.mark.parametrize("away", [0, 5, 60], ids=["at the touch", "just behind", "behind"])
def test_fills_are_those_of_a_core_with_everybody_in_it(tmp_path: Path, away: int) -> None:
    path, fs = write(tmp_path / "spot.zst", recorded(4_000)), SystemFs()
    moves = list(read_moves([(path.name, path.read_bytes())], 0, 2, 6))
    start_us = moves[0][0] // 1000
    full, sparse = Venue(start_us), Sparse(start_us)
    recordings = {NAME: [(str(path), open_recording(fs, path))]}
    flow = RecordedFlow(full.exchange, recordings, FlowClock(start_us))
    due_us, number = start_us + EVERY_US, 0
    for move in moves:
        while due_us < move[0] // 1000:
            flow.run_until(due_us)
            bid, ask = best(moves, due_us)
            for venue in (full, sparse):
                venue.exchange.cancel_all(US, NAME, None, due_us)
                venue.place(core.Side.BUY, bid - away, number, due_us)
                venue.place(core.Side.SELL, ask + away, number, due_us)
            sparse.exchange.check()
            number, due_us = number + 1, due_us + EVERY_US
        sparse.play(move)
    flow.run_until(moves[-1][0] // 1000)
    assert len(full.deals) > 5
    assert [deal[1:] for deal in full.deals] == [deal[1:] for deal in sparse.deals]
    # The two clocks differ by a microsecond of rounding.
    pairs = zip(full.deals, sparse.deals, strict=True)
    assert all(abs(one[0] - other[0]) <= 1 for one, other in pairs)


def test_a_sweep_in_several_prints_reaches_us_behind_what_it_took() -> None:
    venue = Sparse(1_000_000)
    crowd = venue.crowd
    best = 6_000_000
    crowd.depth(1_000_000, 1, True, [(best - 9, 5)], [(best, 7), (best + 1, 50_000)])
    venue.place(core.Side.SELL, best + 2, 1, 1_000_010)
    for number, (ticks, lots) in enumerate([(best, 7), (best + 1, 50_000), (best + 2, 4_000)]):
        venue.play((1_000_020_000, 0, TRADE, 0, number, True, ticks, lots, False))
    assert [deal[1:] for deal in venue.deals] == [(core.Side.SELL, best + 2, 4_000)]


def test_the_deltas_tell_the_book_with_our_orders_in_it(tmp_path: Path) -> None:
    path = write(tmp_path / "spot.zst", recorded(800))
    moves = list(read_moves([(path.name, path.read_bytes())], 0, 2, 6))
    venue = Sparse(moves[0][0] // 1000)
    venue.play(moves[0])
    first = venue.crowd.book(0, is_snapshot=True)
    assert isinstance(first, BookSnapshot)
    book = from_snapshot(first.bids, first.asks, first.update_id, 0)
    placed = 0
    for number, move in enumerate(moves[1:]):
        venue.play(move)
        if number % 50 == 9:
            bid = best(moves, move[0] // 1000 + 1)[0] if number > 60 else 0
            if bid:
                venue.exchange.cancel_all(US, NAME, None, move[0] // 1000)
                venue.place(core.Side.BUY, bid - 3, number, move[0] // 1000)
                placed += 1
        if move[2] != DEPTH:
            continue
        delta = venue.crowd.book(0, is_snapshot=False)
        assert isinstance(delta, BookDelta)
        assert delta.past_update_id == book.update_id
        book = apply_delta(book, delta.bids, delta.asks, delta.update_id, 0, DEPTH_LIMIT)
        book.check()
        window = venue.crowd._bids.window(DEPTH_LIMIT, -venue.crowd._asks.own_key)
        assert dict(zip(book.bid_prices, book.bid_qtys, strict=True)) == window
        for order in venue.seat.orders.values():
            if order.ticks >= book.bid_prices[-1]:
                assert window[order.ticks] >= order.leaves_lots
    assert placed > 5


def test_a_window_leaves_out_what_has_traded_with_us() -> None:
    bids = Half(core.Side.BUY, DEPTH_LIMIT)
    bids.replace([(101, 5), (100, 7), (99, 1)])
    assert bids.window(2, 200) == {101: 5, 100: 7}
    assert (bids.window(9, 101), bids.best(101)) == ({100: 7, 99: 1}, (100, 7))
    bids.own, bids.own_key = {100: 2, 98: 4}, 100
    assert bids.window(9, 101) == {100: 9, 99: 1, 98: 4}
    assert bids.best(101) == (100, 9)
    asks = Half(core.Side.SELL, DEPTH_LIMIT)
    asks.replace([(101, 5), (100, 7)])
    assert (asks.best(-100), asks.best(-99)) == ((101, 5), (100, 7))
    assert asks.best(-1_000) == (0, 0)


def test_where_the_best_price_was_ours_alone_the_next_one_is_told() -> None:
    crowd = Sparse(1_000_000).crowd
    crowd.depth(1_000_000, 1, True, [(100, 5), (99, 7)], [(110, 3), (111, 4)])
    told = crowd.touch(1_000_100, 2, 100, 0, 110, 0)
    assert told is not None
    assert (told.bid_price, told.bid_qty, told.ask_price, told.ask_qty) == (99, 7, 111, 4)
