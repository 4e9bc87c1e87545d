"""A backtest of ours against one of nautilus_trader: the same recording, an equal ladder."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

import msgspec

from adapters.ports import SystemFs
from benchmarks.backtesting import ladder_plan
from benchmarks.figures import Row, Section, rate_row, timed_ns
from benchmarks.plain_feed import write_plain
from benchmarks.session import MARKET, RECORDED_LABEL, longer
from engine.strategy import load_strategy
from replay.backtest.played import Played
from replay.backtest.run import Plan, run_backtest
from strategies.inventory_skew import InventorySkew
from strategies.ladder import rungs_of

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "nautilus" / "bin" / "python"
"""In an environment of its own, which `make nautilus` installs."""
RECORDED_PASSES = 2
"""Of theirs that stream: each takes a quarter of a minute."""
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
    recording = recording if quick else longer(recording)
    plan = ladder_plan(recording)
    with tempfile.TemporaryDirectory(prefix="quotefold-bench-") as directory:
        feed = Path(directory) / "feed"
        write_plain(SystemFs(), [recording], feed)
        command = [str(PYTHON), "-m", "benchmarks.nautilus_ladder", str(feed), settings_of(plan)]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            theirs = _Theirs(process.stdin, process.stdout)
            found = _in_turns(plan, passes, Path(directory), theirs)
            process.stdin.close()
            return found


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


class _Theirs:
    # The process that plays theirs.
    def __init__(self, ask: IO[bytes], hear: IO[bytes]) -> None:
        self._ask, self._hear = ask, hear
        self.told: dict[str, Any] = msgspec.json.decode(hear.readline())

    def play(self, record: str) -> tuple[int, dict[str, int]]:
        """Play once; returns the time in ns, and what it did."""
        self._ask.write(record.encode() + b"\n")
        self._ask.flush()
        did: dict[str, int] = msgspec.json.decode(self._hear.readline())
        return did.pop("ns"), did


def _in_turns(plan: Plan, passes: int, directory: Path, theirs: _Theirs) -> Section:
    fs, played = SystemFs(), list[Played]()
    journal, record = directory / "journal", directory / "record"
    ours: list[int] = []
    bare: list[int] = []
    recorded: list[int] = []
    did: dict[str, int] = {}
    for number in range(passes):
        shutil.rmtree(journal, ignore_errors=True)
        ours += timed_ns(lambda: played.append(run_backtest(fs, plan, journal)), 1)
        time_ns, did = theirs.play("")
        bare.append(time_ns)
        if number < RECORDED_PASSES:
            time_ns, same = theirs.play(str(record))
            recorded.append(time_ns)
            shutil.rmtree(record)
            if same != did:
                raise RuntimeError(f"nautilus benchmark: {did} without a record, {same} with one")
    messages, read_ns = theirs.told["messages"], theirs.told["read_ns"]
    rates = [
        rate_row("ours, a journal on the disk: frames", played[-1].moves, ours),
        rate_row("nautilus_trader, all streamed to the disk: frames", messages, recorded),
        rate_row("nautilus_trader, nothing kept: frames", messages, bare),
        rate_row(
            "nautilus_trader, nothing kept, reading included: frames",
            messages,
            [read_ns + each for each in bare],
        ),
    ]
    notes = [
        f"{RECORDED_LABEL}; {plan.files[MARKET][0].name}; two levels a side; latency 5 ms;"
        f" {passes} passes in turns, {len(recorded)} of those that stream. Above 1 time ours is"
        " faster.",
        "Ours: from compressed bytes to a journal on the disk of /tmp, every record encoded and"
        f" hashed; {played[-1].requests} requests, those of the session among them.",
        f"nautilus_trader {theirs.told['version']}: its run alone, from objects in memory, but"
        " where reading is included, of lines of JSON that are decompressed and checked already; no"
        f" log; {did['quotes']} times priced, {did['requests']} requests, {did['fills']} fills."
        " Streamed is what a catalog of it is made from: all data and events, as Feather files, by"
        " its own writer.",
    ]
    ratios = [
        _ratio("ours against theirs, both kept", rates[0], rates[1]),
        _ratio("ours against theirs, nothing kept there", rates[0], rates[2]),
        _ratio("ours against theirs, nothing kept, both with reading", rates[0], rates[3]),
    ]
    return Section(KEY, TITLE, [*rates, *ratios], notes)


def _ratio(name: str, ours: Row, theirs: Row) -> Row:
    times = {key: ours.figures[key] / theirs.figures[key] for key in ("best", "median")}
    return Row(name, "times", times)
