"""The seeded flow: deterministic, independent of polling, fills a quoting user on both sides."""

from __future__ import annotations

import pytest

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import Deal, Notice, PublicTrade, Side
from adapters.paper.flow.base import FlowClock
from adapters.paper.flow.config import SyntheticConfig
from adapters.paper.flow.synthetic import SyntheticFlow
from engine.errors import ConfigError
from tests.paper.exchange_kit import NOW_US, PERP, SPOT, exchange, order, totals

S = 1_000_000


def flow(venue: Exchange, seed: int = 1, speed: str = "1") -> SyntheticFlow:
    return SyntheticFlow(venue, seed, FlowClock(NOW_US, speed))


def run(seed: int, step_us: int, speed: str = "1") -> list[Notice]:
    venue = exchange()
    market = flow(venue, seed, speed)
    for now_us in range(NOW_US, NOW_US + 5 * S + 1, step_us):
        market.run_until(now_us)
    return venue.drain()


def test_same_seed_gives_the_same_market_however_often_it_is_asked() -> None:
    assert run(1, S) == run(1, S // 10)
    assert run(1, S) != run(2, S)


def test_speed_scales_flow_time_only() -> None:
    fast, normal = exchange(), exchange()
    flow(fast, speed="2.5").run_until(NOW_US + 2 * S)
    flow(normal).run_until(NOW_US + 5 * S)
    quick, usual = fast.drain(), normal.drain()
    assert len(quick) == len(usual)
    assert fast.markets[SPOT].depth(100) == normal.markets[SPOT].depth(100)
    assert fast.markets[SPOT].changed_us == NOW_US + 2 * S


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "1/0"])
def test_bad_speed_is_refused(speed: str) -> None:
    with pytest.raises(ConfigError, match="speed expected a positive number"):
        FlowClock(0, speed)


def test_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ConfigError, match="taker_gap_ms: expected low <= high, was 5, 4"):
        SyntheticFlow(exchange(), 1, FlowClock(0), SyntheticConfig(taker_gap_ms=(5, 4)))


def test_next_is_when_something_happens() -> None:
    venue = exchange()
    market = flow(venue)
    assert market.next_us() == NOW_US
    market.run_until(NOW_US)
    venue.drain()
    due_us = market.next_us()
    market.run_until(due_us - 1)
    assert venue.drain() == []
    market.run_until(due_us)
    assert market.next_us() > due_us


def test_books_are_filled_at_once_with_a_tight_touch() -> None:
    venue = exchange()
    flow(venue).run_until(NOW_US)
    for name, usd in ((SPOT, 100), (PERP, 10)):
        bids, asks = venue.markets[name].depth(100)
        assert len(bids) == len(asks) == 20
        assert 0 < asks[0][0] - bids[0][0] <= 9 * usd


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_user_near_the_mid_is_filled_on_both_sides_of_both_markets(seed: int) -> None:
    venue = exchange()
    before = totals(venue)
    market = flow(venue, seed)
    filled: set[tuple[str, Side]] = set()
    for now_us in range(NOW_US, NOW_US + 30 * S, S):
        market.run_until(now_us)
        for name in (SPOT, PERP):
            venue.cancel_all("alice", name, None, now_us)
            bid, _, ask, _ = venue.markets[name].best()
            for side, ticks in (("buy", bid * 9997 // 10000), ("sell", -(-ask * 10003 // 10000))):
                price = venue.markets[name].spec.price_text(ticks)
                quote = order(side, "0.01", price, market=name, post_only=True)
                venue.place("alice", quote, now_us)
        filled |= {
            (notice.market, notice.side)
            for notice in venue.drain()
            if isinstance(notice, Deal) and notice.account == "alice"
        }
    assert len(filled) == 4
    venue.check()
    assert totals(venue) == before


def test_some_takers_are_retail() -> None:
    venue = exchange()
    market = flow(venue)
    market.run_until(NOW_US)
    bid, _, ask, _ = venue.markets[SPOT].best()
    price = venue.markets[SPOT].spec.price_text((bid + ask) // 2)
    venue.place("alice", order("sell", "5", price, rpi=True), NOW_US)
    market.run_until(NOW_US + 10 * S)
    trades = [n for n in venue.drain() if isinstance(n, PublicTrade) and n.market == SPOT]
    assert any(trade.rpi for trade in trades)
    assert any(not trade.rpi for trade in trades)


@pytest.mark.slow
def test_ten_minutes_conserve_everything() -> None:
    venue = exchange()
    before = totals(venue)
    market = flow(venue)
    for second in range(600):
        market.run_until(NOW_US + second * S)
        venue.drain()
    venue.check()
    assert totals(venue) == before
