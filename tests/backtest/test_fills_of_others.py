"""Fixed pairs of quotes on eleven recorded minutes: ours against two other backtesters.

All play the same orders, which arrive at the same nanosecond, on the same messages. What is
asserted here is what docs/backtest.md says of the differences.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from adapters.ports import SystemFs
from benchmarks.plain_feed import MergedBook, write_plain
from engine.events import BookSnapshot
from replay.backtest.moves import DEPTH, TOUCH
from replay.backtest.rows import read_moves
from tests.backtest.fill_vectors import (
    OTHERS,
    RECORDING,
    Fates,
    Vectors,
    play_theirs,
    python_of,
    read_vectors,
)
from tests.backtest.fixed_quotes import FixedOrder, play_ours
from tests.backtest.recordings import recorded, write
from tests.backtest.test_crowd import DEPTH_LIMIT, Sparse

pytestmark = pytest.mark.slow

needs_recording = pytest.mark.skipif(
    not RECORDING.exists(), reason=f"{RECORDING.name} is not in a data folder beside the checkout"
)
US = 1_000
"""Our venue's clock counts microseconds."""
MS = 1_000_000


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return read_vectors()


@pytest.fixture(scope="module")
def ours(vectors: Vectors, tmp_path_factory: pytest.TempPathFactory) -> Fates:
    orders, fates = play_ours(RECORDING, tmp_path_factory.mktemp("ours") / "journal")
    # When an order leaves, is known of those alone that did not fill.
    wanted, played = ([replace(o, leaves_ns=0) for o in each] for each in (orders, vectors.orders))
    assert wanted == played, "others played other orders: `make fill-vectors`"
    return fates


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("feed") / "feed"
    write_plain(SystemFs(), [RECORDING], path)
    return path


def filled(fates: Fates) -> set[int]:
    return {number for number, fate in fates.items() if fate.fills}


def refused(fates: Fates) -> set[int]:
    return {number for number, fate in fates.items() if fate.refused}


@needs_recording
def test_the_pairs_are_enough_to_compare(vectors: Vectors, ours: Fates) -> None:
    by_side = [{o.id for o in vectors.orders if o.buys is buys} for buys in (True, False)]
    assert all(len(filled(ours) & side) >= 50 for side in by_side)
    assert len(vectors.orders) - len(filled(ours)) - len(refused(ours)) >= 100, "never filled"
    assert len([n for n in filled(ours) if len(ours[n].fills) > 1]) >= 10, "filled in parts"


@needs_recording
def test_first_fills_are_those_of_hftbacktest(vectors: Vectors, ours: Fates) -> None:
    theirs = vectors.hftbacktest
    assert refused(ours) == refused(theirs)
    assert filled(ours) == filled(theirs)
    # It fills whole what the first lot reaches; ours goes on in parts.
    late_ns = [ours[n].fills[0][0] - theirs[n].fills[0][0] for n in sorted(filled(ours))]
    assert min(late_ns) > -US
    # A print beyond our price eats the nearer levels first, of which no update has told yet.
    assert max(late_ns) < MS
    assert len([each for each in late_ns if each > US]) <= 0.02 * len(late_ns)


@needs_recording
def test_what_fills_is_filled_whole_by_all(vectors: Vectors, ours: Fates) -> None:
    for fates in (ours, vectors.hftbacktest, vectors.nautilus):
        for order in vectors.orders:
            lots = [lots for _, lots in fates[order.id].fills]
            assert sum(lots) in (0, order.lots), order
    spans = sorted(ours[n].fills[-1][0] - ours[n].fills[0][0] for n in filled(ours))
    assert spans[len(spans) * 9 // 10] < MS
    assert spans[-1] < 200 * MS


@needs_recording
def test_fills_of_nautilus_are_where_the_other_side_comes_to_the_price(
    vectors: Vectors, feed: Path
) -> None:
    theirs = vectors.nautilus
    found = {n: theirs[n].fills[0][0] for n in filled(theirs)}
    assert found == met(vectors.orders, feed, refused(theirs))


@needs_recording
def test_fills_of_nautilus_are_ours_or_later(vectors: Vectors, ours: Fates) -> None:
    theirs = vectors.nautilus
    # After a trade its exchange holds the trade's price for the best until the book changes.
    assert len(refused(ours) ^ refused(theirs)) <= 1
    both = filled(ours) & filled(theirs)
    assert len(filled(ours) - both) <= 0.03 * len(both)
    assert filled(theirs) - both <= refused(ours)
    late_ns = sorted(theirs[n].fills[0][0] - ours[n].fills[0][0] for n in both)
    assert late_ns[0] >= 0
    # What only trades at its price fill, is filled once the other side comes to that price.
    assert late_ns[len(late_ns) * 7 // 10] <= 2 * US
    assert late_ns[len(late_ns) * 9 // 10] < 10 * MS


def met(orders: list[FixedOrder], feed: Path, but: set[int]) -> dict[int, int]:
    """When the best price of the other side first was at an order's price, while it rested."""
    found: dict[int, int] = {}
    waiting = sorted(
        [order for order in orders if order.id not in but], key=lambda o: o.arrives_ns, reverse=True
    )
    resting: list[FixedOrder] = []
    for line in feed.read_bytes().splitlines():
        at_ns, kind, *told = json.loads(line)
        while waiting and waiting[-1].arrives_ns < at_ns:
            resting.append(waiting.pop())
        if kind != "book" or not told[0]:
            continue
        bid, _, ask, _ = told[1]
        for order in list(resting):
            if order.leaves_ns < at_ns:
                resting.remove(order)
            elif ask <= order.ticks if order.buys else bid >= order.ticks:
                found[order.id] = at_ns
                resting.remove(order)
    return found


@needs_recording
@pytest.mark.parametrize("other", OTHERS)
def test_the_vectors_are_what_others_make_of_the_feed(
    other: str, vectors: Vectors, feed: Path, tmp_path: Path
) -> None:
    if not python_of(other).exists():
        pytest.skip(f"{other} is not installed: `make fill-vectors` does")
    orders = tmp_path / "orders"
    orders.write_bytes(msgspec.json.encode(vectors.orders))
    assert play_theirs(other, feed, orders) == getattr(vectors, other)


def test_the_feed_of_others_tells_the_book_that_ours_plays(tmp_path: Path) -> None:
    path = write(tmp_path / "spot.zst", recorded(800))
    venue, book, told = Sparse(1), MergedBook(), 0
    shown: tuple[dict[int, int], dict[int, int]] = {}, {}
    for move in read_moves([(path.name, path.read_bytes())], 0, 2, 6):
        venue.play(move)
        if move[2] not in (TOUCH, DEPTH):
            continue
        changes = book.touch(*move[4:]) if move[2] == TOUCH else book.depth(*move[4:])
        for sign, ticks, lots in changes:
            side = shown[0 if sign > 0 else 1]
            side[ticks] = lots
            if not lots:
                del side[ticks]
        window = venue.crowd.book(0, is_snapshot=True)
        assert isinstance(window, BookSnapshot)
        best_first = sorted(shown[0].items(), reverse=True), sorted(shown[1].items())
        for levels, flat in zip(best_first, (window.bids, window.asks), strict=True):
            assert [n for level in levels[:DEPTH_LIMIT] for n in level] == list(flat)
        assert book.best() == [*best_first[0][0], *best_first[1][0]]
        told += bool(changes)
    assert told > 100
