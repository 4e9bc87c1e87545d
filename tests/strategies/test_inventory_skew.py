"""The inventory-skew ladder, by pure values: prices are ticks of 0.01, sizes lots of 0.001."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import events as e
from engine.errors import ConfigError
from engine.strategy import Reasoning, View, load_strategy
from engine.types import Side, Stp, TwoSidedQuote
from strategies.inventory_skew import InventorySkew
from strategies.ladder import Rung
from strategies.volatility import Volatility
from tests.engine.builders import MARKET, NAME, T0, Fixed, S, fill

CALM = Volatility(2_000_000, T0, 0.0)


def view(
    bid: int = 999_900,
    ask: int = 1_000_100,
    bid_qty: int = 50,
    ask_qty: int = 50,
    inventory: int = 0,
    variance: float = 0.0,
    inventory_max: int = 100,
) -> View:
    memory = replace(CALM, variance=variance)
    return View(MARKET, T0, bid, bid_qty, ask, ask_qty, inventory, inventory_max, memory)


def strategy(
    *rungs: Rung, half_spread_bps: float = 10.0, skew_bps: float = 5.0, multiple: float = 1.0
) -> InventorySkew:
    ladder = rungs or (Rung("0.010", Stp.CANCEL_NEW),)
    return InventorySkew(ladder, half_spread_bps, multiple, skew_bps)


def prices(quote: TwoSidedQuote) -> tuple[list[int], list[int]]:
    return [level.price for level in quote.bids], [level.price for level in quote.asks]


def test_flat_it_quotes_symmetrically_around_the_mid() -> None:
    assert prices(strategy().quote(view())) == ([999_000], [1_001_000])


def test_the_reference_leans_towards_the_thinner_side() -> None:
    """Three times as much bid as offered: three quarters of the way from bid to ask."""
    (bid,), (ask,) = prices(strategy(half_spread_bps=1).quote(view(bid_qty=75, ask_qty=25)))
    assert bid + ask == 2 * 1_000_050 + 1 or bid + ask == 2 * 1_000_050


@pytest.mark.parametrize(("inventory", "shift"), [(100, -500), (50, -250), (-50, 250), (-300, 500)])
def test_inventory_shifts_both_sides_against_itself(inventory: int, shift: int) -> None:
    """5 bps of 10,000.00 at full inventory are 5.00, so 500 ticks; never more than that."""
    wide = view(inventory=inventory, inventory_max=100)
    quote = strategy(half_spread_bps=10).quote(wide)
    moved = [price for side in prices(quote) for price in side]
    expected = [999_000 + shift] * (inventory < 100) + [1_001_000 + shift] * (inventory > -100)
    # A float's last bit may round a price one tick away from the market.
    assert len(moved) == len(expected)
    assert all(abs(price - other) <= 1 for price, other in zip(moved, expected, strict=True))


@given(
    st.integers(-90, 90), st.integers(1, 400), st.integers(1, 200), st.sampled_from([0.0, 4.0, 9.0])
)
def test_mirrored_inventory_gives_mirrored_quotes(
    inventory: int, half: int, skew: int, variance: float
) -> None:
    tested = strategy(half_spread_bps=half / 4, skew_bps=skew / 4)
    one = tested.quote(view(inventory=inventory, variance=variance))
    other = tested.quote(view(inventory=-inventory, variance=variance))
    # A float's last bit may push a rounding one tick.
    for bid, ask in zip(one.bids, other.asks, strict=True):
        assert abs((2_000_000 - bid.price) - ask.price) <= 1
        assert bid.qty == ask.qty


@pytest.mark.parametrize(
    ("inventory", "bids", "asks"),
    [(0, [10, 20], [10, 20]), (85, [10, 5], [10, 20]), (95, [5], [10, 20]), (100, [], [10, 20]),
     (-95, [10, 20], [5]), (-120, [10, 20], [])],
)  # fmt: skip
def test_near_the_limit_a_side_shrinks_and_then_goes(
    inventory: int, bids: list[int], asks: list[int]
) -> None:
    tested = strategy(Rung("0.010", Stp.NO), Rung("0.020", Stp.NO, offset_bps=5))
    quote = tested.quote(view(inventory=inventory))
    assert [level.qty for level in quote.bids] == bids
    assert [level.qty for level in quote.asks] == asks


def test_bids_are_rounded_down_and_asks_up() -> None:
    (bid,), (ask,) = prices(strategy(half_spread_bps=10).quote(view(999_901, 1_000_100)))
    micro = 1_000_000.5
    assert bid <= micro * 0.999 < bid + 1
    assert ask - 1 < micro * 1.001 <= ask


def test_no_quote_reaches_the_other_side_of_the_market() -> None:
    """Skewed by more than its spread, it joins the market one tick from taking."""
    tested = strategy(Rung("0.010", Stp.NO), Rung("0.010", Stp.NO), half_spread_bps=1, skew_bps=50)
    assert prices(tested.quote(view(inventory=60)))[1] == [999_901, 999_902]
    assert prices(tested.quote(view(inventory=-60)))[0] == [1_000_099, 1_000_098]


def test_volatility_widens_but_never_narrows() -> None:
    tested = strategy(half_spread_bps=10, multiple=2.0)
    assert prices(tested.quote(view(variance=4.0))) == ([999_000], [1_001_000])
    assert prices(tested.quote(view(variance=100.0))) == ([998_000], [1_002_000])


def test_levels_carry_their_own_settings() -> None:
    tested = strategy(
        Rung("0.010", Stp.CANCEL_OLD), Rung("0.010", Stp.CANCEL_BOTH, offset_bps=1, rpi=True)
    )
    for side in (tested.quote(view()).bids, tested.quote(view()).asks):
        assert [level.stp for level in side] == [Stp.CANCEL_OLD, Stp.CANCEL_BOTH]
        assert [level.rpi for level in side] == [False, True]
        assert all(level.post_only for level in side)


def test_a_level_below_the_venues_minimum_is_left_out() -> None:
    coarse = replace(view(), market=replace(MARKET, qty_min=11))
    assert strategy(Rung("0.010", Stp.NO)).quote(coarse) == TwoSidedQuote()
    cheap = strategy(Rung("0.001", Stp.NO)).quote(view(3, 5))
    assert cheap == TwoSidedQuote(), "1 lot at 3 ticks is worth less than the minimum of 10"


def test_a_ladder_so_deep_that_a_bid_would_cost_nothing_ends_there() -> None:
    tested = strategy(Rung("0.010", Stp.NO), Rung("0.010", Stp.NO, offset_bps=10_000))
    quote = tested.quote(view())
    assert (len(quote.bids), len(quote.asks)) == (1, 2)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 500), st.integers(1, 40), st.integers(1, 99), st.integers(1, 99),
    st.integers(-150, 150), st.floats(0, 400), st.floats(0, 400), st.floats(0, 10),
    st.lists(st.floats(0, 20), min_size=1, max_size=4),
)  # fmt: skip
def test_every_quote_is_one_the_venue_would_rest(
    bid: int,
    spread: int,
    bid_qty: int,
    ask_qty: int,
    inventory: int,
    half: float,
    skew: float,
    variance: float,
    offsets: list[float],
) -> None:
    rungs = (Rung("0.013", Stp.NO, offset_bps=offset) for offset in offsets)
    tested = strategy(*rungs, half_spread_bps=half, skew_bps=skew)
    seen = view(bid, bid + spread, bid_qty, ask_qty, inventory, variance)
    quote = tested.quote(seen)
    bids, asks = prices(quote)
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert all(0 < price < seen.ask_price for price in bids)
    assert all(price > seen.bid_price for price in asks)
    assert not bids or not asks or bids[0] < asks[0], "own quotes never meet"
    assert sum(level.qty for level in quote.bids) <= max(0, 100 - inventory)
    assert sum(level.qty for level in quote.asks) <= max(0, 100 + inventory)


def test_without_a_spread_of_its_own_it_still_never_meets_itself() -> None:
    (bid,), (ask,) = prices(strategy(half_spread_bps=0).quote(view()))
    assert bid < ask


# --- reasoning --------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 2_000_000), st.integers(1, 400), st.integers(1, 99), st.integers(1, 99),
    st.integers(-150, 150), st.floats(0, 400), st.floats(0, 400), st.floats(0, 1e6),
    st.floats(0, 100), st.floats(0, 100), st.lists(st.floats(0, 20), min_size=1, max_size=4),
)  # fmt: skip
def test_the_quote_follows_from_the_reasoning(
    bid: int,
    spread: int,
    bid_qty: int,
    ask_qty: int,
    inventory: int,
    half: float,
    skew: float,
    variance: float,
    multiple: float,
    fees: float,
    offsets: list[float],
) -> None:
    rungs = tuple(Rung("0.013", Stp.NO, offset_bps=offset) for offset in offsets)
    tested = InventorySkew(rungs, half, multiple, skew, fee_multiple=fees)
    seen = view(bid, bid + spread, bid_qty, ask_qty, inventory, variance)
    reasoning = tested.reason(seen)
    assert tested.follow(seen, reasoning) == tested.quote(seen)
    names = [figure.name for figure in reasoning.figures]
    assert len(set(names)) == len(names)
    by_floor = [f.value for f in reasoning.figures if f.name.startswith("half_spread_by_")]
    micro, half_spread = reasoning.figure("micro_price"), reasoning.figure("half_spread")
    assert micro is not None
    assert half_spread == micro * max(by_floor) / 10_000.0


def test_the_reasoning_has_each_figure_with_its_unit() -> None:
    """Half full: 2.5 bps of 10,000.00 are 2.50 against it. Volatility 3 bps a second, doubled."""
    tested = strategy(half_spread_bps=4, multiple=2.0)
    reasoning = tested.reason(view(inventory=50, variance=9.0))
    assert [(f.name, round(f.value, 6), f.unit) for f in reasoning.figures] == [
        ("micro_price", 1_000_000, "ticks"),
        ("inventory_share", 0.5, "ratio"),
        ("skew", -250, "ticks"),
        ("reservation_price", 999_750, "ticks"),
        ("volatility", 3.0, "bps"),
        ("half_spread_by_half_spread_bps", 4.0, "bps"),
        ("half_spread_by_volatility_multiple", 6.0, "bps"),
        ("half_spread", 600, "ticks"),
    ]
    assert reasoning.figures[-1].words == "the largest: by volatility_multiple"
    assert reasoning.words == ()
    assert reasoning.figure("gamma") is None


def test_the_reasoning_says_what_cut_the_ladder_short() -> None:
    tested = strategy(half_spread_bps=1, skew_bps=50)
    full = tested.reason(view(inventory=100))
    assert full.words == (
        "asks stop one tick above the best bid, where they would take",
        "1 of 1 bids left out, with room for 0 BTC",
    )
    short = tested.reason(view(inventory=-60))
    assert short.words == ("bids stop one tick below the best ask, where they would take",)


def test_a_strategy_need_not_tell_its_reasons() -> None:
    assert Fixed().reason(view()) == Reasoning()


# --- volatility -------------------------------------------------------------------------------


def ticker(bid: int, ask: int) -> e.BestBidOffer:
    return e.BestBidOffer(NAME, 1, 0, bid, 1, ask, 1)


def test_volatility_is_sampled_once_a_second_from_the_ticker() -> None:
    tested = strategy()
    memory = tested.initial_memory()
    memory = tested.fold(memory, ticker(99_990, 100_010), T0)
    assert memory == Volatility(200_000, T0, 0.0)
    assert tested.fold(memory, ticker(1, 2), T0 + S - 1) is memory
    assert tested.fold(memory, e.Filled(fill(1, side=Side.BUY)), T0 + S) is memory
    assert tested.fold(memory, ticker(0, 5), T0 + S) is memory
    assert tested.fold(memory, ticker(5, 0), T0 + S) is memory
    # 10 bps in one second, at a weight of 1/31.
    after = tested.fold(memory, ticker(100_090, 100_110), T0 + S)
    assert after.mid2 == 200_200
    assert after.variance == pytest.approx(100 / 31)
    calmer = tested.fold(after, ticker(100_090, 100_110), T0 + 31 * S)
    assert calmer.variance == pytest.approx(100 / 62)


# --- parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            '{"ladder":[{"qty":"0.01","stp":"cn"}],"half_spread_bps":1,"widht":2}',
            "unknown field `widht`",
        ),
        ('{"ladder":[],"half_spread_bps":1}', "length >= 1"),
        ('{"ladder":[{"qty":"0.01","stp":"cn"}]}', "missing required field `half_spread_bps`"),
        ('{"ladder":[{"qty":"0.01","stp":"cn"}],"half_spread_bps":-1}', ">= 0.0"),
        ('{"ladder":[{"qty":"0.01"}],"half_spread_bps":1}', "missing required field `stp`"),
        ('{"ladder":[{"qty":"1","stp":"xx"}],"half_spread_bps":1}', "Invalid enum value 'xx'"),
        ("[]", "Expected `object`, got `array`"),
    ],
)
def test_illegal_parameters_are_refused(parameters: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_strategy("inventory_skew", parameters)


def test_it_is_registered_under_its_name() -> None:
    loaded = load_strategy(
        "inventory_skew", '{"ladder":[{"qty":"0.01","stp":"cn"}],"half_spread_bps":3}'
    )
    assert loaded == InventorySkew((Rung("0.01", Stp.CANCEL_NEW),), 3.0)


# --- what stirs it ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "stirred"),
    [
        ((6_000_000, 1, 6_000_001, 900), False),
        ((6_000_001, 5, 6_000_002, 5), True),
        ((5_999_999, 5, 6_000_001, 5), True),
    ],
    ids=["sizes in a narrow spread", "both prices", "one price"],
)
def test_sizes_alone_stir_nothing_while_the_spread_is_narrow(
    after: tuple[int, int, int, int], stirred: bool
) -> None:
    strategy = InventorySkew(ladder=(Rung("0.01", Stp.CANCEL_NEW),), half_spread_bps=1.0)
    before = e.BestBidOffer("BTC_USDT", 1, 0, 6_000_000, 5, 6_000_001, 5)
    assert strategy.is_stirred(before, e.BestBidOffer("BTC_USDT", 2, 0, *after)) is stirred


def test_sizes_stir_it_while_the_spread_is_wide() -> None:
    strategy = InventorySkew(ladder=(Rung("0.01", Stp.CANCEL_NEW),), half_spread_bps=1.0)
    before = e.BestBidOffer("BTC_USDT", 1, 0, 6_000_000, 5, 6_000_500, 5)
    after = e.BestBidOffer("BTC_USDT", 2, 0, 6_000_000, 900, 6_000_500, 5)
    assert strategy.is_stirred(before, after)


# --- fees -------------------------------------------------------------------------------------


def charging(maker: str, premium: str = "0") -> View:
    fees = e.FeesListed(NAME, Decimal(maker), Decimal("0.002"), Decimal(premium))
    return replace(view(), fees=fees)


def test_the_half_spread_covers_the_fee_that_the_account_pays() -> None:
    """Twice 20 bps of 10,000.00 is 40.00; without an answer the market's own 10 bps count."""
    covering = replace(strategy(half_spread_bps=10), fee_multiple=2.0)
    assert prices(covering.quote(charging("0.002"))) == ([996_000], [1_004_000])
    assert prices(covering.quote(view())) == ([998_000], [1_002_000])
    assert prices(covering.quote(charging("-0.002"))) == ([999_000], [1_001_000])
    assert prices(strategy().quote(charging("0.002"))) == ([999_000], [1_001_000])


