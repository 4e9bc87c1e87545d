"""`quotefold journal ls|verify|cat`: what they print, and how they exit."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from adapters.cli.main import main
from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_raw import RawWriter
from engine.codec import encode_record, schema_hash
from engine.events import (
    AnyEvent,
    BookDelta,
    Fingerprint,
    Record,
    RequestSent,
    RunEnded,
    TailCut,
)

START_NS = 1_767_225_600_000_000_000  # 2026-01-01 00:00:00 UTC
EVENTS: list[AnyEvent] = [
    TailCut("00000001.qfj", 5000, 12),
    BookDelta("BTC_USDT", 12, 11, 1_767_225_600_000_000, (6000010, 5), (6000020, 0)),
    RequestSent(0, 1_767_225_600_000, "POST", "/api/v4/order/new", b'{"market":"BTC_USDT"}'),
    Fingerprint(b"{\xff\x00"),
    RunEnded(True, "asked to"),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A journal of two runs of five records each, and raw bytes of the second."""
    fs, path = SystemFs(), tmp_path / "run"
    for _ in range(2):
        writer, _ = JournalWriter.open(fs, path, schema_hash(), bytes(32))
        for event in EVENTS:
            seq = writer.next_seq
            writer.append(seq, encode_record(Record(seq, START_NS + seq * 1_500_000, 0, event)))
        writer.close()
    raw, _ = RawWriter.open(fs, path, schema_hash(), bytes(32), first_seq=6)
    raw.append(7, "public", b"{}")
    raw.close()
    return path


