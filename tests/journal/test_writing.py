"""Writing and reading journals that nothing went wrong with, and writers that must stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_format import PAYLOAD_MAX
from adapters.runtime.journal_raw import RawReader, RawRecord, RawWriter
from adapters.runtime.journal_read import JournalReader, read_headers, read_segments
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated import SimFs
from engine.errors import JournalError
from tests.journal.helpers import (
    CONFIG,
    JOURNAL,
    SCHEMA,
    append,
    closed_journal,
    open_writer,
    payload,
    read_all,
    records,
)


def test_what_was_appended_is_read_back_over_several_openings() -> None:
    fs = SimFs()
    for _ in range(3):
        with open_writer(fs) as writer:
            append(writer, 4)
            writer.sync()
            append(writer, 3)
    assert read_all(fs) == records(1, 21)
    assert fs.list_dir(JOURNAL) == ["00000001.qfj", "00000002.qfj", "00000003.qfj", "lock"]


def test_on_real_files_as_in_memory(tmp_path: Path) -> None:
    fs = SystemFs()
    for _ in range(2):
        writer, found = JournalWriter.open(fs, tmp_path / "run", SCHEMA, CONFIG)
        assert found.torn is None
        append(writer, 10)
        writer.sync()
        append(writer, 1)
        writer.close()
    assert list(JournalReader(fs, tmp_path / "run").payloads()) == records(1, 22)
    assert verify_journal(fs, tmp_path / "run").problems == ()


def test_segments_roll_over_at_their_size_and_stay_one_run() -> None:
    fs = SimFs()
    with open_writer(fs, segment_bytes=400) as writer:
        for _ in range(10):
            append(writer, 3)
            writer.flush()
    headers = list(read_headers(fs, JOURNAL))
    assert len(headers) > 3
    assert [header.rolled for header in headers] == [False] + [True] * (len(headers) - 1)
    assert all(fs.size(segment.path) <= 400 + 64 for segment in read_segments(fs, JOURNAL))
    assert read_all(fs) == records(1, 30)
    report = verify_journal(fs, JOURNAL)
    assert (report.runs, report.records, report.problems) == (1, 30, ())


@pytest.mark.parametrize("from_seq", [0, 1, 2, 14, 15, 16, 29, 30, 31, 99])
def test_reading_starts_where_it_is_asked_to(from_seq: int) -> None:
    wanted = list(JournalReader(closed_journal(), JOURNAL).payloads(from_seq))
    assert wanted == records(max(from_seq, 1), 30)


def test_reader_follows_a_live_journal_up_to_the_last_whole_record() -> None:
    fs = SimFs()
    writer = open_writer(fs)
    assert read_all(fs) == []
    append(writer, 3)
    assert read_all(fs) == []
    writer.flush()
    assert read_all(fs) == records(1, 3)
    fs.space_left = 20
    append(writer, 1)
    with pytest.raises(JournalError):
        writer.flush()
    assert read_all(fs) == records(1, 3)
    assert verify_journal(fs, JOURNAL).problems == ()


def test_empty_payloads_and_large_ones_survive() -> None:
    fs = SimFs()
    with open_writer(fs) as writer:
        writer.append(1, b"")
        writer.append(2, bytes(3 << 20))
    assert read_all(fs) == [(1, b""), (2, bytes(3 << 20))]


def test_a_block_of_records_is_written_as_each_of_them() -> None:
    one_by_one, together = SimFs(), SimFs()
    with open_writer(one_by_one) as writer:
        append(writer, 9)
    with open_writer(together) as writer:
        writer.append_all(1, [payload(seq) for seq in range(1, 5)])
        writer.append_all(5, [])
        writer.append_all(5, [payload(seq) for seq in range(5, 10)])
        assert writer.next_seq == 10
    path = JOURNAL / "00000001.qfj"
    assert together.read(path) == one_by_one.read(path)


@pytest.mark.parametrize(("seq", "size"), [(1, 1), (3, 1), (2, PAYLOAD_MAX + 1)])
def test_a_block_that_does_not_fit_is_refused_whole(seq: int, size: int) -> None:
    fs = SimFs()
    with open_writer(fs) as writer:
        append(writer, 1)
        with pytest.raises(JournalError, match="expected seq 2"):
            writer.append_all(seq, [b"", bytes(size)])
        append(writer, 1)
    assert read_all(fs) == records(1, 2)


def test_sync_without_news_costs_no_sync() -> None:
    fs = SimFs()
    writer = open_writer(fs)
    append(writer, 1)
    writer.sync()
    before = fs.syncs
    writer.sync()
    assert fs.syncs == before
    append(writer, 1)
    writer.sync()
    assert fs.syncs == before + 1


@pytest.mark.parametrize(
    ("what", "seq", "size"),
    [
        ("a seq is left out", 3, 1),
        ("a seq is repeated", 1, 1),
        ("a payload is too large", 2, PAYLOAD_MAX + 1),
    ],
)
def test_record_that_does_not_fit_is_refused_and_harms_nothing(
    what: str, seq: int, size: int
) -> None:
    fs = SimFs()
    with open_writer(fs) as writer:
        append(writer, 1)
        with pytest.raises(JournalError, match="expected seq 2"):
            writer.append(seq, bytes(size))
        append(writer, 1)
    assert read_all(fs) == records(1, 2), what


def test_second_writer_is_refused_with_the_path_of_the_lock() -> None:
    fs = SimFs()
    writer = open_writer(fs)
    with pytest.raises(JournalError, match="/journals/run/lock: expected no other writer"):
        open_writer(fs)
    writer.close()
    open_writer(fs).close()


def test_second_writer_is_refused_on_real_files(tmp_path: Path) -> None:
    fs = SystemFs()
    writer, _ = JournalWriter.open(fs, tmp_path, SCHEMA, CONFIG)
    with pytest.raises(JournalError, match="lock: expected no other writer"):
        JournalWriter.open(fs, tmp_path, SCHEMA, CONFIG)
    writer.close()


@pytest.mark.parametrize("fault", ["full disk", "failing sync"])
def test_failed_write_or_sync_is_the_end_of_the_writer(fault: str) -> None:
    fs = SimFs()
    writer = open_writer(fs)
    append(writer, 2)
    writer.sync()
    append(writer, 2)
    if fault == "full disk":
        fs.space_left = 10
    else:
        fs.fail_syncs = True
    with pytest.raises(JournalError, match="nothing more will be written"):
        writer.sync()
    fs.space_left, fs.fail_syncs = None, False
    for refused in (writer.flush, writer.sync, lambda: writer.append(5, b"x")):
        with pytest.raises(JournalError, match="failed at offset"):
            refused()
    writer.close()
    assert read_all(fs)[:2] == records(1, 2)
    open_writer(fs).close()  # the lock was given back


def test_closed_writer_refuses_everything() -> None:
    writer = open_writer(SimFs())
    writer.close()
    with pytest.raises(JournalError, match="the writer is closed"):
        writer.append(1, b"x")
    with pytest.raises(JournalError, match="the writer is closed"):
        writer.sync()


def test_disk_full_at_opening_is_a_journal_error_and_gives_the_lock_back() -> None:
    fs = SimFs()
    fs.space_left = 50
    with pytest.raises(JournalError, match="cannot open the journal"):
        open_writer(fs)
    fs.space_left = None
    open_writer(fs).close()


@pytest.mark.parametrize("what", ["no such directory", "an empty directory"])
def test_reading_what_is_no_journal_says_so(what: str) -> None:
    fs = SimFs()
    if what == "an empty directory":
        fs.make_dir(JOURNAL)
    with pytest.raises(JournalError, match="expected a journal with segments, found none"):
        read_all(fs)
    with pytest.raises(JournalError, match="expected a journal with segments, found none"):
        verify_journal(fs, JOURNAL)


# --- raw capture ---------------------------------------------------------------------------------


def test_raw_bytes_come_back_with_their_stream_and_event() -> None:
    fs = SimFs()
    raw, torn = RawWriter.open(fs, JOURNAL, SCHEMA, CONFIG, first_seq=5, segment_bytes=200)
    wanted = [
        RawRecord(5, "public", b"a frame"),
        RawRecord(5, "public", b"another for the same event"),
        RawRecord(9, "privé", b""),
        RawRecord(9, "private", bytes(300)),
        RawRecord(12, "private", b"end"),
    ]
    for record in wanted:
        raw.append(record.seq, record.stream, record.data)
        raw.flush()
    raw.close()
    assert torn is None
    assert list(RawReader(fs, JOURNAL).records()) == wanted
    assert list(RawReader(fs, JOURNAL).records(from_seq=9)) == wanted[2:]


def test_raw_record_with_a_falling_seq_is_refused() -> None:
    raw, _ = RawWriter.open(SimFs(), JOURNAL, SCHEMA, CONFIG, first_seq=5)
    raw.append(7, "public", b"x")
    with pytest.raises(JournalError, match="expected seq 7 or more"):
        raw.append(6, "public", b"x")
    raw.close()


def test_raw_records_of_events_that_a_crash_took_are_skipped() -> None:
    fs = SimFs()
    writer = open_writer(fs)
    raw, _ = RawWriter.open(fs, JOURNAL, SCHEMA, CONFIG, first_seq=writer.next_seq)
    raw.append(1, "public", b"kept")
    writer.append(1, payload(1))
    writer.sync()
    raw.append(2, "public", b"its event is lost")
    raw.sync()
    writer.append(2, payload(2))
    writer.flush()
    fs.crash()
    writer = open_writer(fs)
    assert writer.next_seq == 2
    raw, _ = RawWriter.open(fs, JOURNAL, SCHEMA, CONFIG, first_seq=writer.next_seq)
    raw.append(2, "public", b"of the new event 2")
    raw.close()
    writer.close()
    assert [record.data for record in RawReader(fs, JOURNAL).records()] == [
        b"kept",
        b"of the new event 2",
    ]
    assert verify_journal(fs, JOURNAL).all_problems == ()


def test_a_segment_that_is_nearly_full_is_closed_where_nothing_waits_for_it() -> None:
    fs = SimFs()
    writer = open_writer(fs, segment_bytes=640)
    while fs.size(JOURNAL / "00000001.qfj") <= 600:
        assert fs.list_dir(JOURNAL) == ["00000001.qfj", "lock"]
        append(writer, 1)
        writer.sync()
        writer.catch_up()
    assert fs.list_dir(JOURNAL) == ["00000001.qfj", "00000002.qfj", "lock"]
    last = writer.next_seq
    append(writer, 1)
    writer.close()
    assert read_all(fs) == records(1, last)
    assert verify_journal(fs, JOURNAL).problems == ()


def test_a_disk_that_refuses_the_next_segment_ends_the_writer() -> None:
    fs = SimFs()
    writer = open_writer(fs, segment_bytes=200)
    append(writer, 8)
    writer.sync()
    fs.space_left = 100
    with pytest.raises(JournalError, match="write failed at offset"):
        writer.catch_up()
    writer.catch_up()
    with pytest.raises(JournalError, match="found: write failed"):
        writer.sync()


def test_a_failure_to_close_does_not_hide_what_came_first() -> None:
    fs = SimFs()

    def stopped(error: Exception | None) -> None:
        with open_writer(fs) as writer:
            append(writer, 1)
            fs.fail_syncs = True
            if error is not None:
                raise error

    with pytest.raises(ValueError, match="first"):
        stopped(ValueError("first"))
    fs.fail_syncs = False
    with pytest.raises(JournalError, match="sync failed"):
        stopped(None)
