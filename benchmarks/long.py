"""Commands on a journal of a million records, each as a user calls it: its time and its memory."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from zstandard import ZstdCompressor, ZstdDecompressor

from adapters.cli.backtest_plan import make_plan
from adapters.ports import SystemFs
from benchmarks.figures import Row, Section
from benchmarks.session import RECORDED_LABEL, longer, one_market
from replay.backtest.made import LatencySpec
from replay.backtest.played import Played
from replay.backtest.run import run_backtest

TIMES = 6
"""How often the eleven minutes are played, each time where they ended, for a million records."""
NS_PER_S = 1_000_000_000
_KIB_PER_MIB = 1024
_TIME = re.compile(rb'"t": ?(\d+)')
_LAUNCHER = """
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Between us and the command: a peak is counted from the fork on, and would begin with our own."""
_FORMAT = "csv" if find_spec("duckdb") is None else "parquet"

COMMANDS = {
    "replay --verify": ("replay", "{journal}", "--verify", "--json"),
    "fills": ("fills", "{journal}", "--json"),
    "report": ("report", "{journal}", "-o", "{out}/report.html", "--force"),
    "journal export": ("journal", "export", "{journal}", "{out}", "--format", _FORMAT, "--force"),
}


def measure_long(recording: Path | None, *, quick: bool = False) -> Section:
    """Time `replay --verify`, `fills`, `report` and `journal export`, from start to end.

    The journal is that of a backtest. A sixth of it shows what grows with its length.

    Args:
        recording: Of the spot market; None where there is none, and then nothing is measured.
        quick: A sixth and a third instead of all.

    Raises:
        RuntimeError: a command failed, so that its time means nothing.
    """
    if recording is None:
        return Section("long", "a long journal", [], ["Needs a recording, and none was found."])
    recording = recording if quick else longer(recording)
    with tempfile.TemporaryDirectory(prefix="quotefold-bench-") as name:
        directory = Path(name)
        short, _ = _written(directory / "short", [recording])
        later = _later(recording, 2 if quick else TIMES, directory)
        whole, played = _written(directory / "whole", [recording, *later])
        rows = [_row(command, whole, short, directory) for command in COMMANDS]
    fills = sum(market.inventory.fills for market in played.state.markets.values())
    return Section(
        key="long",
        title="commands on a long journal",
        rows=rows,
        notes=[
            f"{RECORDED_LABEL}; a backtest of {recording.name}, again and again;"
            f" {played.state.seq:,} records, {played.events:,} of them input events,"
            f" {played.requests:,} requests, {fills:,} fills.",
            "Time that passes and peak memory of the processes, from the start of the command to"
            " its end; short is the memory on a journal of the recording played once. Export writes"
            f" every table as {_FORMAT}, in two processes where there are two cores: memory is that"
            " of the larger one.",
        ],
    )


def _later(recording: Path, times: int, directory: Path) -> list[Path]:
    # The recording so often in all, each time a second after it ended: what overlaps is refused.
    lines = ZstdDecompressor().stream_reader(recording.read_bytes()).read().splitlines()
    span_ns = _time_ns(lines[-1]) - _time_ns(lines[0]) + NS_PER_S
    found = []
    for number in range(1, times):
        moved = [
            _TIME.sub(b'"t":%d' % (_time_ns(line) + number * span_ns), line, count=1)
            for line in lines
        ]
        found.append(directory / f"{number}-{recording.name}")
        found[-1].write_bytes(ZstdCompressor().compress(b"\n".join(moved) + b"\n"))
    return found


def _time_ns(line: bytes) -> int:
    found = _TIME.search(line)
    assert found is not None
    return int(found[1])


def _written(journal: Path, recordings: list[Path]) -> tuple[Path, Played]:
    fs = SystemFs()
    files = [str(path) for path in recordings]
    plan = make_plan(fs, one_market(), files, LatencySpec(), "risk_averse", 1)
    return journal, run_backtest(fs, plan, journal)


def _row(command: str, whole: Path, short: Path, out: Path) -> Row:
    _, short_mib = _called(command, short, out)
    seconds, mib = _called(command, whole, out)
    return Row(command, "", {"seconds": seconds, "peak_MiB": mib, "short_MiB": short_mib})


def _called(command: str, journal: Path, out: Path) -> tuple[float, float]:
    # Seconds, and the peak resident set in MiB.
    words = [word.format(journal=journal, out=out) for word in COMMANDS[command]]
    program = [sys.executable, "-m", "adapters.cli.main", *words]
    start = perf_counter()
    done = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCHER, *program], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise RuntimeError(f"long benchmark: {command} exited with {done.returncode}")
    return perf_counter() - start, int(done.stdout) / _KIB_PER_MIB
