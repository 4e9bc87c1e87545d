"""What every strategy says of its quote: the figures by hand, and the quote that they come to."""

from __future__ import annotations

from decimal import Decimal
from math import ceil, floor, log, log1p

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.strategy import Reasoning, Strategy, View, strategy_class
from engine.testing import PERPETUAL, SPOT, Law, best, fill, remembered, trade, view
from engine.testing.situations import Situation
from engine.types import Market, Stp
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.glft import Glft
from strategies.grid import Grid
from strategies.hedged import Hedged
from strategies.inventory_skew import InventorySkew
from strategies.ladder import Rung
from strategies.micro_price import MicroPrice
from strategies.rpi_overlay import RpiOverlay
from strategies.symmetric import Symmetric
from tests.strategies.drawn import histories, seen_by, views
from tests.strategies.pages import NAMES
from tests.strategies.test_laws import KEPT

LADDER = (Rung("0.01", Stp.CANCEL_NEW), Rung("0.02", Stp.CANCEL_NEW, offset_bps=1.0))
TOP = best("59999.00/60001.00")
"""A mid of 60,000.00, of which a basis point is 6.00: 600 ticks."""
GRID = Grid("0.01", Stp.CANCEL_NEW, 10.0, 2)
GLFT = Glft(LADDER, 0.01, arrivals_per_s=0.5, k=0.5, prior_s=10.0, sigma_bps=2.0)
SESSION = AvellanedaStoikov(LADDER, 0.01, 0.5, horizon_s=100.0, sigma_bps=2.0)

Told = list[tuple[str, float, str]]
"""Name, value and unit of every figure."""


def seen(strategy: Strategy, inventory: str = "0.5", **others: str) -> View:
    """Half of the limit is held long, unless another inventory is asked for."""
    found = view("59999.00", "60001.00", inventory, **others)  # type: ignore[arg-type]
    return replace(found, memory=remembered(strategy, TOP))


def paired(strategy: Hedged, perpetual: str = "60006.0/60008.0") -> View:
    """As `seen`; the perpetual beside it is short by a tenth of the limit, and its longs pay."""
    bid, _, ask = perpetual.partition("/")
    other = view(bid, ask, "-0.1", market=PERPETUAL)
    return replace(seen(strategy), beside=replace(other, funding_rate=Decimal("0.0003")))


def figures(strategy: Strategy, of: View) -> Told:
    reasoning = strategy.reason(of)
    return [(f.name, round(f.value, 6), f.unit) for f in reasoning.figures]


MID = ("mid_of_others", 6_000_000, "ticks")


def held(share: float, skew: float, reservation: float) -> Told:
    return [
        ("inventory_share", share, "ratio"),
        ("skew", skew, "ticks"),
        ("reservation_price", reservation, "ticks"),
    ]


def stationary() -> Told:
    """q is 50 orders of a limit of 100: section 2.3 at gamma 0.01 and k 0.5, basis points."""
    bound, margin = 101**2 - 50**2, log1p(0.02) / 0.01
    below = margin - log(1 - 101 / bound) / 0.01
    above = margin - log(1 + 99 / bound) / 0.01
    return [
        ("bid_distance", round(below, 6), "bps"),
        ("ask_distance", round(above, 6), "bps"),
        ("reservation_price", round(6_000_000 + (above - below) * 300, 6), "ticks"),
        ("half_spread", round((above + below) * 300, 6), "ticks"),
    ]


def session() -> Told:
    """50 orders, gamma sigma^2 0.04 a second, 25 seconds left: 1 bps for each order."""
    half = 0.5 + log1p(0.02) / 0.01
    return [
        ("bid_distance", round(half + 50, 6), "bps"),
        ("ask_distance", round(half - 50, 6), "bps"),
        ("reservation_price", 6_000_000 - 50 * 600, "ticks"),
        ("half_spread", round(half * 600, 6), "ticks"),
    ]


