"""Edges of writing, recovering, starting and dropping, each with one small journal."""

from __future__ import annotations

import errno
import hashlib
import re
from pathlib import Path

import pytest

from adapters.runtime import journal_compact, journal_recovery
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_base import Base, write_base
from adapters.runtime.journal_compact import compact_journal
from adapters.runtime.journal_format import HEADER_SIZE, PAYLOAD_MAX, Kind, encode_close
from adapters.runtime.journal_keep import Keep, carry_out, plan_drop
from adapters.runtime.journal_raw import RawReader, RawWriter
from adapters.runtime.journal_read import (
    JournalReader,
    load_segment,
    read_headers,
    segment_paths,
)
from adapters.runtime.journal_recovery import prove_older
from adapters.runtime.journal_start import start_state, vouched_state
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated import SimFs
from adapters.simulated_fs import Fault
from engine.codec import encode_record
from engine.errors import JournalError
from engine.events import Fingerprint, Record, TimerFired
from engine.snapshot import encode_state
from engine.state import State, fingerprint
from tests.journal.helpers import (
    CONFIG,
    FIRST,
    JOURNAL,
    RAW,
    SCHEMA,
    SECOND,
    append,
    closed_journal,
    open_writer,
    read_all,
    records,
)
from tests.journal.test_keep import HOUR_NS, NOW_NS, kept_journal

# --- writing ----------------------------------------------------------------------------------


def synced(fs: SimFs, records_: int = 3, segment_bytes: int = 1 << 20) -> JournalWriter:
    writer = open_writer(fs, segment_bytes)
    append(writer, records_)
    writer.sync()
    return writer


def test_a_flush_without_news_calls_nobody() -> None:
    fs = SimFs()
    writer = synced(fs)
    calls = fs.calls
    writer.flush()
    assert fs.calls == calls


@pytest.mark.parametrize(("spare", "segments"), [(0, 1), (-1, 2)])
def test_a_segment_is_filled_to_its_last_byte(spare: int, segments: int) -> None:
    size = 1 << 20
    for _ in range(2):
        fs = SimFs()
        writer = open_writer(fs, size)
        for _ in range(2):
            append(writer, 3)
            writer.flush()
        size = fs.size(FIRST) + spare
    assert len(segment_paths(fs, JOURNAL)) == segments


def test_what_a_sync_made_durable_is_vouched_for_once() -> None:
    fs = SimFs()
    writer = synced(fs)
    for _ in range(3):
        append(writer, 1)
        writer.flush()
    assert fs.read(FIRST).count(b"QFmark") == 1


def test_a_record_may_have_sixteen_mebibytes_and_no_more() -> None:
    fs = SimFs()
    writer = open_writer(fs)
    writer.append(1, bytes(PAYLOAD_MAX))
    told = f"{FIRST}: expected seq 2 with at most {PAYLOAD_MAX} bytes, found seq 3 with 7 bytes"
    with pytest.raises(JournalError, match=re.escape(told)):
        writer.append(3, bytes(7))


def test_a_sync_or_a_close_that_fails_names_the_segment_and_the_reason() -> None:
    for call, close in (("sync", False), ("close", True)):
        fs = SimFs()
        writer = synced(fs)
        if not close:
            append(writer, 1)
        fs.fail_syncs = True
        told = rf"^{FIRST}: {call} failed at offset \d+: \[Errno"
        with pytest.raises(JournalError, match=told):
            writer.close() if close else writer.sync()


def test_a_writer_that_was_closed_expects_no_record_and_says_so() -> None:
    fs = SimFs()
    writer = synced(fs)
    writer.close()
    assert writer.next_seq == -1
    with pytest.raises(JournalError, match="a working writer, found: the writer is closed"):
        writer.flush()


