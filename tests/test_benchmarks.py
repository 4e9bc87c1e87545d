"""The benchmarks run, are complete, and check themselves; no test here looks at a time."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks import nautilus
from benchmarks.backtesting import ladder_plan, measure_backtest
from benchmarks.feeding import Feeder, measure_frames
from benchmarks.figures import Row, Section, percentile, rate_row, spread_us
from benchmarks.inspecting import measure_inspect
from benchmarks.long import COMMANDS, measure_long
from benchmarks.machine import describe_machine
from benchmarks.memory import measure_memory
from benchmarks.nautilus import measure_nautilus
from benchmarks.replaying import measure_fills, measure_fold, measure_journal, measure_replay
from benchmarks.report import Measured, print_machine, print_section, to_json
from benchmarks.reporting import measure_export, measure_report
from benchmarks.session import Session, make_session
from benchmarks.sockets import measure_sockets
from benchmarks.stages import measure_stages
from benchmarks.venue import measure_rates, measure_steady
from tests.backtest.recordings import recorded, write


@cache
def session() -> Session:
    return make_session(None, 3.0)


def rows(section: Section) -> dict[str, Row]:
    return {row.name: row for row in section.rows}


@pytest.mark.parametrize(
    ("sentence", "percent", "expected"),
    [
        ("the median of an even number is the lower middle", 50.0, 20),
        ("the 99th of four is the last", 99.0, 40),
        ("the 100th is the largest", 100.0, 40),
        ("the 1st is the smallest", 1.0, 10),
    ],
)
def test_percentile_is_the_nearest_rank(sentence: str, percent: float, expected: int) -> None:
    assert percentile([10, 20, 30, 40], percent) == expected, sentence


def test_no_times_make_a_row_that_says_so() -> None:
    assert spread_us("none", []) == Row("none", "µs", {"n": 0})


def test_a_rate_counts_things_per_second() -> None:
    row = rate_row("r", 1000, [2_000_000, 1_000_000, 4_000_000])
    assert row.figures == {"n": 1000.0, "best": 1_000_000.0, "median": 500_000.0}


@pytest.mark.slow
def test_a_fed_session_ends_in_the_same_state() -> None:
    times = Feeder(session()).run()
    assert times.fingerprint == session().fingerprint
    assert len(times.all_ns) > len(times.acting_ns) > 0


@pytest.mark.slow
def test_a_session_that_comes_out_differently_is_refused() -> None:
    other = msgspec.structs.replace(session(), fingerprint=bytes(16))
    with pytest.raises(RuntimeError, match="expected final state 00000000"):
        measure_frames(other, 1)


@pytest.mark.slow
def test_frames_give_all_and_acting_with_their_share() -> None:
    found = rows(measure_frames(session(), 1))
    acting = found["acting frames"].figures
    share = 100 * acting["n"] / found["all frames"].figures["n"]
    assert acting["share_pct"] == pytest.approx(share)
    assert acting["requests"] >= 1


@pytest.mark.slow
def test_every_stage_comes_up() -> None:
    assert all(row.figures["n"] > 0 for row in measure_stages(session()).rows)


@pytest.mark.slow
def test_a_stage_that_comes_out_differently_is_refused() -> None:
    seq, raw = next((seq, raw) for seq, raw in session().raw.items() if b"depth_u" in raw.data)
    damaged = {**session().raw, seq: msgspec.structs.replace(raw, data=b"{}")}
    with pytest.raises(RuntimeError, match=f"seq {seq} came out differently"):
        measure_stages(msgspec.structs.replace(session(), raw=damaged))


@pytest.mark.slow
def test_replay_and_fold_count_the_whole_journal() -> None:
    for measure in (measure_replay, measure_fold, measure_fills):
        section = measure(session(), 1)
        found = rows(section)
        assert found["all records"].figures["n"] == len(session().records)
        assert 0 < found["input events"].figures["n"] < len(session().records)


@pytest.mark.slow
def test_looks_into_the_journal_come_out_right() -> None:
    found = rows(measure_inspect(session(), 5, 1))
    assert found["any look after it, opening included"].figures["n"] == 5
    assert found["first use: index, records"].figures["n"] == len(session().records)
    other = msgspec.structs.replace(session(), fingerprint=bytes(16))
    with pytest.raises(RuntimeError, match="not that of the session"):
        measure_inspect(other, 1, 1)


@pytest.mark.slow
def test_report_and_export_take_the_whole_journal() -> None:
    report, export = rows(measure_report(session(), 1)), rows(measure_export(session(), 1))
    counted = {"all records", "csv, all records", "parquet, all records"}
    found = {**report, **export}
    assert {found[name].figures["n"] for name in counted} == {len(session().records)}


@pytest.mark.slow
def test_commands_are_timed_on_a_long_journal(tmp_path: Path) -> None:
    recording = write(tmp_path / "btc_usdt.zst", recorded(600))
    section = measure_long(recording, quick=True)
    assert set(rows(section)) == set(COMMANDS)
    assert all(row.figures["seconds"] > 0 and row.figures["peak_MiB"] > 0 for row in section.rows)
    assert measure_long(None).rows == []


def test_the_journal_is_appended_to_and_synced() -> None:
    found = rows(measure_journal(200, 2, 2))
    assert found["append 100 bytes"].figures["n"] == 200
    assert found["write 200 bytes and fdatasync"].figures["n"] == 2


@pytest.mark.slow
def test_memory_is_compared_from_the_end_of_the_warm_up() -> None:
    said: list[str] = []
    section = measure_memory(4.5, said.append, warm_s=2, every_s=1)
    row = rows(section)["resident set"]
    assert "a sample every 1 s" in section.notes[0]
    assert len(said) - row.figures["n"] == 2
    assert row.figures["n"] >= 2
    assert row.figures["drift"] == row.figures["last"] - row.figures["first"]


@pytest.mark.slow
def test_a_backtest_proves_what_it_times(tmp_path: Path) -> None:
    recording = write(tmp_path / "btc_usdt.zst", recorded(600))
    found = rows(measure_backtest(recording, 2, quick=True))
    messages, inputs = found["market data messages"], found["input events"]
    assert 0 < messages.figures["n"] < inputs.figures["n"] < found["all records"].figures["n"]
    assert found["two workers against one"].figures["best"] > 0
    assert measure_backtest(None, 1).rows == []


@pytest.mark.slow
def test_a_backtest_is_measured_against_nautilus_trader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = write(tmp_path / "btc_usdt.zst", recorded(600))
    if nautilus.PYTHON.exists():
        section = measure_nautilus(recording, 2, quick=True)
        ours, *rows = section.rows
        assert len(rows) == 6
        for theirs, ratio in zip(rows[:3], rows[3:], strict=True):
            # An update that changes nothing of the book is none over there.
            assert 590 <= theirs.figures["n"] <= ours.figures["n"] <= 600
            best = ours.figures["best"] / theirs.figures["best"]
            assert ratio.figures["best"] == best > 0
        did = [
            int(each) for each in re.findall(r"(\d+) (?:times priced|requests)", section.notes[2])
        ]
        assert did[0] > did[1] > 4
    monkeypatch.setattr(nautilus, "PYTHON", tmp_path / "python")
    section = measure_nautilus(recording, 1)
    assert (section.rows, len(section.notes)) == ([], 1)
    assert "`make nautilus`" in section.notes[0]
    assert measure_nautilus(None, 1).rows == []


def test_the_ladder_of_theirs_is_told_what_ours_is(tmp_path: Path) -> None:
    recording = write(tmp_path / "btc_usdt.zst", recorded(600))
    settings = msgspec.json.decode(nautilus.settings_of(ladder_plan(recording)))
    assert settings["rungs"] == [[0.0, 5_000], [1.0, 10_000]]
    assert (settings["position_max"], settings["price_tolerance"]) == (500_000, 100)
    assert (settings["fee_rate"], settings["latency_ns"]) == ("0.001", 5_000_000)
    assert settings["half_spread_bps"] == 0.3


@pytest.mark.slow
def test_sockets_connect_reads_to_requests() -> None:
    section = measure_sockets(2.0)
    counts = {row.figures["n"] for row in section.rows}
    assert len(counts) == 1
    assert counts.pop() > 0


@pytest.mark.slow
def test_the_venue_answers_all_that_it_is_sent() -> None:
    found = rows(measure_rates(80, 0.3, 100))
    pushes = found["messages to 5 subscribers"].figures["n"]
    assert [row.figures["n"] for row in found.values()] == [80, 80, pushes, 100]
    assert pushes > 0
    assert [row.figures["n"] for row in measure_steady(16).rows] == [16, 16]


@pytest.mark.slow
def test_json_is_one_object_with_every_section(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = command.Effort(3.0, 1, 1, 100, 1, 2, 0.0, 3, 3.0)
    monkeypatch.setattr(command, "QUICK", tiny)
    result = CliRunner().invoke(command.main, ["--quick", "--synthetic", "--json"])
    assert result.exit_code == 0, result.output
    report = msgspec.json.decode(result.stdout)
    assert list(report) == ["machine", "sections"]
    expected = [
        "frames",
        "stages",
        "replay",
        "parallel",
        "fold",
        "fills",
        "report",
        "export",
        "inspect",
        "backtest",
        "compiled",
        "nautilus",
        "long",
        "journal",
    ]
    expected.append("ratios")
    assert list(report["sections"]) == expected
    assert all(section["loop_ns"] > 0 for section in report["sections"].values())
    assert "measuring replay" in result.stderr


def test_tables_show_every_row_and_note() -> None:
    section = Section("k", "the title", [Row("a row", "µs", {"n": 12345.0, "p50": 1.5})], ["why"])
    console = Console(width=100, record=True, quiet=False, force_terminal=False)
    with console.capture() as capture:
        print_machine(console, describe_machine())
        print_section(console, Measured(section, 99.6))
    text = capture.get()
    for part in ("CPython", "msgspec", "the title", "a row", "12,345", "1.50", "why", "100 ns"):
        assert part in text


def test_json_keeps_the_units() -> None:
    section = Section("k", "t", [Row("a", "µs", {"p50": 1.5})])
    report = msgspec.json.decode(to_json(describe_machine(), [Measured(section, 1.0)]))
    assert report["sections"]["k"]["rows"] == [{"name": "a", "unit": "µs", "figures": {"p50": 1.5}}]