def test_symmetric() -> None:
    tested = Symmetric(LADDER, 5.0)
    told = [MID, ("reservation_price", 6_000_000, "ticks"), ("half_spread", 3_000, "ticks")]
    assert figures(tested, seen(tested)) == told


def test_micro_price_says_where_the_sizes_lean_to() -> None:
    """Three times as much bid as offered: half an imbalance, so half of a half-spread of 1.00."""
    tested = MicroPrice(LADDER, 5.0, pull_at=0.5, skew_bps=4.0)
    of = seen(tested, bid_qty="3", ask_qty="1")
    assert figures(tested, of) == [
        MID,
        ("imbalance", 0.5, "ratio"),
        ("micro_price", 6_000_050, "ticks"),
        *held(0.5, -1_200, 5_998_850),
        ("half_spread", 3_000, "ticks"),
    ]
    assert tested.reason(of).words == ()
    pulled = tested.reason(replace(of, ask_qty=of.ask_qty - 1))
    assert pulled.words == ("no asks: the imbalance is beyond pull_at, 0.5",)
    mirrored = tested.reason(replace(of, bid_qty=of.ask_qty - 1, ask_qty=of.bid_qty))
    assert mirrored.words == ("no bids: the imbalance is beyond pull_at, 0.5",)


def test_rpi_overlay_says_which_of_its_ladders_is_the_best() -> None:
    tested = RpiOverlay(LADDER, 5.0, "0.01", Stp.CANCEL_NEW, 2.0, skew_bps=4.0)
    inside = [
        MID,
        *held(0.5, -1_200, 5_998_800),
        ("half_spread_visible", 5.0, "bps"),
        ("half_spread_rpi", 2.0, "bps"),
        ("half_spread", 1_200, "ticks"),
    ]
    found = tested.reason(seen(tested))
    assert (figures(tested, seen(tested)), found.words) == (inside, ())
    assert [f.words for f in found.figures[-2:]] == [
        "of the hidden level: by rpi_half_spread_bps",
        "of the best level: rpi",
    ]
    # Two maker fees of 4 bps are more than the visible 5.
    by_fee = replace(tested, rpi_fee_multiple=2.0)
    dear = by_fee.reason(seen(by_fee, maker_fee="0.0004"))
    assert [f.value for f in dear.figures[-3:]] == [5.0, 8.0, 3_000]
    assert [f.words for f in dear.figures[-2:]] == [
        "of the hidden level: by rpi_fee_multiple",
        "of the best level: visible",
    ]
    assert dear.words == ("no hidden level: it would not be inside the visible ones",)


def test_avellaneda_stoikov_says_the_terms_of_its_equations() -> None:
    for_ever = AvellanedaStoikov(LADDER, 0.01, 0.5)
    terms = [MID, ("inventory_in_orders", 50, "orders"), ("intensity_k", 0.5, "per bps")]
    bound = ("inventory_bound", 100, "orders")
    assert figures(for_ever, seen(for_ever)) == [*terms, bound, *stationary()]
    of = seen(SESSION)
    of = replace(of, now_ns=of.now_ns - of.now_ns % 100_000_000_000 + 75_000_000_000)
    risk = [("volatility", 2.0, "bps"), ("inventory_risk", 1.0, "bps")]
    assert figures(SESSION, of) == [*terms, *risk, *session()]


