"""The RPI overlay, by pure values: prices are ticks of 0.01, sizes lots of 0.001."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.whitebit.requests import encode
from engine import events as e
from engine.errors import ConfigError
from engine.intents import NewOrder, PlaceOrders
from engine.strategy import View, load_strategy
from engine.types import BUY, Stp
from strategies.ladder import Rung
from strategies.rpi_overlay import RpiOverlay
from tests.engine.builders import MARKET, NAME, T0

LADDER = (Rung("0.010", Stp.CANCEL_NEW), Rung("0.020", Stp.CANCEL_NEW, 5.0))
TESTED = RpiOverlay(LADDER, 10.0, "0.004", Stp.CANCEL_OLD, 4.0, skew_bps=5.0)
VIEW = View(MARKET, T0, 999_900, 50, 1_000_100, 50, 0, 100)

Shown = list[tuple[int, int, bool]]


def shown(tested: RpiOverlay, view: View) -> tuple[Shown, Shown]:
    quote = tested.quote(view)
    bids, asks = (
        [(level.price, level.qty, level.rpi) for level in side] for side in (quote.bids, quote.asks)
    )
    return bids, asks


def test_the_hidden_level_lies_inside_the_visible_ladder() -> None:
    assert shown(TESTED, VIEW) == (
        [(999_600, 4, True), (999_000, 10, False), (998_500, 20, False)],
        [(1_000_400, 4, True), (1_001_000, 10, False), (1_001_500, 20, False)],
    )
    assert [level.stp for level in TESTED.quote(VIEW).bids] == [
        Stp.CANCEL_OLD,
        Stp.CANCEL_NEW,
        Stp.CANCEL_NEW,
    ]


def test_where_it_would_not_be_inside_only_the_visible_ladder_is_quoted() -> None:
    visible = (
        [(999_000, 10, False), (998_500, 20, False)],
        [(1_001_000, 10, False), (1_001_500, 20, False)],
    )
    assert shown(replace(TESTED, rpi_half_spread_bps=10.0), VIEW) == visible
    # 20 bps of maker fee and 10 of premium, once, leave no room within 10 bps.
    fees = e.FeesListed(NAME, Decimal("0.002"), Decimal("0.002"), Decimal("0.001"))
    assert shown(replace(TESTED, rpi_fee_multiple=1.0), replace(VIEW, fees=fees)) == visible
    cheap = e.FeesListed(NAME, Decimal("0.0004"), Decimal("0.002"), Decimal("0.0002"))
    bids, _ = shown(replace(TESTED, rpi_fee_multiple=1.0), replace(VIEW, fees=cheap))
    assert bids[0] == (999_400, 4, True)


def test_a_size_that_does_not_fit_is_refused_also_where_it_is_left_out() -> None:
    """The fees, which decide on that, are known later than the start."""
    with pytest.raises(ValueError, match="expected a size above zero"):
        replace(TESTED, rpi_half_spread_bps=10.0, rpi_qty="0.0004").quote(VIEW)


@pytest.mark.parametrize(
    ("inventory", "bids", "asks"),
    [(0, [4, 10, 20], [4, 10, 20]), (90, [4, 6], [4, 10, 20]), (98, [2], [4, 10, 20]),
     (-100, [4, 10, 20], [])],
)  # fmt: skip
def test_room_is_given_to_the_hidden_level_first(
    inventory: int, bids: list[int], asks: list[int]
) -> None:
    found = shown(TESTED, replace(VIEW, inventory=inventory))
    assert [qty for _, qty, _ in found[0]] == bids
    assert [qty for _, qty, _ in found[1]] == asks


def test_inventory_shifts_everything_against_itself() -> None:
    flat, long = TESTED.quote(VIEW), TESTED.quote(replace(VIEW, inventory=50))
    for one, other in zip(flat.bids + flat.asks, long.bids + long.asks, strict=True):
        assert abs(one.price - 250 - other.price) <= 1


def test_a_hidden_order_goes_out_without_post_only_and_ioc() -> None:
    """Contract 5.1 and 10.2: with either, the venue refuses it."""
    level = TESTED.quote(VIEW).bids[0]
    flags = level.rpi, level.post_only
    order = NewOrder("a", BUY, level.price, level.qty, level.stp, *flags, 0)
    body = encode(PlaceOrders(NAME, (order,)), MARKET, 1).body
    assert b'"rpi":true' in body
    assert b"postOnly" not in body
    assert b"ioc" not in body


def test_only_prices_stir_it() -> None:
    before = e.BestBidOffer(NAME, 1, 0, 100, 1, 102, 1)
    assert not TESTED.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 100, 9, 102, 9))
    assert TESTED.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 99, 1, 102, 1))


def test_illegal_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match="missing required field `rpi_qty`"):
        load_strategy("rpi_overlay", '{"ladder":[{"qty":"1","stp":"cn"}],"half_spread_bps":1}')
