"""The symmetric spread, by pure values: prices are ticks of 0.01, sizes lots of 0.001."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine.errors import ConfigError
from engine.strategy import View, load_strategy
from engine.types import Level, Stp, TwoSidedQuote
from strategies.ladder import Rung
from strategies.symmetric import Symmetric
from tests.engine.builders import MARKET, NAME, T0

VIEW = View(MARKET, T0, 999_900, 50, 1_000_100, 50, 0, 100)
TESTED = Symmetric((Rung("0.010", Stp.NO), Rung("0.020", Stp.CANCEL_NEW, 5.0)), 10.0)


def test_both_sides_are_as_far_from_the_mid() -> None:
    quote = TESTED.quote(VIEW)
    assert quote == TwoSidedQuote(
        (Level(999_000, 10, Stp.NO), Level(998_500, 20, Stp.CANCEL_NEW)),
        (Level(1_001_000, 10, Stp.NO), Level(1_001_500, 20, Stp.CANCEL_NEW)),
    )


@pytest.mark.parametrize("inventory", [-60, 0, 60])
def test_inventory_moves_nothing_until_a_side_has_no_room(inventory: int) -> None:
    assert TESTED.quote(replace(VIEW, inventory=inventory)) == TESTED.quote(VIEW)
    full = TESTED.quote(replace(VIEW, inventory=100))
    assert (full.bids, full.asks) == ((), TESTED.quote(VIEW).asks)


def test_bids_are_rounded_down_and_asks_up() -> None:
    quote = TESTED.quote(replace(VIEW, bid_price=999_901))
    assert quote.bids[0].price <= 1_000_000.5 * 0.999 < quote.bids[0].price + 1
    assert quote.asks[0].price - 1 < 1_000_000.5 * 1.001 <= quote.asks[0].price


def test_without_a_spread_of_its_own_it_never_meets_itself() -> None:
    quote = replace(TESTED, half_spread_bps=0.0).quote(VIEW)
    assert quote.bids[0].price < quote.asks[0].price


def test_only_prices_stir_it() -> None:
    before = e.BestBidOffer(NAME, 1, 0, 100, 1, 102, 1)
    assert not TESTED.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 100, 9, 102, 9))
    assert TESTED.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 99, 1, 102, 1))


def test_it_is_registered_and_needs_its_spread() -> None:
    ladder = '"ladder":[{"qty":"0.01","stp":"cn"}]'
    loaded = load_strategy("symmetric", f'{{{ladder},"half_spread_bps":3}}')
    assert loaded == Symmetric((Rung("0.01", Stp.CANCEL_NEW),), 3.0)
    with pytest.raises(ConfigError, match="missing required field `half_spread_bps`"):
        load_strategy("symmetric", f"{{{ladder}}}")