def test_glft_says_what_it_fitted_of_the_flow() -> None:
    """Ten seconds of half an order a second and side are stated; one order came in three.

    It reached 3.00 beyond the mid, half a basis point. So A is 5.5 by 13 seconds, and k 5.5 by
    10 and a quarter, but for what half a second in the middle has let decay.
    """
    memory = remembered(GLFT, TOP, (0.5, trade("buy 1@60003.00")), (3.0, TOP))
    of = replace(seen(GLFT), memory=memory)
    told = {name: value for name, value, _ in figures(GLFT, of)}
    assert [unit for _, _, unit in figures(GLFT, of)] == [
        "ticks", "orders", "bps", "ratio", "per s", "per bps", "bps", "bps", "ticks", "ticks",
    ]  # fmt: skip
    assert told["inventory_in_orders"] == 50
    assert told["volatility"] == 2.0
    assert told["fitted_share"] == pytest.approx(1 / 11, rel=0.01)
    assert told["arrivals_A"] == pytest.approx(5.5 / 13, rel=0.01)
    assert told["intensity_k"] == pytest.approx(5.5 / 10.25, rel=0.01)
    # Inventory moves both alike: R for each order.
    flat = {name: value for name, value, _ in figures(GLFT, replace(of, inventory=0))}
    shift = told["bid_distance"] - flat["bid_distance"]
    assert shift == pytest.approx(flat["ask_distance"] - told["ask_distance"])
    assert told["reservation_price"] == pytest.approx(6_000_000 - shift * 600)


def test_grid_says_where_it_lies_and_what_it_turned() -> None:
    """An interval of 60.00 around 60,000.00; a buy on the line below was filled by 0.004."""
    memory = remembered(GRID, TOP, fill("buy 0.004@59940.00"))
    of = replace(seen(GRID, "0.004"), memory=memory)
    assert figures(GRID, of) == [
        ("grid_centre", 6_000_000, "ticks"),
        ("grid_interval", 6_000, "ticks"),
        ("turned_-1", 4_000, "lots"),
        ("bid_line", 5_994_000, "ticks"),
        ("ask_line", 6_000_000, "ticks"),
    ]
    assert GRID.reason(of).words == ()
    # The sale at the centre would take while 60,001.00 is bid.
    risen = replace(of, bid_price=6_000_100, ask_price=6_000_200)
    assert GRID.reason(risen).words == ("1 of 5 orders wait: they would take, or lack room",)
    assert figures(GRID, risen)[-1] == ("ask_line", 6_006_000, "ticks")
    unlaid = GRID.reason(replace(of, memory=GRID.initial_memory()))
    assert [figure.value for figure in unlaid.figures] == [0, 0]


def test_hedged_says_what_both_hold_and_what_the_other_market_is_worth() -> None:
    """Long 0.5 and short 0.1 of a limit of 1; 3 bps of funding, twice; 7.00 of basis, half of it.

    The perpetual is 7 in 60,000 above: 1 1/6 bps. So the spot goes up by 6 and 7/12 bps, and down
    by 4 for what is held.
    """
    tested = Hedged(LADDER, "BTC_PERP", 5.0, 10.0, 2.0, 0.5)
    tilt = 6 + 7 / 12
    assert figures(tested, paired(tested)) == [
        MID,
        ("net_inventory", 400_000, "lots"),
        ("funding", 3.0, "bps"),
        ("basis", round(7 / 6, 6), "bps"),
        ("tilt", round(tilt, 6), "bps"),
        *held(0.4, -2_400, round(6_000_000 + (tilt - 4) * 600, 6)),
        ("half_spread", 3_000, "ticks"),
    ]
    alone = tested.reason(replace(paired(tested), beside=None))
    words = ("nothing while BTC_PERP must not be quoted or is empty",)
    assert alone == Reasoning(words=words)


def test_hedged_says_that_it_takes() -> None:
    spot = view("59999.00", "60001.00", "0.5")
    of = replace(view("60006.0", "60008.0", "-0.1", market=PERPETUAL), beside=spot)
    tested = Hedged(LADDER, "BTC_USDT", 5.0, cross_at=0.3)
    assert figures(tested, of) == [
        ("mid_of_others", 600_070, "ticks"),
        ("net_inventory", 400, "lots"),
    ]
    found = tested.reason(of)
    assert found.words == ("it takes: net_inventory is beyond cross_at, 0.3 of the limit",)
    assert tested.follow(of, found) == tested.quote(of)
    assert not tested.quote(of).asks[0].post_only


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_of_the_project_tells_its_reasons(name: str) -> None:
    kind = strategy_class(name)
    assert "reason" in vars(kind)
    assert "follow" in vars(kind)
    assert name in {judged.partition(",")[0] for judged in KEPT}


