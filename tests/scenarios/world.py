"""One account of one venue, and the engines that run on it one after the other, in memory.

What disturbs a scenario acts on a `World`: it cuts connections, trades beside the engine, bends its
clock, crashes its machine and starts it again on the same journal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import trio
from msgspec.structs import replace
from trio.testing import MockClock

from adapters.cli.config import Config, config_json, to_quoted, to_settings
from adapters.cli.simulate import HOST, JOURNAL, STATE
from adapters.paper.config import VenueConfig
from adapters.paper.faults.plan import Plan, Rule
from adapters.paper.flow.source import MakeFlow
from adapters.paper.server import VenueHandle, serve_venue
from adapters.runtime.live import LiveLoop
from adapters.runtime.run import RunOutcome, RunPlan, run_engine
from adapters.simulated import SimClock, SimFs, SimIds
from adapters.whitebit.signing import Secret
from engine.errors import JournalError
from engine.state import State
from tests.integration.kit import ACCOUNT
from tests.scenarios.devices import BentClock, Crash, ScenarioFs, ScenarioNet
from tests.scenarios.watch import Watch

POLL_S = 0.005
"""How often a condition is looked at, in virtual time."""


class World:
    """A scenario while it runs.

    Attributes:
        venue: The running venue.
        watch: What the engine showed so far, and every limit it crossed.
        outcomes: How each run that came to an end went.
        failures: Reasons of the runs that stopped for the journal.
    """

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.net, self.fs = ScenarioNet(seed), ScenarioFs()
        self.clock = BentClock()
        self.watch = Watch()
        self.outcomes: list[RunOutcome] = []
        self.failures: list[str] = []
        self.venue: VenueHandle
        self.loop: LiveLoop
        self._nursery: trio.Nursery
        self._runs = 0
        self._scope = trio.CancelScope()
        self._over = trio.Event()

    @property
    def state(self) -> State:
        """Of the engine, after the last record it folded."""
        return self.watch.state

    async def open(
        self,
        nursery: trio.Nursery,
        venue: VenueConfig,
        make_flow: MakeFlow,
        rules: tuple[Rule, ...],
    ) -> None:
        """Start the venue with its faults, and the first engine."""
        self._nursery = nursery
        config = replace(venue, faults=Plan(rules=rules, seed=self.seed) if rules else None)
        start = partial(serve_venue, config, clock=SimClock(), ids=SimIds(self.seed + 1))
        self.venue = await nursery.start(
            partial(start, net=self.net, host=HOST, make_flow=make_flow)
        )
        self.watch.venue = self.venue
        await self.start()

    async def start(self) -> None:
        """Start an engine on the journal as it is."""
        self._runs += 1
        self._scope, self._over = trio.CancelScope(), trio.Event()
        self.loop = await self._nursery.start(self._run)

    async def _run(self, task_status: trio.TaskStatus[LiveLoop]) -> None:
        ids = SimIds(self.seed + 1 + self._runs)
        try:
            with self._scope:
                outcome = await run_engine(
                    self._plan(),
                    clock=self.clock,
                    ids=ids,
                    net=self.net,
                    fs=self.fs,
                    observer=self.watch,
                    task_status=task_status,
                )
                self.outcomes.append(outcome)
        except* Crash:
            pass
        except* JournalError as group:
            if not self.fs.crashed:
                self.failures.append(str(group.exceptions))
        finally:
            self._over.set()

    def _plan(self) -> RunPlan:
        config, account = self.config, self.venue.accounts[0]
        assert account.account == ACCOUNT
        return RunPlan(
            mode="paper",
            market_names=tuple(config.market),
            quote=partial(to_quoted, config),
            settings=to_settings(config),
            config=config_json(config),
            rest_url=f"http://{HOST}:{self.venue.port}",
            ws_url=f"ws://{HOST}:{self.venue.port}/ws",
            key=Secret(account.key),
            secret=Secret(account.secret),
            journal=JOURNAL,
            state_directory=STATE,
            code=b"simulated",
            threaded=False,
        )

    async def over(self) -> None:
        """Wait until the engine is gone."""
        await self._over.wait()

    async def crash(self) -> None:
        """Stop the engine's machine: what is not durable is lost, its connections end."""
        self.fs.fall()
        self._scope.cancel()
        await self.over()

    async def restart(self, after_s: float = 0.5) -> None:
        """Start the engine again once it is gone, its disk in order."""
        await self.over()
        await trio.sleep(after_s)
        self.fs.repair()
        await self.start()

    async def until(self, condition: Callable[[], object], patience_s: float = 20) -> None:
        """Wait for a condition; what never comes true makes the case fail."""
        with trio.fail_after(patience_s):
            while not condition():  # noqa: ASYNC110 (whatever it is, nothing tells of it)
                await trio.sleep(POLL_S)

    def hang(self, seconds: float) -> None:
        """Let time pass in which nothing runs, neither the engine nor the venue."""
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        clock.jump(seconds)


Act = Callable[[World], Awaitable[None]]

__all__ = ["Act", "SimFs", "World"]
