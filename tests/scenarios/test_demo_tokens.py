"""The pair of demo tokens trades like any other pair, on spot (contract section 1)."""

from __future__ import annotations

import trio
from msgspec.structs import replace

from adapters.paper.config import VenueConfig, with_flow_accounts
from adapters.paper.flow.source import flow_maker
from adapters.simulated import SimFs, run_deterministic
from adapters.whitebit.requests import encode
from engine.intents import CancelAll
from tests.integration.kit import ACCOUNT
from tests.integration.world import QUIET, quiet_config
from tests.scenarios.world import World

DEMO = "DBTC_DUSDT"


def venue_of_tokens() -> VenueConfig:
    venue = with_flow_accounts(VenueConfig(synthetic=QUIET))
    exchange = venue.exchange
    pair = replace(
        exchange.markets[0], name=DEMO, base_asset="DBTC", quote_asset="DUSDT", is_margin=False
    )
    accounts = tuple(
        replace(account, spot={"DBTC": "10", "DUSDT": "1000000"}, collateral={})
        for account in exchange.accounts
    )
    return replace(venue, exchange=replace(exchange, markets=(pair,), accounts=accounts))


async def _quoted() -> set[str]:
    config = quiet_config("5s")
    section = replace(config.market["BTC_USDT"], inventory_target="10")
    world = World(replace(config, market={DEMO: section}), 1)
    settings = venue_of_tokens()
    make_flow = flow_maker(settings, "synthetic", seed=1, speed="1", fs=SimFs())
    async with trio.open_nursery() as nursery:
        await world.open(nursery, settings, make_flow, ())
        await world.until(lambda: len({o.side for o in world.watch.own_orders(DEMO)}) == 2)
        sides = {order.side.name for order in world.watch.own_orders(DEMO)}
        world.loop.stop("it is quoted")
        await world.over()
        assert world.outcomes[-1].ended.clean
        assert world.venue.exchange.open_orders(ACCOUNT) == []
        nursery.cancel_scope.cancel()
    return sides


def test_demo_tokens_are_quoted_on_both_sides() -> None:
    assert run_deterministic(_quoted, seed=1) == {"BUY", "SELL"}
    assert b'"market":"DBTC_DUSDT"' in encode(CancelAll(DEMO), None, 1).body
