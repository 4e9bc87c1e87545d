"""Following a journal that is being written: nothing is missed, read twice, or read half."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from adapters.cli.follow import POLL_S, follow
from adapters.cli.proving import Proven
from adapters.cli.simulate import JOURNAL
from adapters.ports import SystemFs
from adapters.runtime import journal_follow
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_compact import compact_segment
from adapters.runtime.journal_follow import POLLS_MAX, Follower
from adapters.runtime.journal_format import Kind, segment_name
from adapters.runtime.journal_read import JournalReader, list_segments
from adapters.simulated_fs import SimFs
from engine.codec import encode_record
from engine.errors import JournalError
from engine.events import Fingerprint, Record
from engine.state import State
from tests.integration.kit import PROGRAM, wait_until
from tests.replay.journals import SYNTHETIC, Made, journal, write
from tests.source_tree import ROOT

SMALL = 4_096
"""Bytes of a segment, so that there are many."""
Payloads = list[tuple[int, bytes]]


def opened(fs: SimFs, segment_bytes: int = SMALL) -> JournalWriter:
    writer, _ = JournalWriter.open(fs, JOURNAL, bytes(32), bytes(32), segment_bytes=segment_bytes)
    return writer


def append(writer: JournalWriter, count: int, size: int = 40) -> Payloads:
    first = writer.next_seq
    made = [(seq, bytes([seq % 251]) * size) for seq in range(first, first + count)]
    for seq, payload in made:
        writer.append(seq, payload)
    writer.flush()
    return made


def all_of(follower: Follower) -> Payloads:
    found: Payloads = []
    while True:
        found += follower.poll()
        if follower.at_end:
            return found


def poll_for_long(follower: Follower) -> None:
    for _ in range(2 * POLLS_MAX):
        follower.poll()


# --- the file -------------------------------------------------------------------------------------


def test_records_come_as_they_are_written_over_many_segments() -> None:
    fs, rng = SimFs(), random.Random(1)
    with opened(fs) as writer:
        follower = Follower(fs, JOURNAL)
        assert all_of(follower) == []
        for _ in range(100):
            made = append(writer, rng.randrange(4), rng.choice((1, 40, 900)))
            if rng.random() < 0.5:
                writer.sync()
            if rng.random() < 0.5:
                writer.catch_up()
            assert all_of(follower) == made
        assert len(list_segments(fs, JOURNAL)) > 5
    assert all_of(follower) == []


@pytest.mark.parametrize("from_seq", [1, 2, 57, 120, 200, 201])
def test_it_begins_at_any_record(from_seq: int) -> None:
    fs = SimFs()
    with opened(fs) as writer:
        made = append(writer, 100) + append(writer, 100)
        assert all_of(Follower(fs, JOURNAL, from_seq)) == made[from_seq - 1 :]


def test_a_record_that_is_being_written_is_given_once_it_is_whole() -> None:
    fs = SimFs()
    with opened(fs) as writer:
        append(writer, 3)
        writer.sync()
        append(writer, 3)
    path = JOURNAL / segment_name(1)
    whole, made = fs.read(path), list(JournalReader(fs, JOURNAL).payloads())
    fs.overwrite(path, whole[:140])
    follower, found = Follower(fs, JOURNAL), []
    for size in range(140, len(whole) + 1):
        fs.overwrite(path, whole[:size])
        found += follower.poll()
        assert found == made[: len(found)]
    assert found == made


def test_a_segment_that_was_compressed_meanwhile_is_read_on() -> None:
    fs = SimFs()
    with opened(fs) as writer:
        made = append(writer, 30)
        follower = Follower(fs, JOURNAL)
        found = follower.poll()
        made += [record for _ in range(8) for record in append(writer, 30)]
        for number in list_segments(fs, JOURNAL)[:-1]:
            compact_segment(fs, JOURNAL, Kind.EVENTS, number)
        assert found + all_of(follower) == made


def test_pieces_smaller_than_a_record_give_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_follow, "PIECE", 64)
    fs = SimFs()
    with opened(fs) as writer:
        made = append(writer, 5, 3_000) + append(writer, 5, 1)
        assert all_of(Follower(fs, JOURNAL)) == made


def test_a_writer_that_crashed_and_came_back_is_followed_on() -> None:
    fs = SimFs()
    writer = opened(fs)
    made = append(writer, 20)
    follower = Follower(fs, JOURNAL)
    assert all_of(follower) == made
    path = JOURNAL / segment_name(1)
    fs.overwrite(path, fs.read(path) + b"\x30\0\0\0half of a record")
    writer._release()
    for _ in range(3 * POLLS_MAX):
        assert follower.poll() == []
    with opened(fs) as writer:
        made = append(writer, 20)
        assert all_of(follower) == made


def test_damage_is_told_once_no_write_can_be_under_way() -> None:
    fs = SimFs()
    with opened(fs) as writer:
        append(writer, 20)
        writer.sync()
        append(writer, 20)
        path = JOURNAL / segment_name(1)
        data = bytearray(fs.read(path))
        data[400] ^= 1
        fs.overwrite(path, bytes(data))
        follower = Follower(fs, JOURNAL)
        with pytest.raises(JournalError, match="expected frame crc"):
            poll_for_long(follower)


def test_a_journal_whose_next_segment_was_dropped_says_so() -> None:
    fs = SimFs()
    with opened(fs) as writer:
        append(writer, 20)
        follower = Follower(fs, JOURNAL)
        all_of(follower)
        for _ in range(9):
            append(writer, 20)
        for number in list_segments(fs, JOURNAL)[:2]:
            fs.remove(JOURNAL / segment_name(number))
        with pytest.raises(JournalError, match="dropped what was not read yet"):
            all_of(follower)


def test_reading_changes_nothing() -> None:
    fs = SimFs()
    with opened(fs) as writer:
        append(writer, 50)
        before, syncs = {name: fs.read(JOURNAL / name) for name in fs.list_dir(JOURNAL)}, fs.syncs
        all_of(Follower(fs, JOURNAL))
        after = {name: fs.read(JOURNAL / name) for name in fs.list_dir(JOURNAL)}
        assert (after, fs.syncs) == (before, syncs)


# --- the proof ------------------------------------------------------------------------------------


def with_a_forged_fingerprint(records: list[Record]) -> tuple[int, list[Record]]:
    at = [n for n, record in enumerate(records) if isinstance(record.event, Fingerprint)][1]
    forged = replace(records[at], event=Fingerprint(bytes(16)))
    return records[at].seq, [*records[:at], forged, *records[at + 1 :]]


@pytest.fixture
def made() -> Made:
    """Simulated before the test runs, since trio does not nest."""
    return journal(SYNTHETIC)


@pytest.mark.slow
async def test_a_run_is_proved_until_it_ends(made: Made, autojump_clock: MockClock) -> None:
    fs = SimFs()
    writer = opened(fs, 100_000)
    one = Proven(JOURNAL)

    async def run() -> None:
        with writer:
            for record in made.records:
                writer.append(record.seq, encode_record(record))
                if record.seq % 40 == 0:
                    writer.flush()
                    await trio.sleep(0.06)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await follow(fs, one, State())
    assert (one.proof.divergences, one.proof.records) == (0, len(made.records))
    assert one.state == made.states[-1]


@pytest.mark.slow
async def test_a_difference_is_told_within_a_second(made: Made, autojump_clock: MockClock) -> None:
    seq, records = with_a_forged_fingerprint(made.records)
    fs, one = SimFs(), Proven(JOURNAL)
    written_s = told_s = 0.0

    async def run() -> None:
        nonlocal written_s
        with opened(fs, 100_000) as writer:
            for record in records:
                writer.append(record.seq, encode_record(record))
                if record.seq % 40 == 0 or record.seq == seq:
                    writer.flush()
                    if record.seq == seq:
                        written_s = trio.current_time()
                    await trio.sleep(0.06)

    async with trio.open_nursery() as nursery:
        fs.make_dir(JOURNAL)
        nursery.start_soon(run)
        await follow(fs, one, State())
        told_s = trio.current_time()
        nursery.cancel_scope.cancel()
    assert one.proof.first is not None
    assert (one.proof.first.seq, one.proof.first.level) == (seq, "state")
    assert 0 <= told_s - written_s <= 2 * POLL_S


WRITER = """
import sys
from pathlib import Path
from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
source, target = Path(sys.argv[1]), Path(sys.argv[2])
from adapters.runtime.journal_read import JournalReader
writer, _ = JournalWriter.open(SystemFs(), target, bytes(32), bytes(32), segment_bytes=60_000)
with writer:
    for seq, payload in JournalReader(SystemFs(), source).payloads():
        writer.append(seq, payload)
        if seq % 20 == 0:
            writer.sync()
            writer.catch_up()
        if seq == int(sys.argv[3]):
            writer.sync()
            print("written", flush=True)
            sys.stdin.readline()
