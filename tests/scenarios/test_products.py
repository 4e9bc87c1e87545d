"""Other products than a pair on spot: the same truths, through the collateral account."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.cli.config import Config
from adapters.paper.core.model import UNIT_DECIMALS, Side
from adapters.paper.faults.plan import Kind, Rule
from engine.events import OutcomeUnknown, RequestSent
from engine.inventory import pnl
from engine.money import ZERO, add, from_units
from engine.types import Product
from tests.integration.kit import ACCOUNT
from tests.integration.world import account_at, records_of
from tests.scenarios.acts import PERP, SPOT, at, crash, fill, foreign, restart
from tests.scenarios.case import Case, run_case
from tests.scenarios.world import World

START = Decimal(1_000_000)
"""Collateral of the demo account, USDT."""


def on_margin(config: Config) -> Config:
    """Quote the pair through the collateral account."""
    pair = replace(config.market[SPOT], product=Product.MARGIN, inventory_target=None)
    return replace(config, market={**config.market, SPOT: pair})


def far_on_margin(config: Config) -> Config:
    """As `on_margin`, so far from the mid that nobody trades with it by chance."""
    config = on_margin(config)
    markets = {
        name: replace(market, parameters={**market.parameters, "half_spread_bps": 30.0})
        for name, market in config.market.items()
    }
    return replace(config, market=markets)


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
