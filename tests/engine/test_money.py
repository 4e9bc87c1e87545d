"""The one form of an amount: equal amounts are equal bytes in a journal."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.money import canonical, lots_of

AMOUNTS = st.builds(
    lambda units, exponent: Decimal(units).scaleb(exponent),
    st.integers(min_value=-(10**25), max_value=10**25),
    st.integers(min_value=-40, max_value=25),
)


@given(AMOUNTS)
def test_an_amount_has_no_zeros_at_its_end_and_no_exponent_above_zero(amount: Decimal) -> None:
    found = canonical(amount)
    assert found == amount
    sign, digits, exponent = found.as_tuple()
    assert isinstance(exponent, int)
    assert exponent <= 0
    assert digits == (0,) if not found else digits[-1] or exponent == 0
    assert (sign, exponent) == (0, 0) or found


@given(AMOUNTS, st.integers(min_value=0, max_value=8))
def test_equal_amounts_are_written_alike(amount: Decimal, zeros: int) -> None:
    sign, digits, exponent = amount.as_tuple()
    assert isinstance(exponent, int)
    longer = Decimal((sign, (*digits, *[0] * zeros), exponent - zeros))
    assert str(canonical(longer)) == str(canonical(amount))


@pytest.mark.parametrize(
    ("size", "lots"), [("0.01", 10), ("1", 1_000), ("1e-2", 10), ("01", 1_000)]
)
def test_a_size_is_a_whole_number_of_lots(size: str, lots: int) -> None:
    assert lots_of(size, 3) == lots


@pytest.mark.parametrize("size", ["0", "-0.01", "0.0001", "x", "", "nan", "inf", "1 BTC"])
def test_what_is_no_size_is_refused(size: str) -> None:
    """A size below zero was once quoted with nothing, and without a word."""
    with pytest.raises(ValueError, match="expected a size above zero with at most 3 decimals"):
        lots_of(size, 3)