def test_a_writer_that_failed_expects_no_record() -> None:
    fs = SimFs()
    writer = synced(fs)
    assert writer.next_seq == 4
    append(writer, 1)
    fs.space_left = 0
    with pytest.raises(JournalError, match=r"write failed at offset \d+: \[Errno 28\]"):
        writer.flush()
    assert writer.next_seq == -1


def test_a_disk_that_refuses_the_next_segment_is_named_with_its_reason() -> None:
    fs = SimFs()
    writer = synced(fs, 8, segment_bytes=200)
    fs.space_left = 100
    with pytest.raises(JournalError, match=r"write failed at offset \d+: \[Errno 28\]"):
        writer.catch_up()
    assert writer.next_seq == -1


def test_a_close_that_fails_is_told_and_lets_go_of_the_lock() -> None:
    fs = SimFs()
    writer = synced(fs)
    fs.fail_syncs = True
    with pytest.raises(JournalError, match="close failed at offset"):
        writer.close()
    fs.fail_syncs = False
    open_writer(fs).close()


def test_a_lock_that_cannot_be_given_back_is_told() -> None:
    twin = SimFs()
    writer = synced(twin)
    before = twin.calls
    writer.close()
    calls = twin.calls - before
    fs = SimFs()
    writer = synced(fs)
    fs.fault = Fault(fs.calls + calls, "refused", errno.EIO)
    with pytest.raises(JournalError, match="cannot let go of the journal"):
        writer.close()


def test_a_lock_that_cannot_be_taken_is_told() -> None:
    fs = SimFs()
    fs.fault = Fault(fs.calls + 2, "refused", errno.EACCES)
    with pytest.raises(JournalError, match="/journals/run/lock: cannot take the lock"):
        open_writer(fs)


@pytest.mark.parametrize(("is_synced", "syncs"), [(True, 2), (False, 3)])
def test_a_segment_is_durable_before_its_closing_frame(is_synced: bool, syncs: int) -> None:
    fs = SimFs()
    writer = open_writer(fs, 300)
    append(writer, 5)
    writer.flush()
    if is_synced:
        writer.sync()
    before = fs.syncs
    append(writer, 6)
    writer.flush()
    assert fs.list_dir(JOURNAL) == [FIRST.name, SECOND.name, "lock"]
    assert fs.syncs == before + syncs


def test_raw_segments_of_one_writer_share_their_first_seq() -> None:
    fs = SimFs()
    raw, _ = RawWriter.open(fs, JOURNAL, SCHEMA, CONFIG, first_seq=5, segment_bytes=200)
    with raw:
        for seq in (5, 7, 9, 11):
            raw.append(seq, "public", bytes(60))
            raw.flush()
    firsts = {header.first_seq for header in read_headers(fs, RAW, Kind.RAW)}
    assert firsts == {5}
    assert len(segment_paths(fs, RAW)) > 1
    assert [record.seq for record in RawReader(fs, JOURNAL).records()] == [5, 7, 9, 11]


def test_raw_bytes_have_a_longest_name_and_a_largest_size() -> None:
    raw, _ = RawWriter.open(SimFs(), JOURNAL, SCHEMA, CONFIG, first_seq=1)
    raw.append(1, "n" * 255, b"")
    raw.append(1, "name", bytes(PAYLOAD_MAX - 5))
    for name, size in (("n" * 256, 0), ("name", PAYLOAD_MAX - 4)):
        with pytest.raises(JournalError, match="expected seq 1 or more"):
            raw.append(1, name, bytes(size))


def test_raw_bytes_before_the_trusted_record_are_not_looked_at() -> None:
    fs = closed_journal()
    path = RAW / FIRST.name
    fs.overwrite(path, fs.read(path)[:-1] + b"x")
    open_args = (fs, JOURNAL, SCHEMA, CONFIG)
    with pytest.raises(JournalError, match=r"raw/00000001\.qfj"):
        RawWriter.open(*open_args, first_seq=31)
    RawWriter.open(*open_args, first_seq=31, trusted_seq=30)[0].close()
    fs.overwrite(FIRST, bytes(200))
    JournalWriter.open(*open_args, trusted_seq=30)[0].close()


