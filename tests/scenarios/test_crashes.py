"""Machines that stop in the middle, disks that fail, and engines that start again after it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from adapters.cli.config import Config
from adapters.paper.core.model import Side
from adapters.paper.faults.plan import Kind, Rule
from engine import clock
from engine import intents as i
from engine.events import TailCut
from tests.scenarios.acts import (
    PERP,
    SPOT,
    at,
    crash,
    crash_at_sync,
    crash_torn,
    cut_all,
    disk_fails,
    disk_full,
    fill,
    foreign,
    hang,
    in_flight,
    once,
    pause,
    restart,
    set_clock,
)
from tests.scenarios.case import Case, run_case
from tests.scenarios.world import Act

FILLS = (fill(SPOT, Side.BUY), fill(PERP, Side.SELL))
# What is being asked for when it happens, its paths, and what makes the engine ask.
KINDS: dict[str, tuple[type, tuple[str, ...], tuple[Act, ...]]] = {
    "a bulk": (i.PlaceOrders, ("/api/v4/order/bulk", "/api/v4/order/collateral/bulk"), ()),
    "a place": (
        i.PlaceOrders,
        ("/api/v4/order/new", "/api/v4/order/collateral/limit"),
        (at(5, *FILLS),),
    ),
    "a modify": (i.ModifyOrder, ("/api/v4/order/modify",), ()),
    "a cancel": (i.CancelOrder, ("/api/v4/order/cancel",), (at(5, hang(1)),)),
}


def adopting(config: Config) -> Config:
    return replace(config, engine=replace(config.engine, on_restart="adopt"))


def at_sync(name: str, *, durable: bool) -> Case:
    kind, _, acts = KINDS[name]
    from_s = 4.5 if name == "a place" else 0
    when = "between journal and wire" if durable else "before the journal has it"
    return Case(
        name=f"the machine stops {when} of {name}",
        acts=(*acts, at(from_s, crash_at_sync(kind, durable=durable), restart())),
        runs=2,
        seconds=20,
    )


def on_wire(name: str, *, accepted: bool, adopt: bool = False) -> Case:
    kind, paths, acts = KINDS[name]
    from_s = 4.5 if name == "a place" else 0
    more: dict[str, Any] = {"seconds": 2, "accepted": accepted, "from_s": from_s, "times": 1}
    when = "arrival and answer" if accepted else "sending and arrival"
    return Case(
        name=f"the machine stops between {when} of {name}{', adopting' if adopt else ''}",
        rules=tuple(Rule(kind=Kind.DELAY, path=path, **more) for path in paths),
        acts=(*acts, at(from_s, once(in_flight(kind, 0.5), crash, restart(0.2)))),
        change=adopting if adopt else None,
        runs=2,
        seconds=25,
    )


CASES = [
    *(at_sync(name, durable=durable) for name in KINDS for durable in (True, False)),
    *(on_wire(name, accepted=accepted) for name in KINDS for accepted in (True, False)),
    *(on_wire(name, accepted=True, adopt=True) for name in KINDS),
    Case(name="the machine stops in calm", acts=(at(5, crash, restart()),), runs=2),
    Case(
        name="the machine stops in calm, adopting",
        acts=(at(5, crash, restart()),),
        change=adopting,
        runs=2,
    ),
    Case(
        name="orders are filled while no engine runs",
        acts=(at(5, crash, *FILLS, restart()),),
        runs=2,
    ),
    Case(
        name="orders are filled in part while no engine runs, adopting",
        acts=(at(5, crash, fill(SPOT, Side.BUY, 2_000), fill(PERP, Side.SELL, 2), restart()),),
        change=adopting,
        runs=2,
    ),
    Case(
        name="orders are filled just before the machine stops",
        acts=(at(5, *FILLS, crash, restart()),),
        runs=2,
    ),
    Case(
        name="the machine stops for longer than the kill-switch waits",
        acts=(at(5, crash, restart(20)),),
        runs=2,
        seconds=35,
    ),
    Case(
        name="the machine stops for longer than the kill-switch waits, adopting",
        acts=(at(5, crash, restart(20)),),
        change=adopting,
        runs=2,
        seconds=35,
    ),
    Case(
        name="the machine stops again while it recovers",
        acts=(
            at(
                5,
                crash,
                restart(0.2),
                pause(0.05),
                crash,
                restart(0.2),
                pause(0.02),
                crash,
                restart(),
            ),
        ),
        runs=4,
        seconds=25,
    ),
    Case(
        name="the machine stops five times",
        acts=(at(4, *(act for _ in range(5) for act in (crash, restart(0.3), pause(2)))),),
        runs=6,
        seconds=25,
    ),
    Case(
        name="the machine stops with orders placed by hand on the account",
        acts=(at(5, foreign(SPOT, Side.BUY, "0.01", 20), crash, restart()),),
        runs=2,
        foreign=1,
    ),
    Case(
        name="the engine's clock stands 2 s back after a restart",
        acts=(at(5, crash, set_clock(-2), restart()),),
        runs=2,
        seconds=20,
    ),
    Case(
        name="the engine's clock stands 3 s ahead after a restart",
        acts=(at(5, crash, set_clock(3), restart()),),
        runs=2,
        seconds=20,
    ),
    Case(
        name="the engine's clock was 2 minutes ahead before a restart",
        acts=(at(5, set_clock(120), pause(3), crash, set_clock(-120), restart()),),
        gates=(clock.WRONG,),
        runs=2,
        seconds=25,
    ),
    Case(
        name="the engine's clock was 2 minutes behind before a restart",
        acts=(
            at(1, crash, set_clock(-120), restart(), pause(20), crash, set_clock(120), restart()),
        ),
        gates=(clock.WRONG,),
        runs=3,
        seconds=35,
    ),
    Case(
        name="a torn tail of the journal is cut off at the restart",
        acts=(at(5, crash_torn, restart()),),
        events=(TailCut,),
        runs=2,
    ),
    Case(
        name="the disk fails: all is cancelled, and a new start goes on",
        acts=(at(5, disk_fails, restart(2)),),
        runs=2,
        failed="failed to sync",
        seconds=20,
    ),
    Case(
        name="the disk is full: all is cancelled, and a new start goes on",
        acts=(at(5, disk_full, restart(2)),),
        runs=2,
        failed="no space left",
        seconds=20,
    ),
    Case(
        name="the disk fails while every connection breaks",
        acts=(at(5, disk_fails, cut_all, restart(2)),),
        runs=2,
        failed="failed to sync",
        seconds=20,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_crashes(case: Case) -> None:
    run_case(case)
