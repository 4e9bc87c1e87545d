"""The measurement of stops itself, a few times; its figures are in docs/operating.md."""

from __future__ import annotations

import pytest

from tests.integration.stops import MEASURED, percentile

pytestmark = pytest.mark.slow

LOADED_S = 10.0
"""A machine that runs all tests at once is no place to measure: this tells a stop from none."""


@pytest.mark.parametrize("name", MEASURED)
def test_nothing_of_ours_is_left(name: str) -> None:
    took = MEASURED[name](2)
    assert len(took) == 2
    assert max(took) < LOADED_S


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, p) for p in (0, 50, 99, 100)] == [1.0, 51.0, 100.0, 100.0]
    assert percentile([3.0], 99) == 3.0