# --- reading and recovery ---------------------------------------------------------------------


def test_a_last_header_that_is_damaged_and_not_unborn_is_refused() -> None:
    fs = closed_journal()
    fs.overwrite(JOURNAL / "00000004.qfj", bytes(200))
    with pytest.raises(JournalError, match=r"00000004\.qfj offset 0"):
        list(read_headers(fs, JOURNAL))


def test_records_that_are_missing_between_segments_are_told_with_their_place() -> None:
    fs = closed_journal()
    data = fs.read(FIRST)
    fs.overwrite(FIRST, data[:HEADER_SIZE])
    expected = f"{FIRST} offset {HEADER_SIZE} seq 1: expected records up to seq 10, found the last"
    with pytest.raises(JournalError, match=re.escape(expected) + " one 0; "):
        read_all(fs)


def test_segments_without_records_are_passed_over() -> None:
    fs = SimFs()
    for count in (3, 0, 0, 2, 0):
        with open_writer(fs) as writer:
            append(writer, count)
    for from_seq in range(1, 8):
        wanted = records(from_seq, 5)
        assert list(JournalReader(fs, JOURNAL).payloads(from_seq)) == wanted


def test_large_segments_are_hashed_and_compressed_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, fs = closed_journal(), closed_journal()
    monkeypatch.setattr(journal_recovery, "HASH_PIECE", 200)
    monkeypatch.setattr(journal_compact, "PIECE", 200)
    prove_older(fs, JOURNAL, Kind.EVENTS, 30)
    compact_journal(fs, JOURNAL)
    assert load_segment(fs, FIRST) == plain.read(FIRST)
    assert verify_journal(fs, JOURNAL).all_problems == ()


def test_a_compressed_segment_that_is_damaged_is_told_by_every_reader() -> None:
    fs = closed_journal()
    compact_journal(fs, JOURNAL)
    path = FIRST.with_name(FIRST.name + ".zst")
    data = bytearray(fs.read(path))
    data[300] ^= 1
    fs.overwrite(path, bytes(data))
    told = rf"{path} offset 0 seq 0: expected sha256 {data[-32:].hex()} of the compressed bytes"
    with pytest.raises(JournalError, match=told):
        prove_older(fs, JOURNAL, Kind.EVENTS, 30)
    with pytest.raises(JournalError, match=told):
        load_segment(fs, path)


def test_a_chain_that_does_not_fit_the_beginning_is_told_with_both_hashes() -> None:
    fs, _ = kept_journal()
    drop = plan_drop(fs, JOURNAL, Keep(for_ns=60 * HOUR_NS), NOW_NS)
    assert drop is not None
    base = drop.base
    write_base(fs, JOURNAL, Base(base.number, base.first_seq, bytes(32), why="tampered"))
    told = (
        rf"{base.number:08d}\.qfj offset 0 seq 0: expected sha256 {bytes(32).hex()} before it,"
        rf" found {base.prev_hash.hex()}"
    )
    with pytest.raises(JournalError, match=told):
        open_writer(fs)


@pytest.mark.parametrize("name", ["00000001.qfj", "00000004.qfj"])
def test_a_closing_frame_of_another_hash_is_refused_with_both(name: str) -> None:
    fs = closed_journal()
    data = fs.read(JOURNAL / name)[:-64]
    fs.overwrite(JOURNAL / name, data + encode_close(10, bytes(32)))
    found = hashlib.sha256(data).hexdigest()
    with pytest.raises(JournalError, match=f"expected sha256 {bytes(32).hex()}, found {found};"):
        open_writer(fs)