@pytest.mark.parametrize(
    ("rungs", "half"),
    [((False,), 2_000), ((True,), 3_000), ((False, True), 3_000), ((True, False), 3_000)],
)
def test_the_dearest_level_says_what_is_to_be_covered(rungs: tuple[bool, ...], half: int) -> None:
    ladder = tuple(
        Rung("0.010", Stp.CANCEL_NEW, offset_bps=number, rpi=rpi)
        for number, rpi in enumerate(rungs)
    )
    covering = replace(strategy(*ladder), fee_multiple=1.0)
    (bid, *_), (ask, *_) = prices(covering.quote(charging("0.002", "0.001")))
    assert (bid, ask) == (1_000_000 - half, 1_000_000 + half)


def test_a_view_knows_the_fees_of_the_account() -> None:
    known, unknown = charging("0.0003", "0.0001"), view()
    rates = known.maker_fee_rate, known.rpi_fee_rate, known.taker_fee_rate
    assert rates == (Decimal("0.0003"), Decimal("0.0004"), Decimal("0.002"))
    market = replace(MARKET, maker_fee_rate=Decimal("0.005"), taker_fee_rate=Decimal("0.006"))
    unknown = replace(unknown, market=market)
    rates = unknown.maker_fee_rate, unknown.rpi_fee_rate, unknown.taker_fee_rate
    assert rates == (Decimal("0.005"), Decimal("0.005"), Decimal("0.006"))
