"""What is played of a recording: joined and repeated without jumps, thinned, widened, shifted."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import PublicTrade, Side
from adapters.paper.flow.base import FlowClock
from adapters.paper.flow.recorded import RecordedFlow
from adapters.paper.flow.view import RecordedConfig
from engine.errors import ConfigError
from tests.paper.exchange_kit import NOW_US, PERP, SPOT, exchange, order, placed
from tests.paper.flow.test_recorded import LOT, MS, Row, bbo, delta, lines, snapshot, trade

START = snapshot(1000, 10, [["100", "1"], ["99", "2"]], [["101", "1"], ["102", "2"]])


def flow(venue: Exchange, *files: list[Row], seed: int = 1, **settings: Any) -> RecordedFlow:
    recordings = {SPOT: [(f"{i}.zst", lines(rows)) for i, rows in enumerate(files)]}
    config = RecordedConfig(**settings)
    return RecordedFlow(venue, recordings, FlowClock(NOW_US), config, seed=seed)


def touch(venue: Exchange) -> tuple[int, int]:
    bid, _, ask, _ = venue.markets[SPOT].best()
    return bid, ask


# A round of 1000 ms with its pause: the bid falls from 100 to 99 at its end.
FALL = [START, delta(1900, 11, [["100", "0"]], [], first=11)]


def test_every_second_round_is_a_mirror_that_leads_back() -> None:
    venue = exchange()
    market = flow(venue, FALL)
    seen = []
    for ms in (0, 900, 1000, 1900, 2000, 2900):
        market.run_until(NOW_US + ms * MS)
        seen.append(touch(venue))
    there, back = [(10000, 10100), (9900, 10100)], [(9950, 10050), (9950, 10150)]
    assert seen == there + back + there
    venue.check()


def test_recorded_prices_jump_back_if_asked_to() -> None:
    venue = exchange()
    market = flow(venue, FALL, prices="recorded")
    market.run_until(NOW_US + 1000 * MS)
    assert touch(venue) == (10000, 10100)


def test_a_mirrored_trade_comes_from_the_other_side() -> None:
    venue = exchange()
    market = flow(venue, [START, trade(1900, 1, "100", "0.5", "sell")])
    market.run_until(NOW_US + 1900 * MS)
    trades = [(t.side, t.ticks) for t in venue.drain() if isinstance(t, PublicTrade)]
    assert trades == [(Side.SELL, 10000), (Side.BUY, 10100)]


def test_the_next_file_goes_on_where_the_last_one_ended() -> None:
    far = snapshot(5_000_000, 70, [["500", "1"]], [["500.4", "3"]])
    venue = exchange()
    market = flow(venue, FALL, [far, bbo(5_000_500, 71, ["500.1", "1"], ["500.4", "3"])])
    market.run_until(NOW_US + 1000 * MS)
    assert touch(venue) == (9980, 10020)
    market.run_until(NOW_US + 1500 * MS)
    assert touch(venue) == (9990, 10020)
    # Both files again, mirrored: up by what they fell, and back to the start.
    market.run_until(NOW_US + 1600 * MS)
    assert sum(touch(venue)) == 9990 + 10020
    market.run_until(NOW_US + 3200 * MS)
    assert touch(venue) == (10000, 10100)


def test_users_keep_their_place_over_the_end_of_a_tape() -> None:
    venue = exchange()
    market = flow(venue, [START, delta(1900, 11, [["98", "1"]], [], first=11)])
    market.run_until(NOW_US)
    mine = placed(venue, "alice", order("buy", "1", "100"))
    market.run_until(NOW_US + 2000 * MS)
    queue = venue.markets[SPOT].bids.levels[10000].orders
    assert mine.order_id in queue
    venue.check()


def test_widening_moves_levels_and_trades_outwards() -> None:
    venue = exchange()
    market = flow(venue, [START, trade(1100, 1, "101", "0.5", "buy")], widen_bps=40)
    market.run_until(NOW_US + 100 * MS)
    # 40 bps of 100.5 is 0.40, half of it a side.
    assert touch(venue) == (9980, 10120)
    trades = [(t.ticks, t.lots) for t in venue.drain() if isinstance(t, PublicTrade)]
    assert trades == [(10120, LOT // 2)]


@pytest.mark.parametrize(
    ("shift", "bid"), [("0", 10000), ("0.01", 10001), ("-50", 5000), ("1000", 110000)]
)
def test_price_shift_is_exact(shift: str, bid: int) -> None:
    venue = exchange()
    flow(venue, [START], price_shift=shift).run_until(NOW_US)
    assert touch(venue) == (bid, bid + 100)


def test_sizes_are_cut_to_a_share_of_at_least_a_lot() -> None:
    rows = [snapshot(0, 1, [["100", "1"], ["99", "0.000001"]], [["101", "0.5"]])]
    venue = exchange()
    flow(venue, rows, size_percent=10).run_until(NOW_US)
    assert venue.markets[SPOT].depth(5) == (((10000, LOT // 10), (9900, 1)), ((10100, LOT // 20),))


def levels_of(seed: int, percent: int) -> set[int]:
    rows = [
        snapshot(
            0,
            1,
            [[str(p), "1"] for p in range(1000, 900, -1)],
            [[str(p), "1"] for p in range(1001, 1101)],
        )
    ]
    venue = exchange()
    market = flow(venue, rows, seed=seed, keep_levels_percent=percent)
    market.run_until(NOW_US)
    return {ticks for side in venue.markets[SPOT].depth(200) for ticks, _ in side}


def test_levels_are_thinned_by_the_seed() -> None:
    assert len(levels_of(1, 100)) == 200
    assert 70 < len(levels_of(1, 50)) < 130
    assert levels_of(1, 50) == levels_of(1, 50)
    assert levels_of(1, 50) != levels_of(2, 50)


def test_trades_are_thinned_by_the_seed() -> None:
    rows = [START, *[trade(1000 + i, i, "100", "0.001", "sell") for i in range(200)]]
    venue = exchange()
    flow(venue, rows, keep_trades_percent=20).run_until(NOW_US + 200 * MS)
    assert 20 < sum(isinstance(n, PublicTrade) for n in venue.drain()) < 60


def test_a_market_may_differ() -> None:
    venue = exchange()
    markets = {PERP: {"size_percent": 10}, SPOT: {"size_percent": 50}}
    flow(venue, [START], markets=markets).run_until(NOW_US)
    assert venue.markets[SPOT].best()[1] == LOT // 2


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a shift finer than a tick": ({"price_shift": "0.001"}, "price_shift of BTC_USDT: expected"),
    "a shift that is no number": ({"price_shift": "up"}, "price_shift of BTC_USDT: expected"),
    "a shift below nothing": ({"price_shift": "-200"}, "leave no price above 0"),
    "no level kept": ({"keep_levels_percent": 0}, "raise keep_levels_percent"),
    "a market that does not exist": ({"markets": {"NOPE": {}}}, "NOPE does not exist"),
    "a setting that does not exist": ({"markets": {SPOT: {"x": 1}}}, "unknown field `x`"),
    "a setting of the wrong type": (
        {"markets": {SPOT: {"levels": 0}}},
        r"recorded markets.BTC_USDT: Expected `int` >= 1",
    ),
    "markets in a market": ({"markets": {SPOT: {"markets": {}}}}, "no markets of its own"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_refused(name: str) -> None:
    settings, message = BAD[name]
    with pytest.raises(ConfigError, match=message):
        flow(exchange(), [START], **settings).run_until(NOW_US)


def test_a_market_that_has_traded_goes_on_at_its_last_price() -> None:
    venue = exchange()
    for account, side in (("alice", "sell"), ("bob", "buy")):
        placed(venue, account, order(side, "0.1", "250"))
    flow(venue, [START]).run_until(NOW_US)
    assert touch(venue) == (24950, 25050)
