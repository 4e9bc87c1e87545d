"""Numbers of requests: the short way to steps agrees with the long one wherever it answers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.paper.core.checks import plain_steps, to_decimal
from adapters.paper.core.units import EXACT

TEXTS = st.text("0123456789.+-eE_ ²", max_size=34) | st.from_regex(r"\A[0-9]{0,20}\.?[0-9]{0,12}\Z")


@given(TEXTS, st.integers(0, 10))
def test_plain_steps_are_the_exact_ones(text: str, decimals: int) -> None:
    steps = plain_steps(text, decimals)
    if steps is not None:
        value = to_decimal(text)
        assert value is not None
        assert value == Decimal(steps).scaleb(-decimals, EXACT)


@pytest.mark.parametrize(
    ("text", "decimals", "steps"),
    [
        ("60000.12", 2, 6_000_012),
        ("60000.1", 2, 6_000_010),
        ("60000", 2, 6_000_000),
        (".5", 1, 5),
        ("5.", 1, 50),
        ("0.010", 2, None),
        ("1e3", 2, None),
        ("-1", 2, None),
        (".", 2, None),
        ("", 2, None),
        ("²", 0, None),
        ("1" * 31, 0, None),
    ],
)
def test_plain_texts_have_the_short_way(text: str, decimals: int, steps: int | None) -> None:
    assert plain_steps(text, decimals) == steps


def test_json_numbers_have_the_long_way() -> None:
    assert plain_steps(Decimal("60000.12"), 2) is None
