"""How far a backtest or a sweep is: a bar on a terminal, by the time that the data spans."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.cli.main import main
from adapters.cli.simulate import JOURNAL
from replay.backtest import world
from replay.backtest.extent import extent
from replay.backtest.run import Plan, span
from replay.backtest.source import RAW, find_journal
from tests.backtest.recordings import LATER_NS, MS, START_NS, made_up, plan_of, recorded, write
from tests.backtest.sweeps import FS, GRID
from tests.replay.recorded import recorded as recorded_run

pytestmark = pytest.mark.slow


class Terminal(io.StringIO):
    """Somebody looks."""

    def isatty(self) -> bool:
        return True


def looking(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of stderr."""
    found = Terminal()
    monkeypatch.setattr("sys.stderr", found)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(world, "PROGRESS_EVERY", 100)
    return found


def percents(terminal: Terminal) -> list[int]:
    return [int(found) for found in re.findall(r"(\d+)%", terminal.getvalue())]


def two_markets(tmp_path: Path) -> Plan:
    spot = write(tmp_path / "spot.zst", made_up(1))
    rows = made_up(2, decimals=1, rows=900)
    for row in rows:
        row["t"] += 3 * MS
    return plan_of(spot, write(tmp_path / "perp.zst", rows))


def test_the_ends_are_found_without_what_lies_between(tmp_path: Path) -> None:
    one = plan_of(write(tmp_path / "a.zst", made_up(1)))
    assert extent(FS, one) == span(FS, one)
    assert extent(FS, one)[0] == START_NS
    two = plan_of(tmp_path / "a.zst", write(tmp_path / "b.zst", made_up(2, start_ns=LATER_NS)))
    assert extent(FS, two) == span(FS, two)
    assert extent(FS, two)[1] > extent(FS, one)[1]
    both = two_markets(tmp_path)
    assert extent(FS, both)[0] == span(FS, both)[0] == START_NS + 3 * MS
    # They end with the first market that does, and the other's next row is not waited for.
    assert 0 <= extent(FS, both)[1] - span(FS, both)[1] < 100 * MS
    middle = START_NS + 1_000 * MS
    assert extent(FS, replace(one, begin_ns=middle)) == (middle, span(FS, one)[1])
    assert extent(FS, replace(one, end_ns=middle)) == (START_NS, middle)


def test_the_ends_of_a_journal_are_its_first_and_last_record() -> None:
    fs, records = recorded_run().copy(), recorded_run().records
    plan = Plan((), None, "", journals=(find_journal(fs, str(JOURNAL)),))  # type: ignore[arg-type]
    assert extent(fs, plan) == (records[0].recv_ns, records[-1].recv_ns)
    for name in fs.list_dir(JOURNAL):
        if ".qfj" in name:
            fs.remove(JOURNAL / name)
    alone = (find_journal(fs, f"{RAW}{JOURNAL}"),)
    assert extent(fs, replace(plan, journals=alone)) == (0, 0)


def test_a_backtest_shows_a_bar_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, terminal = write(tmp_path / "a.zst", recorded(1_500)), looking(monkeypatch)
    assert main(["backtest", "--data", str(path), "--journal", str(tmp_path / "j")]) == 0
    shown = percents(terminal)
    assert shown == sorted(shown)
    assert 80 < shown[-1] <= 100
    assert re.search(r"1,[45]00 messages", terminal.getvalue())
    assert re.search(r"\d:\d\d:\d\d\x1b\[0m passed, .*\d:\d\d\x1b\[0m left", terminal.getvalue())
    # It is wiped away in the end, and is no part of what is told.
    assert terminal.getvalue().rstrip().endswith("\x1b[2K")
    assert "%" not in capsys.readouterr().out.partition("BACKTEST")[2]


def test_a_sweep_shows_a_bar_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, terminal = write(tmp_path / "a.zst", made_up(1, rows=300)), looking(monkeypatch)
    arguments = [word for text in GRID for word in ("--grid", text)]
    command = ["sweep", "--data", str(path), *arguments, "--out", str(tmp_path / "out")]
    assert main([*command, "--workers", "1"]) == 0
    assert list(dict.fromkeys(percents(terminal))) == [0, 25, 50, 75, 100]
    assert "4/4" in terminal.getvalue()


@pytest.mark.parametrize("command", ["backtest", "sweep"])
def test_nobody_is_shown_a_bar_elsewhere(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write(tmp_path / "a.zst", made_up(1, rows=300))
    place = ["--journal" if command == "backtest" else "--out", str(tmp_path / "out")]
    assert main([command, "--data", str(path), *place]) == 0
    assert capsys.readouterr().err == ""
    found = looking(monkeypatch)
    assert main([command, "--data", str(path), *place, "--json"]) == 0
    assert found.getvalue() == ""