"""


def following(target: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "replay", str(target), "--verify", "--follow", *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("end", ["the run ends", "a record differs", "it is interrupted"])
def test_another_process_is_followed(tmp_path: Path, end: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    seq, records = with_a_forged_fingerprint(journal(SYNTHETIC).records)
    right = journal(SYNTHETIC).records
    write(SystemFs(), source, records if end == "a record differs" else right)
    stop_at = str(seq - 100)
    command = [sys.executable, "-c", WRITER, str(source), str(target), stop_at]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdin is not None
        assert writer.stdout.readline() == "written\n"
        files = set(os.listdir(target))
        with following(target, "--json") as follower:
            wait_until(lambda: _caught_up(follower), "the follower to wait for more")
            assert set(os.listdir(target)) == files
            if end == "it is interrupted":
                follower.send_signal(signal.SIGINT)
            else:
                writer.stdin.write("\n")
                writer.stdin.flush()
            out, err = follower.communicate(timeout=30)
        writer.kill()
    proof = json.loads(out)
    assert err == ""
    assert follower.returncode == (1 if end == "a record differs" else 0)
    if end == "a record differs":
        assert (proof["first"]["seq"], proof["first"]["level"]) == (seq, "state")
    elif end == "the run ends":
        assert proof["records"] == len(right)
    else:
        assert proof["records"] == int(stop_at)


def _caught_up(process: subprocess.Popen[str]) -> bool:
    # It sleeps between its looks, and no program does so while it reads and folds.
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "S" and _trio_is_up(process.pid)


def _trio_is_up(pid: int) -> bool:
    # trio's wake-up needs a pair of sockets and an epoll, which nothing before it opens.
    names = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    return any("eventpoll" in name for name in names)
