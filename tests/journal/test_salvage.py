"""`journal salvage`: what is whole is copied out, what is lost is named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_base import Base, read_base, write_base
from adapters.runtime.journal_compact import compact_journal
from adapters.runtime.journal_format import (
    HEADER_SIZE,
    Header,
    Kind,
    encode_header,
    encode_record_frame,
)
from adapters.runtime.journal_raw import RawReader, RawWriter
from adapters.runtime.journal_read import JournalReader, read_headers
from adapters.runtime.journal_salvage import Lost, Salvaged, salvage
from adapters.runtime.journal_start import start_state
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated import SimFs
from engine.errors import JournalError
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
    payload,
    records,
)

COPY = Path("/copies/run")
LAST = 30


def flip(fs: SimFs, path: Path, offset: int) -> None:
    data = bytearray(fs.read(path))
    data[offset] ^= 1
    fs.overwrite(path, bytes(data))


def salvaged(fs: SimFs) -> Salvaged:
    """Salvage, and expect that every copy is whole and the original untouched."""
    before = {path: fs.read(path) for path in (FIRST, SECOND) if fs.exists(path)}
    found = salvage(fs, JOURNAL, COPY)
    assert {path: fs.read(path) for path in before} == before
    for stretch in found.stretches:
        directory = Path(stretch.directory)
        held = list(JournalReader(fs, directory).payloads())
        assert held == records(stretch.first_seq, stretch.last_seq)
        report = verify_journal(fs, directory)
        assert (report.all_problems, report.torn) == ((), None)
        assert bool(report.begins) == (stretch.first_seq > 1)
    return found


def spans(found: Salvaged) -> list[tuple[int, int]]:
    return [(stretch.first_seq, stretch.last_seq) for stretch in found.stretches]


def test_a_whole_journal_is_copied_with_its_runs_and_raw_bytes() -> None:
    fs = closed_journal()
    found = salvaged(fs)
    assert (spans(found), found.lost) == ([(1, LAST)], ())
    report = verify_journal(fs, COPY)
    assert (report.runs, report.records) == (2, LAST)
    assert list(RawReader(fs, COPY).records()) == list(RawReader(fs, JOURNAL).records())
    with open_at(fs, COPY) as writer:
        append(writer, 1)
    assert list(JournalReader(fs, COPY).payloads()) == records(1, LAST + 1)


def open_at(fs: SimFs, directory: Path) -> JournalWriter:
    return JournalWriter.open(fs, directory, SCHEMA, CONFIG)[0]


def test_one_lost_record_parts_the_journal_in_two() -> None:
    fs = closed_journal()
    offset = fs.read(FIRST).index(payload(3))
    flip(fs, FIRST, offset)
    found = salvaged(fs)
    assert spans(found) == [(1, 2), (4, LAST)]
    (lost,) = found.lost
    assert (lost.after_seq, lost.next_seq, lost.offset) == (2, 4, offset - 16)
    assert lost.next_offset == offset + len(payload(3))
    assert str(lost).startswith(f"{FIRST} offset {offset - 16} to {lost.next_offset}, after seq 2")
    raw = [record.seq for record in RawReader(fs, JOURNAL).records()]
    assert [record.seq for record in RawReader(fs, COPY).records()] == raw[:1]
    second = Path(found.stretches[1].directory)
    assert second == COPY.with_name("run.2")
    assert [record.seq for record in RawReader(fs, second).records()] == raw[1:]
    with pytest.raises(JournalError, match=r"found seq 4 first .* can be read, but not folded"):
        start_state(fs, second)


def test_a_broken_header_costs_no_record() -> None:
    fs = closed_journal()
    flip(fs, SECOND, 50)
    found = salvaged(fs)
    assert spans(found) == [(1, LAST)]
    assert [(lost.file, lost.offset) for lost in found.lost] == [(str(SECOND), 0)]


WHOLE_AGAIN = (
    ("the first header", FIRST, 50, ("header crc ", 0, HEADER_SIZE, 0, 0)),
    ("the second header", SECOND, 50, ("header crc ", 0, HEADER_SIZE, 10, 0)),
    ("a raw header", RAW / "00000002.qfj", 50, ("header crc ", 0, HEADER_SIZE, 10, 0)),
    ("the third record", FIRST, 210, ("frame crc ", 191, 241, 2, 4)),
    ("the last record of a segment", FIRST, 501, ("frame crc ", 484, 595, 9, 0)),
)


@pytest.mark.parametrize(
    ("path", "at", "where"), [w[1:] for w in WHOLE_AGAIN], ids=[w[0] for w in WHOLE_AGAIN]
)
def test_damage_is_named_up_to_where_it_is_whole_again(
    path: Path, at: int, where: tuple[str, int, int, int, int]
) -> None:
    fs = closed_journal()
    flip(fs, path, at)
    (lost,) = salvaged(fs).lost
    expected, offset, next_offset, after_seq, next_seq = where
    told = Lost(str(path), offset, next_offset, after_seq, next_seq, lost.expected, lost.found)
    assert lost == told
    assert lost.expected.startswith(expected)
    assert lost.found in str(lost)
    assert lost.found not in lost.expected


def test_a_lost_header_is_made_up_from_the_one_before() -> None:
    fs = closed_journal()
    flip(fs, FIRST, 50)
    salvaged(fs)
    first, second, *_ = read_headers(fs, COPY)
    nothing = bytes(32)
    assert first == Header(1, Kind.EVENTS, True, 1, nothing, nothing, nothing)
    assert (second.schema_hash, second.config_hash, second.rolled) == (SCHEMA, CONFIG, True)
    fs = closed_journal()
    flip(fs, SECOND, 50)
    salvaged(fs)
    _, second, *_ = read_headers(fs, COPY)
    assert (second.schema_hash, second.config_hash, second.rolled) == (SCHEMA, CONFIG, True)


def test_a_later_stretch_is_no_run_of_its_own_and_says_why_it_begins_late() -> None:
    fs = closed_journal()
    flip(fs, FIRST, 210)
    second = Path(salvaged(fs).stretches[1].directory)
    headers = list(read_headers(fs, second))
    assert [header.rolled for header in headers] == [True, True, False, True]
    assert [header.first_seq for header in headers] == [4, 11, 16, 21]
    base = Base(first_seq=4, why="salvaged: what is before it was damaged")
    assert read_base(fs, second) == base
    assert not next(read_headers(fs, second / "raw", Kind.RAW)).rolled


def test_records_are_found_whatever_the_upper_half_of_their_seq() -> None:
    fs = SimFs()
    first_seq = (3 << 32) + 5
    header = Header(1, Kind.EVENTS, False, first_seq, SCHEMA, CONFIG, bytes(32))
    frames = [encode_record_frame(first_seq + index, b"record %d" % index) for index in range(4)]
    frames[1] = frames[1][:-1] + b"X"
    fs.make_dir(JOURNAL)
    write_base(fs, JOURNAL, Base(first_seq=first_seq, why="for a test"))
    fs.overwrite(FIRST, encode_header(header) + b"".join(frames))
    found = salvage(fs, JOURNAL, COPY)
    assert spans(found) == [(first_seq, first_seq), (first_seq + 2, first_seq + 3)]


@pytest.mark.parametrize("size", [1, 2, 30])
def test_bytes_between_two_records_cost_none(size: int) -> None:
    fs = SimFs()
    with open_writer(fs) as writer:
        append(writer, 5)
    data = fs.read(FIRST)
    at = data.index(payload(3)) - 16
    fs.overwrite(FIRST, data[:at] + b"\xff" * size + data[at:])
    found = salvage(fs, JOURNAL, COPY)
    assert spans(found) == [(1, 5)]
    (lost,) = found.lost
    assert (lost.offset, lost.next_offset, lost.after_seq, lost.next_seq) == (at, at + size, 2, 3)
    assert f"after seq 2 up to seq 3: expected {lost.expected}" in str(lost)


@pytest.mark.parametrize(("number", "after_seq"), [(1, 0), (2, 10)])
def test_a_damaged_compressed_segment_is_named_before_what_it_lost(
    number: int, after_seq: int
) -> None:
    fs = closed_journal()
    compact_journal(fs, JOURNAL)
    path = JOURNAL / f"0000000{number}.qfj.zst"
    flip(fs, path, fs.size(path) - 1)
    found = salvage(fs, JOURNAL, COPY)
    assert spans(found) == [(1, LAST)]
    data = fs.read(path)
    expected = f"sha256 {data[-32:].hex()} of the compressed bytes"
    actual = hashlib.sha256(data[:-32]).hexdigest()
    assert found.lost == (Lost(str(path), 0, HEADER_SIZE, after_seq, 0, expected, actual),)


def test_a_beginning_that_cannot_be_read_is_named_whole() -> None:
    fs = closed_journal()
    fs.overwrite(JOURNAL / "base.qfb", b"damaged")
    with pytest.raises(JournalError) as told:
        read_base(fs, JOURNAL)
    found = salvage(fs, JOURNAL, COPY)
    begins = Lost(str(JOURNAL / "base.qfb"), 0, 0, 0, 0, "how the journal begins", str(told.value))
    assert found.lost == (begins,)
    assert spans(found) == [(1, LAST)]


def test_a_run_that_wrote_nothing_is_copied_too() -> None:
    fs = SimFs()
    open_writer(fs).close()
    with open_writer(fs) as writer:
        append(writer, 2)
    found = salvage(fs, JOURNAL, COPY)
    assert (spans(found), found.lost) == ([(1, 2)], ())
    assert verify_journal(fs, COPY).runs == 2


def test_raw_bytes_that_a_crash_made_old_are_not_copied_and_those_of_the_last_event_are() -> None:
    fs = SimFs()
    with open_writer(fs) as writer:
        raw, _ = RawWriter.open(fs, JOURNAL, SCHEMA, CONFIG, first_seq=1, segment_bytes=200)
        with raw:
            append(writer, 2)
            for seq in (1, 2, 3, 4):
                raw.append(seq, "public", b"old" + bytes(60))
                raw.flush()
    with open_writer(fs) as writer:
        raw, _ = RawWriter.open(fs, JOURNAL, SCHEMA, CONFIG, first_seq=3, segment_bytes=200)
        with raw:
            append(writer, 2)
            for seq in (3, 4):
                raw.append(seq, "public", b"new" + bytes(60))
                raw.flush()
    kept = list(RawReader(fs, JOURNAL).records())
    assert [(record.seq, record.data[:3]) for record in kept] == [
        (1, b"old"),
        (2, b"old"),
        (3, b"new"),
        (4, b"new"),
    ]
    salvage(fs, JOURNAL, COPY)
    assert list(RawReader(fs, COPY).records()) == kept
    headers = list(read_headers(fs, COPY / "raw", Kind.RAW))
    assert {header.first_seq for header in headers} == {1}
    assert [header.rolled for header in headers] == [False] + [True] * (len(headers) - 1)
    assert "base.qfb" not in fs.list_dir(COPY / "raw")


def test_a_missing_segment_parts_the_journal() -> None:
    fs = closed_journal()
    fs.remove(SECOND)
    first, last = spans(salvaged(fs))
    assert (first[0], last[1]) == (1, LAST)


def test_a_torn_tail_is_named() -> None:
    fs = SimFs()
    writer = open_writer(fs)
    append(writer, 3)
    writer.sync()
    fs.overwrite(FIRST, fs.read(FIRST)[:-1])
    found = salvaged(fs)
    assert spans(found) == [(1, 2)]
    (lost,) = found.lost
    assert (lost.after_seq, lost.next_seq, lost.next_offset) == (2, 0, fs.size(FIRST))
    assert "up to the end of the file" in str(lost)


def test_a_damaged_closing_frame_costs_nothing() -> None:
    fs = closed_journal()
    flip(fs, FIRST, fs.size(FIRST) - 20)
    found = salvaged(fs)
    assert (spans(found), found.lost) == ([(1, LAST)], ())


@pytest.mark.parametrize("where", [0.5, 0.99])
def test_of_a_damaged_compressed_segment_the_beginning_is_whole(where: float) -> None:
    fs = SimFs()
    for _ in range(2):
        with open_writer(fs) as writer:
            append(writer, 3000)
            append(writer, 3000)
    compact_journal(fs, JOURNAL)
    path = FIRST.with_name(FIRST.name + ".zst")
    flip(fs, path, int(fs.size(path) * where))
    found = salvaged(fs)
    assert found.stretches[0].first_seq == 1
    assert found.stretches[-1].last_seq == 12000
    assert found.lost[0].file == str(path)


def test_raw_bytes_of_events_that_a_crash_took_stay_out() -> None:
    fs = closed_journal()
    flip(fs, RAW / "00000001.qfj", HEADER_SIZE + 20)
    found = salvaged(fs)
    assert [Path(lost.file).parent for lost in found.lost] == [RAW]
    raw = list(RawReader(fs, COPY).records())
    assert [record.seq for record in raw] == [6, 11, 16, 21, 26]


def test_where_nothing_is_whole_nothing_is_copied() -> None:
    with pytest.raises(JournalError, match="expected a journal with whole records, found none"):
        salvage(SimFs(), JOURNAL, COPY)


def test_a_place_that_is_taken_is_refused() -> None:
    fs = closed_journal()
    salvage(fs, JOURNAL, COPY)
    with pytest.raises(JournalError, match="/copies/run: expected nothing there"):
        salvage(fs, JOURNAL, COPY)


@pytest.mark.slow
def test_any_flipped_byte_costs_at_most_one_record() -> None:
    plain = closed_journal()
    for path in (FIRST, SECOND):
        for offset in range(plain.size(path)):
            fs = closed_journal()
            flip(fs, path, offset)
            held = [seq for first, last in spans(salvaged(fs)) for seq in range(first, last + 1)]
            assert len(held) >= LAST - 1
            assert held == sorted(set(held))
