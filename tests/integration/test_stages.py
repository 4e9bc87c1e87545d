"""The staged stop against the venue, on virtual time: limits trip, and the journal proves it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from adapters.cli.config import Config
from adapters.cli.limits import MarketLimits
from adapters.cli.simulate import Simulation, simulate
from engine.events import Decided, RequestSent
from engine.guards import is_flat
from engine.intents import PlaceOrders
from engine.stages import FLATTEN_LEVEL, Hold, SideOff, Stage
from engine.state import MarketState
from replay.verify import verify
from tests.integration.kit import ACCOUNT
from tests.integration.truth import assert_agrees
from tests.integration.world import account_at, quiet_config, quiet_flow, records_of

pytestmark = pytest.mark.slow

MINUTES = 180


def run_with(limits: MarketLimits, seed: int = 5, seconds: float = MINUTES) -> Simulation:
    """Quote a quiet market under other limits; whatever they do, it ends well and is proved."""
    config: Config = quiet_config("15s")
    markets = {name: replace(market, limits=limits) for name, market in config.market.items()}
    config = replace(config, market=markets)
    run = simulate(config, quiet_flow(seed), seed=seed, seconds=seconds)
    assert run.outcome.ended.clean
    assert run.venue.exchange.open_orders(ACCOUNT) == []
    assert_agrees(run.outcome.state, account_at(run.venue))
    proof, state = verify(iter(records_of(run.fs)))
    assert (proof.divergences, proof.first) == (0, None)
    assert state == run.outcome.state
    return run


def changes(run: Simulation, market: str) -> list[Hold]:
    return [
        change.hold
        for record in records_of(run.fs)
        if isinstance(record.event, Decided)
        for change in record.event.stages
        if change.market == market
    ]


def placed(run: Simulation, want: Callable[[PlaceOrders], bool]) -> list[PlaceOrders]:
    records = records_of(run.fs)
    sent = {r.cause_seq for r in records if isinstance(r.event, RequestSent)}
    return [
        intent
        for record in records
        if isinstance(record.event, Decided) and record.seq in sent
        for intent in record.event.intents
        if isinstance(intent, PlaceOrders) and want(intent)
    ]


def flattens(intent: PlaceOrders) -> bool:
    return intent.orders[0].level == FLATTEN_LEVEL


def spot(run: Simulation) -> MarketState:
    return run.outcome.state.markets["BTC_USDT"]


def test_a_loss_at_its_limit_flattens_and_ends_in_off() -> None:
    # The fee of the first fill is more than the market may lose.
    limits = MarketLimits(loss_day_max="0.01", loss_flattens=True, flatten_patience="5s")
    run = run_with(limits)
    for name, market in run.outcome.state.markets.items():
        for rule in ("loss", "drawdown"):
            stages = [hold.stage for hold in changes(run, name) if hold.rule == rule]
            assert stages[-2:] == [Stage.FLATTEN, Stage.OFF]
        assert market.stage is Stage.OFF
        assert is_flat(market)
    reducing = placed(run, flattens)
    assert {intent.market for intent in reducing} == {"BTC_USDT", "BTC_PERP"}
    for intent in reducing:
        (order,) = intent.orders
        assert order.reduce_only is (intent.market == "BTC_PERP")
        assert order.post_only is not order.ioc


def test_a_loss_without_flattening_cancels_and_keeps_the_inventory() -> None:
    run = run_with(MarketLimits(loss_day_max="0.01"))
    assert spot(run).stage is Stage.CANCEL
    assert placed(run, flattens) == []
    assert spot(run).inventory.fills > 0


def test_fills_take_their_side_off() -> None:
    run = run_with(
        MarketLimits(fills_per_minute_max=1, loss_day_max="100000", drawdown_max="100000"),
        seconds=600,
    )
    found = [hold for name in run.outcome.state.markets for hold in changes(run, name)]
    assert found
    assert {hold.stage for hold in found} == {Stage.ONE_SIDE}
    for name, market in run.outcome.state.markets.items():
        for hold in changes(run, name):
            side = {SideOff.BUY: "fills_buy", SideOff.SELL: "fills_sell"}
            assert side[hold.side_off] == hold.rule
            assert hold in market.holds
