"""Index and mark price (contract 10.12)."""

from __future__ import annotations

import msgspec
import pytest

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import BTC_PERP, BTC_USDT, US_PER_S
from engine.errors import ConfigError
from tests.paper.exchange_kit import (
    CONFIG,
    NOW_US,
    PERP,
    SPOT,
    exchange,
    order,
    placed,
    units,
)


def trade(venue: Exchange, market: str, price: str) -> None:
    """Print one trade and leave no order."""
    placed(venue, "bob", order("sell", "0.1", price, market=market))
    placed(venue, "alice", order("buy", "0.1", price, market=market))


def mark(venue: Exchange) -> int | None:
    return venue.markets[PERP].mark_ticks()


def index(venue: Exchange) -> int | None:
    held = venue.markets[PERP].mark
    assert held is not None
    return held.index_ticks()


def test_without_trades_there_is_no_mark() -> None:
    venue = exchange()
    venue.advance(NOW_US + 5 * US_PER_S)
    assert (index(venue), mark(venue)) == (None, None)


def test_without_a_spot_price_the_last_price_is_index_and_mark() -> None:
    venue = exchange()
    trade(venue, PERP, "100.1")
    assert (index(venue), mark(venue)) == (1001, 1001)


def test_index_is_the_spot_price_in_the_ticks_of_the_perpetual() -> None:
    venue = exchange()
    trade(venue, SPOT, "100.09")
    assert (index(venue), mark(venue)) == (1000, 1000)


def test_mark_follows_the_basis_slowly_and_is_never_beyond_the_last_price() -> None:
    venue = exchange()
    trade(venue, SPOT, "100")
    trade(venue, PERP, "100")
    venue.advance(NOW_US + US_PER_S)
    trade(venue, PERP, "130")
    assert mark(venue) == 1000
    seen = []
    for second in range(2, 200):
        venue.advance(NOW_US + second * US_PER_S)
        seen.append(mark(venue))
    assert seen[0] == 1010
    assert seen == sorted(seen, key=lambda ticks: ticks or 0)
    assert 1298 <= (seen[-1] or 0) <= 1300


def test_a_market_that_starts_away_from_its_index_is_marked_where_it_trades() -> None:
    venue = exchange()
    trade(venue, SPOT, "60000")
    trade(venue, PERP, "100000")
    assert mark(venue) == 1_000_000
    for second in range(1, 5):
        venue.advance(NOW_US + second * US_PER_S)
        assert mark(venue) == 1_000_000


def test_how_often_the_exchange_is_called_makes_no_difference() -> None:
    marks = []
    for step in (1, 7, 60):
        venue = exchange()
        trade(venue, SPOT, "100")
        trade(venue, PERP, "100")
        venue.advance(NOW_US + US_PER_S)
        trade(venue, PERP, "130")
        for second in range(1, 61, step):
            venue.advance(NOW_US + second * US_PER_S)
        venue.advance(NOW_US + 60 * US_PER_S)
        marks.append(mark(venue))
    assert len(set(marks)) == 1
    assert 1250 < (marks[0] or 0) < 1270


def test_positions_are_valued_at_the_mark() -> None:
    venue = exchange()
    trade(venue, PERP, "100")
    venue.advance(NOW_US + US_PER_S)
    trade(venue, SPOT, "110")
    assert mark(venue) == 1100
    assert venue.positions("alice")[0].unrealized_pnl == units("1")
    assert venue.collateral("bob")["USDT"].unrealized_pnl == units("-1")


def test_a_far_jump_of_the_clock_takes_no_time() -> None:
    venue = exchange()
    venue.advance(NOW_US + 400 * 86_400 * US_PER_S)
    assert venue.matcher.now_us == NOW_US + 400 * 86_400 * US_PER_S


def test_the_index_market_may_be_named() -> None:
    other = msgspec.structs.replace(BTC_USDT, name="BTC_USDC", quote_asset="USDC")
    market = msgspec.structs.replace(BTC_PERP, index_market="BTC_USDC")
    venue = exchange(msgspec.structs.replace(CONFIG, markets=(BTC_USDT, other, market)))
    trade(venue, SPOT, "100")
    assert index(venue) is None
    venue.markets["BTC_USDC"].last_ticks = 10_150
    assert index(venue) == 1015


def test_an_unknown_index_market_is_refused() -> None:
    market = msgspec.structs.replace(BTC_PERP, index_market="ETH_USDT")
    with pytest.raises(ConfigError, match="BTC_PERP: index_market ETH_USDT"):
        exchange(msgspec.structs.replace(CONFIG, markets=(BTC_USDT, market)))
