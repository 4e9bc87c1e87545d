"""The compiled core (`make compiled`): that it can be made, and that it does the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from adapters.ports import SystemFs
from benchmarks import compiled as benchmark
from engine.events import RunStarted
from replay.backtest.run import run_backtest
from replay.read import read_records
from replay.verify import verify
from tests.backtest.recordings import plan_of, recorded, write
from tests.source_tree import ROOT

SCRIPT = ROOT / "packaging" / "compiled.py"
HOT = {
    *("engine/step.py", "engine/planner.py", "engine/reduce.py", "engine/reduce_market.py"),
    *("replay/backtest/world.py", "replay/backtest/crowd.py", "adapters/paper/core/matching.py"),
}
PLAY = """
import sys
sys.path.append(sys.argv[1])
from pathlib import Path
from adapters.ports import SystemFs
from engine.events import RunStarted
from replay.backtest.run import run_backtest
from tests.backtest.recordings import plan_of
run_backtest(SystemFs(), plan_of(Path(sys.argv[2])), Path(sys.argv[3]))
"""

needs_compiled = pytest.mark.skipif(
    not benchmark.is_ready(), reason="the core is not compiled as it is now: `make compiled`"
)


def ran(*command: object) -> str:
    arguments = [str(each) for each in command]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_core_can_be_compiled() -> None:
    *names, total = ran(sys.executable, SCRIPT, "--check").splitlines()
    assert set(names) >= HOT
    assert total == f"{len(names)} modules can be compiled"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(tmp_path / "spot.zst", recorded())


@needs_compiled
@pytest.mark.slow
def test_a_backtest_leaves_the_same_records(tmp_path: Path, recording: Path) -> None:
    """But for the first one, which has the hashes of the code."""
    plain, compiled = tmp_path / "plain", tmp_path / "compiled"
    run_backtest(SystemFs(), plan_of(recording), plain)
    ran(benchmark.PYTHON, "-P", "-c", PLAY, ROOT, recording, compiled)
    first, *records = read_records(SystemFs(), plain)
    other, *others = read_records(SystemFs(), compiled)
    assert len(records) > 1000
    assert records == others
    assert isinstance(first.event, RunStarted)
    assert isinstance(other.event, RunStarted)
    assert first.event.code != other.event.code
    assert replace(first.event, config="", code=()) == replace(other.event, config="", code=())


@needs_compiled
@pytest.mark.slow
def test_each_proves_the_journal_of_the_other(tmp_path: Path) -> None:
    """Of a run with its network, which the compiled core normalises, quotes and encodes."""
    quotefold = benchmark.PYTHON.with_name("quotefold")
    journal = tmp_path / "journal"
    summary = msgspec.json.decode(
        ran(quotefold, "run", "--for", "5s", "--json", "--journal", journal)
    )
    proof, state = verify(read_records(SystemFs(), journal))
    assert (proof.divergences, proof.records) == (0, state.seq)
    assert proof.requests > 0
    again = msgspec.json.decode(ran(quotefold, "replay", journal, "--verify", "--json"))
    assert (again["divergences"], again["fingerprint"]) == (0, summary["fingerprint"])


@needs_compiled
@pytest.mark.slow
def test_the_benchmark_compares_the_two(recording: Path) -> None:
    section = benchmark.measure_compiled(recording, 1)
    names = [row.name for row in section.rows]
    assert "compiled against not: backtest" in names
    assert "acting frame, compiled" in names
    assert all(value > 0 for row in section.rows for value in row.figures.values())


def test_a_core_of_another_program_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was edited since would be compared with what it was."""
    root, python = tmp_path / "checkout", tmp_path / "compiled" / "bin" / "python"
    site = tmp_path / "compiled" / "lib" / "python3.11" / "site-packages"
    for name in ("engine/step.py", "adapters/ports.py"):
        for place in (root / name, site / name):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("same = True\n")
    python.parent.mkdir()
    python.touch()
    monkeypatch.setattr(benchmark, "ROOT", root)
    monkeypatch.setattr(benchmark, "PYTHON", python)
    assert benchmark.is_ready()
    (root / "engine/step.py").write_text("same = False\n")
    assert not benchmark.is_ready()
    (root / "engine/step.py").write_text("same = True\n")
    (root / "engine/new.py").touch()
    assert not benchmark.is_ready()


def test_what_it_takes_is_said_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(benchmark, "PYTHON", tmp_path / "python")
    assert not benchmark.is_ready()
    section = benchmark.measure_compiled(tmp_path / "spot.zst", 1)
    assert section.rows == []
    assert "`make compiled`" in section.notes[0]
    assert benchmark.measure_compiled(None, 1).rows == []
