"""The measured volatility: how fast it follows, as the parameters' documentation says."""

from __future__ import annotations

import pytest

from engine import events as e
from strategies.volatility import Volatility, sampled
from tests.engine.builders import NAME, T0, S

MID2, HALF_LIFE_S = 2_000_000, 100


def ticker(bps: int) -> e.BestBidOffer:
    """A mid of 1,000,000 ticks and some basis points."""
    return e.BestBidOffer(NAME, 1, 0, 1_000_000 + 100 * bps - 1, 1, 1_000_000 + 100 * bps + 1, 1)


def test_sampled_each_second_half_of_a_change_is_followed_in_seven_tenths() -> None:
    memory = Volatility(MID2, T0, 0.0)
    for second in range(1, 71):
        memory = sampled(memory, ticker(second % 2), T0 + second * S, HALF_LIFE_S)
    assert memory.variance == pytest.approx(0.5, abs=0.01)


def test_a_sample_that_comes_so_long_after_the_last_one_weighs_half() -> None:
    memory = Volatility(MID2, T0, 8.0)
    after = sampled(memory, ticker(10), T0 + HALF_LIFE_S * S, HALF_LIFE_S)
    assert after.variance == pytest.approx((8.0 + 10 * 10 / HALF_LIFE_S) / 2)


def test_a_side_that_is_gone_is_no_mid() -> None:
    memory = Volatility(MID2, T0, 8.0)
    assert sampled(memory, e.BestBidOffer(NAME, 1, 0, 0, 0, 5, 1), T0 + S, 1.0) is memory
