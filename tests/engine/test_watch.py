"""The figures that limits watch: exact P&L at the mid, the UTC day, the peak, fills of a minute."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.inventory import Inventory, add_fill, pnl
from engine.types import BUY, SELL, Side
from engine.watch import NS_PER_DAY, Watch, carried, filled, forgiven, marked, pnl2
from tests.engine.builders import MARKET, S, fill

HALF = Decimal("0.5")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([BUY, SELL]),
            st.integers(1, 10**7),
            st.integers(1, 10**4),
            st.decimals(min_value=-5, max_value=5, places=9),
            st.sampled_from(["BTC", "USDT"]),
        ),
        max_size=6,
    ),
    st.integers(1, 2 * 10**7),
)
def test_pnl_is_that_of_the_inventory_rounded_down(
    deals: list[tuple[Side, int, int, Decimal, str]], mid2: int
) -> None:
    inventory = Inventory(baseline=Decimal(0))
    for number, (side, price, qty, fee, asset) in enumerate(deals):
        deal = fill(number + 1, side=side, price=price, qty=qty, fee=str(fee), fee_asset=asset)
        inventory = add_fill(inventory, MARKET, deal, mid2)
    exact2 = pnl(inventory, MARKET, mid2).total.scaleb(MARKET.notional_decimals) * 2
    found = pnl2(inventory, MARKET, mid2)
    assert found <= exact2 < found + 1


def long_since(price: int, qty: int = 10) -> Inventory:
    return add_fill(Inventory(baseline=Decimal(0)), MARKET, fill(1, price=price, qty=qty), 0)


def test_the_first_mark_begins_the_day() -> None:
    start = marked(Watch(), Inventory(), MARKET, 0, 5 * NS_PER_DAY)
    assert start == Watch(), "no market, no mark"
    first = marked(start, long_since(1000), MARKET, 1980, 5 * NS_PER_DAY)
    assert first == Watch(day=5, pnl2=-200, day_pnl2=-200, peak_pnl2=-200, mid2=1980)
    assert (first.loss2, first.drawdown2) == (0, 0)


def test_loss_counts_from_the_day_and_drawdown_from_the_peak() -> None:
    held, now = long_since(1000), 5 * NS_PER_DAY
    watch = marked(Watch(), held, MARKET, 2000, now)
    watch = marked(watch, held, MARKET, 2020, now + 1)
    assert (watch.pnl2, watch.loss2, watch.drawdown2) == (200, -200, 0)
    watch = marked(watch, held, MARKET, 1990, now + 2)
    assert (watch.pnl2, watch.loss2, watch.drawdown2) == (-100, 100, 300)
    assert marked(watch, held, MARKET, 1990, now + 3) == watch
    assert marked(watch, held, MARKET, 0, now + 4) is watch, "without a market the last mark counts"


@pytest.mark.parametrize("mid2", [1980, 0])
def test_a_new_day_begins_with_what_the_last_one_ended_with(mid2: int) -> None:
    held, now = long_since(1000), 6 * NS_PER_DAY
    watch = marked(Watch(), held, MARKET, 2000, now - 2)
    watch = marked(watch, held, MARKET, 1990, now - 1)
    assert (watch.day, watch.loss2) == (5, 100)
    watch = marked(watch, held, MARKET, mid2, now)
    assert watch.day == 6
    assert watch.day_pnl2 == -100
    assert watch.loss2 == (100 if mid2 else 0)
    assert watch.drawdown2 == (200 if mid2 else 100)
    watch.check()


def test_a_clock_that_steps_back_over_midnight_begins_no_day() -> None:
    held, now = long_since(1000), 6 * NS_PER_DAY
    watch = marked(Watch(), held, MARKET, 2000, now)
    watch = marked(watch, held, MARKET, 1990, now - 1)
    assert (watch.day, watch.day_pnl2, watch.loss2) == (6, 0, 100)


def test_a_new_peak_on_a_new_day() -> None:
    held, now = long_since(1000), 6 * NS_PER_DAY
    watch = marked(Watch(), held, MARKET, 2000, now - 1)
    watch = marked(watch, held, MARKET, 2040, now)
    assert (watch.peak_pnl2, watch.day_pnl2, watch.drawdown2) == (400, 0, 0)


def test_fills_are_counted_by_side_over_one_minute() -> None:
    watch = filled(Watch(), BUY, 3, 10 * S)
    watch = filled(watch, SELL, 3, 20 * S)
    watch = filled(watch, BUY, 3, 69 * S)
    assert watch.buy_fills_ns == (10 * S, 69 * S)
    watch = filled(watch, BUY, 3, 70 * S)
    assert watch.buy_fills_ns == (69 * S, 70 * S), "a minute ago is no more"
    assert watch.sell_fills_ns == (20 * S,)


def test_no_more_fills_are_remembered_than_the_limit_needs() -> None:
    watch = Watch()
    for number in range(9):
        watch = filled(watch, SELL, 3, number)
    assert watch.sell_fills_ns == (5, 6, 7, 8)
    assert filled(Watch(), SELL, 0, 7).sell_fills_ns == (7,)


def test_forgiving_begins_anew_from_here() -> None:
    watch = Watch(5, -30, 10, 20, (1, 2), (3,))
    assert (watch.loss2, watch.drawdown2) == (40, 50)
    assert forgiven(watch) == Watch(5, -30, -30, -30)


def test_what_a_clock_that_was_ahead_stamped_counts_as_of_now() -> None:
    now = 6 * NS_PER_DAY
    watch = Watch(9, -30, 10, 20, (now - 2, now + 1), (now + 5,))
    after = carried(watch, now)
    assert after == Watch(6, -30, 10, 20, (now - 2, now), (now,))
    assert carried(after, now) == after
    turned = marked(after, Inventory(), MARKET, 0, now + NS_PER_DAY)
    assert (turned.day, turned.loss2) == (7, 0)


def test_pnl_above_its_peak_is_found() -> None:
    Watch(1, 5, 0, 5).check()
    with pytest.raises(AssertionError, match="peak"):
        replace(Watch(1, 5, 0, 5), pnl2=6).check()
