"""The micro-price ladder, by pure values: prices are ticks of 0.01, sizes lots of 0.001."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine.errors import ConfigError
from engine.strategy import View, load_strategy
from engine.types import Stp
from strategies.ladder import Rung
from strategies.micro_price import MicroPrice, imbalance
from tests.engine.builders import MARKET, NAME, T0

TESTED = MicroPrice((Rung("0.010", Stp.NO),), half_spread_bps=10.0)


def view(bid_qty: int, ask_qty: int, inventory: int = 0) -> View:
    return View(MARKET, T0, 999_900, bid_qty, 1_000_100, ask_qty, inventory, 100)


def middle2(tested: MicroPrice, seen: View) -> int:
    quote = tested.quote(seen)
    return quote.bids[0].price + quote.asks[0].price


@pytest.mark.parametrize(
    ("bid_qty", "ask_qty", "lean"),
    [(50, 50, 0), (75, 25, 0.5), (25, 75, -0.5), (0, 0, 0), (9, 0, 1)],
)  # fmt: skip
def test_the_imbalance_is_what_is_bid_more_as_a_part(
    bid_qty: int, ask_qty: int, lean: float
) -> None:
    assert imbalance(bid_qty, ask_qty) == lean


@pytest.mark.parametrize(("multiple", "shift"), [(0.0, 0), (1.0, 50), (2.0, 100)])
def test_the_reference_leans_towards_the_thinner_side(multiple: float, shift: int) -> None:
    """Three times as much bid: at 1, the mid weighted by sizes, 3/4 of the way from bid to ask."""
    tested = replace(TESTED, imbalance_multiple=multiple)
    assert middle2(tested, view(50, 50)) == 2_000_000
    assert abs(middle2(tested, view(75, 25)) - 2 * (1_000_000 + shift)) <= 1
    assert abs(middle2(tested, view(25, 75)) - 2 * (1_000_000 - shift)) <= 1


def test_the_side_that_is_about_to_go_is_not_quoted() -> None:
    tested = replace(TESTED, pull_at=0.6)
    assert len(tested.quote(view(80, 20)).bids) == len(tested.quote(view(80, 20)).asks) == 1
    assert (tested.quote(view(81, 19)).asks, len(tested.quote(view(81, 19)).bids)) == ((), 1)
    assert (tested.quote(view(19, 81)).bids, len(tested.quote(view(19, 81)).asks)) == ((), 1)
    assert TESTED.quote(view(100, 0)).asks, "at 1, never"


@pytest.mark.parametrize(("inventory", "shift"), [(100, -500), (-50, 250), (-300, 500)])
def test_inventory_shifts_both_sides_against_itself(inventory: int, shift: int) -> None:
    quote = TESTED.quote(view(50, 50, inventory))
    if quote.bids:
        assert abs(quote.bids[0].price - (999_000 + shift)) <= 1
    if quote.asks:
        assert abs(quote.asks[0].price - (1_001_000 + shift)) <= 1


@pytest.mark.parametrize(
    ("case", "after", "stirred"),
    [
        ("a price", (999_901, 50, 1_000_100, 50), True),
        (
            "sizes that move the reference by 0.5 of 1,000 ticks",
            (999_900, 51, 1_000_100, 50),
            False,
        ),
        ("sizes that move it by a tenth of the half-spread", (999_900, 50, 1_000_100, 0), True),
        ("a side that is to go", (999_900, 85, 1_000_100, 15), True),
        ("sizes short of that", (999_900, 76, 1_000_100, 24), False),
    ],
)
def test_what_stirs_it(case: str, after: tuple[int, int, int, int], stirred: bool) -> None:
    tested = replace(TESTED, pull_at=0.6, half_spread_bps=9.0)
    before = e.BestBidOffer(NAME, 1, 0, 999_900, 50, 1_000_100, 50)
    assert tested.is_stirred(before, e.BestBidOffer(NAME, 2, 0, *after)) is stirred, case


def test_it_is_stirred_where_the_side_that_is_to_go_changes() -> None:
    """From far too many bids to far too many asks, on a market too narrow for sizes to matter."""
    tested = replace(TESTED, pull_at=0.6, half_spread_bps=9.0)
    before = e.BestBidOffer(NAME, 1, 0, 999_999, 90, 1_000_000, 10)
    assert tested.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 999_999, 10, 1_000_000, 90))
    assert not tested.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 999_999, 95, 1_000_000, 5))


def test_illegal_parameters_are_refused() -> None:
    ladder = '"ladder":[{"qty":"1","stp":"cn"}],"half_spread_bps":1'
    with pytest.raises(ConfigError, match="<= 1"):
        load_strategy("micro_price", f'{{{ladder},"pull_at":2}}')
