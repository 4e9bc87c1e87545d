"""Small sweeps for the tests, in this process or as a command of their own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from adapters.cli.backtest_plan import parse_latency
from adapters.cli.sweep_plan import Asked, Made, make_tasks
from adapters.ports import SystemFs
from tests.backtest.recordings import spot_config
from tests.integration.kit import PROGRAM, wait_until
from tests.source_tree import ROOT

FS = SystemFs()
GRID = ("half_spread_bps=0.3,2", "skew_bps=0,5")
LONGER = ("half_spread_bps=0.3,0.5,1,2,3", "skew_bps=0,5,10")
"""So many points that there is time to end what works on them."""


def made(
    data: Sequence[Path | str], split: str | None = None, grid: tuple[str, ...] = GRID
) -> Made:
    """The tasks of a sweep over some recordings."""
    texts = tuple(str(path) for path in data)
    latency = parse_latency("constant:5ms")
    return make_tasks(FS, spot_config(), Asked(grid, texts, split, latency, "risk_averse", 1))


def nothing(done: int, of: int) -> None:
    """Be told of progress."""


def files(directory: Path) -> dict[str, bytes]:
    """What is in a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def results(directory: Path) -> dict[str, bytes]:
    """The results in a directory."""
    return {path.name: path.read_bytes() for path in directory.glob("*.json")}


def workers_of(process: int) -> list[int]:
    """The processes that another one started to work for it."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    own = _command(process)
    # A fork has the command of its parent; joblib's have one that tells them from its trackers.
    found = [(int(child), _command(child)) for child in children]
    return [child for child, command in found if command == own or b"popen_loky" in command]


def _command(process: int | str) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def is_ready(process: int) -> bool:
    """Say whether a worker has come so far as to leave Ctrl-C to its parent."""
    status = Path(f"/proc/{process}/status").read_text()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    return bool(ignored & 1 << signal.SIGINT - 1)


def is_there(process: int) -> bool:
    """Say whether a process runs; one that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def begun(data: Path, out: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the command on a longer grid, and return once its first result is there."""
    grid = [word for text in LONGER for word in ("--grid", text)]
    process = subprocess.Popen(
        [*PROGRAM, "sweep", "--data", str(data), *grid, "--out", str(out), "--json", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_until(lambda: list(out.glob("*.json")) or process.poll() is not None, "a first result")
    return process


def ended(process: subprocess.Popen[bytes], by: signal.Signals) -> tuple[int, str, str]:
    """Send a signal to all processes of a command, as Ctrl-C does, or to it alone, as `kill`."""
    if by is signal.SIGINT:
        os.killpg(process.pid, by)
    else:
        process.send_signal(by)
    out, err = process.communicate(timeout=30)
    return process.returncode, out.decode(), err.decode()