class Called(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def call(*arguments: str | Path) -> Called:
    streams = [io.TextIOWrapper(io.BytesIO()) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = main(["journal", *map(str, arguments)])
    texts = []
    for stream in streams:
        stream.seek(0)
        texts.append(stream.read())
    return Called(code, *texts)


def call_json(*arguments: str | Path, exit_code: int = 0) -> Any:
    """The one object that a command prints with --json, and nothing else."""
    result = call(*arguments, "--json")
    assert result.exit_code == exit_code
    assert result.stdout.count("\n") == 1
    return msgspec.json.decode(result.stdout)


def damage(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_ls_lists_segments_with_runs_seqs_and_times(directory: Path) -> None:
    found = call_json("ls", directory)
    assert (found["runs"], found["records"]) == (2, 10)
    second = found["segments"][1]
    assert (second["run"], second["first_seq"], second["last_seq"]) == (2, 6, 10)
    assert second["bytes"] == (directory / "00000002.qfj").stat().st_size
    assert second["first_time"] == "2026-01-01T00:00:00.009000Z"
    assert second["last_time"] == "2026-01-01T00:00:00.015000Z"
    assert second["schema_hash"] == schema_hash().hex()
    lines = call("ls", directory).stdout.splitlines()
    assert len(lines) == 3
    assert "6-10" in lines[2]


def test_ls_shows_a_segment_without_records(directory: Path) -> None:
    writer, _ = JournalWriter.open(SystemFs(), directory, schema_hash(), bytes(32))
    writer.close()
    last = call_json("ls", directory)["segments"][-1]
    assert (last["run"], last["records"], last["first_time"]) == (3, 0, None)
    assert call("ls", directory).exit_code == 0


def test_compact_compresses_and_everything_reads_as_before(directory: Path) -> None:
    before = call_json("cat", directory), call_json("ls", directory)
    done = call_json("compact", directory)
    assert (done["segments"], done["journal"]) == (3, str(directory))
    assert (directory / "raw" / "00000001.qfj.zst").exists()
    assert call_json("cat", directory) == before[0]
    for was, now in zip(before[1]["segments"], call_json("ls", directory)["segments"], strict=True):
        assert now["file"] == was["file"] + ".zst"
        assert now["stored"] == (directory / now["file"]).stat().st_size
        assert {**now, "file": 0, "stored": 0} == {**was, "file": 0, "stored": 0}
    assert call_json("verify", directory)["ok"] is True
    assert "0 segments compressed, 0 to 0 bytes" in call("compact", directory).stdout


def test_compact_refuses_a_journal_that_is_being_written(directory: Path) -> None:
    writer, _ = JournalWriter.open(SystemFs(), directory, schema_hash(), bytes(32))
    assert "expected no other writer" in call_json("compact", directory, exit_code=1)["error"]
    writer.close()
    damage(directory / "00000002.qfj", 141)
    assert "00000002.qfj offset 124" in call("compact", directory).stderr


def test_salvage_copies_what_is_whole_and_names_what_is_lost(
    directory: Path, tmp_path: Path
) -> None:
    found = call_json("salvage", directory, tmp_path / "whole")
    assert (found["lost"], len(found["stretches"])) == ([], 1)
    damage(directory / "00000002.qfj", 141)
    text = call("salvage", directory, tmp_path / "copy")
    assert text.exit_code == 1
    first, second, lost = text.stdout.splitlines()
    assert first == f"{tmp_path / 'copy'}: seq 1 to 5"
    assert second == f"{tmp_path / 'copy.2'}: seq 7 to 10"
    assert lost.startswith(f"LOST: {directory / '00000002.qfj'} offset 124 to ")
    assert call("verify", tmp_path / "copy").exit_code == 0
    late = call("verify", tmp_path / "copy.2")
    assert (late.exit_code, "begins later: salvaged" in late.stdout) == (0, True)
    again = call_json("salvage", directory, tmp_path / "copy", exit_code=2)
    assert "expected nothing there, found files" in again["error"]


def test_verify_passes_a_whole_journal(directory: Path) -> None:
    report = call_json("verify", directory)
    assert report["ok"] is True
    assert (report["records"], report["first_seq"], report["last_seq"]) == (10, 1, 10)
    assert (report["raw"]["ok"], report["raw"]["records"]) == (True, 1)
    text = call("verify", directory)
    assert text.exit_code == 0
    assert "10 records in 2 segments of 2 runs, seq 1 to 10" in text.stdout
    assert "DAMAGED" not in text.stdout


@pytest.mark.parametrize("name", ["00000001.qfj", "raw/00000001.qfj"])
def test_verify_names_damage_and_exits_1(directory: Path, name: str) -> None:
    damage(directory / name, 141)
    report = call_json("verify", directory, exit_code=1)
    problem = (report["problems"] + report["raw"]["problems"])[0]
    assert problem["file"] == str(directory / name)
    assert problem["offset"] == 124
    text = call("verify", directory)
    assert text.exit_code == 1
    assert f"DAMAGED: {directory / name} offset 124 seq" in text.stdout


def test_verify_tells_a_torn_tail_and_unknown_files_from_damage(directory: Path) -> None:
    last = directory / "00000002.qfj"
    last.write_bytes(last.read_bytes()[:-70])
    (directory / "notes.txt").write_text("mine")
    text = call("verify", directory)
    assert text.exit_code == 0
    assert "torn tail: 00000002.qfj offset" in text.stdout
    assert "unknown file: notes.txt" in text.stdout


@pytest.mark.parametrize("command", ["ls", "verify", "cat", "compact", "salvage"])
def test_no_journal_exits_2(command: str, tmp_path: Path) -> None:
    more = [tmp_path / "copy"] if command == "salvage" else []
    result = call(command, tmp_path, *more)
    assert result.exit_code == 2
    assert "expected a journal with segments, found none" in result.stderr
    assert result.stderr.startswith("error: ")
    told = call_json(command, tmp_path, *more, exit_code=2)
    assert ("found none" in told["error"], told["kind"]) == (True, "ConfigError")


def test_cat_knows_every_tag_and_no_other(directory: Path) -> None:
    result = call("cat", directory, "--tag", "bdd")
    assert result.exit_code == 2
    assert "--tag: expected an event's tag such as bd" in result.stderr


def test_cat_names_the_fields_of_every_record(directory: Path) -> None:
    lines = call("cat", directory).stdout.splitlines()
    shown = [msgspec.json.decode(line) for line in lines]
    assert [record["seq"] for record in shown] == list(range(1, 11))
    assert shown[1] == {
        "seq": 2,
        "recv_ns": START_NS + 3_000_000,
        "cause_seq": 0,
        "tag": "bd",
        "type": "BookDelta",
        "event": {
            "market": "BTC_USDT",
            "update_id": 12,
            "past_update_id": 11,
            "venue_us": 1_767_225_600_000_000,
            "bids": [6000010, 5],
            "asks": [6000020, 0],
        },
    }
    assert shown[2]["event"]["body"] == '{"market":"BTC_USDT"}'
    assert shown[3]["event"]["digest"] == "7bff00"


@pytest.mark.parametrize(
    ("options", "seqs"),
    [
        (("--from", "8"), [8, 9, 10]),
        (("--until", "2"), [1, 2]),
        (("--from", "4", "--until", "6"), [4, 5, 6]),
        (("--tag", "bd"), [2, 7]),
        (("--tag", "BookDelta", "--tag", "re", "--from", "3"), [5, 7, 10]),
    ],
)
def test_cat_selects_records(directory: Path, options: tuple[str, ...], seqs: list[int]) -> None:
    found = call_json("cat", directory, *options)
    assert [record["seq"] for record in found["records"]] == seqs


def test_cat_shows_what_is_before_damage_and_then_exits_1(directory: Path) -> None:
    damage(directory / "00000002.qfj", 141)
    result = call("cat", directory)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 5
    assert "00000002.qfj offset 124 seq 6: expected frame crc" in result.stderr
    assert "00000002.qfj" in call_json("ls", directory, exit_code=1)["error"]


@pytest.mark.parametrize("command", ["ls", "verify", "cat"])
def test_unreadable_segment_ends_with_its_name_and_no_traceback(
    command: str, directory: Path
) -> None:
    (directory / "00000003.qfj").mkdir()
    result = call(command, directory)
    assert result.exit_code == (2 if command == "verify" else 1)
    assert "00000003.qfj" in result.stderr


def test_cat_refuses_records_of_another_schema(tmp_path: Path) -> None:
    writer, _ = JournalWriter.open(SystemFs(), tmp_path, bytes(32), bytes(32))
    writer.append(1, b"\x01")
    writer.close()
    result = call("cat", tmp_path)
    assert result.exit_code == 1
    assert "not a record of this schema" in result.stderr
