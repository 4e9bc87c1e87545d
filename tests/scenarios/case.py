"""What a scenario is, and the one way in which each is run and judged.

A case is a row of data: what goes wrong when, and what must be seen of it. Whatever it is, after it
the engine must know its orders, positions and balances exactly as the venue has them, must never
have crossed a limit, must quote again or be off for the reason that the row states, must end in
good order, and its journal must replay without a divergence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
import trio
from msgspec.structs import replace

from adapters.cli.config import Config
from adapters.paper.config import VenueConfig
from adapters.paper.faults.plan import Rule
from adapters.simulated import run_deterministic
from adapters.whitebit.signing import TOKEN_PATH
from engine.events import AnyEvent, Record, RequestSent
from engine.gates import closed_gate
from replay.verify import verify
from tests.integration.kit import ACCOUNT, MARKETS
from tests.integration.truth import assert_totals_agree
from tests.integration.world import account_at, quiet_config, quiet_flow, records_of
from tests.scenarios.truth import differences
from tests.scenarios.world import Act, World

SETTLING_S = 20.0
"""How long it may take until all is known again: a nonce window, a back-off and a query."""
STOPPING_S = 30.0
REQUESTS_MAX = 60
"""Most requests in a second: the beginning of a run takes about 30, and nothing else is as busy."""
BESIDE_THE_JOURNAL = (TOKEN_PATH, "/api/v4/collateral-account/hedge-mode")
"""What tells a secret, and what is asked before there is a run."""
Change = Callable[[Config], Config]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario."""

    name: str
    rules: tuple[Rule, ...] = ()
    """What goes wrong at the venue; each rule must come to pass."""
    acts: tuple[Act, ...] = ()
    """What else happens; all of them run at once, from the start of the first engine."""
    gates: tuple[str, ...] = ()
    """Beginnings of reasons for which a market was not quoted at some moment."""
    events: tuple[type[AnyEvent], ...] = ()
    """Records there must be."""
    no_events: tuple[type[AnyEvent], ...] = ()
    """Records there must not be."""
    intents: tuple[type, ...] = ()
    """What the engine must have asked for."""
    no_intents: tuple[type, ...] = ()
    """What it must not have asked for."""
    off: Mapping[str, str] = {}
    """Markets that are not quoted in the end, and the beginning of the reason."""
    halted: str = ""
    """Beginning of the reason for which the whole engine is off in the end."""
    clean: bool = True
    """Whether the last run ends proved empty; otherwise the venue's timers do the rest."""
    anomalies: int = 0
    """Facts that did not fit what the engine knew; -1 where there must be some."""
    breaks: int = 0
    """Times that reports and deals may differ with nothing to explain it."""
    partial: bool = False
    """Whether the venue refused a part of a bulk."""
    failed: str = ""
    """What an earlier run that could not write its journal said; empty when none did."""
    foreign: int | None = None
    """Orders that others left on the account, at the stop; None for any number."""
    roomy: bool = False
    """Room for what others trade on the account, which no limit of the engine counts."""
    runs: int = 1
    seconds: float = 15
    """From the start until everything has gone wrong that is going to."""
    kill_switch: str = "15s"
    change: Change | None = None
    """Another configuration than the quiet one."""
    venue: VenueConfig = VenueConfig()
    seed: int = 1


def run_case(case: Case) -> World:
    """Run a case and judge it; returns what is left of its world."""
    try:
        world: World = run_deterministic(partial(_run, case), seed=case.seed)
    except BaseExceptionGroup as group:
        # What went wrong is what is to be read, not the tasks around it.
        raise _first(group) from None
    _judge(case, world)
    return world


