"""Make the golden journals of this generation: `python -m tests.golden.make [NAME ...]`.

Without names, those that are missing are made. A journal that is there is never written again: old
ones are what they are worth keeping for. After a change of the schema a new generation joins them:
raise `GENERATION`, and run this.

Each comes from a simulation and so from its seed alone; segments are compressed, snapshots left
out. Beside each lies `NAME.json`, which says what has to come out of it for ever.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from adapters.cli.simulate import JOURNAL, World, simulate
from adapters.paper.faults.plan import Kind as FaultKind
from adapters.paper.faults.plan import Plan, Rule
from adapters.runtime.journal import taken_lock
from adapters.runtime.journal_compact import compact_journal
from adapters.runtime.journal_read import RAW_DIR
from adapters.simulated_fs import SimFs
from benchmarks.session import find_recording, flow_of
from engine.events import OperatorCommanded
from engine.types import Product
from tests.golden.facts import facts
from tests.integration.world import quiet_config, quiet_flow, run_quiet
from tests.scenarios.acts import at, crash_torn, restart
from tests.scenarios.case import Case, run_case

GENERATION = "1"
CORPUS = Path(__file__).with_name("corpus")


def synthetic() -> SimFs:
    """A quiet market, both products, with raw bytes: what `renormalize` is held to."""
    return run_quiet(25, seed=3).fs


def recorded() -> SimFs:
    """Recorded market data on one spot market; needs the recording in a `data` folder."""
    recording = find_recording()
    if recording is None:
        raise SystemExit("recorded: expected a recording in a data folder, found none")
    config = quiet_config("5s")
    config = replace(config, market={"BTC_USDT": config.market["BTC_USDT"]})
    return simulate(config, flow_of(recording), seed=4, seconds=6).fs


def faults() -> SimFs:
    """Answers that get lost or refused, gaps, closed streams, duplicated and reordered pushes."""
    orders = "/api/v4/order/*"
    rules = (
        Rule(kind=FaultKind.ANSWER, path=orders, status=503, accepted=True, probability=0.05),
        Rule(kind=FaultKind.ANSWER, path=orders, status=503, accepted=False, probability=0.05),
        Rule(kind=FaultKind.ANSWER, path=orders, status=429, accepted=False, probability=0.05),
        Rule(kind=FaultKind.DROP, path=orders, accepted=True, probability=0.03),
        Rule(kind=FaultKind.SKIP_DELTA, probability=0.03),
        Rule(kind=FaultKind.DUPLICATE, channel="private", probability=0.1),
        Rule(kind=FaultKind.REORDER, channel="private", probability=0.1),
        Rule(kind=FaultKind.CLOSE, channel="*", probability=0.004),
    )
    calm = tuple(replace(rule, until_s=25) for rule in rules)
    return run_quiet(40, seed=6, kill_switch="15s", faults=Plan(rules=calm, seed=6)).fs


def crashed() -> SimFs:
    """A machine that stops in the middle of a write, and a second run on what it left."""
    case = Case(name="golden", acts=(at(5, crash_torn, restart()),), runs=2, seconds=12)
    return run_case(case).fs


def operated() -> SimFs:
    """A human who holds markets back, changes parameters and lets go, and a third run."""

    async def disturb(world: World) -> None:
        import trio

        for command, market, argument in (
            ("pause", "BTC_USDT", ""),
            ("side", "BTC_PERP", "buy"),
            ("set", "BTC_USDT", '{"ladder.0.qty":"0.004","position_max":"0.4"}'),
            ("note", "", "golden"),
            ("resume", "", ""),
            ("flatten", "BTC_PERP", ""),
            ("enable", "", ""),
        ):
            await trio.sleep(1.5)
            await world.loop.obey(OperatorCommanded(command, market, argument))

    fs = run_quiet(14, seed=8, disturb=disturb).fs
    return run_quiet(6, seed=9, fs=fs).fs


def margin() -> SimFs:
    """A spot pair on its collateral endpoints, with RPI levels, placed one by one."""
    config = quiet_config("5s")
    spot = config.market["BTC_USDT"]
    ladder = [{"qty": "0.005", "stp": "cn"}, {"qty": "0.004", "stp": "cn", "rpi": True}]
    parameters = {"ladder": ladder, "half_spread_bps": 1.0, "skew_bps": 5.0}
    market = replace(spot, parameters=parameters, product=Product.MARGIN, inventory_target=None)
    config = replace(config, market={"BTC_USDT": market})
    return simulate(config, quiet_flow(5), seed=5, seconds=15).fs


MAKERS: dict[str, tuple[Callable[[], SimFs], bool]] = {
    "synthetic": (synthetic, True),
    "recorded": (recorded, False),
    "faults": (faults, True),
    "crashed": (crashed, False),
    "operated": (operated, False),
    "margin": (margin, True),
}
"""Name -> what makes it, and whether its raw bytes are kept."""


def make(name: str, target: Path) -> None:
    """Make one golden journal in an empty directory."""
    maker, raw = MAKERS[name]
    fs = maker()
    with taken_lock(fs, JOURNAL) as lock:
        compact_journal(fs, JOURNAL)
        lock.release()
    folders = [JOURNAL, *([JOURNAL / RAW_DIR] if raw else [])]
    for folder in folders:
        for file in fs.list_dir(folder):
            if ".qfj" in file:
                path = target / (folder / file).relative_to(JOURNAL)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(fs.read(folder / file))
    text = json.dumps(facts(fs, JOURNAL), indent=1)
    target.with_name(f"{name}.json").write_text(f"{text}\n", "utf-8")


def main(names: list[str]) -> int:
    """Make what is named, or what is missing."""
    for name in names or list(MAKERS):
        target = CORPUS / GENERATION / name
        if target.exists():
            if names:
                sys.stderr.write(f"{target} is there: golden journals are never written again\n")
                return 1
            continue
        make(name, target)
        sys.stderr.write(f"made {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
