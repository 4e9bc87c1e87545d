"""A strategy that names another market of the run sees it beside its own."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from engine.events import BestBidOffer
from engine.funding import Funding
from engine.state import MarketState, State
from engine.step import view_in
from engine.strategy import View
from tests.engine.builders import PERPETUAL, Fixed, quoted, started


class Looking(Fixed, frozen=True, forbid_unknown_fields=True):
    """Quotes as its base does, and looks at a market by name."""

    other: str = "BTC_PERP"

    def beside(self) -> str:
        return self.other


def two_markets(other: str = "BTC_PERP") -> tuple[State, MarketState]:
    """The builders' spot market, looking, and a perpetual that holds 30 lots short."""
    run = started(quoted(), quoted(PERPETUAL))
    spot, perpetual = run.state.markets.values()
    spot = replace(spot, strategy=Looking(other=other), memory="mine")
    inventory = replace(perpetual.inventory, funding=Funding(rate=Decimal("0.0001")))
    perpetual = replace(perpetual, position=-30, inventory=inventory, memory="its own")
    return replace(run.state, markets={"BTC_USDT": spot, "BTC_PERP": perpetual}), spot


def seen(state: State, market: MarketState) -> View:
    view = view_in(state, market)
    assert view is not None
    return view


def with_perpetual(state: State, perpetual: MarketState) -> State:
    return replace(state, markets={**state.markets, "BTC_PERP": perpetual})


def test_it_sees_prices_inventory_and_funding_there_and_no_memory() -> None:
    state, spot = two_markets()
    view = seen(state, spot)
    other = view.beside
    assert other is not None
    assert (other.market, other.inventory, other.memory) == (PERPETUAL, -30, None)
    assert (other.bid_price, other.ask_price) == (view.bid_price, view.ask_price)
    assert other.funding_rate == Decimal("0.0001")
    assert view.memory == "mine"
    assert not view.funding_rate
    assert other.beside is None, "one is enough"


def test_it_sees_none_that_must_not_be_quoted_or_is_not_there() -> None:
    state, spot = two_markets()
    perpetual = state.markets["BTC_PERP"]
    halted = replace(perpetual, halted="a human has to look")
    assert seen(with_perpetual(state, halted), spot).beside is None
    one_sided = replace(
        perpetual, feed=replace(perpetual.feed, bbo=BestBidOffer("BTC_PERP", 99, 0, 990, 5, 0, 0))
    )
    assert seen(with_perpetual(state, one_sided), spot).beside is None
    assert seen(*two_markets("ETH_PERP")).beside is None


def test_a_strategy_that_names_none_sees_none() -> None:
    run = started()
    assert run.market.strategy.beside() == ""
    assert seen(run.state, run.market).beside is None
