"""Engine and venue in one process, on virtual time, over an in-memory network, from one seed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import trio

from adapters.cli.config import Config, config_json, to_quoted, to_settings
from adapters.cli.own_code import part_hashes
from adapters.paper.config import VenueConfig, in_hedge_mode
from adapters.paper.faults.plan import Plan
from adapters.paper.flow.source import MakeFlow
from adapters.paper.server import VenueHandle, serve_venue
from adapters.ports import SystemFs
from adapters.runtime.live import LiveLoop
from adapters.runtime.run import RunOutcome, RunPlan, run_engine
from adapters.runtime.sequencer import Observer
from adapters.simulated import SimClock, SimIds, run_deterministic
from adapters.simulated_fs import SimFs
from adapters.simulated_net import SimNet
from adapters.whitebit.signing import Secret

HOST = "127.0.0.1"
JOURNAL = Path("/journal")
STATE = Path("/state")
"""Where the panic latch of a simulated engine is."""


class Simulation(msgspec.Struct, frozen=True):
    """What a simulated run left behind."""

    outcome: RunOutcome
    venue: VenueHandle
    fs: SimFs


class World(msgspec.Struct, frozen=True):
    """A simulation while it runs, in the hands of who disturbs it."""

    venue: VenueHandle
    net: SimNet
    fs: SimFs
    loop: LiveLoop


Disturb = Callable[[World], Awaitable[None]]


def simulate(
    config: Config,
    make_flow: MakeFlow,
    *,
    seed: int,
    seconds: float,
    fs: SimFs | None = None,
    net: SimNet | None = None,
    observer: Observer | None = None,
    disturb: Disturb | None = None,
    faults: Plan | None = None,
) -> Simulation:
    """Run the engine against a venue for `seconds` of virtual time; equal seeds, equal bytes.

    Args:
        config: What to quote; its venue section is not used.
        make_flow: Builds the venue's background participants.
        seed: Of everything that is drawn.
        seconds: Until the engine is told to stop; its orderly end comes on top.
        fs: Where the journal goes, at `JOURNAL`; a new tree by default.
        net: What lies between engine and venue; a network of the seed by default.
        observer: As for `run_engine`.
        disturb: Runs beside the engine from its start; what is left of it ends with the run.
        faults: What goes wrong at the venue, from its start.
    """
    start = partial(
        _simulate,
        config,
        make_flow,
        seed=seed,
        seconds=seconds,
        fs=SimFs() if fs is None else fs,
        net=SimNet(seed) if net is None else net,
        observer=observer,
        disturb=disturb,
        faults=faults,
    )
    return run_deterministic(start, seed=seed)


async def _simulate(
    config: Config,
    make_flow: MakeFlow,
    *,
    seed: int,
    seconds: float,
    fs: SimFs,
    net: SimNet,
    observer: Observer | None,
    disturb: Disturb | None,
    faults: Plan | None,
) -> Simulation:
    clock = SimClock()
    outcomes: list[RunOutcome] = []
    venue_config = VenueConfig(faults=faults)
    async with trio.open_nursery() as nursery:
        venue: VenueHandle = await nursery.start(
            partial(
                serve_venue,
                in_hedge_mode(venue_config) if config.engine.hedge_mode else venue_config,
                clock=clock,
                ids=SimIds(seed + 1),
                net=net,
                host=HOST,
                make_flow=make_flow,
            )
        )
        account = venue.accounts[0]
        plan = RunPlan(
            mode="paper",
            market_names=tuple(config.market),
            quote=partial(to_quoted, config),
            settings=to_settings(config),
            config=config_json(config),
            rest_url=f"http://{HOST}:{venue.port}",
            ws_url=f"ws://{HOST}:{venue.port}/ws",
            key=Secret(account.key),
            secret=Secret(account.secret),
            journal=JOURNAL,
            state_directory=STATE,
            code=b"simulated",
            code_parts=part_hashes(SystemFs()),
            threaded=False,
        )

        async def engine(task_status: trio.TaskStatus[LiveLoop]) -> None:
            start = partial(run_engine, clock=clock, ids=SimIds(seed + 2), net=net, fs=fs)
            outcomes.append(await start(plan, observer=observer, task_status=task_status))
            nursery.cancel_scope.cancel()

        loop: LiveLoop = await nursery.start(engine)
        if disturb is not None:
            nursery.start_soon(disturb, World(venue, net, fs, loop))
        await trio.sleep(seconds)
        loop.stop("the time is over")
    return Simulation(outcomes[0], venue, fs)
