"""The one form of an amount: equal amounts are equal bytes in a journal."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.money import canonical

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
