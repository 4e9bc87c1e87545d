"""Pairs of journals whose every difference is worked out by hand, to the last digit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine import events as e
from engine.types import Side
from replay.parity.causes import Cause
from replay.parity.compare import MarketParity, Share
from replay.parity.follow import apart
from replay.parity.matching import Kind
from tests.engine.builders import MS, NAME, S, fill
from tests.parity.pairs import BUY, FIRST_NS, SELL, compared, deal, ended, quoting_story


def causes(found: MarketParity) -> dict[str, tuple[int, int, int, str]]:
    """By cause: live only, backtest only, pairs, money."""
    return {
        cause.value: (share.live, share.backtest, share.pairs, f"{share.money:f}")
        for cause, share in found.causes.items()
    }


def test_what_each_has_alone_is_worth_its_cash_inventory_and_fee_at_the_last_mid() -> None:
    live, backtest = quoting_story(), quoting_story()
    deal(live, 7, BUY, 4, FIRST_NS, fee="0.000004", fee_asset="BTC")
    deal(live, 8, SELL, 10, FIRST_NS + 2 * S, fee="0.0101")
    deal(backtest, 17, BUY, 4, FIRST_NS + 5 * MS, fee="0.000004", fee_asset="BTC")
    deal(backtest, 18, BUY, 6, FIRST_NS + S, fee="0.000006", fee_asset="BTC")
    found = compared(ended(live), ended(backtest))
    # 0.006 bought at 9.90 and worth 9.90, less 0.000006 BTC; 0.01 sold at 10.10, less 0.0101.
    assert causes(found) == {"queue": (1, 1, 0, "0.0080406")}
    assert [each.money for each in found.differences] == [
        Decimal("-0.0000594"),
        Decimal("0.0081"),
    ]
    # At our ask 50 lots were before us; the bid had been filled in part, so nobody was there.
    looks = [each.look for each in found.differences]
    assert [look.ahead for look in looks if look is not None] == [0, 50]
    assert (found.mark2, found.pnl) == (1980, Decimal("0.0080406"))
    assert found.live.parts.total == Decimal("-0.0081396")
    assert found.backtest.parts.total == Decimal("-0.000099")
    assert (found.live.fills, found.live.bought, found.live.sold) == (2, 4, 10)
    assert (found.backtest.fills, found.backtest.bought, found.backtest.sold) == (2, 10, 0)
    assert found.live.notional == Decimal("0.1406")
    assert (found.matched, found.shifts_ns) == (1, (5 * MS,))
    # A part of a lot is dropped: 3.996 - 10 lots, and 9.99.
    assert (found.live.position, found.backtest.position, found.apart_most) == (-6, 9, 15)


def test_what_is_alike_differs_in_nothing() -> None:
    stories = [quoting_story(), quoting_story()]
    for story in stories:
        deal(story, 7, BUY, 4, FIRST_NS, fee="0.1")
        ended(story)
    found = compared(*stories)
    assert not found.differences
    assert not found.causes
    assert not found.pnl
    assert (found.matched, found.shifts_ns, found.apart_most) == (1, (0,), 0)


@dataclass
class Pair:
    """One deal of each, and what the pair comes to."""

    qty: int = 4
    price: int = 990
    after_ns: int = 0
    fee: str = "0"
    cause: Cause | None = None
    kind: Kind | None = None
    money: str = "0"


PAIRS = {
    "another quantity": Pair(qty=6, cause=Cause.SIZE, kind=Kind.SAME, money="0.002"),
    "another fee": Pair(fee="0.01", cause=Cause.FEES, kind=Kind.SAME, money="-0.01"),
    "a moment later": Pair(after_ns=S),
    "much later": Pair(after_ns=3 * S, cause=Cause.TIMING, kind=Kind.LATER),
    "much later, and more": Pair(
        qty=5, after_ns=3 * S, cause=Cause.TIMING, kind=Kind.LATER, money="0.001"
    ),
    "one taker, another price": Pair(
        price=980, after_ns=10 * MS, cause=Cause.PRICE, kind=Kind.TAKER, money="0.0004"
    ),
}


@pytest.mark.parametrize("case", PAIRS.values(), ids=PAIRS)
def test_two_fills_that_belong_together(case: Pair) -> None:
    live, backtest = quoting_story(), quoting_story()
    deal(live, 7, BUY, 4, FIRST_NS)
    deal(backtest, 17, BUY, case.qty, FIRST_NS + case.after_ns, price=case.price, fee=case.fee)
    # Bought at 9.90, and worth 10.90 each.
    found = compared(ended(live, 1085, 1095), ended(backtest, 1085, 1095))
    told = [(each.cause, each.kind, each.money) for each in found.differences]
    expected = [] if case.cause is None else [(case.cause, case.kind, Decimal(case.money))]
    assert told == expected
    assert found.pnl == Decimal(case.money)


def test_the_nearest_in_time_belong_together_and_each_only_once() -> None:
    live, backtest = quoting_story(), quoting_story()
    for deal_id, at_ms in ((1, 0), (2, 100)):
        deal(live, deal_id, BUY, 1, FIRST_NS + at_ms * MS)
    for deal_id, at_ms in ((1, 90), (2, 110), (3, 130)):
        deal(backtest, deal_id, BUY, 1, FIRST_NS + at_ms * MS)
    found = compared(ended(live), ended(backtest))
    assert found.shifts_ns == (-10 * MS, 110 * MS)
    (left,) = found.differences
    assert left.backtest is not None
    assert left.backtest.deal_id == 3


def test_prints_of_one_sweep_are_one_fill() -> None:
    live, backtest = quoting_story(), quoting_story()
    deal(live, 1, BUY, 1, FIRST_NS, fee="0.1")
    deal(live, 2, SELL, 2, FIRST_NS + MS)
    deal(live, 3, BUY, 3, FIRST_NS + 2 * MS, fee="0.2")
    deal(live, 4, BUY, 2, FIRST_NS + 13 * MS)
    deal(backtest, 1, BUY, 4, FIRST_NS, fee="0.3")
    deal(backtest, 2, SELL, 2, FIRST_NS + MS)
    deal(backtest, 3, BUY, 2, FIRST_NS + 13 * MS)
    found = compared(ended(live), ended(backtest))
    assert (found.live.fills, found.matched, found.differences) == (3, 3, ())


def test_a_deal_that_no_engine_made_has_no_counterpart() -> None:
    live, backtest = quoting_story(), quoting_story()
    stranger = fill(7, qty=4, price=990, order_id=77, client_order_id="by-hand")
    live.at(FIRST_NS, e.Filled(stranger))
    deal(backtest, 7, BUY, 4, FIRST_NS)
    found = compared(ended(live), ended(backtest))
    assert causes(found) == {"foreign": (1, 0, 0, "0"), "queue": (0, 1, 0, "0")}


@pytest.mark.parametrize(
    ("price", "side", "after_ms", "is_recorded"),
    [
        (990, SELL, 0, True),
        (985, SELL, 0, True),
        (995, SELL, 0, False),
        (990, BUY, 0, False),
        (990, SELL, 20, False),
    ],
    ids=["at the price", "beyond it", "not as far", "the other side's", "another moment's"],
)
def test_a_trade_has_to_have_been_recorded(
    price: int, side: Side, after_ms: int, is_recorded: bool
) -> None:
    live, backtest = quoting_story(), quoting_story()
    deal(live, 7, BUY, 4, FIRST_NS, is_told_by_venue=True)
    venue_us = FIRST_NS // 1000 + after_ms * 1000
    trade = e.PublicTrade(2, price, 4, side, False, venue_us)
    live.push(e.PublicTrades(NAME, (trade,)), after_ns=2 * S)
    found = compared(ended(live), ended(backtest))
    assert list(found.causes) == [Cause.QUEUE if is_recorded else Cause.UNRECORDED]


def test_funding_is_of_no_fill_and_counts_in_the_whole() -> None:
    live, backtest = quoting_story(), quoting_story()
    found = compared(ended(live), ended(backtest))
    paid = replace(found.backtest.parts, funding=Decimal("-0.25"), interest=Decimal("-0.5"))
    found = replace(found, backtest=replace(found.backtest, parts=paid))
    found.check()
    assert (found.pnl, found.carried.total) == (Decimal("-0.75"), Decimal("-0.75"))


def test_money_that_no_cause_has_is_noticed() -> None:
    live, backtest = quoting_story(), quoting_story()
    deal(live, 7, BUY, 4, FIRST_NS, fee="0.1")
    found = compared(ended(live), ended(backtest))
    (only,) = found.differences
    assert found.causes == {Cause.QUEUE: Share(1, 0, 0, Decimal("0.1"))}
    off = replace(only, money=Decimal("0.1000000000000000001"))
    with pytest.raises(AssertionError, match="causes come to"):
        replace(found, differences=(off,)).check()
    with pytest.raises(AssertionError, match="fills left out"):
        replace(found, differences=(replace(only, kind=Kind.SAME),)).check()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([(0, 1)], [(0, 1)], (0, 0.0)),
        ([(0, 0), (4, 6)], [(0, 0)], (6, 3.6)),
        # Both are known from 2 on: apart by 3 until 6, by 5 until 10.
        ([(0, 9), (2, 3)], [(2, 0), (6, -2)], (5, 4.0)),
        ([(0, -2)], [], (0, None)),
        ([(10, 5)], [(3, 1)], (0, None)),
    ],
)
def test_how_far_inventories_were_apart(
    one: list[tuple[int, int]],
    other: list[tuple[int, int]],
    expected: tuple[int, float | None],
) -> None:
    assert apart(one, other, 10) == expected
    assert apart(other, one, 10) == expected


def test_fills_of_two_sides_never_belong_together() -> None:
    live, backtest = quoting_story(), quoting_story()
    deal(live, 7, BUY, 4, FIRST_NS)
    deal(backtest, 7, SELL, 4, FIRST_NS, price=990)
    found = compared(ended(live), ended(backtest))
    assert causes(found) == {"queue": (1, 0, 0, "0"), "price": (0, 1, 0, "0")}
