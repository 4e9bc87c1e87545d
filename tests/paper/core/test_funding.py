"""Funding: rate, interval, payments (contract 10.11)."""

from __future__ import annotations

import pytest

from adapters.paper.core.background import Background
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import FLOW_MAKER, US_PER_S, Order, Side
from tests.paper.exchange_kit import (
    NOW_US,
    PERP,
    SPOT,
    exchange,
    order,
    placed,
    totals,
    units,
    with_alice,
)

PERIOD_US = 8 * 3600 * US_PER_S
# The first end of a period after the start.
DUE_US = (NOW_US // PERIOD_US + 1) * PERIOD_US
MINUTE_US = 60 * US_PER_S


def traded(venue: Exchange, amount: str, price: str, market: str = PERP, **fields: object) -> None:
    """Alice buys from bob, and no order is left."""
    placed(venue, "bob", order("sell", amount, price, market=market))
    placed(venue, "alice", order("buy", amount, price, market=market, **fields))


def at(venue: Exchange, side: str, amount: str, price: str) -> Order:
    return placed(venue, "bob", order(side, amount, price, market=PERP))


def test_longs_pay_shorts_the_interest_when_there_is_no_premium() -> None:
    venue = exchange()
    traded(venue, "0.019", "50938.2")
    before, balance = totals(venue), venue.collateral("alice")["USDT"].balance
    venue.advance(DUE_US - 1)
    assert venue.funding_payments("alice") == []
    venue.advance(DUE_US)
    paid, received = venue.funding_payments("alice")[0], venue.funding_payments("bob")[0]
    assert paid.amount == -received.amount == -units("0.09678258")
    assert (paid.lots, received.lots) == (19, -19)
    assert (paid.event.rate, paid.event.settlement_ticks) == (10_000, 509_382)
    assert paid.event.time_us == DUE_US
    assert paid.event.calculated_us == DUE_US - PERIOD_US
    assert venue.collateral("alice")["USDT"].balance == balance + paid.amount
    assert venue.funding_events(PERP) == [paid.event]
    assert totals(venue) == before


def test_each_period_is_settled_at_its_own_time() -> None:
    venue = exchange()
    traded(venue, "1", "100")
    venue.advance(DUE_US + 2 * PERIOD_US)
    times = [event.time_us for event in venue.funding_events(PERP)]
    assert times == [DUE_US + 2 * PERIOD_US, DUE_US + PERIOD_US, DUE_US]
    assert len(venue.funding_payments("alice", PERP)) == 3
    assert venue.funding_payments("alice", SPOT) == []


@pytest.mark.parametrize(
    ("bid", "ask", "rate"),
    [
        # The index is 100; the premium counts only beyond it, the interest pulls by 0.05 %.
        ("99.9", "100.1", 10_000),
        ("100.3", "100.4", 300_000 - 50_000),
        ("99.5", "99.6", -400_000 + 50_000),
        ("100.1", "100.2", 100_000 - 50_000),
        ("150", "151", 750_000),
        ("50", "51", -750_000),
    ],
)
def test_the_rate_follows_the_premium(bid: str, ask: str, rate: int) -> None:
    venue = exchange()
    traded(venue, "1", "100", market=SPOT)
    at(venue, "buy", "1000", bid)
    at(venue, "sell", "1000", ask)
    venue.advance(NOW_US + MINUTE_US)
    assert venue.perpetual(PERP).rate == rate


def test_late_samples_weigh_more() -> None:
    venue = exchange()
    traded(venue, "1", "100", market=SPOT)
    venue.advance(NOW_US + MINUTE_US)
    at(venue, "buy", "1000", "100.3")
    venue.advance(NOW_US + 2 * MINUTE_US)
    assert venue.perpetual(PERP).rate == 300_000 * 2 // 3 - 50_000


def test_a_thin_bid_has_no_full_impact() -> None:
    venue = exchange()
    traded(venue, "1", "100", market=SPOT)
    at(venue, "buy", "50", "101")
    at(venue, "buy", "1000", "100")
    venue.advance(NOW_US + MINUTE_US)
    # 5,050 of the 10,000 at 101 and 49.5 lots of one at 100: on average 100.5025...
    assert venue.perpetual(PERP).rate == 502_512 - 50_000


def test_hedge_mode_pays_per_position() -> None:
    venue = exchange(with_alice(hedge_mode=True))
    placed(venue, "bob", order("sell", "2", "100", market=PERP))
    venue.place("alice", order("buy", "2", "100", market=PERP, position_side="LONG"), NOW_US)
    placed(venue, "bob", order("buy", "1", "100", market=PERP))
    venue.place("alice", order("sell", "1", "100", market=PERP, position_side="SHORT"), NOW_US)
    before = totals(venue)
    venue.advance(DUE_US)
    amounts = sorted((p.lots, p.amount) for p in venue.funding_payments("alice"))
    assert amounts == [(-1000, units("0.01")), (2000, -units("0.02"))]
    assert totals(venue) == before


def test_the_background_pays_too() -> None:
    venue = exchange()
    background = Background(venue, PERP)
    background.set_level(Side.SELL, 1000, 100, NOW_US)
    placed(venue, "alice", order("buy", "0.1", "100", market=PERP))
    before = totals(venue)
    venue.advance(DUE_US)
    assert venue.funding_payments("alice")[0].amount == -units("0.001")
    paid = [p.funding_paid for p in venue.accounts[FLOW_MAKER].seats[PERP].positions]
    assert paid == [-units("0.001")]
    assert totals(venue) == before


def test_a_position_from_before_is_paid_for_and_can_be_closed() -> None:
    venue = exchange()
    before = totals(venue)
    venue.begin_position("alice", PERP, 1_000, 1_000, NOW_US)
    assert venue.accounts["alice"].seats[PERP].lots == 1_000
    assert venue.drain() == []
    venue.check()
    traded(venue, "1", "100")
    venue.advance(DUE_US)
    assert venue.funding_payments("alice")[0].amount == -units("0.02")
    background = venue.accounts[FLOW_MAKER].seats[PERP].positions
    assert [each.funding_paid for each in background] == [-units("0.01")]
    placed(venue, "bob", order("buy", "2", "100", market=PERP))
    placed(venue, "alice", order("sell", "2", "100", market=PERP))
    assert venue.accounts["alice"].seats[PERP].lots == 0
    venue.check()
    assert totals(venue) == before


def test_what_the_public_sees() -> None:
    venue = exchange()
    traded(venue, "0.5", "100")
    assert venue.set_index(PERP, "101", NOW_US) is None
    seen = venue.perpetual(PERP)
    assert (seen.index_ticks, seen.mark_ticks, seen.open_interest_lots) == (1010, 1000, 500)
    assert seen.next_funding_us == DUE_US
    assert venue.set_index(PERP, None, NOW_US) is None
    assert venue.perpetual(PERP).index_ticks == 1000
    for market, price in ((SPOT, "1"), ("NO_NO", "1"), (PERP, "0"), (PERP, "1.23")):
        assert venue.set_index(market, price, NOW_US) is not None
