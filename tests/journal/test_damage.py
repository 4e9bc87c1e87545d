"""Damage: every byte is covered, torn tails are cut, everything else is refused with its place."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_format import HEADER_SIZE, TornTail, encode_mark
from adapters.runtime.journal_verify import Report, verify_journal
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
    read_all,
    records,
)


def files_of(fs: SimFs) -> dict[Path, bytes]:
    paths = [JOURNAL / name for name in fs.list_dir(JOURNAL) if name != "raw"]
    paths += [RAW / name for name in fs.list_dir(RAW)]
    return {path: fs.read(path) for path in paths}


def flipped(data: bytes, offset: int, mask: int) -> bytes:
    return data[:offset] + bytes((data[offset] ^ mask,)) + data[offset + 1 :]


def assert_named(report: Report, path: Path, offset: int) -> None:
    """Damage at `offset` is reported in that file, at the start of what contains it."""
    places = [problem for problem in report.all_problems if problem.file == str(path)]
    assert places
    assert places[0].offset <= offset
    assert places[0].expected
    assert places[0].found


# --- verify --------------------------------------------------------------------------------------


def test_intact_journal_passes_and_is_counted() -> None:
    report = verify_journal(closed_journal(), JOURNAL)
    assert report.all_problems == ()
    assert report.torn is None
    assert (report.records, report.first_seq, report.last_seq, report.runs) == (30, 1, 30, 2)
    assert all(segment.closed for segment in report.segments)
    assert report.raw is not None
    assert (report.raw.records, report.raw.first_seq, report.raw.last_seq) == (6, 1, 26)


@pytest.mark.slow
def test_every_flipped_byte_of_a_closed_journal_is_named() -> None:
    fs = closed_journal()
    for path, data in files_of(fs).items():
        for offset in range(len(data)):
            fs.overwrite(path, flipped(data, offset, 0x01 << offset % 8))
            assert_named(verify_journal(fs, JOURNAL), path, offset)
        fs.overwrite(path, data)
    assert verify_journal(fs, JOURNAL).all_problems == ()


@pytest.mark.slow
def test_a_thousand_random_flips_of_a_larger_journal_are_named() -> None:
    fs, rng = SimFs(), random.Random(1)
    for _ in range(4):
        with open_writer(fs, segment_bytes=20_000) as writer:
            for _ in range(20):
                append(writer, rng.randint(1, 30))
                writer.sync()
    paths = [path for path, data in files_of(fs).items() if data]
    for _ in range(1000):
        path = rng.choice(paths)
        data = fs.read(path)
        offset = rng.randrange(len(data))
        fs.overwrite(path, flipped(data, offset, rng.randint(1, 255)))
        assert_named(verify_journal(fs, JOURNAL), path, offset)
        fs.overwrite(path, data)


def test_damaged_frame_is_named_with_its_offset_and_seq() -> None:
    fs = closed_journal()
    data = fs.read(FIRST)
    offset = data.index(payload(3)) - 16
    fs.overwrite(FIRST, flipped(data, offset + 16, 0xFF))
    (problem,) = verify_journal(fs, JOURNAL).problems
    assert (problem.file, problem.offset, problem.seq) == (str(FIRST), offset, 3)
    assert problem.expected.startswith("frame crc ")
    with pytest.raises(JournalError, match=f"00000001.qfj offset {offset} seq 3: expected frame"):
        read_all(fs)


def cut_older(fs: SimFs) -> None:
    fs.overwrite(FIRST, fs.read(FIRST)[:-64])


def grow_closed(fs: SimFs) -> None:
    last = JOURNAL / fs.list_dir(JOURNAL)[-3]
    fs.overwrite(last, fs.read(last) + b"more")


def remove_older(fs: SimFs) -> None:
    fs.remove(FIRST)


def exchange_two(fs: SimFs) -> None:
    first, second = fs.read(FIRST), fs.read(SECOND)
    fs.overwrite(FIRST, second)
    fs.overwrite(SECOND, first)


def replace_by_other_run(fs: SimFs) -> None:
    other = SimFs()
    writer, _ = JournalWriter.open(other, JOURNAL, SCHEMA, bytes(32), segment_bytes=700)
    append(writer, 15)
    writer.close()
    fs.overwrite(FIRST, other.read(FIRST))


def fill_lock(fs: SimFs) -> None:
    fs.overwrite(JOURNAL / "lock", b"x")


@pytest.mark.parametrize(
    ("harm", "file", "found"),
    [
        (cut_older, "00000001.qfj", ""),
        (grow_closed, "00000004.qfj", "4 bytes more"),
        (remove_older, "00000002.qfj", "none"),
        (exchange_two, "00000001.qfj", "2"),
        (replace_by_other_run, "00000001.qfj", ""),
        (fill_lock, "lock", "1 bytes"),
    ],
)
def test_tampering_shows(harm: object, file: str, found: str) -> None:
    fs = closed_journal()
    assert callable(harm)
    harm(fs)
    problem = verify_journal(fs, JOURNAL).problems[0]
    assert Path(problem.file).name == file
    assert found in problem.found


def test_unknown_files_are_listed_and_do_no_harm() -> None:
    fs = closed_journal()
    fs.open_new(JOURNAL / "notes.txt").close()
    fs.open_new(JOURNAL / "1.qfj").close()
    report = verify_journal(fs, JOURNAL)
    assert report.unknown_files == ("1.qfj", "notes.txt")
    assert report.problems == ()


# --- recovery ------------------------------------------------------------------------------------


def unclosed(batches: int) -> tuple[SimFs, bytes, list[tuple[int, int]]]:
    """An unclosed journal of synced batches: its only file, and the end and last seq of each."""
    fs = SimFs()
    writer = open_writer(fs)
    ends = [(HEADER_SIZE, 0)]
    for _ in range(batches):
        append(writer, 3)
        writer.sync()
        ends.append((fs.size(FIRST), writer.next_seq - 1))
    fs.crash()
    return fs, fs.read(FIRST), ends


@pytest.mark.slow
@pytest.mark.parametrize("zeros", [0, 30], ids=["cut short", "cut short, zeros behind"])
def test_tail_torn_at_any_byte_loses_no_whole_record_before_it(zeros: int) -> None:
    fs, data, ends = unclosed(4)
    for size in range(len(data) + 1):
        torn_fs = SimFs()
        torn_fs.make_dir(JOURNAL)
        torn_fs.overwrite(FIRST, data[:size] + bytes(zeros))
        last_synced = max((seq for end, seq in ends if end <= size), default=0)
        if zeros and size < HEADER_SIZE:
            continue  # the header is synced on its own: nothing can follow a torn one
        writer, found = JournalWriter.open(torn_fs, JOURNAL, SCHEMA, CONFIG)
        assert found.next_seq > last_synced
        assert (found.torn is not None) == (zeros > 0 or size not in whole_ends(fs, data))
        append(writer, 2)
        writer.close()
        assert read_all(torn_fs) == records(1, found.next_seq + 1)
        assert verify_journal(torn_fs, JOURNAL).problems == ()


def whole_ends(fs: SimFs, data: bytes) -> set[int]:
    """Every size at which the file holds whole frames only."""
    ends, pos = {HEADER_SIZE}, HEADER_SIZE
    while pos < len(data):
        pos += 16 + int.from_bytes(data[pos : pos + 4], "little")
        ends.add(pos)
    return ends


def test_a_flipped_bit_is_refused_wherever_it_is() -> None:
    fs, data, _ = unclosed(4)
    for offset in range(len(data)):
        harmed = flipped(data, offset, 1 << offset % 8)
        fs.overwrite(FIRST, harmed)
        assert_named(verify_journal(fs, JOURNAL), FIRST, offset)
        with pytest.raises(JournalError, match=r"00000001\.qfj offset \d+ seq \d+: expected"):
            open_writer(fs)
        assert fs.read(FIRST) == harmed, "refused means untouched"


def test_torn_tail_is_reported_with_its_place() -> None:
    fs, data, _ = unclosed(2)
    fs.overwrite(FIRST, data[:-5])
    whole = max(end for end in whole_ends(fs, data) if end <= len(data) - 5)
    expected = TornTail("00000001.qfj", whole, len(data) - 5 - whole)
    assert verify_journal(fs, JOURNAL).torn == expected
    writer, found = JournalWriter.open(fs, JOURNAL, SCHEMA, CONFIG)
    assert found.torn == expected
    assert found.next_seq == 6
    writer.close()
    assert verify_journal(fs, JOURNAL).torn is None


def test_closing_frame_torn_by_a_crash_costs_no_record() -> None:
    fs = SimFs()
    with open_writer(fs) as writer:
        append(writer, 5)
    data = fs.read(FIRST)
    for cut in range(1, 65):
        fs.overwrite(FIRST, data[:-cut])
        if SECOND.name in fs.list_dir(JOURNAL):
            fs.remove(SECOND)
        writer, found = JournalWriter.open(fs, JOURNAL, SCHEMA, CONFIG)
        assert (found.torn is None) == (cut == 64)
        assert found.next_seq == 6
        writer.close()


@pytest.mark.parametrize("which", ["older segment", "header of the last segment"])
def test_damage_elsewhere_refuses_to_open(which: str) -> None:
    fs = closed_journal()
    path = FIRST if which == "older segment" else JOURNAL / "00000004.qfj"
    offset = 300 if which == "older segment" else 50
    fs.overwrite(path, flipped(fs.read(path), offset, 1))
    with pytest.raises(JournalError, match=rf"{path.name} offset \d+ seq \d+: expected"):
        open_writer(fs)
    with pytest.raises(JournalError, match=rf"{path.name} offset \d+ seq \d+: expected"):
        read_all(fs)


def test_unclosed_segment_stays_provable_behind_the_next_one() -> None:
    fs, data, _ = unclosed(2)
    with open_writer(fs) as writer:
        append(writer, 1)
    report = verify_journal(fs, JOURNAL)
    assert report.problems == ()
    assert [segment.closed for segment in report.segments] == [False, True]
    fs.overwrite(FIRST, data[: max(end for end in whole_ends(fs, data) if end < len(data))])
    assert verify_journal(fs, JOURNAL).problems[0].file == str(FIRST)
    with pytest.raises(JournalError, match=r"expected records up to seq 6, found the last one 5"):
        read_all(fs)
    with pytest.raises(JournalError, match=r"00000001\.qfj offset \d+ seq 6: expected sha256"):
        open_writer(fs)


def test_whole_frame_in_the_wrong_place_is_no_torn_tail() -> None:
    fs, data, _ = unclosed(2)
    first_frame = data[HEADER_SIZE : HEADER_SIZE + 16 + len(payload(1))]
    fs.overwrite(FIRST, data + first_frame)
    (problem,) = verify_journal(fs, JOURNAL).problems
    assert (problem.offset, problem.expected, problem.found) == (len(data), "seq 7", "seq 1")
    with pytest.raises(JournalError, match="expected seq 7, found seq 1"):
        open_writer(fs)
    with pytest.raises(JournalError, match="expected seq 7, found seq 1"):
        read_all(fs)


def test_mark_inside_a_payload_is_not_believed() -> None:
    fs = SimFs()
    writer = open_writer(fs)
    writer.append(1, b"whole")
    writer.append(2, encode_mark(5000, 4900) + b"x")
    writer.flush()
    data = fs.read(FIRST)
    fs.overwrite(FIRST, data[:-1])
    report = verify_journal(fs, JOURNAL)
    assert report.problems == ()
    assert report.torn == TornTail("00000001.qfj", HEADER_SIZE + 16 + 5, 16 + 32)


def test_segment_whose_header_a_crash_tore_is_removed() -> None:
    fs = SimFs()
    with open_writer(fs) as writer:
        append(writer, 3)
    fs.overwrite(SECOND, b"\x89QFJ half a header")
    assert read_all(fs) == records(1, 3)
    writer, found = JournalWriter.open(fs, JOURNAL, SCHEMA, CONFIG)
    assert found.torn == TornTail("00000002.qfj", 0, 18)
    append(writer, 1)
    writer.close()
    assert read_all(fs) == records(1, 4)
    assert verify_journal(fs, JOURNAL).problems == ()


steps = st.lists(
    st.sampled_from(["append", "append", "flush", "sync", "reopen", "crash", "full disk"]),
    max_size=40,
)


@pytest.mark.slow
@given(steps, st.integers(0, 1 << 32), st.sampled_from([300, 1000, 1 << 20]))
def test_whatever_happens_no_synced_record_is_lost_and_none_is_invented(
    plan: list[str], seed: int, segment_bytes: int
) -> None:
    fs, rng = SimFs(), random.Random(seed)
    writer = open_writer(fs, segment_bytes)
    synced = 0
    for step in [*plan, "crash"]:
        if step == "append":
            append(writer, rng.randint(1, 5))
        elif step == "flush":
            writer.flush()
        elif step == "sync":
            writer.sync()
            synced = writer.next_seq - 1
        elif step == "reopen":
            synced = writer.next_seq - 1
            writer.close()
            writer = open_writer(fs, segment_bytes)
        else:
            if step == "full disk":
                append(writer, 3)
                fs.space_left = rng.randint(0, 60)
                with pytest.raises(JournalError):
                    writer.sync()
                fs.space_left = None
                writer.close()
            fs.crash(rng if rng.random() < 0.8 else None)
            writer = open_writer(fs, segment_bytes)
            assert writer.next_seq > synced
            synced = writer.next_seq - 1
        assert read_all(fs)[:synced] == records(1, synced)
    assert read_all(fs) == records(1, synced)
    assert verify_journal(fs, JOURNAL).problems == ()
