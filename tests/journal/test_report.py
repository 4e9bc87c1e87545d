"""What `journal verify` says of a damaged journal: all problems, whole, and no others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.runtime.journal_compact import compact_journal
from adapters.runtime.journal_format import (
    HEADER_SIZE,
    Header,
    Kind,
    TornTail,
    encode_close,
    encode_header,
)
from adapters.runtime.journal_verify import Problem, SegmentReport, verify_journal
from adapters.simulated import SimFs
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
)

THIRD, FOURTH = JOURNAL / "00000003.qfj", JOURNAL / "00000004.qfj"
PACKED = SECOND.with_name(SECOND.name + ".zst")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def flip(fs: SimFs, path: Path, offset: int) -> None:
    data = fs.read(path)
    fs.overwrite(path, data[:offset] + bytes((data[offset] ^ 1,)) + data[offset + 1 :])


PLAIN = closed_journal()
SIZES = {path: PLAIN.size(path) for path in (FIRST, SECOND, THIRD, FOURTH)}
HASHES = {path: sha256(PLAIN.read(path)) for path in SIZES}


def cut(fs: SimFs) -> tuple[Problem, ...]:
    data = fs.read(FIRST)[:-64]
    fs.overwrite(FIRST, data)
    return (Problem(str(FIRST), len(data), 11, f"sha256 {HASHES[FIRST]}", sha256(data)),)


def grown(fs: SimFs) -> tuple[Problem, ...]:
    fs.overwrite(FOURTH, fs.read(FOURTH) + b"more")
    behind = "nothing behind the closing frame"
    return (Problem(str(FOURTH), SIZES[FOURTH], 31, behind, "4 bytes more"),)


def first_removed(fs: SimFs) -> tuple[Problem, ...]:
    fs.remove(FIRST)
    return (
        Problem(str(SECOND), 0, 0, "a segment 00000001.qfj before it", "none"),
        Problem(str(SECOND), 0, 11, "first seq 1", "11"),
    )


def second_removed(fs: SimFs) -> tuple[Problem, ...]:
    fs.remove(SECOND)
    return (
        Problem(str(THIRD), 0, 0, "a segment 00000002.qfj before it", "none"),
        Problem(str(FIRST), SIZES[FIRST], 11, f"sha256 {HASHES[SECOND]}", HASHES[FIRST]),
        Problem(str(THIRD), 0, 16, "first seq 11", "16"),
    )


def exchanged(fs: SimFs) -> tuple[Problem, ...]:
    first, second = fs.read(FIRST), fs.read(SECOND)
    fs.overwrite(FIRST, second)
    fs.overwrite(SECOND, first)
    return (
        Problem(str(FIRST), 12, 0, "segment number 1", "2"),
        Problem(str(SECOND), 12, 0, "segment number 2", "1"),
    )


def begun_late(fs: SimFs) -> tuple[Problem, ...]:
    before = hashlib.sha256(fs.read(FIRST)).digest()
    fs.overwrite(SECOND, encode_header(Header(2, Kind.EVENTS, True, 9, SCHEMA, CONFIG, before)))
    return (
        Problem(str(SECOND), 0, 9, "first seq 11", "9"),
        Problem(str(THIRD), 0, 16, "first seq 9", "16"),
    )


def closed_with_another_hash(fs: SimFs) -> tuple[Problem, ...]:
    data = fs.read(FOURTH)[:-64]
    fs.overwrite(FOURTH, data + encode_close(10, bytes(32)))
    return (Problem(str(FOURTH), len(data), 31, f"sha256 {bytes(32).hex()}", sha256(data)),)


def compressed_and_damaged(fs: SimFs) -> tuple[Problem, ...]:
    compact_journal(fs, JOURNAL)
    data = fs.read(PACKED)
    flip(fs, PACKED, len(data) // 2)
    expected = f"sha256 {data[-32:].hex()} of the compressed bytes"
    return (Problem(str(PACKED), 0, 0, expected, sha256(fs.read(PACKED)[:-32])),)


def lock_filled(fs: SimFs) -> tuple[Problem, ...]:
    fs.overwrite(JOURNAL / "lock", b"x")
    return (Problem(str(JOURNAL / "lock"), 0, 0, "an empty file", "1 bytes"),)


@pytest.mark.parametrize(
    "harm",
    [
        cut,
        grown,
        first_removed,
        second_removed,
        exchanged,
        begun_late,
        closed_with_another_hash,
        compressed_and_damaged,
        lock_filled,
    ],
)
def test_all_that_is_wrong_and_nothing_else(harm: Callable[[SimFs], tuple[Problem, ...]]) -> None:
    fs = closed_journal()
    problems = harm(fs)
    report = verify_journal(fs, JOURNAL)
    assert report.all_problems == problems
    assert report.torn is None


@pytest.mark.parametrize("path", [FIRST, SECOND])
def test_a_damaged_header_makes_no_other_problem(path: Path) -> None:
    fs = closed_journal()
    flip(fs, path, 50)
    (problem,) = verify_journal(fs, JOURNAL).all_problems
    assert (problem.file, problem.offset, problem.seq) == (str(path), 0, 0)
    assert problem.expected.startswith("header crc ")
    assert str(problem).startswith(f"{path} offset 0 seq 0: expected header crc ")
    assert str(problem).endswith(f", found {problem.found}")


def test_each_segment_is_told_whole() -> None:
    fs = closed_journal()
    compact_journal(fs, JOURNAL)
    report = verify_journal(fs, JOURNAL)
    stored = fs.size(PACKED)
    assert report.directory == str(JOURNAL)
    second = SegmentReport(PACKED.name, SIZES[SECOND], stored, 5, 11, 15, True, True)
    assert report.segments[1] == second
    assert [segment.rolled for segment in report.segments] == [False, True, False, True]
    assert report.raw is not None
    assert report.raw.directory == str(RAW)


def test_a_run_of_no_records_and_a_torn_header_are_told() -> None:
    fs = SimFs()
    open_writer(fs).close()
    fs.overwrite(SECOND, b"half a header")
    report = verify_journal(fs, JOURNAL)
    size = fs.size(FIRST)
    assert report.segments == (SegmentReport(FIRST.name, size, size, 0, 0, 0, False, True),)
    assert report.torn == TornTail(SECOND.name, 0, 13)
    assert (report.first_seq, report.last_seq, report.all_problems) == (0, 0, ())


def test_a_file_of_the_name_raw_among_the_raw_bytes_is_unknown() -> None:
    fs = closed_journal()
    fs.open_new(RAW / "raw").close()
    report = verify_journal(fs, JOURNAL)
    assert report.raw is not None
    assert (report.unknown_files, report.raw.unknown_files) == ((), ("raw",))


def test_behind_damage_the_next_segment_is_believed() -> None:
    fs = SimFs()
    with open_writer(fs) as writer:
        append(writer, 5)
    with open_writer(fs) as writer:
        append(writer, 2)
    flip(fs, FIRST, HEADER_SIZE + 17)
    (problem,) = verify_journal(fs, JOURNAL).all_problems
    assert (problem.file, problem.offset, problem.seq) == (str(FIRST), HEADER_SIZE, 1)
