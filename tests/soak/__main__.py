"""`make soak`: a simulated day of quoting both markets at 50 order changes a second.

Prints the resident set of engine and venue together after each simulated hour. At the end: orders,
position and balances against the venue's, every record proved by a second process, and exit 1 if
anything differs or the memory grew by more than 5 MiB after the first hour.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import timedelta

import msgspec

from adapters.cli.config import default_config
from adapters.paper.server import VenueHandle
from benchmarks.memory import resident_mib
from engine.events import Decided, Record
from engine.intents import CancelOrder, ModifyOrder, PlaceOrders
from engine.state import State
from tests.integration.truth import assert_agrees
from tests.integration.world import account_at
from tests.soak.direct import Direct
from tests.soak.prove import Prover, Verdict

GROWTH_MAX_MIB = 5.0
SPEED = "1"
CUT_EVERY_S = 7_200
"""All connections break this often."""


class Report(msgspec.Struct):
    """What a soak found."""

    seconds: int
    changes: int = 0
    """Orders placed, modified and cancelled."""
    fills: int = 0
    growth_mib: float = 0.0
    clean: bool = False
    open_orders: int = 0
    """Of ours at the venue, after the end."""
    verdict: Verdict | None = None

    def check(self, growth_max_mib: float = GROWTH_MAX_MIB) -> None:
        """Assert that the day went well."""
        assert self.clean, "the engine could not prove that nothing is left at the venue"
        assert not self.open_orders, f"{self.open_orders} orders are left at the venue"
        assert self.verdict is not None, "no record was proved"
        assert not self.verdict.divergences, self.verdict.first
        assert self.fills, "nothing was traded"
        grown = f"memory grew by {self.growth_mib:.1f} MiB after the first sample"
        assert self.growth_mib <= growth_max_mib, grown


def soak(seconds: int, seed: int, *, sample_s: int = 3_600) -> Report:
    """Quote for `seconds` of virtual time; the memory after the first `sample_s` is the base."""
    report, prover = Report(seconds), Prover()

    def observe(state: State, record: Record) -> None:
        prover.observe(state, record)
        if type(record.event) is Decided:
            report.changes += sum(_changes(intent) for intent in record.event.intents)

    started = time.monotonic()
    world = Direct(default_config(), flow="synthetic", speed=SPEED, seed=seed, observer=observe)
    samples: list[float] = []
    for passed_s in range(sample_s, seconds + 1, sample_s):
        world.run(sample_s)
        if passed_s % CUT_EVERY_S == 0:
            world.cut()
        samples.append(resident_mib())
        state = world.sequencer.state
        took = timedelta(seconds=round(time.monotonic() - started))
        print(
            f"{timedelta(seconds=passed_s)} in {took}: {samples[-1]:.1f} MiB,"
            f" {state.seq:,} records, {report.changes / passed_s:.1f} order changes/s",
            flush=True,
        )
    report.growth_mib = max(samples) - samples[0]
    report.clean = world.stop()
    state = world.sequencer.state
    report.fills = sum(market.inventory.fills for market in state.markets.values())
    report.open_orders = len(world.venue.exchange.open_orders(world.account))
    report.verdict = prover.finish()
    assert_agrees(state, account_at(VenueHandle(world.venue, 0)))
    return report


def _changes(intent: object) -> int:
    if isinstance(intent, PlaceOrders):
        return len(intent.orders)
    return int(isinstance(intent, ModifyOrder | CancelOrder))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--hours", type=int, default=24, help="of virtual time, 2 or more; 24")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn; 1")
    given = parser.parse_args()
    report = soak(given.hours * 3_600, given.seed)
    print(msgspec.json.format(msgspec.json.encode(report)).decode())
    report.check()
    return 0


if __name__ == "__main__":
    sys.exit(main())
