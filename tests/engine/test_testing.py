"""The kit of strategy authors: values from text, and assertions that show ladders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine import events as e
from engine.testing import (
    PERPETUAL,
    SPOT,
    T0,
    assert_quote,
    assert_same,
    best,
    book,
    fill,
    inventory,
    ladder,
    levels,
    mirrored,
    price,
    qty,
    quote,
    remembered,
    situations,
    trade,
    view,
)
from engine.testing.situations import History
from engine.types import Level, Role, Side, Stp
from tests.engine.law_breakers import Lawful, Seen

S = 1_000_000_000


def test_prices_and_sizes_are_exact() -> None:
    assert price("60000.10") == 6_000_010
    assert price("60000.1 USDT", PERPETUAL) == 600_001
    assert inventory("0.5 BTC") == 500_000
    assert inventory("-0.5", PERPETUAL) == -500
    assert qty("0.01") == 10_000


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: price("60000.001"), "expected USDT with at most 2 decimals, found '60000.001'"),
        (lambda: inventory("0.5 ETH"), "expected BTC with at most 6 decimals, found '0.5 ETH'"),
        (lambda: qty("0"), "expected a size above zero"),
        (lambda: book("60000.00"), "expected BIDS/ASKS"),
        (lambda: best("1,2/3"), "at most one level a side"),
        (lambda: trade("0.01@60000"), "expected such as 'buy 0.01@60000.00'"),
        (lambda: view(bid="60000.10", ask="60000.10"), "expected 0 < bid < ask"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        wrong()


def test_books_and_tickers() -> None:
    deep = book("2@60000.00, 5@59999.99 / 60000.10")
    assert deep.bids == (6_000_000, 2_000_000, 5_999_999, 5_000_000)
    assert deep.asks == (6_000_010, 1_000_000)
    assert best("60000.00/0.5@60000.10") == e.BestBidOffer(
        "BTC_USDT", 1, T0 // 1000, 6_000_000, 1_000_000, 6_000_010, 500_000
    )
    assert best("/60000.10").bid_price == 0


def test_trades_and_fills() -> None:
    (one,) = trade("sell 0.01@60000.00", trade_id=7).trades
    assert (one.side, one.price, one.qty, one.trade_id) == (Side.SELL, 6_000_000, 10_000, 7)
    deal = fill("buy 0.01@60000.0", PERPETUAL, fee="-0.06", role=Role.TAKER).fill
    assert (deal.market, deal.side, deal.price, deal.qty) == ("BTC_PERP", Side.BUY, 600_000, 10)
    assert (deal.fee, deal.fee_asset, deal.role) == (Decimal("-0.06"), "USDT", Role.TAKER)


def test_a_view_from_text_is_what_the_engine_would_show() -> None:
    seen = view(bid="60000.00", ask="60000.10", inventory="0.5", bid_qty="2", at_s=1.5)
    assert (seen.bid_price, seen.ask_price, seen.bid_qty) == (6_000_000, 6_000_010, 2_000_000)
    assert (seen.inventory, seen.inventory_max, seen.now_ns) == (500_000, 10**6, T0 + 3 * S // 2)
    assert seen.maker_fee_rate == SPOT.maker_fee_rate
    assert view(maker_fee="-0.0002").maker_fee_rate == Decimal("-0.0002")


def test_a_view_may_have_another_market_beside_it() -> None:
    perpetual = view(bid="60010.0", ask="60010.1", inventory="-0.5", market=PERPETUAL,
                     funding_rate="0.0002")  # fmt: skip
    seen = view(beside=perpetual)
    assert seen.beside == perpetual
    assert (perpetual.funding_rate, perpetual.inventory) == (Decimal("0.0002"), -500)
    assert view(maker_fee="0.001", rpi_premium="0.0001").rpi_fee_rate == Decimal("0.0011")
    with pytest.raises(ValueError, match="rpi_premium: expected a maker_fee beside it"):
        view(rpi_premium="0.0001")


def test_a_memory_is_the_fold_of_events_in_time() -> None:
    class Times(Lawful, frozen=True, forbid_unknown_fields=True):
        def initial_memory(self) -> Any:
            return ()

        def fold(self, memory: Any, event: e.Event, now_ns: int) -> Any:
            return (*memory, now_ns - T0)

    ticker = best("60000.00/60000.10")
    assert remembered(Times(), ticker, ticker, every_s=0.5) == (0, S // 2)
    assert remembered(Times(), ticker, (10, ticker), ticker) == (0, 10 * S, 11 * S)
    assert remembered(Lawful()) == Seen()
    assert remembered(Lawful(), ticker, memory=Seen(1, 5)) == Seen(12_000_010, 6)


def test_levels_from_text() -> None:
    visible, hidden = levels("0.01@59990.00, 0.02@59980.00 rpi", stp=Stp.NO)
    assert visible == Level(5_999_000, 10_000, Stp.NO)
    assert hidden == Level(5_998_000, 20_000, Stp.NO, rpi=True)
    assert levels("") == ()


# --- assertions -------------------------------------------------------------------------------

FOUND = quote("0.01@59990.00, 0.02@59980.00", "0.01@60010.10 rpi")


def test_a_quote_that_is_as_expected_says_nothing() -> None:
    assert_quote(FOUND, "0.01@59990.00, 0.02@59980.00", "0.01@60010.10 rpi")
    assert_same(FOUND, FOUND)


def test_a_quote_that_is_not_is_shown_beside_what_was_expected() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_quote(FOUND, bids="0.01@59990.00", asks="0.01@60010.00, 0.02@60020.00")
    assert str(caught.value).splitlines() == [
        "the quote is not the one expected (sizes in BTC, prices in USDT)",
        "         expected                      found",
        "> ask 2  0.02 @ 60020.00               -",
        "> ask 1  0.01 @ 60010.00               0.01 @ 60010.10 rpi",
        "  bid 1  0.01 @ 59990.00               0.01 @ 59990.00",
        "> bid 2  -                             0.02 @ 59980.00",
    ]


def test_settings_that_no_price_shows_are_told() -> None:
    other = quote("0.01@59990.00, 0.02@59980.00", "0.01@60010.10 rpi", stp=Stp.NO)
    with pytest.raises(AssertionError, match="the same prices and sizes, other settings"):
        assert_same(FOUND, other)


def test_a_ladder_is_readable_even_when_it_is_empty() -> None:
    assert ladder(quote()).splitlines() == ["  ask 1  -", "  bid 1  -"]
    taking = quote("0.01@59990.00")
    taking = type(taking)(tuple(Level(b.price, b.qty, b.stp, post_only=False) for b in taking.bids))
    assert ladder(taking).splitlines()[1] == "  bid 1  0.01 @ 59990.00 may take"


# --- mirrors ----------------------------------------------------------------------------------


def test_a_mirror_of_a_mirror_is_the_situation() -> None:
    for case in situations(SPOT):
        again = mirrored(mirrored(case))
        assert (again.seen, again.history) == (case.seen, case.history)


def test_a_mirror_turns_books_tickers_trades_and_fills() -> None:
    case = situations(SPOT)[0]
    middle2 = case.seen.bid_price + case.seen.ask_price
    history: History = (
        (T0, book("1@60000.00/2@60001.00")),
        (T0, best("/60001.00")),
        (T0, trade("buy 0.1@60001.00")),
        (T0, fill("sell 0.1@60001.00")),
    )
    turned = [event for _, event in mirrored(type(case)("x", case.seen, history)).history]
    flipped = middle2 - price("60001.00")
    assert isinstance(turned[0], e.BookSnapshot)
    assert turned[0].bids == (flipped, 2_000_000)
    assert isinstance(turned[1], e.BestBidOffer)
    assert (turned[1].bid_price, turned[1].ask_price) == (flipped, 0)
    assert isinstance(turned[2], e.PublicTrades)
    assert (turned[2].trades[0].side, turned[2].trades[0].price) == (Side.SELL, flipped)
    assert isinstance(turned[3], e.Filled)
    assert (turned[3].fill.side, turned[3].fill.price) == (Side.BUY, flipped)
