"""Perpetuals of an account in hedge mode: the same truths, with two positions of a market."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.cli.config import Config
from adapters.paper.config import VenueConfig, in_hedge_mode
from adapters.paper.core.model import Side, Status
from adapters.paper.faults.plan import Kind, Rule
from engine import intents as i
from engine.errors import ConfigError
from engine.events import OperatorCommanded, OrdersPlaced, OutcomeUnknown, RequestRefused
from engine.money import from_units
from tests.integration.kit import ACCOUNT
from tests.integration.world import account_at, records_of
from tests.scenarios.acts import (
    PERP,
    at,
    cancel_own,
    crash,
    cut_sockets,
    empty,
    fill,
    in_flight,
    once,
    pause,
    restart,
)
from tests.scenarios.case import Case, run_case
from tests.scenarios.test_products import far_from_the_mid
from tests.scenarios.world import Act, World

MODIFY = "/api/v4/order/modify"
BULK = "/api/v4/order/collateral/bulk"
BUY, SELL = Side.BUY, Side.SELL
HEDGED = in_hedge_mode(VenueConfig())
WITHOUT_POSITION = frozenset({114, 116})
"""Codes of an order that names the wrong position, and of one that finds none to reduce."""


def hedged(config: Config) -> Config:
    """As of an account in hedge mode, quoted so wide that nobody trades by chance."""
    config = far_from_the_mid(config)
    return replace(config, engine=replace(config.engine, hedge_mode=True))


def close(config: Config) -> Config:
    """As `hedged`, where the market trades with the quotes by itself, and moves them."""
    config = replace(config, engine=replace(config.engine, hedge_mode=True))
    market = replace(config.market[PERP], position_max="0.05", price_tolerance="2")
    return replace(config, market={**config.market, PERP: market})


def fills(*sides: Side, lots: int = 0) -> Act:
    """Fill the best order of one side after the other, each once the engine has quoted anew."""

    async def run(world: World) -> None:
        for side in sides:
            await fill(PERP, side, lots)(world)
            await pause(1.5)(world)

    return run


def told(command: str) -> Act:
    """Give the engine a command for the perpetual."""

    async def run(world: World) -> None:
        obeyed = await world.loop.obey(OperatorCommanded(command, PERP, ""))
        assert not obeyed.refused

    return run


def held(*expected: tuple[str, str]) -> Act:
    """Expect positions at the venue, by side, once the engine knows them."""

    async def run(world: World) -> None:
        def found() -> list[tuple[str, str]]:
            positions = account_at(world.venue)["positions"]
            return sorted((p["positionSide"], p["amount"]) for p in positions)

        await world.until(lambda: found() == list(expected))

    return run


async def empty_for_a_while(world: World) -> None:
    """Nothing more is done once what is held has no exposure."""
    await world.until(lambda: empty(PERP)(world))
    await pause(3)(world)
    assert empty(PERP)(world)


LONG, SHORT = ("LONG", "0.005"), ("SHORT", "-0.005")
CASES = [
    Case(
        name="one fill a side opens both positions",
        acts=(at(4, fills(BUY, SELL), held(LONG, SHORT)),),
    ),
    Case(
        name="what was bought is sold again out of the long position",
        acts=(at(4, fills(BUY, BUY, SELL), held(LONG), fills(BUY, SELL), held(LONG)),),
    ),
    Case(
        name="what was sold is bought back out of the short position",
        acts=(at(4, fills(SELL, SELL, BUY), held(SHORT), fills(SELL, BUY), held(SHORT)),),
    ),
    Case(
        name="orders are filled in parts, and moved to their full size",
        acts=(at(4, fills(*(BUY, SELL) * 4, lots=3)),),
        seconds=20,
    ),
    Case(
        name="an order that reduces is filled before its modify arrives",
        rules=(Rule(kind=Kind.DELAY, path=MODIFY, seconds=1, market=PERP, from_s=6, until_s=30),),
        acts=(
            at(4, fills(BUY, BUY), once(in_flight(i.ModifyOrder, 0.2), fills(SELL, BUY, SELL))),
        ),
        change=close,
        seconds=20,
    ),
    Case(
        name="an order that reduces is filled before the answer to its modify",
        rules=(
            Rule(
                kind=Kind.DELAY, path=MODIFY, seconds=1, accepted=True, market=PERP,
                from_s=6, until_s=30,
            ),
        ),
        acts=(
            at(4, fills(BUY, BUY), once(in_flight(i.ModifyOrder, 0.2), fills(SELL, BUY, SELL))),
        ),
        change=close,
        seconds=20,
    ),
    Case(
        name="a bulk arrives and its connection breaks",
        rules=(Rule(kind=Kind.CLOSE, path=BULK, market=PERP, times=1),),
        acts=(at(5, fills(BUY, SELL)),),
        events=(OutcomeUnknown,),
    ),
    Case(
        name="fills while nothing is heard",
        acts=(at(4, fills(BUY, BUY), cut_sockets, fill(PERP, SELL), fill(PERP, BUY)),),
        seconds=20,
    ),
    Case(
        name="a crash with both positions, and a start on them",
        acts=(at(4, fills(BUY, BUY, SELL, SELL), crash, restart(), pause(4), fills(SELL, BUY)),),
        runs=2,
        seconds=25,
    ),
]  # fmt: skip


def run_hedged(case: Case) -> World:
    """Run a case in hedge mode; no order may ever be refused, cut or ended for its position."""
    world = run_case(replace(case, venue=HEDGED, change=case.change or hedged))
    finished = list(world.venue.exchange.finished_orders(ACCOUNT))
    assert not [o for o in finished if o.status is Status.AUTO_CANCELED_REDUCE_ONLY]
    asked = {
        new.client_order_id: new.position_side.value.upper()
        for record in records_of(world.fs)
        for intent in getattr(record.event, "intents", ())
        if isinstance(intent, i.PlaceOrders) and intent.market == PERP
        for new in intent.orders
    }
    named = {o.client_order_id: o.position_side for o in finished if o.client_order_id in asked}
    assert named
    assert named == {name: asked[name] for name in named}
    for record in records_of(world.fs):
        event, refusals = record.event, []
        if isinstance(event, RequestRefused):
            refusals = [event.refusal]
        elif isinstance(event, OrdersPlaced):
            refusals = [result.refusal for result in event.results if result.refusal]
        assert not WITHOUT_POSITION & {refusal.code for refusal in refusals}, event
    return world


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_hedge_mode(case: Case) -> None:
    run_hedged(case)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_market_that_trades_by_itself(seed: int) -> None:
    trading = Case(name="two minutes", change=close, seconds=120, seed=seed)
    market = run_hedged(trading).state.markets[PERP]
    assert market.inventory.fills > 20
    # One order of 0.005 a side: twice that before it reduces, and what rests meanwhile.
    legs, spec = market.inventory.legs, market.quoted.market
    assert from_units(min(legs.long, legs.short), spec.qty_decimals) <= Decimal("0.02")


def test_flattening_leaves_what_has_no_exposure() -> None:
    filled = (fills(BUY, SELL, BUY), held(("LONG", "0.01"), SHORT))
    flattened = (told("flatten"), held(LONG, SHORT), empty_for_a_while, told("resume"))
    case = Case(
        name="flattened with both positions", acts=(at(4, *filled, *flattened),), seconds=20
    )
    world = run_hedged(case)
    assert world.state.markets[PERP].position == 0


# --- the mode of the account --------------------------------------------------------------------


async def turn_off(world: World) -> None:
    """As nobody can while orders rest; the engine must not trust in that."""
    world.venue.exchange.accounts[ACCOUNT].hedge_mode = False


def test_a_one_way_account_is_refused_where_hedge_mode_is_configured() -> None:
    with pytest.raises(ConfigError, match="the account is not in hedge mode"):
        run_case(Case(name="configured, not so", change=hedged))


def test_hedge_mode_that_is_turned_off_stops_the_perpetual_alone() -> None:
    case = Case(
        name="hedge mode is turned off while the engine quotes",
        acts=(at(5, turn_off, cancel_own),),
        off={PERP: "the venue refused the market: 114"},
        seconds=8,
        # A venue may as well take such orders for the one position (G-17).
        venue=replace(HEDGED, exchange=replace(HEDGED.exchange, strict_position_side=True)),
        change=hedged,
    )
    run_case(case)
