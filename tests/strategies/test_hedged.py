"""Spot and perpetual as one book, by pure values: ticks of 0.01 and 0.1, lots of 1e-6 and 0.001."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.config import parse_config
from adapters.cli.simulate import simulate
from engine import events as e
from engine.errors import ConfigError
from engine.intents import PlaceOrders
from engine.strategy import View, load_strategy
from engine.types import Level, Product, Role, Stp, TwoSidedQuote
from replay.verify import verify
from strategies.hedged import Hedged
from strategies.ladder import Rung
from tests.engine.builders import MARKET, NAME, T0
from tests.integration.world import quiet_flow, records_of
from tests.strategies.pages import configuration, page

LADDER = (Rung("0.010", Stp.NO), Rung("0.020", Stp.NO, 5.0))
SPOT = replace(MARKET, qty_decimals=6)
PERPETUAL = replace(MARKET, name="BTC_PERP", product=Product.PERPETUAL, price_decimals=1)
LIMIT = 100_000
"""Of the spot, 0.1 BTC: 100 lots of the perpetual."""


def spot(held: int = 0, other: int = 0, rate: str = "0", basis: int = 0) -> View:
    """10,000.00 with a spread of 2.00; the perpetual `basis` ticks of 0.1 above it."""
    return replace(bare_spot(held), beside=bare_perpetual(other, rate, basis))


def perpetual(held: int = 0, other: int = 0, rate: str = "0", basis: int = 0) -> View:
    return replace(bare_perpetual(held, rate, basis), beside=bare_spot(other))


def bare_spot(held: int) -> View:
    return View(SPOT, T0, 999_900, 50, 1_000_100, 50, held, LIMIT)


def bare_perpetual(held: int, rate: str, basis: int) -> View:
    bid, ask = 99_990 + basis, 100_010 + basis
    return View(PERPETUAL, T0, bid, 9, ask, 9, held, 100, funding_rate=Decimal(rate))


ON_SPOT = Hedged(LADDER, "BTC_PERP", 10.0, skew_bps=5.0)
ON_PERPETUAL = replace(ON_SPOT, other="BTC_USDT")


def best(quote: TwoSidedQuote) -> tuple[int, int]:
    return quote.bids[0].price, quote.asks[0].price


def moved(tested: Hedged, before: View, after: View) -> int:
    """Ticks by which both best quotes went up, which rounding may make one too few or many."""
    one, other = best(tested.quote(before)), best(tested.quote(after))
    bid, ask = other[0] - one[0], other[1] - one[1]
    assert abs(bid - ask) <= 1
    return bid if abs(bid) > abs(ask) else ask


def test_even_it_quotes_around_its_own_mid() -> None:
    assert best(ON_SPOT.quote(spot())) == (999_000, 1_001_000)
    assert best(ON_PERPETUAL.quote(perpetual())) == (99_900, 100_100)


@pytest.mark.parametrize(
    ("case", "held", "other", "shift"),
    [
        ("long spot, nothing sold", 50_000, 0, -250),
        ("long spot, all of it sold on the perpetual", 50_000, -50, 0),
        ("half of it sold", 50_000, -25, -125),
        ("nothing here, short there", 0, -50, 250),
        ("both long, beyond the limit", 70_000, 80, -500),
    ],
)
def test_the_spot_leans_against_what_both_hold(
    case: str, held: int, other: int, shift: int
) -> None:
    quote, flat = ON_SPOT.quote(spot(held, other)), ON_SPOT.quote(spot())
    assert abs(quote.bids[0].price - flat.bids[0].price - shift) <= 1, case
    assert abs(quote.asks[0].price - flat.asks[0].price - shift) <= 1, case


def test_so_does_the_perpetual_in_its_own_lots() -> None:
    assert abs(moved(ON_PERPETUAL, perpetual(), perpetual(0, 50_000)) - -25) <= 1
    assert moved(ON_PERPETUAL, perpetual(), perpetual(-50, 50_000)) == 0
    assert moved(ON_PERPETUAL, perpetual(), perpetual(0, -999)) == 0, "less than one of its lots"


def test_where_longs_pay_the_perpetual_is_rather_sold_and_the_spot_bought() -> None:
    """2 basis points of funding, three times."""
    tested = replace(ON_SPOT, funding_multiple=3.0)
    assert abs(moved(tested, spot(), spot(rate="0.0002")) - 600) <= 1
    assert abs(moved(tested, spot(), spot(rate="-0.0002")) - -600) <= 1
    tested = replace(ON_PERPETUAL, funding_multiple=3.0)
    assert abs(moved(tested, perpetual(), perpetual(rate="0.0002")) - -60) <= 1


def test_a_reference_goes_towards_the_other_mid_less_the_basis() -> None:
    """The perpetual is 10 basis points above, and should be 2: 8 too many, half of it followed."""
    tested = replace(ON_SPOT, basis_weight=0.5, basis_bps=2.0)
    assert abs(sum(best(tested.quote(spot(basis=100)))) / 2 - 1_000_400) <= 1
    tested = replace(ON_PERPETUAL, basis_weight=0.5, basis_bps=2.0)
    assert abs(sum(best(tested.quote(perpetual(basis=100)))) / 2 - 100_100 * 0.9996) <= 1


@pytest.mark.parametrize(
    ("case", "held", "other", "bids", "asks"),
    [
        ("long by less than that: two levels rest", 0, 30_000, 2, 2),
        ("long: it sells at the bid", 0, 31_000, (), (99_990, 20)),
        ("long by a little more than one level", -25, 60_000, (), (99_990, 20)),
        ("short: it buys at the ask", 0, -31_000, (100_010, 20), ()),
        ("beyond its own limit too: there is no room to sell", -100, 150_000, (), ()),
        ("with room for little", -95, 150_000, (), (99_990, 5)),
    ],
)
def test_beyond_a_bound_the_perpetual_takes(
    case: str, held: int, other: int, bids: Any, asks: Any
) -> None:
    tested = replace(ON_PERPETUAL, cross_at=0.3)
    quote = tested.quote(perpetual(held, other))
    assert (taking(quote.bids), taking(quote.asks)) == (bids, asks), case


def taking(levels: tuple[Level, ...]) -> Any:
    """How many levels would rest, or price and size of the one that takes."""
    if any(level.post_only for level in levels):
        return len(levels)
    for level in levels:
        assert level == Level(level.price, level.qty, Stp.CANCEL_BOTH, post_only=False)
        return level.price, level.qty
    return ()


def test_the_spot_never_takes() -> None:
    tested = replace(ON_SPOT, cross_at=0.0)
    quote = tested.quote(spot(90_000))
    assert all(level.post_only for level in quote.bids + quote.asks)


def test_while_the_other_market_is_not_seen_nothing_is_quoted() -> None:
    assert ON_SPOT.quote(replace(spot(), beside=None)) == TwoSidedQuote()
    with pytest.raises(ValueError, match="at most 6 decimals"):
        Hedged((Rung("0.0000001", Stp.NO),), "BTC_PERP", 1.0).quote(bare_spot(0))


def test_beside_another_asset_nothing_is_quoted() -> None:
    """Lots of ether do not hedge bitcoin."""
    ether = replace(bare_perpetual(0, "0", 0), market=replace(PERPETUAL, base_asset="ETH"))
    seen = replace(spot(), beside=ether)
    assert ON_SPOT.quote(seen) == ON_SPOT.follow(seen, ON_SPOT.reason(seen)) == TwoSidedQuote()
    assert ON_SPOT.reason(seen).words == ("nothing: BTC_PERP is a market of ETH, and this of BTC",)


def test_it_names_the_other_market_and_only_prices_stir_it() -> None:
    assert ON_SPOT.beside() == "BTC_PERP"
    before = e.BestBidOffer(NAME, 1, 0, 100, 1, 102, 1)
    assert not ON_SPOT.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 100, 9, 102, 9))
    assert ON_SPOT.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 99, 1, 102, 1))


def test_illegal_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match="missing required field `other`"):
        load_strategy("hedged", '{"ladder":[{"qty":"1","stp":"cn"}],"half_spread_bps":1}')


@pytest.mark.parametrize("other", ["BTC_USDT", "BTC_PREP"])
def test_the_other_market_has_to_be_quoted_by_the_same_file(other: str) -> None:
    text = page("hedged").read_text("utf-8").partition("```toml\n")[2].partition("```")[0]
    wrong = text.replace('other = "BTC_PERP"', f'other = "{other}"').encode()
    with pytest.raises(ConfigError, match="expected another market of this file, found"):
        parse_config(wrong, "my.toml")


@pytest.mark.slow
def test_what_is_bought_on_the_spot_is_sold_on_the_perpetual() -> None:
    """The page's example, with a bound so low that the first deal on the spot is taken off."""
    config = configuration("hedged")
    eager = {
        name: replace(market, parameters={**market.parameters, "cross_at": 0.001})
        for name, market in config.market.items()
    }
    run = simulate(replace(config, market=eager), quiet_flow(3), seed=3, seconds=4)
    records = records_of(run.fs)
    deals = [record.event.fill for record in records if isinstance(record.event, e.Filled)]
    assert {deal.role.name for deal in deals if deal.market == "BTC_USDT"} == {"MAKER"}
    taken = [deal.qty for deal in deals if deal.role is Role.TAKER]
    assert {deal.market for deal in deals if deal.role is Role.TAKER} == {"BTC_PERP"}
    asked = [
        new.qty
        for record in records
        if isinstance(record.event, e.Decided)
        for intent in record.event.intents
        if isinstance(intent, PlaceOrders)
        for new in intent.orders
        if not new.post_only
    ]
    assert 0 < len(asked) <= 4, "what is taken is told before more is taken: 22 times, once"
    assert sum(taken) <= sum(asked)
    markets = run.outcome.state.markets
    net = markets["BTC_USDT"].position + 1_000 * markets["BTC_PERP"].position
    assert abs(net) <= 10_000, "0.01 BTC"
    proof, _ = verify(iter(records))
    assert proof.divergences == 0