def test_a_segment_that_was_cut_is_refused_with_both_hashes() -> None:
    fs = closed_journal()
    whole = fs.read(FIRST)
    fs.overwrite(FIRST, whole[:-64])
    wanted, found = (hashlib.sha256(data).hexdigest() for data in (whole, whole[:-64]))
    told = f"offset {len(whole) - 64} seq 11: expected sha256 {wanted}, found {found};"
    with pytest.raises(JournalError, match=told):
        open_writer(fs)


def test_nothing_is_older_than_the_first_segment() -> None:
    fs = closed_journal()
    fs.overwrite(FIRST, bytes(200))
    prove_older(fs, JOURNAL, Kind.EVENTS, 0)
    prove_older(fs, JOURNAL, Kind.EVENTS, 1)
    with pytest.raises(JournalError, match=r"00000001\.qfj offset 0"):
        prove_older(fs, JOURNAL, Kind.EVENTS, 30)


def test_a_segment_that_begins_while_a_reader_looks_for_its_place_is_read_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fs = SimFs()
    writer = synced(fs, 3, segment_bytes=300)
    list_dir = fs.list_dir

    def late(path: Path) -> list[str]:
        found = list_dir(path)
        if writer.next_seq == 4:
            for _ in range(4):
                append(writer, 3)
                writer.flush()
        return found

    monkeypatch.setattr(fs, "list_dir", late)
    assert list(JournalReader(fs, JOURNAL).payloads(14)) == records(14, 15)
    assert list(read_headers(fs, JOURNAL))[-1].first_seq <= 14


# --- starting ---------------------------------------------------------------------------------


def vouching(event: object) -> tuple[SimFs, State]:
    """A journal of two records, the second of which is to vouch for the state after the first."""
    fs, state = SimFs(), State(seq=1, now_ns=5)
    with open_writer(fs) as writer:
        writer.append(1, encode_record(Record(1, 5, 0, TimerFired())))
        if event is not None:
            assert isinstance(event, Fingerprint | TimerFired)
            writer.append(2, encode_record(Record(2, 6, 0, event)))
    return fs, state


def test_a_state_is_vouched_for_by_the_fingerprint_behind_it() -> None:
    fs, state = vouching(Fingerprint(fingerprint(State(seq=1, now_ns=5))))
    assert vouched_state(fs, JOURNAL, 1, encode_state(state)) == state


@pytest.mark.parametrize(
    ("event", "seq"),
    [
        (None, 1),
        (TimerFired(), 1),
        (Fingerprint(b"another"), 1),
        (Fingerprint(fingerprint(State(seq=1, now_ns=5))), 2),
        (Fingerprint(fingerprint(State(seq=1, now_ns=5))), 0),
    ],
    ids=["nothing behind it", "another event", "another fingerprint", "a later seq", "an earlier"],
)
def test_a_state_that_nothing_vouches_for_is_refused(event: object, seq: int) -> None:
    fs, state = vouching(event)
    told = rf"the journal has no such fingerprint at seq {seq + 1}$"
    with pytest.raises(JournalError, match=told):
        vouched_state(fs, JOURNAL, seq, encode_state(state))


def test_a_whole_journal_starts_from_nothing_and_another_says_what_to_do() -> None:
    fs, _ = kept_journal()
    assert start_state(fs, JOURNAL) == State()
    drop = plan_drop(fs, JOURNAL, Keep(for_ns=60 * HOUR_NS), NOW_NS)
    assert drop is not None
    carry_out(fs, JOURNAL, drop)
    assert start_state(fs, JOURNAL).seq == drop.base.state_seq
    base = drop.base
    other = Base(base.number, base.first_seq, base.prev_hash, base.state_seq + 1, base.state)
    write_base(fs, JOURNAL, other)
    told = (
        "/journals/run/base.qfb: expected a state of this program, found none: the journal has no"
        f" such fingerprint at seq {base.state_seq + 2}; replay with the version that wrote it,"
        " or begin a new journal"
    )
    with pytest.raises(JournalError, match=re.escape(told)):
        start_state(fs, JOURNAL)
