"""The same work by the program as it is and by its compiled core (`make compiled`), in turns."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import IO

import msgspec

import engine
from adapters.ports import SystemFs
from benchmarks.backtesting import ladder_plan
from benchmarks.feeding import measure_frames
from benchmarks.figures import Row, Section, rate_row
from benchmarks.session import RECORDED_LABEL, longer, make_session
from engine import step
from engine.state import fingerprint
from replay.backtest.run import run_backtest
from replay.read import read_records
from replay.verify import verify

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "compiled" / "bin" / "python"
_CHILD = "import sys; sys.path.append(sys.argv[1]); from benchmarks.compiled import main; main()"
"""The packages of its own environment come first there, and `benchmarks` is none of them."""
_SESSION_S = 30.0
PACKAGES = ("engine", "strategies", "replay", "adapters")
KEY, TITLE = "compiled", "the core as it is, and compiled"


class Done(msgspec.Struct, frozen=True):
    """What a turn took, and what it did, which must be the same for both."""

    ns: int
    counts: dict[str, int]
    state: str
    """Fingerprint of the last state, hexadecimal."""


class Frames(msgspec.Struct, frozen=True):
    """Frame in -> signed request bytes, µs p50."""

    every: float
    acting: float


def is_ready() -> bool:
    """Say whether the compiled core is there, and of the very program of this checkout."""
    if not PYTHON.exists():
        return False
    (site,) = PYTHON.parent.parent.glob("lib/python3*/site-packages")
    sources = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return all(
        copy.is_file() and copy.read_bytes() == path.read_bytes()
        for path in sources
        for copy in [site / path.relative_to(ROOT)]
    )


def play(recording: Path, journal: Path) -> Done:
    """Backtest a recording with the ladder."""
    shutil.rmtree(journal, ignore_errors=True)
    fs, plan = SystemFs(), ladder_plan(recording)
    start = perf_counter_ns()
    played = run_backtest(fs, plan, journal)
    taken = perf_counter_ns() - start
    counts = {"frames": played.moves, "events": played.events, "records": played.state.seq}
    return Done(taken, counts, played.fingerprint.hex())


def prove(journal: Path) -> Done:
    """Replay a journal with verification.

    Raises:
        RuntimeError: it does not prove.
    """
    start = perf_counter_ns()
    proof, state = verify(read_records(SystemFs(), journal))
    taken = perf_counter_ns() - start
    if proof.divergences:
        raise RuntimeError(f"compiled benchmark: {journal} does not prove: {proof.first}")
    counts = {"events": proof.events, "records": proof.records}
    return Done(taken, counts, fingerprint(state).hex())


def frames(recording: Path, passes: int) -> Frames:
    """Feed a session's frames."""
    section = measure_frames(make_session(recording, _SESSION_S), passes)
    every, acting, *_ = section.rows
    return Frames(every.figures["p50"], acting.figures["p50"])


def measure_compiled(recording: Path | None, passes: int, *, quick: bool = False) -> Section:
    """Backtest, prove and feed with both.

    Args:
        recording: Of the spot market; None where there is none, and then nothing is measured.
        passes: Of each.
        quick: The short recording, also where the long one is there.

    Raises:
        RuntimeError: the two differ in what they did.
    """
    if recording is None:
        return Section(KEY, TITLE, [], ["Needs a recording, and none was found."])
    if not is_ready():
        return Section(KEY, TITLE, [], ["The core is not compiled as it is now: `make compiled`."])
    short, recording = recording, recording if quick else longer(recording)
    command = [str(PYTHON), "-P", "-c", _CHILD, str(ROOT)]
    with (
        tempfile.TemporaryDirectory(prefix="quotefold-bench-") as directory,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        other = _Other(process.stdin, process.stdout)
        rows, ratios = _turns(recording, passes, other, Path(directory))
        pair = frames(short, passes), other.frames(short, passes)
    for name in ("every", "acting"):
        plain, compiled = (getattr(each, name) for each in pair)
        rows.append(Row(f"{name} frame", "µs", {"p50": plain}))
        rows.append(Row(f"{name} frame, compiled", "µs", {"p50": compiled}))
        times = {"p50": plain / compiled}
        ratios.append(Row(f"compiled against not: {name} frame", "times", times))
    notes = [
        f"{RECORDED_LABEL}; {recording.name}; {passes} passes in turns, each in a process of its"
        " own. Events are input events. Above 1 time the compiled one is faster.",
        "Both did the same: equal final states, and each proved the journal of the other.",
    ]
    return Section(KEY, TITLE, [*rows, *ratios], notes)


def _turns(
    recording: Path, passes: int, other: _Other, directory: Path
) -> tuple[list[Row], list[Row]]:
    # Backtests and proofs in turns: rows of rates, and of ratios.
    times: defaultdict[str, list[int]] = defaultdict(list)
    counts: dict[str, dict[str, int]] = {}
    plain, compiled = directory / "plain", directory / "compiled"
    for _ in range(passes):
        turns = {
            "backtest": (play(recording, plain), other.play(recording, compiled)),
            # Each proves what the other wrote.
            "replay": (prove(compiled), other.prove(plain)),
        }
        for what, (ours, theirs) in turns.items():
            if (ours.counts, ours.state) != (theirs.counts, theirs.state):
                raise RuntimeError(f"compiled benchmark: {what}: {ours} and {theirs}")
            times[what].append(ours.ns)
            times[f"{what}, compiled"].append(theirs.ns)
            counts[what] = ours.counts
    rows = [
        rate_row(f"{what}{core}: {unit}", counts[what][unit], times[f"{what}{core}"])
        for what in counts
        for unit in counts[what]
        for core in ("", ", compiled")
    ]
    return rows, [_ratio(what, times[what], times[f"{what}, compiled"]) for what in counts]


def _ratio(what: str, plain: list[int], compiled: list[int]) -> Row:
    times = {"best": min(plain) / min(compiled), "median": median(plain) / median(compiled)}
    return Row(f"compiled against not: {what}", "times", times)


class _Other:
    # The process with the compiled core.
    def __init__(self, ask: IO[bytes], hear: IO[bytes]) -> None:
        self._ask, self._hear = ask, hear

    def play(self, recording: Path, journal: Path) -> Done:
        return msgspec.json.decode(self._told("play", recording, journal), type=Done)

    def prove(self, journal: Path) -> Done:
        return msgspec.json.decode(self._told("prove", journal), type=Done)

    def frames(self, recording: Path, passes: int) -> Frames:
        return msgspec.json.decode(self._told("frames", recording, passes), type=Frames)

    def _told(self, *asked: object) -> bytes:
        self._ask.write(msgspec.json.encode([str(each) for each in asked]) + b"\n")
        self._ask.flush()
        return self._hear.readline()


def main() -> None:
    """Do what is asked, line by line.

    Raises:
        RuntimeError: this process has no compiled core.
    """
    if step.__file__.endswith(".py"):
        raise RuntimeError(f"expected a compiled core in {engine.__path__}; run `make compiled`")
    for line in sys.stdin:
        done: Done | Frames
        match msgspec.json.decode(line, type=list[str]):
            case ["play", recording, journal]:
                done = play(Path(recording), Path(journal))
            case ["prove", journal]:
                done = prove(Path(journal))
            case ["frames", recording, passes]:
                done = frames(Path(recording), int(passes))
            case _:
                raise RuntimeError(f"expected play, prove or frames, was {line!r}")
        sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
        sys.stdout.buffer.flush()
