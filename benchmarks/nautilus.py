"""A backtest of ours against one of nautilus_trader: the same recording, an equal ladder."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

import msgspec

from adapters.ports import SystemFs
from benchmarks.backtesting import LONG, ladder_plan
from benchmarks.figures import Row, Section, rate_row, timed_ns
from benchmarks.plain_feed import write_plain
from benchmarks.session import MARKET, RECORDED_LABEL, RECORDING
from engine.strategy import load_strategy
from replay.backtest.run import Plan, run_backtest
from replay.backtest.world import Played
from strategies.inventory_skew import InventorySkew
from strategies.ladder import rungs_of

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "nautilus" / "bin" / "python"
"""In an environment of its own, which `make nautilus` installs."""
KEY, TITLE = "nautilus", "backtest: ours against nautilus_trader"


def measure_nautilus(recording: Path | None, passes: int, *, quick: bool = False) -> Section:
    """Play a recording with the ladder in turns, ours and theirs.

    Args:
        recording: Of the spot market; None where there is none, and then nothing is measured.
        passes: Of each.
        quick: The short recording, also where the long one is there.
    """
    if recording is None:
        return Section(KEY, TITLE, [], ["Needs a recording, and none was found."])
    if not PYTHON.exists():
        return Section(KEY, TITLE, [], ["nautilus_trader is not installed: `make nautilus`."])
    if not quick and recording.name == RECORDING and recording.with_name(LONG).is_file():
        recording = recording.with_name(LONG)
    plan = ladder_plan(recording)
    with tempfile.TemporaryDirectory(prefix="quotefold-bench-") as directory:
        feed, journal = Path(directory) / "feed", Path(directory) / "journal"
        write_plain(SystemFs(), [recording], feed)
        command = [str(PYTHON), "-m", "benchmarks.nautilus_ladder", str(feed), settings_of(plan)]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as theirs:
            assert theirs.stdin is not None
            assert theirs.stdout is not None
            return _in_turns(plan, passes, journal, theirs.stdin, theirs.stdout)


def settings_of(plan: Plan) -> str:
    """Return what their ladder has to know of ours, as JSON: prices in ticks, sizes in lots."""
    (quoted,) = plan.quoted
    strategy = load_strategy(quoted.strategy, quoted.parameters)
    assert isinstance(strategy, InventorySkew), "the ladder that is told again over there"
    rungs = rungs_of(strategy.ladder, quoted.market.qty_decimals)
    return msgspec.json.encode(
        {
            "rungs": [(offset_bps, lots) for offset_bps, lots, *_ in rungs],
            "half_spread_bps": strategy.half_spread_bps,
            "volatility_multiple": strategy.volatility_multiple,
            "volatility_half_life_s": strategy.volatility_half_life_s,
            "skew_bps": strategy.skew_bps,
            "position_max": quoted.limits.position_max,
            "price_tolerance": quoted.price_tolerance,
            "fee_rate": str(quoted.market.maker_fee_rate),
            "latency_ns": plan.latency.constant_ns,
        }
    ).decode()


def _in_turns(plan: Plan, passes: int, journal: Path, ask: IO[bytes], hear: IO[bytes]) -> Section:
    fs, played = SystemFs(), list[Played]()
    told: dict[str, Any] = msgspec.json.decode(hear.readline())
    ours: list[int] = []
    theirs: list[int] = []
    did: dict[str, int] = {}
    for _ in range(passes):
        shutil.rmtree(journal, ignore_errors=True)
        ours += timed_ns(lambda: played.append(run_backtest(fs, plan, journal)), 1)
        ask.write(b"again\n")
        ask.flush()
        did = msgspec.json.decode(hear.readline())
        theirs.append(did.pop("ns"))
    ask.close()
    rates = [
        rate_row("ours: frames", played[-1].moves, ours),
        rate_row("nautilus_trader: frames", told["messages"], theirs),
    ]
    best, middle = (rates[0].figures[k] / rates[1].figures[k] for k in ("best", "median"))
    ratio = Row("ours against theirs", "times", {"n": passes, "best": best, "median": middle})
    notes = [
        f"{RECORDED_LABEL}; {Path(*plan.files[MARKET]).name}; two levels a side; latency 5 ms;"
        f" {passes} passes of each, in turns. Above 1 time ours is faster.",
        "Ours: from compressed bytes to a journal on the disk of /tmp, every record encoded and"
        f" hashed; {played[-1].requests} requests, those of the session among them.",
        f"nautilus_trader {told['version']}: its run alone, from objects in memory, which took a"
        f" reading of their own before; no log, no record kept; {did['quotes']} times priced,"
        f" {did['requests']} requests, {did['fills']} fills.",
    ]
    return Section(KEY, TITLE, [*rates, ratio], notes)
