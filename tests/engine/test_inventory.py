"""Inventory and P&L: exact, conserved, and each deal once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inventory import (
    RECENT_DEALS,
    Inventory,
    Pnl,
    add_fill,
    base_total,
    pnl,
    position_lots,
    quote_total,
)
from engine.money import add, canonical, format_units, from_units, multiply, parse, subtract
from engine.money import to_units as units_of
from engine.types import Role, Side, VenueFill
from tests.engine.builders import MARKET, PERPETUAL, fill

D = Decimal


def fold(*fills: VenueFill, mid2: int = 2000, baseline: str = "0") -> Inventory:
    inventory = Inventory(baseline=D(baseline), quote_baseline=D("1000"))
    for deal in fills:
        assert not inventory.knows(deal.deal_id)
        inventory = add_fill(inventory, MARKET, deal, mid2)
        inventory.check()
    return inventory


# --- worked by hand: a tick is 0.01 USDT, a lot 0.001 BTC ----------------------------------------


def test_a_round_trip_earns_the_spread_less_fees() -> None:
    """Buy 10 lots at 9.90, sell them at 10.10, mid 10.00: 0.01 x 0.20 = 0.002 USDT earned."""
    inventory = fold(
        fill(1, qty=10, price=990, fee="0.0001"),
        fill(2, qty=10, price=1010, side=Side.SELL, fee="0.0001"),
    )
    assert pnl(inventory, MARKET, 2000) == Pnl(D("0.0018"), D("0.002"), D(0), D("0.0002"))
    assert quote_total(inventory, MARKET) == D("1000.0018")
    assert (inventory.net_qty, inventory.bought_qty, inventory.sold_qty) == (0, 10, 10)


def test_what_is_held_gains_and_loses_with_the_mid() -> None:
    """Buy 10 lots at 9.90 with mid 10.00, then the mid falls to 9.50: -0.40 x 0.01 in all."""
    inventory = fold(fill(1, qty=10, price=990))
    assert pnl(inventory, MARKET, 1900) == Pnl(D("-0.004"), D("0.001"), D("-0.005"), D(0))


def test_a_half_tick_mid_is_exact() -> None:
    inventory = fold(fill(1, qty=1, price=1000), mid2=2001)
    assert pnl(inventory, MARKET, 2001) == Pnl(D("0.000005"), D("0.000005"), D(0), D(0))


def test_a_spot_buy_pays_its_fee_in_base_and_holds_less() -> None:
    """0.1 % of 0.010 BTC is 0.00001 BTC: 9.99 lots are held, a part of a lot is not counted."""
    inventory = fold(fill(1, qty=10, price=1000, fee="0.00001", fee_asset="BTC"))
    assert base_total(inventory, MARKET) == D("0.00999")
    assert position_lots(inventory, MARKET, 0) == 9
    assert position_lots(inventory, MARKET, 20) == -11
    assert pnl(inventory, MARKET, 2000).fees == D("0.0001")


def test_a_rebate_is_a_negative_fee() -> None:
    inventory = fold(fill(1, qty=10, price=1000, fee="-0.05"))
    assert pnl(inventory, MARKET, 2000) == Pnl(D("0.05"), D(0), D(0), D("-0.05"))
    assert quote_total(inventory, MARKET) == D("999.95")


def test_fees_in_a_third_asset_are_kept_apart_by_asset() -> None:
    inventory = fold(
        fill(1, fee="0.2", fee_asset="WBT"),
        fill(2, fee="0.1", fee_asset="WBT"),
        fill(3, fee="0.5", fee_asset="ADA"),
        fill(4, fee="0", fee_asset="XRP"),
    )
    assert inventory.other_fees == (("ADA", D("0.5")), ("WBT", D("0.3")))
    assert pnl(inventory, MARKET, 2000).fees == 0


def test_a_perpetual_counts_its_position_from_zero_whatever_the_target() -> None:
    inventory = Inventory(baseline=D("-0.02"))
    inventory = add_fill(inventory, PERPETUAL, fill(1, qty=5), 2000)
    assert position_lots(inventory, PERPETUAL, 1_000) == -15
    assert quote_total(inventory, PERPETUAL) is None


def test_nothing_is_known_before_the_baseline() -> None:
    assert base_total(Inventory(), MARKET) is None
    assert position_lots(Inventory(), MARKET, 50) == 0


def test_without_a_market_to_mark_at_no_spread_is_claimed() -> None:
    inventory = fold(fill(1, qty=10, price=990), mid2=0)
    assert inventory.spread == 0
    assert pnl(inventory, MARKET, 2000).inventory == D("0.001")


def test_takers_and_makers_are_told_apart() -> None:
    inventory = fold(fill(1), fill(2, role=Role.TAKER), fill(3))
    assert (inventory.maker_fills, inventory.taker_fills, inventory.fills) == (2, 1, 3)


# --- each deal once ----------------------------------------------------------------------------


def test_a_deal_is_known_once_counted_in_whatever_order() -> None:
    inventory = fold(fill(5), fill(3), fill(9))
    assert [inventory.knows(number) for number in (3, 4, 5, 9)] == [True, False, True, True]
    assert inventory.last_deal == 9


def test_the_oldest_deals_are_remembered_by_a_floor() -> None:
    count = RECENT_DEALS + 20
    inventory = fold(*(fill(number, qty=1) for number in range(1, count + 1)))
    assert all(inventory.knows(number) for number in range(1, count + 1))
    assert (inventory.deal_floor, inventory.net_qty) == (20, count)
    assert Inventory(deal_floor=7).last_deal == 7


# --- laws --------------------------------------------------------------------------------------

amounts = st.decimals(-10, 10, places=12)
deals = st.builds(
    lambda qty, price, side, fee, asset: (qty, price, side, fee, asset),
    st.integers(1, 10**9),
    st.integers(1, 10**9),
    st.sampled_from(Side),
    amounts,
    st.sampled_from(["BTC", "USDT", "WBT"]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(deals, st.integers(0, 10**9)), max_size=8), st.integers(0, 10**9))
def test_cash_inventory_and_fees_balance_to_the_last_digit(
    traded: list[tuple[tuple[int, int, Side, Decimal, str], int]], mid2: int
) -> None:
    inventory = Inventory(baseline=D(3), quote_baseline=D(5))
    base, quote = D(3), D(5)
    for number, ((qty, price, side, fee, asset), at_mid2) in enumerate(traded, 1):
        deal = fill(number, qty=qty, price=price, side=side, fee=str(fee), fee_asset=asset)
        inventory = add_fill(inventory, MARKET, deal, at_mid2)
        lots, cost = from_units(qty, 3), from_units(qty * price, 5)
        base = add(base, lots if side is Side.BUY else -lots)
        quote = subtract(quote, cost) if side is Side.BUY else add(quote, cost)
        base = subtract(base, fee) if asset == "BTC" else base
        quote = subtract(quote, fee) if asset == "USDT" else quote
    assert base_total(inventory, MARKET) == base
    assert quote_total(inventory, MARKET) == quote
    mark = multiply(from_units(mid2, 2), D("0.5"))
    worth = subtract(add(quote, multiply(base, mark)), add(D(5), multiply(D(3), mark)))
    result = pnl(inventory, MARKET, mid2)
    assert result.total == worth
    assert result.total == subtract(add(result.spread, result.inventory), result.fees)


@settings(max_examples=40, deadline=None)
@given(st.permutations([(1, 5), (2, 7), (3, 11)]))
def test_the_order_of_deals_does_not_matter(order: list[tuple[int, int]]) -> None:
    assert fold(*(fill(n, qty=q) for n, q in order)) == fold(fill(1, qty=5), fill(2, qty=7),
                                                             fill(3, qty=11))  # fmt: skip


# --- money -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.10", "0.1"),
        ("100", "100"),
        ("1E+2", "100"),
        ("-0", "0"),
        ("0.000", "0"),
        ("-5.50", "-5.5"),
    ],
)
def test_equal_amounts_are_equal_bytes(text: str, value: str) -> None:
    assert str(parse(text)) == value
    assert str(canonical(D(text))) == value


@pytest.mark.parametrize(
    "text", ["", "abc", "NaN", "Infinity", "-inf", "1" * 61, "1E+70", "1E+9999999"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a"):
        parse(text)


@given(st.integers(-(10**20), 10**20), st.integers(0, 12))
def test_units_go_to_text_and_back(units: int, decimals: int) -> None:
    text = format_units(units, decimals)
    assert "E" not in text
    assert units_of(parse(text), decimals) == units
    assert from_units(units, decimals) == D(text)
    assert "." not in text or not text.endswith("0")


def test_an_amount_that_does_not_fit_the_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 2 decimals"):
        units_of(D("0.001"), 2)


def test_lots_are_cut_exactly_however_long_the_fees() -> None:
    """31 digits: a rounded product would call the position one lot more than it is."""
    inventory = Inventory(baseline=D("1000000000.9999999999999999999999999999"))
    assert position_lots(inventory, MARKET, 0) == 1_000_000_000_999
