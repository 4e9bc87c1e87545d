"""The estimate of our place in a queue, step by step."""

from __future__ import annotations

import pytest

from engine.book import Book
from engine.types import Side
from replay.queue_place import PATH_MAX, UNKNOWN, QueuePlace, level_total
from replay.trails import QueuePoint

BOOK = Book((990, 980), (50, 40), (1010, 1020), (30, 20))


@pytest.mark.parametrize(
    ("sentence", "side", "price", "limit", "total"),
    [
        ("the best bid", Side.BUY, 990, 2, 50),
        ("the last bid of the window", Side.BUY, 980, 2, 40),
        ("nobody between two bids", Side.BUY, 985, 2, 0),
        ("nobody above the bids", Side.BUY, 995, 2, 0),
        ("below a full window anything may be", Side.BUY, 970, 2, UNKNOWN),
        ("below a window with room there is nobody", Side.BUY, 970, 3, 0),
        ("the second ask", Side.SELL, 1020, 2, 20),
        ("nobody between two asks", Side.SELL, 1015, 2, 0),
        ("above a full window anything may be", Side.SELL, 1030, 2, UNKNOWN),
    ],
)
def test_a_level_is_read(sentence: str, side: Side, price: int, limit: int, total: int) -> None:
    assert level_total(BOOK, side, price, limit) == total, sentence


def test_only_trades_and_a_smaller_level_bring_us_forward() -> None:
    place = QueuePlace()
    place.traded(1, 5)  # before anything is known
    place.seen(2, 50, 0)
    place.seen(3, 60, 10)  # ours has joined
    place.traded(4, 20)
    place.seen(5, 45, 10)  # 35 of others, some of them behind
    place.seen(6, 90, 10)  # more behind
    place.seen(7, 30, 10)  # 20 of others: all of them may be before
    place.seen(8, UNKNOWN, 10)  # out of the window
    place.traded(9, 50)
    assert place.path == (
        QueuePoint(2, 50, 50),
        QueuePoint(3, 50, 60),
        QueuePoint(4, 30, 60),
        QueuePoint(5, 30, 45),
        QueuePoint(6, 30, 90),
        QueuePoint(7, 20, 30),
        QueuePoint(9, 0, 30),
    )


def test_a_long_path_is_thinned_and_keeps_both_ends() -> None:
    place = QueuePlace()
    for seq in range(1, 10_001):
        place.seen(seq, 20_000 - seq, 0)
    path = place.path
    assert len(path) <= PATH_MAX
    assert path[0].seq == 1
    assert path[-1] == QueuePoint(10_000, 10_000, 10_000)
    assert [point.seq for point in path] == sorted({point.seq for point in path})