# --- the quote that the figures come to ---------------------------------------------------------


@pytest.mark.parametrize(
    "strategy",
    [
        Symmetric(LADDER, 5.0),
        InventorySkew(LADDER, 5.0, skew_bps=4.0),
        MicroPrice(LADDER, 5.0, skew_bps=4.0),
        RpiOverlay(LADDER, 5.0, "0.01", Stp.CANCEL_NEW, 2.0, skew_bps=4.0),
        AvellanedaStoikov(LADDER, 0.01, 0.5),
        GLFT,
        Hedged(LADDER, "BTC_PERP", 5.0, 10.0, 2.0, 0.5),
    ],
    ids=lambda strategy: type(strategy).__name__,
)
@pytest.mark.parametrize("inventory", ["-0.003", "0", "0.002"])
def test_the_best_prices_are_a_half_spread_around_the_reservation_price(
    strategy: Strategy, inventory: str
) -> None:
    """As anybody would work it out from the page: bids rounded down, asks up, and none takes."""
    of = paired(strategy) if isinstance(strategy, Hedged) else seen(strategy)
    of = replace(of, inventory=int(Decimal(inventory) * 10**6))
    found, quote = strategy.reason(of), strategy.quote(of)
    reservation, half = found.figure("reservation_price"), found.figure("half_spread")
    assert reservation is not None
    assert half is not None
    # A last bit of a float may round by a tick where the distances are what is worked out.
    bid = min(floor(reservation - half), of.ask_price - 1)
    ask = max(ceil(reservation + half), of.bid_price + 1)
    assert abs(quote.bids[0].price - bid) <= 1
    assert abs(quote.asks[0].price - ask) <= 1


def test_other_figures_are_another_quote() -> None:
    """Half a spread more is a bid and an ask as much further away; the law compares by this."""
    tested = InventorySkew(LADDER, 5.0)
    of = seen(tested, "0")
    found = tested.reason(of)
    wider = tuple(
        replace(figure, value=figure.value + 100) if figure.name == "half_spread" else figure
        for figure in found.figures
    )
    quote, wide = tested.quote(of), tested.follow(of, Reasoning(wider))
    assert [level.price - 100 for level in quote.bids] == [level.price for level in wide.bids]
    assert [level.price + 100 for level in quote.asks] == [level.price for level in wide.asks]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_beside_another_market_the_quote_is_what_its_reasons_come_to(data: st.DataObject) -> None:
    market: Market = data.draw(st.sampled_from([SPOT, PERPETUAL]))
    other = PERPETUAL if market is SPOT else SPOT
    share = st.floats(0, 1)
    tested = Hedged(
        LADDER,
        other.name,
        data.draw(st.floats(0, 50)),
        data.draw(st.floats(0, 50)),
        data.draw(st.floats(0, 3)),
        data.draw(share),
        cross_at=data.draw(share),
    )
    of: View = data.draw(views(market))
    beside: View = data.draw(views(other))
    rate = Decimal(data.draw(st.integers(-99, 99))).scaleb(-5)
    of = replace(of, beside=replace(beside, funding_rate=rate), funding_rate=rate)
    Law("reasons", tested, market).judge((Situation("drawn", of),))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_session_and_a_fit_are_what_their_reasons_come_to(data: st.DataObject) -> None:
    of: View = data.draw(views(SPOT))
    of = replace(of, now_ns=of.now_ns + data.draw(st.integers(0, 10**12)))
    history = data.draw(histories(SPOT, max_size=12))
    for strategy in (SESSION, replace(SESSION, sigma_bps=0.0), GLFT, replace(GLFT, sigma_bps=0.0)):
        case = Situation("drawn", seen_by(strategy, of, history), history)
        Law("reasons", strategy, SPOT).judge((case,))