def tight_config(kill_switch: str) -> Config:
    """Limits that one order too many would cross: two orders a side, half of which may rest."""
    config = quiet_config(kill_switch)
    markets = {
        name: replace(market, position_max="0.011", order_notional_max="400", open_orders_max=2)
        for name, market in config.market.items()
    }
    return replace(config, market=markets)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _run(case: Case) -> World:
    config = quiet_config(case.kill_switch) if case.roomy else tight_config(case.kill_switch)
    world = World(case.change(config) if case.change else config, case.seed)
    async with trio.open_nursery() as nursery:
        await world.open(nursery, case.venue, quiet_flow(case.seed), case.rules)
        async with trio.open_nursery() as acts:
            for act in case.acts:
                acts.start_soon(act, world)
            acts.start_soon(trio.sleep, case.seconds)
        await _settle(case, world)
        strangers = [m.foreign_orders for m in world.state.markets.values()]
        assert case.foreign in (None, sum(map(len, strangers)))
        world.loop.stop("the case is over")
        with trio.move_on_after(STOPPING_S) as patience:
            await world.over()
        assert not patience.cancelled_caught, "the engine did not stop"
        nursery.cancel_scope.cancel()
    return world


async def _settle(case: Case, world: World) -> None:
    # The whole truth, and every market as it is to be, at one moment.
    found: list[str] = []
    with trio.move_on_after(SETTLING_S):
        while True:
            found = [] if case.halted else differences(world)
            found += _not_as_stated(case, world)
            if not found:
                return
            await trio.sleep(0.02)
    raise AssertionError(f"not settled: {'; '.join(found)}")


def _not_as_stated(case: Case, world: World) -> list[str]:
    found, state = [], world.state
    for name in MARKETS:
        market = state.markets[name]
        reason, expected = closed_gate(state, market), case.halted or case.off.get(name, "")
        if not (reason.startswith(expected) if expected else not reason):
            found.append(f"{name}: off for {reason!r}, expected {expected!r}")
        sides = {order.side for order in world.watch.own_orders(name)}
        if bool(sides) == bool(expected):
            found.append(f"{name}: own orders on {sides}")
    return found


def _judge(case: Case, world: World) -> None:
    watch, exchange = world.watch, world.venue.exchange
    assert watch.crossed == [], watch.crossed[:5]
    assert watch.busiest <= REQUESTS_MAX, f"{watch.busiest} requests within a second"
    faults = world.venue.venue.faults
    done = {fault.rule for fault in faults.log} if faults is not None else set()
    assert done == set(range(len(case.rules))), f"rules that came to pass: {sorted(done)}"
    seen = {reason for _, reason in watch.gates}
    for gate in case.gates:
        assert any(reason.startswith(gate) for reason in seen), (gate, seen)
    assert watch.partial or not case.partial, "no bulk was refused in part"
    for kind in case.events:
        assert watch.events[kind], f"no {kind.__name__}"
    for kind in case.no_events:
        assert not watch.events[kind], f"{watch.events[kind]} {kind.__name__}"
    for asked in case.intents:
        assert watch.intents[asked], f"no {asked.__name__}"
    for asked in case.no_intents:
        assert not watch.intents[asked], f"{watch.intents[asked]} {asked.__name__}"
    records = records_of(world.fs)
    if not case.failed:
        # An engine that lost its journal cancels all without it.
        assert _unjournaled(world, records) == []
    proof, state = verify(iter(records))
    assert (proof.divergences, proof.first, proof.runs) == (0, None, case.runs)
    assert state == world.state
    expected = state.anomalies > 0 if case.anomalies < 0 else state.anomalies == case.anomalies
    assert expected, (state.anomalies, state.last_anomaly)
    assert sum(market.breaks for market in state.markets.values()) == case.breaks
    assert bool(case.failed) == bool(world.failures)
    assert all(case.failed in failure for failure in world.failures), world.failures
    outcome = world.outcomes[-1]
    assert outcome.ended.clean == case.clean, outcome.ended
    if case.clean:
        assert exchange.open_orders(ACCOUNT) == []
        assert exchange.kill_switches(ACCOUNT) == []
        assert_totals_agree(state, account_at(world.venue))
    else:
        armed = {timer.market for timer in exchange.kill_switches(ACCOUNT)}
        assert {order.market for order in exchange.open_orders(ACCOUNT)} <= armed


def _unjournaled(world: World, records: list[Record]) -> list[str]:
    """Return the paths of requests that reached the venue and that no record tells of."""
    known = {
        hashlib.sha256(record.event.body).hexdigest()
        for record in records
        if isinstance(record.event, RequestSent)
    }
    return [
        body.path
        for body in world.venue.body_hashes
        if body.sha256 not in known and body.path not in BESIDE_THE_JOURNAL
    ]
