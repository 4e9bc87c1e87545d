"""Other products than a pair on spot: the same truths, through the collateral account."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.cli.config import Config
from adapters.paper.config import VenueConfig
from adapters.paper.core.model import UNIT_DECIMALS, Side
from adapters.paper.faults.plan import Kind, Rule
from engine.errors import ConfigError
from engine.events import OutcomeUnknown, RequestSent
from engine.intents import QueryFunding
from engine.inventory import pnl
from engine.money import ZERO, add, from_units, subtract
from engine.types import Product
from tests.integration.kit import ACCOUNT
from tests.integration.world import account_at, records_of
from tests.scenarios.acts import (
    PERP,
    SPOT,
    at,
    cancel_own,
    crash,
    cut_sockets,
    fill,
    foreign,
    pause,
    restart,
)
from tests.scenarios.case import Case, run_case
from tests.scenarios.world import World

START = Decimal(1_000_000)
"""Collateral of the demo account, USDT."""


def on_margin(config: Config) -> Config:
    """Quote the pair through the collateral account."""
    pair = replace(config.market[SPOT], product=Product.MARGIN, inventory_target=None)
    return replace(config, market={**config.market, SPOT: pair})


def far_from_the_mid(config: Config) -> Config:
    """Quote so wide that nobody trades by chance."""
    markets = {
        name: replace(market, parameters={**market.parameters, "half_spread_bps": 30.0})
        for name, market in config.market.items()
    }
    return replace(config, market=markets)


def far_on_margin(config: Config) -> Config:
    return far_from_the_mid(on_margin(config))


FILLS = (at(5, fill(SPOT, Side.BUY), fill(PERP, Side.SELL)), at(9, fill(SPOT, Side.SELL)))
CASES = [
    Case(name="bids and asks of a margin pair are filled", acts=FILLS, change=on_margin),
    Case(
        name="a margin bulk arrives and its connection breaks",
        rules=(Rule(kind=Kind.CLOSE, path="/api/v4/order/collateral/bulk", market=SPOT, times=1),),
        acts=FILLS,
        events=(OutcomeUnknown,),
        change=on_margin,
    ),
    Case(
        name="a crash with a margin position, and a start on it",
        acts=(at(5, fill(SPOT, Side.BUY), crash, restart()),),
        runs=2,
        change=on_margin,
    ),
    Case(
        name="an order on spot is a stranger to the margin pair, and stays",
        acts=(at(4, foreign(SPOT, Side.SELL, "0.001", 300)),),
        change=on_margin,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_margin(case: Case) -> None:
    world = run_case(case)
    sent = [r.event for r in records_of(world.fs) if isinstance(r.event, RequestSent)]
    paths = {event.path for event in sent}
    assert "/api/v4/order/collateral/bulk" in paths
    assert not paths & {"/api/v4/order/new", "/api/v4/order/bulk", "/api/v4/trade-account/balance"}
    armed = [event.body for event in sent if event.path == "/api/v4/order/kill-switch"]
    assert any(b'"types":["margin"]' in body for body in armed)
    assert not any(b'"types":["spot"]' in body for body in armed)


def test_borrowing_for_a_margin_position_is_a_cost() -> None:
    case = Case(
        name="a position is held over two minutes",
        acts=(at(5, fill(SPOT, Side.BUY)), at(130, fill(SPOT, Side.BUY))),
        seconds=135,
        change=far_on_margin,
    )
    world = run_case(case)
    market = world.state.markets[SPOT]
    held = next(p for p in world.venue.exchange.positions(ACCOUNT) if p.market == SPOT)
    # Two minutes at 0.0585 % a day, paid with the second fill.
    assert held.funding > 0
    assert held.unrealized_funding == 0
    found = pnl(market.inventory, market.quoted.market, market.watch.mid2)
    assert found.interest == from_units(held.funding, UNIT_DECIMALS)
    assert earned(world) == worth(world)


# --- funding ------------------------------------------------------------------------------------


def minutely(interest: str = "0.0005") -> VenueConfig:
    """A venue that settles funding each minute, of so much in eight hours: unlike the default, a
    rate that can be seen."""
    venue = VenueConfig()
    markets = tuple(
        replace(market, funding_interval_minutes=1) if market.name == PERP else market
        for market in venue.exchange.markets
    )
    exchange = replace(venue.exchange, markets=markets, funding_interest=interest)
    return replace(venue, exchange=exchange)


HISTORY = "/api/v4/collateral-account/funding-history"
HELD = (at(5, fill(PERP, Side.BUY)), at(70, fill(PERP, Side.SELL), fill(PERP, Side.SELL)))
"""Long over the first settlements, short over later ones."""
FUNDED = [
    Case(name="funding is paid and received", acts=HELD, seconds=200),
    Case(
        name="the history of funding is refused, lost and late",
        rules=(
            Rule(kind=Kind.ANSWER, path=HISTORY, status=503, from_s=40, times=2),
            Rule(kind=Kind.CLOSE, path=HISTORY, from_s=90, times=1),
            Rule(kind=Kind.DELAY, path=HISTORY, seconds=2, from_s=150),
        ),
        acts=HELD,
        seconds=200,
    ),
    Case(
        name="the engine is down over a settlement",
        acts=(at(5, fill(PERP, Side.BUY), crash, pause(130), restart()),),
        runs=2,
        seconds=150,
    ),
    Case(
        name="every stream is down over a settlement",
        rules=(Rule(kind=Kind.CLOSE, path="/ws", from_s=50, until_s=75),),
        acts=(at(5, fill(PERP, Side.BUY)), at(50, cut_sockets)),
        seconds=130,
    ),
]


@pytest.mark.parametrize("case", FUNDED, ids=[case.name for case in FUNDED])
def test_funding(case: Case) -> None:
    funded = replace(case, venue=minutely(), change=far_from_the_mid, intents=(QueryFunding,))
    world = run_case(funded)
    market = world.state.markets[PERP]
    payments = world.venue.exchange.funding_payments(ACCOUNT, PERP)
    assert len(payments) >= 2, "nothing was settled"
    assert all(payment.amount for payment in payments)
    found = pnl(market.inventory, market.quoted.market, market.watch.mid2)
    paid = from_units(sum(payment.amount for payment in payments), UNIT_DECIMALS)
    assert (found.funding, found.unknown_funding_s) == (paid, 0)
    total = add(add(found.spread, found.inventory), found.funding)
    assert found.total == subtract(total, add(found.fees, found.interest))
    assert collateral_earned(world) == worth(world)


def collateral_earned(world: World) -> Decimal:
    """As `earned`, of the perpetual alone."""
    market = world.state.markets[PERP]
    return pnl(market.inventory, market.quoted.market, 0).total


# --- hedge mode -------------------------------------------------------------------------------


def hedged() -> VenueConfig:
    venue = VenueConfig()
    accounts = tuple(
        replace(account, hedge_mode=True) if account.name == ACCOUNT else account
        for account in venue.exchange.accounts
    )
    return replace(venue, exchange=replace(venue.exchange, accounts=accounts))


async def turn_hedge_mode_on(world: World) -> None:
    """As nobody can while orders rest; the engine must not trust in that."""
    world.venue.exchange.accounts[ACCOUNT].hedge_mode = True


def test_perpetuals_of_an_account_in_hedge_mode_are_refused() -> None:
    with pytest.raises(ConfigError, match="the account is in hedge mode"):
        run_case(Case(name="an account in hedge mode", venue=hedged()))


def test_hedge_mode_that_is_turned_on_stops_the_perpetual_alone() -> None:
    case = Case(
        name="hedge mode is turned on while the engine quotes",
        acts=(at(5, turn_hedge_mode_on, cancel_own),),
        off={PERP: "the venue refused the market: 114"},
        seconds=8,
        change=far_from_the_mid,
    )
    run_case(case)


def earned(world: World) -> Decimal:
    """What the engine says that it earned, with what it holds valued at nothing."""
    total = ZERO
    for market in world.state.markets.values():
        total = add(total, pnl(market.inventory, market.quoted.market, 0).total)
    return total


def worth(world: World) -> Decimal:
    """What the venue says of the collateral, less what its positions cost."""
    held = Decimal(account_at(world.venue)["collateral"]["USDT"]["balance"])
    for position in world.venue.exchange.positions(ACCOUNT):
        held -= from_units(position.cost + position.unrealized_funding, UNIT_DECIMALS)
    return held - START
