"""Backtests of a recording: how fast one is played, and what a second process adds to a sweep."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from statistics import median

from adapters.cli.backtest_plan import make_plan
from adapters.ports import SystemFs
from benchmarks.figures import Row, Section, rate_row, timed_ns
from benchmarks.session import RECORDED_LABEL, longer, one_market
from replay.backtest.made import LatencySpec
from replay.backtest.played import Played
from replay.backtest.run import Plan, run_backtest
from replay.backtest.sweep import Task, grid_of, points_of, tasks_of
from replay.backtest.workers import local
from replay.read import read_records
from replay.verify import verify

GRID = ("half_spread_bps=0.3,0.6,1,2", "skew_bps=0,5")


def measure_backtest(recording: Path | None, passes: int, *, quick: bool = False) -> Section:
    """Play a recording with the ladder of the built-in configuration.

    Args:
        recording: Of the spot market; None where there is none, and then nothing is measured.
        passes: Over it.
        quick: The short recording, also where the long one is there.

    Raises:
        RuntimeError: the journal does not prove, so that its times mean nothing.
    """
    if recording is None:
        return Section("backtest", "backtest", [], ["Needs a recording, and none was found."])
    recording = recording if quick else longer(recording)
    fs, plan = SystemFs(), ladder_plan(recording)
    found: list[Played] = []
    with tempfile.TemporaryDirectory(prefix="quotefold-bench-") as directory:
        journal = Path(directory) / "journal"

        def play() -> None:
            found.append(run_backtest(fs, plan, journal))

        times: list[int] = []
        for _ in range(passes):
            shutil.rmtree(journal, ignore_errors=True)
            times += timed_ns(play, 1)
        proof, _ = verify(read_records(fs, journal))
    played = found[-1]
    if proof.divergences or any(each != played for each in found):
        raise RuntimeError(f"backtest benchmark: the journal does not prove: {proof.first}")
    rows = [
        rate_row("market data messages", played.moves, times),
        rate_row("input events", played.events, times),
        rate_row("all records", played.state.seq, times),
        _workers(plan, passes),
    ]
    notes = [
        f"{RECORDED_LABEL}; {recording.name}; from its compressed bytes to a journal on the disk of"
        f" /tmp; {played.decisions} decisions, {played.requests} requests, two levels a side;"
        f" {passes} passes; the journal proves.",
        "Market data messages are the recording's rows. Input events are those that the engine was"
        " told, answers and timers included; records have its decisions, requests and fingerprints"
        " as well.",
        f"Two processes against one: {len(points_of(grid_of(GRID)))} points of a sweep over the"
        " same data. It means something only where two cores are free.",
    ]
    return Section("backtest", "backtest on the exchange core", rows, notes)


def ladder_plan(recording: Path) -> Plan:
    """Return the backtest of a recording with the ladder of the built-in configuration."""
    return make_plan(SystemFs(), one_market(), [str(recording)], LatencySpec(), "risk_averse", 1)


def _workers(plan: Plan, passes: int) -> Row:
    tasks = tasks_of([("recording", [plan])], points_of(grid_of(GRID)))
    one: list[int] = []
    two: list[int] = []
    # So many tasks take long enough that fewer passes do.
    for _ in range(max(1, passes // 3)):
        one += timed_ns(lambda: _work(tasks, 1), 1)
        two += timed_ns(lambda: _work(tasks, 2), 1)
    ratios = {"n": float(len(one)), "best": min(one) / min(two)}
    return Row("two workers against one", "times", {**ratios, "median": median(one) / median(two)})


def _work(tasks: list[Task], workers: int) -> None:
    for _ in local(workers)(tasks):
        pass
