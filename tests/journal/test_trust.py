"""What lies before a snapshot is proved beside the run, not before it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import trio

from adapters.runtime.chores import EVERY_S, FAILED_PAUSE_S, Chores
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_format import Kind, segment_name
from adapters.runtime.journal_raw import RawWriter
from adapters.runtime.journal_read import JournalReader, read_headers
from adapters.runtime.journal_recovery import HASH_PIECE, prove_older, recover
from adapters.runtime.snapshots import SnapshotKeeper, list_snapshots
from adapters.simulated import SimFs
from engine.errors import JournalError
from engine.events import AnyEvent, ChoreFailed
from engine.state import State
from tests.journal.helpers import CONFIG, JOURNAL, RAW, SCHEMA, append, closed_journal, records

LAST = 30
TRUSTED = 20


def damage(fs: SimFs, path: Path, offset: int = 200) -> None:
    data = bytearray(fs.read(path))
    data[offset] ^= 1
    fs.remove(path)
    file = fs.open_new(path)
    file.write(bytes(data))
    file.close()


class ReadingFs(SimFs):
    """Notes which files are read whole."""

    def __init__(self, like: SimFs) -> None:
        super().__init__()
        self.__dict__.update(like.__dict__)
        self.whole: list[str] = []

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        if size < 0:
            self.whole.append(path.name)
        return super().read(path, start, size)


def test_only_the_segments_from_the_record_on_are_read() -> None:
    fs = ReadingFs(closed_journal())
    headers = list(read_headers(fs, JOURNAL))
    assert len(headers) == 4
    for from_seq in range(1, LAST + 2):
        fs.whole.clear()
        found = list(JournalReader(fs, JOURNAL).payloads(from_seq))
        assert found == records(from_seq, LAST)
        first = min(fs.whole)
        before = [name for name in map(segment_name, range(1, 5)) if name < first]
        assert len(fs.whole) + len(before) == 4
        assert len(before) == sum(from_seq >= header.first_seq for header in headers[1:])


def test_older_segments_are_left_to_a_later_proof() -> None:
    fs = closed_journal()
    damage(fs, JOURNAL / segment_name(1))
    with pytest.raises(JournalError, match="00000001"):
        recover(fs, JOURNAL, Kind.EVENTS)
    found = recover(fs, JOURNAL, Kind.EVENTS, TRUSTED)
    assert (found.next_seq, found.segments) == (LAST + 1, 4)
    with pytest.raises(JournalError, match="00000001"):
        prove_older(fs, JOURNAL, Kind.EVENTS, TRUSTED)


@pytest.mark.parametrize("number", [3, 4])
def test_segments_from_the_trusted_record_on_are_still_checked(number: int) -> None:
    fs = closed_journal()
    damage(fs, JOURNAL / segment_name(number))
    with pytest.raises(JournalError, match=segment_name(number)):
        recover(fs, JOURNAL, Kind.EVENTS, TRUSTED)


def test_the_later_proof_covers_every_bit_before_the_trusted_segment() -> None:
    whole = closed_journal()
    prove_older(whole, JOURNAL, Kind.EVENTS, TRUSTED)
    prove_older(whole, RAW, Kind.RAW, TRUSTED)
    prove_older(whole, JOURNAL, Kind.EVENTS, 0)
    for number in (1, 2):
        path = JOURNAL / segment_name(number)
        for offset in range(0, whole.size(path), 3):
            fs = closed_journal()
            damage(fs, path, offset)
            with pytest.raises(JournalError):
                prove_older(fs, JOURNAL, Kind.EVENTS, TRUSTED)


def test_a_journal_is_continued_on_trust() -> None:
    fs = closed_journal()
    writer, _ = JournalWriter.open(fs, JOURNAL, SCHEMA, CONFIG, trusted_seq=TRUSTED)
    raw, _ = RawWriter.open(
        fs, JOURNAL, SCHEMA, CONFIG, first_seq=writer.next_seq, trusted_seq=TRUSTED
    )
    with writer, raw:
        append(writer, 3)
    assert list(JournalReader(fs, JOURNAL).payloads()) == records(1, LAST + 3)
    recover(fs, JOURNAL, Kind.EVENTS)
    recover(fs, RAW, Kind.RAW)


# --- chores -------------------------------------------------------------------------------------


def chores(fs: SimFs, *, threaded: bool = False, compress: bool = True) -> Chores:
    keeper = SnapshotKeeper(fs, JOURNAL, b"code", TRUSTED)
    return Chores(fs, JOURNAL, keeper, TRUSTED, threaded=threaded, compress=compress)


@pytest.mark.parametrize("threaded", [False, True])
async def test_a_run_proves_what_it_took_on_trust(threaded: bool) -> None:
    await chores(closed_journal(), threaded=threaded).at_start()
    for directory, name in ((JOURNAL, "00000002"), (RAW, "00000001")):
        fs = closed_journal()
        damage(fs, directory / f"{name}.qfj")
        with pytest.raises(JournalError, match=name):
            await chores(fs, threaded=threaded).at_start()


class SlowFs(ReadingFs):
    """Reads a segment slowly: the first piece waits until it is told to go on."""

    def __init__(self, like: SimFs) -> None:
        super().__init__(like)
        self.reads, self.go_on = trio.Event(), threading.Event()
        self.hashed: set[str] = set()

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        if size == HASH_PIECE:
            self.hashed.add(path.name)
            trio.from_thread.run_sync(self.reads.set)
            assert self.go_on.wait(30)
        return super().read(path, start, size)


async def test_a_run_that_ends_waits_for_no_proof_of_a_long_journal() -> None:
    fs = SlowFs(closed_journal())
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chores(fs, threaded=True).at_start)
            await fs.reads.wait()
            nursery.cancel_scope.cancel()
            fs.go_on.set()
    assert fs.hashed == {segment_name(1)}


async def beside(work: Chores, seconds: float) -> list[AnyEvent]:
    """What the chores beside a run tell in that time."""
    told: list[AnyEvent] = []
    with trio.move_on_after(seconds):
        await work.beside(told.append)
    return told


async def test_a_run_compresses_what_is_closed(autojump_clock: Any) -> None:
    fs = closed_journal()
    assert await beside(chores(fs), EVERY_S + 1) == []
    packed = [f"0000000{number}.qfj.zst" for number in (1, 2, 3)]
    assert fs.list_dir(JOURNAL) == [*packed, "00000004.qfj", "lock", "raw"]
    assert fs.list_dir(RAW) == ["00000001.qfj.zst", "00000002.qfj", "lock"]
    assert list(JournalReader(fs, JOURNAL).payloads()) == records(1, LAST)


async def test_a_run_compresses_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.runtime.chores.EVERY_S", 0.0)
    fs, done = closed_journal(), trio.Event()
    remove = fs.remove

    def removing(path: Path) -> None:
        remove(path)
        if path.parent == RAW:
            trio.from_thread.run_sync(done.set)

    monkeypatch.setattr(fs, "remove", removing)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chores(fs, threaded=True).beside, print)
            await done.wait()
            nursery.cancel_scope.cancel()
    assert "00000001.qfj.zst" in fs.list_dir(RAW)
    assert list(JournalReader(fs, JOURNAL).payloads()) == records(1, LAST)


async def test_a_run_does_not_compress_what_it_shall_not(autojump_clock: Any) -> None:
    fs = closed_journal()
    assert await beside(chores(fs, compress=False), 100) == []
    assert "00000001.qfj" in fs.list_dir(JOURNAL)


async def test_a_disk_that_refuses_a_chore_is_told_and_tried_again(autojump_clock: Any) -> None:
    fs = closed_journal()
    fs.space_left = 100
    told = await beside(chores(fs), FAILED_PAUSE_S)
    (failed,) = told
    assert isinstance(failed, ChoreFailed)
    assert failed.chore == "compressing"
    assert "no space left" in failed.reason
    assert list(JournalReader(fs, JOURNAL).payloads()) == records(1, LAST)
    fs.space_left = None
    assert await beside(chores(fs), EVERY_S + 1) == []
    assert "00000001.qfj.zst" in fs.list_dir(JOURNAL)


async def test_a_run_keeps_its_last_state_once() -> None:
    fs = closed_journal()
    work = chores(fs)
    assert not work.is_due(State(seq=TRUSTED + 100))
    await work.at_end(State(seq=TRUSTED))
    assert list_snapshots(fs, JOURNAL) == []
    await work.at_end(State(seq=TRUSTED + 1))
    assert list_snapshots(fs, JOURNAL) == [TRUSTED + 1]
