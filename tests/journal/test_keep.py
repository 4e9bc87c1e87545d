"""Old segments go only up to a state to start from, and what is left is whole and provable."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from adapters.runtime.chores import DROP_EVERY_S, EVERY_S, Chores
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_base import BASE_NAME, Base, read_base, write_base
from adapters.runtime.journal_compact import compact_journal
from adapters.runtime.journal_keep import Drop, Keep, carry_out, plan_drop, remove_leftovers
from adapters.runtime.journal_packed import LEAD_SIZE
from adapters.runtime.journal_raw import RawReader, RawWriter
from adapters.runtime.journal_read import JournalReader, read_headers, segment_paths
from adapters.runtime.journal_start import start_state
from adapters.runtime.journal_verify import verify_journal
from adapters.runtime.snapshots import SnapshotKeeper, from_snapshot, list_snapshots
from adapters.simulated import SimFs
from adapters.simulated_fs import Fault
from engine.codec import decode_record, encode_record
from engine.errors import JournalError
from engine.events import AnyEvent, ChoreFailed, Fingerprint, HistoryDropped, Record, TimerFired
from engine.reduce import reduce
from engine.state import State, fingerprint
from tests.journal.helpers import CONFIG, JOURNAL, RAW, SCHEMA

HOUR_NS = 3_600 * 10**9
RECORDS = 120
SEGMENT = 1_200
NOW_NS = (RECORDS + 1) * HOUR_NS


def kept_journal(*, snapshots: bool = True, segment_bytes: int = SEGMENT) -> tuple[SimFs, State]:
    """A journal of a record an hour, every tenth a fingerprint with a snapshot before it."""
    fs, state = SimFs(), State()
    writer, _ = JournalWriter.open(fs, JOURNAL, SCHEMA, CONFIG, segment_bytes=segment_bytes)
    raw, _ = RawWriter.open(fs, JOURNAL, SCHEMA, CONFIG, first_seq=1, segment_bytes=segment_bytes)
    keeper = SnapshotKeeper(fs, JOURNAL, b"code", 0)
    with writer, raw:
        for seq in range(1, RECORDS + 1):
            event: AnyEvent = TimerFired()
            if seq % 10 == 0:
                event = Fingerprint(fingerprint(state))
                if snapshots:
                    keeper.keep(state)
            record = Record(seq, seq * HOUR_NS, 0, event)
            writer.append(seq, encode_record(record))
            raw.append(seq, "public", bytes(60))
            writer.sync()
            raw.sync()
            state = reduce(state, record)
    return fs, state


def folded(fs: SimFs) -> State:
    state = start_state(fs, JOURNAL)
    for _, payload in JournalReader(fs, JOURNAL).payloads(state.seq + 1):
        state = reduce(state, decode_record(payload))
    return state


def assert_whole(fs: SimFs, last: State, first_seq: int) -> None:
    """The journal begins at that record, is proved to the last byte, and folds to the same."""
    assert next(JournalReader(fs, JOURNAL).payloads())[0] == first_seq
    assert fingerprint(folded(fs)) == fingerprint(last)
    report = verify_journal(fs, JOURNAL)
    assert (report.all_problems, report.last_seq) == ((), RECORDS)
    assert report.unknown_files == ()
    raw = [record.seq for record in RawReader(fs, JOURNAL).records(first_seq)]
    assert raw == list(range(first_seq, RECORDS + 1))


def planned(fs: SimFs, keep: Keep) -> Drop:
    drop = plan_drop(fs, JOURNAL, keep, NOW_NS)
    assert drop is not None
    return drop


@pytest.mark.parametrize("compressed", [False, True])
def test_segments_older_than_the_limit_go(compressed: bool) -> None:
    fs, last = kept_journal()
    if compressed:
        compact_journal(fs, JOURNAL)
    before = len(segment_paths(fs, JOURNAL)) + len(segment_paths(fs, RAW))
    drop = planned(fs, Keep(for_ns=60 * HOUR_NS))
    headers = {header.number: header for header in read_headers(fs, JOURNAL)}
    carry_out(fs, JOURNAL, drop)
    first_seq = drop.base.first_seq
    assert 30 < first_seq <= RECORDS - 60
    assert headers[drop.base.number].first_seq == first_seq
    assert drop.raw is not None
    assert len(segment_paths(fs, JOURNAL)) + len(segment_paths(fs, RAW)) == before - drop.segments
    assert_whole(fs, last, first_seq)
    assert plan_drop(fs, JOURNAL, Keep(for_ns=60 * HOUR_NS), NOW_NS) is None
    with JournalWriter.open(fs, JOURNAL, SCHEMA, CONFIG)[0] as writer:
        assert writer.next_seq == RECORDS + 1
    again = planned(fs, Keep(for_ns=20 * HOUR_NS))
    carry_out(fs, JOURNAL, again)
    assert_whole(fs, last, again.base.first_seq)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_the_oldest_segments_go_beyond_a_size(share: float) -> None:
    fs, last = kept_journal()
    files = [*segment_paths(fs, JOURNAL).values(), *segment_paths(fs, RAW).values()]
    total = sum(fs.size(path) for path in files)
    drop = planned(fs, Keep(bytes_max=int(total * share)))
    carry_out(fs, JOURNAL, drop)
    left = sum(fs.size(path) for path in files if fs.exists(path))
    assert left == total - drop.size
    assert left <= total * share + 2 * SEGMENT + 400
    assert_whole(fs, last, drop.base.first_seq)


@pytest.mark.parametrize(
    ("snapshots", "keep"),
    [
        (True, Keep()),
        (True, Keep(for_ns=(RECORDS + 1) * HOUR_NS)),
        (True, Keep(bytes_max=1 << 30)),
        (False, Keep(for_ns=HOUR_NS)),
    ],
    ids=["no limit", "nothing is so old", "there is not so much", "no state to start from"],
)
def test_nothing_goes(snapshots: bool, keep: Keep) -> None:
    fs, _ = kept_journal(snapshots=snapshots)
    assert plan_drop(fs, JOURNAL, keep, NOW_NS) is None


def test_a_snapshot_that_does_not_fit_is_no_beginning() -> None:
    fs, _ = kept_journal()
    for seq in list_snapshots(fs, JOURNAL):
        fs.overwrite(JOURNAL / f"snapshot-{seq:016d}.qfs", b"damaged")
    assert plan_drop(fs, JOURNAL, Keep(for_ns=HOUR_NS), NOW_NS) is None


def test_a_damaged_header_is_refused() -> None:
    fs, _ = kept_journal()
    fs.overwrite(JOURNAL / "00000002.qfj", bytes(200))
    with pytest.raises(JournalError, match=r"00000002\.qfj offset 0"):
        plan_drop(fs, JOURNAL, Keep(for_ns=HOUR_NS), NOW_NS)


def test_a_beginning_that_cannot_be_decompressed_is_refused() -> None:
    fs, _ = kept_journal()
    compact_journal(fs, JOURNAL)
    path = segment_paths(fs, JOURNAL)[2]
    data = bytearray(fs.read(path))
    data[LEAD_SIZE : LEAD_SIZE + 8] = bytes(8)
    fs.remove(path)
    with closing(fs.open_new(path)) as file:
        file.write(bytes(data))
    with pytest.raises(JournalError, match=r"00000002.*a Zstandard frame"):
        plan_drop(fs, JOURNAL, Keep(for_ns=60 * HOUR_NS), NOW_NS)


def test_a_start_without_a_snapshot_folds_from_the_beginning_that_is_left() -> None:
    fs, last = kept_journal()
    drop = planned(fs, Keep(for_ns=60 * HOUR_NS))
    carry_out(fs, JOURNAL, drop)
    found = from_snapshot(fs, JOURNAL, b"")
    assert (found.snapshot_seq, found.state.seq) == (drop.base.state_seq, drop.base.state_seq)
    assert fingerprint(folded(fs)) == fingerprint(last)


def test_a_beginning_of_another_program_is_refused_with_what_to_do() -> None:
    fs, _ = kept_journal()
    base = planned(fs, Keep(for_ns=60 * HOUR_NS)).base
    other = Base(base.number, base.first_seq, base.prev_hash, base.state_seq + 1, base.state)
    write_base(fs, JOURNAL, other)
    with pytest.raises(JournalError, match="or begin a new journal"):
        from_snapshot(fs, JOURNAL, b"")


def test_a_beginning_that_follows_another_hash_is_refused() -> None:
    fs, _ = kept_journal()
    base = planned(fs, Keep(for_ns=60 * HOUR_NS)).base
    write_base(fs, JOURNAL, Base(base.number, base.first_seq, bytes(32), 0, b"", "tampered"))
    with pytest.raises(JournalError, match=f"{base.number:08d}.qfj offset 0 .* before it"):
        JournalWriter.open(fs, JOURNAL, SCHEMA, CONFIG)
    assert verify_journal(fs, JOURNAL).problems


def test_every_flipped_bit_of_a_beginning_is_refused() -> None:
    fs, _ = kept_journal()
    carry_out(fs, JOURNAL, planned(fs, Keep(for_ns=60 * HOUR_NS)))
    path = JOURNAL / BASE_NAME
    data = fs.read(path)
    for offset in range(len(data)):
        harmed = bytearray(data)
        harmed[offset] ^= 1 << offset % 8
        fs.overwrite(path, bytes(harmed))
        with pytest.raises(JournalError, match=r"base\.qfb offset 0 seq 0: expected crc"):
            read_base(fs, JOURNAL)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["refused", "short", "done"])
def test_any_call_may_fail_while_dropping(kind: Any) -> None:
    fs, last = kept_journal()
    drop = planned(fs, Keep(for_ns=60 * HOUR_NS))
    before = fs.calls
    carry_out(fs, JOURNAL, drop)
    for number in range(1, fs.calls - before + 1):
        fs, _ = kept_journal()
        fs.fault = Fault(fs.calls + number, kind, errno.EIO)
        with pytest.raises((OSError, JournalError)):
            carry_out(fs, JOURNAL, drop)
        fs.crash()
        first_seq = next(JournalReader(fs, JOURNAL).payloads())[0]
        assert first_seq in (1, drop.base.first_seq)
        remove_leftovers(fs, JOURNAL)
        assert fingerprint(folded(fs)) == fingerprint(last)
        assert verify_journal(fs, JOURNAL).all_problems == ()
        carry_out(fs, JOURNAL, drop)
        assert_whole(fs, last, drop.base.first_seq)


# --- beside a run -------------------------------------------------------------------------------


def chores(fs: SimFs, keep: Keep, now_ns: Callable[[], int] = lambda: NOW_NS) -> Chores:
    keeper = SnapshotKeeper(fs, JOURNAL, b"code", 0)
    return Chores(fs, JOURNAL, keeper, 0, threaded=False, compress=False, keep=keep, now_ns=now_ns)


async def beside(work: Chores, seconds: float) -> list[AnyEvent]:
    told: list[AnyEvent] = []
    with trio.move_on_after(seconds):
        await work.beside(told.append)
    return told


async def test_it_is_told_before_it_is_done(autojump_clock: Any) -> None:
    fs, last = kept_journal()
    work = chores(fs, Keep(for_ns=60 * HOUR_NS))
    (dropped,) = await beside(work, EVERY_S * 1.5)
    assert isinstance(dropped, HistoryDropped)
    assert read_base(fs, JOURNAL).is_whole
    (again,) = await beside(chores(fs, Keep(for_ns=60 * HOUR_NS)), EVERY_S * 30)
    assert again == dropped
    assert read_base(fs, JOURNAL).first_seq == dropped.first_seq
    assert_whole(fs, last, dropped.first_seq)
    assert DROP_EVERY_S > EVERY_S * 30


async def test_nothing_is_too_old_while_nobody_knows_the_time(autojump_clock: Any) -> None:
    fs, _ = kept_journal()
    times = [0, NOW_NS]
    work = chores(fs, Keep(for_ns=60 * HOUR_NS), lambda: times.pop(0))
    assert await beside(work, DROP_EVERY_S) == []
    (dropped,) = await beside(work, EVERY_S * 3)
    assert isinstance(dropped, HistoryDropped)


async def test_nothing_is_told_where_nothing_goes(autojump_clock: Any) -> None:
    fs, _ = kept_journal()
    assert await beside(chores(fs, Keep(for_ns=2 * NOW_NS)), EVERY_S * 3) == []


async def test_what_the_disk_refuses_is_told(autojump_clock: Any) -> None:
    fs, _ = kept_journal()
    fs.space_left = 0
    told = await beside(chores(fs, Keep(for_ns=60 * HOUR_NS)), EVERY_S * 3)
    assert [type(event) for event in told] == [HistoryDropped, ChoreFailed]
    assert str(told[1].chore) == "dropping old segments"  # type: ignore[union-attr]
    assert Path(JOURNAL / "00000001.qfj") in segment_paths(fs, JOURNAL).values()
