"""Wire numbers convert exactly or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.whitebit.units import UNITS_MAX, Units, amount, micros, parse_units, ratio
from engine.money import add, format_units
from tests.whitebit.venue import steady

DECIMALS = st.integers(0, 18)


@steady
@given(st.integers(0, 10**22), DECIMALS, DECIMALS)
def test_conversion_equals_decimal_arithmetic_or_refuses(
    digits: int, places: int, decimals: int
) -> None:
    text = format(Decimal(digits).scaleb(-places), "f")
    expected = Decimal(text).scaleb(decimals)
    fits = expected == int(expected) and expected < UNITS_MAX
    if fits:
        assert parse_units(text, decimals) == int(expected)
        assert Units(decimals)[text] == int(expected)
    else:
        with pytest.raises(ValueError, match="expected"):
            parse_units(text, decimals)


@steady
@given(st.integers(0, UNITS_MAX - 1), DECIMALS)
def test_formatted_units_read_back(units: int, decimals: int) -> None:
    assert parse_units(format_units(units, decimals), decimals) == units


@steady
@given(st.text(max_size=12))
def test_any_text_is_a_plain_number_or_refused(text: str) -> None:
    try:
        units = parse_units(text, 3)
    except ValueError:
        return
    assert set(text) <= set("0123456789.")
    assert Decimal(text).scaleb(3) == units


@pytest.mark.parametrize(
    ("text", "decimals", "units"),
    [
        ("62925.8", 1, 629258),
        ("0.020850", 5, 2085),
        ("1", 8, 100_000_000),
        ("007", 0, 7),
        ("0", 2, 0),
        ("5.000000000000000000000", 0, 5),
        ("9007199254740993", 0, 9007199254740993),
    ],
)
def test_number_that_fits(text: str, decimals: int, units: int) -> None:
    assert Units(decimals)[text] == units


@pytest.mark.parametrize(
    "text",
    [
        "1.005",
        "1.00000000000000000000000000001",
        "4611686018427387904",
        "-1",
        "+1",
        "1e3",
        "1_0",
        " 1",
        "1.",
        ".5",
        ".",
        "",
        "1.2.3",
        "NaN",
        "Infinity",
        "١",
        "²",
        "0x10",
        "1" * 5000,
    ],
)
def test_number_that_does_not_fit_two_decimals(text: str) -> None:
    table = Units(2)
    with pytest.raises(ValueError, match="expected"):
        table[text]
    assert text not in table


def test_zero_is_refused_where_a_minimum_is_set() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Units(2, minimum=1)["0.00"]


def test_memory_of_strings_is_bounded() -> None:
    table = Units(0)
    for number in range(70_000):
        assert table[str(number)] == number
    assert len(table) <= 1 << 16


@steady
@given(st.integers(0, 4_102_444_800_000_000))
def test_times_keep_their_microsecond(us: int) -> None:
    assert micros(float(f"{us // 1_000_000}.{us % 1_000_000:06d}")) == us


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1.7e12])
def test_time_that_is_not_in_seconds(seconds: float) -> None:
    with pytest.raises(ValueError, match="time in seconds"):
        micros(seconds)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("0.10", "0.1"),
        ("-0", "0"),
        ("0E+40", "0"),
        ("1E+2", "100"),
        ("1E+17", "1" + "0" * 17),
        ("-0.5", "-0.5"),
        ("28.43739825", None),
    ],
)
def test_amounts_are_canonical(value: str, canonical: str | None) -> None:
    assert str(amount(Decimal(value))) == (canonical or value)


@pytest.mark.parametrize(
    "value",
    ["NaN", "sNaN", "Infinity", "1E+999999999", "0." + "1" * 41, "1" * 40 + "E+40", "1E+18"],
)
def test_amount_of_no_use(value: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        amount(Decimal(value))


def test_sums_of_the_largest_and_the_longest_amounts_are_exact() -> None:
    largest, longest = amount(Decimal("9" * 18)), amount(Decimal("0." + "9" * 40))
    total = add(add(largest, longest), add(largest, longest))
    assert str(total) == "1" + "9" * 18 + "." + "9" * 39 + "8"


def test_percent_becomes_a_ratio() -> None:
    assert str(ratio(Decimal("0.1"))) == "0.001"
    assert str(ratio(Decimal("-0.010"))) == "-0.0001"
