"""Compressed segments: the same records, the same chain, every byte covered."""

from __future__ import annotations

import errno
import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
import zstandard

from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_compact import compact_journal, compact_segment, plain_segments
from adapters.runtime.journal_format import HEADER_SIZE, Damage, Kind
from adapters.runtime.journal_packed import LEAD_SIZE, pack, unpack
from adapters.runtime.journal_raw import RawReader
from adapters.runtime.journal_read import (
    JournalReader,
    read_headers,
    read_plain,
    segment_paths,
)
from adapters.runtime.journal_recovery import prove_older
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated import SimFs
from adapters.simulated_fs import Fault
from engine.errors import JournalError
from tests.journal.helpers import (
    CONFIG,
    JOURNAL,
    RAW,
    SCHEMA,
    append,
    closed_journal,
    open_writer,
    read_all,
    records,
)

KINDS = {JOURNAL: Kind.EVENTS, RAW: Kind.RAW}
FIRST_PACKED = JOURNAL / "00000001.qfj.zst"


def compressed_journal() -> SimFs:
    fs = closed_journal()
    compact_journal(fs, JOURNAL)
    return fs


def test_compressed_journal_holds_the_same() -> None:
    plain, packed = closed_journal(), compressed_journal()
    assert packed.list_dir(JOURNAL) == [
        *(f"0000000{number}.qfj.zst" for number in (1, 2, 3, 4)),
        "lock",
        "raw",
    ]
    assert list(read_headers(packed, JOURNAL)) == list(read_headers(plain, JOURNAL))
    for from_seq in (1, 7, 20, 30, 31):
        assert list(JournalReader(packed, JOURNAL).payloads(from_seq)) == records(from_seq, 30)
    assert list(RawReader(packed, JOURNAL).records()) == list(RawReader(plain, JOURNAL).records())
    prove_older(packed, JOURNAL, Kind.EVENTS, 30)
    report = verify_journal(packed, JOURNAL)
    assert (report.all_problems, report.unknown_files) == ((), ())
    assert (report.records, report.runs) == (30, 2)
    for was, now in zip(verify_journal(plain, JOURNAL).segments, report.segments, strict=True):
        assert (was.size, was.first_seq, was.closed) == (now.size, now.first_seq, now.closed)
        assert (was.stored, now.stored) == (was.size, packed.size(JOURNAL / now.file))


def test_every_zstd_gives_back_the_plain_segment() -> None:
    data = closed_journal().read(JOURNAL / "00000001.qfj")
    packed = compressed_journal().read(FIRST_PACKED)
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    assert reader.read() == data


def test_a_run_goes_on_behind_compressed_segments() -> None:
    fs = compressed_journal()
    writer = open_writer(fs)
    assert writer.next_seq == 31
    append(writer, 2)
    writer.sync()
    fs.crash()
    with open_writer(fs) as writer:
        append(writer, 1)
    compact_journal(fs, JOURNAL)
    assert read_all(fs) == records(1, 33)
    assert verify_journal(fs, JOURNAL).all_problems == ()


def test_the_last_segment_is_left_alone_while_it_is_open() -> None:
    fs = SimFs()
    writer = open_writer(fs)
    append(writer, 3)
    writer.sync()
    assert plain_segments(fs, JOURNAL) == []
    assert compact_journal(fs, JOURNAL) == []
    writer.close()
    (done,) = compact_journal(fs, JOURNAL)
    assert (done.path, done.packed) == (FIRST_PACKED, fs.size(FIRST_PACKED))
    assert compact_journal(fs, JOURNAL) == []


def read_everything(fs: SimFs) -> None:
    list(RawReader(fs, JOURNAL).records())
    read_all(fs)


@pytest.mark.slow
def test_every_flipped_bit_and_every_cut_of_a_compressed_segment_is_refused() -> None:
    fs = compressed_journal()
    for directory in KINDS:
        for path in segment_paths(fs, directory).values():
            data = fs.read(path)
            for offset in range(len(data)):
                harmed = bytearray(data)
                harmed[offset] ^= 1 << offset % 8
                for bad in (bytes(harmed), data[:offset]):
                    fs.overwrite(path, bad)
                    (problem, *_) = verify_journal(fs, JOURNAL).all_problems
                    assert problem.file == str(path)
                    with pytest.raises(JournalError, match=f"{path.name} offset "):
                        read_everything(fs)
                    if directory == JOURNAL:
                        with pytest.raises(JournalError, match=f"{path.name} offset "):
                            open_writer(fs)
            fs.overwrite(path, data)


@pytest.mark.parametrize("number", [1, 4], ids=["followed", "last"])
@pytest.mark.parametrize("offset", [100, 150], ids=["header", "record"])
def test_a_damaged_segment_is_not_compressed(number: int, offset: int) -> None:
    fs = closed_journal()
    path = JOURNAL / f"0000000{number}.qfj"
    data = bytearray(fs.read(path))
    data[offset] ^= 1
    fs.overwrite(path, bytes(data))
    with pytest.raises(JournalError, match=f"{path.name} offset "):
        compact_segment(fs, JOURNAL, Kind.EVENTS, number)
    assert fs.read(path) == data
    assert number in segment_paths(fs, JOURNAL)
    if number == 4:
        with pytest.raises(JournalError, match=f"{path.name} offset "):
            compact_journal(fs, JOURNAL)


def test_a_segment_is_not_compressed_before_a_damaged_header() -> None:
    fs = closed_journal()
    path = JOURNAL / "00000002.qfj"
    fs.overwrite(path, b"x" * 200)
    with pytest.raises(JournalError, match=r"00000002\.qfj offset 0"):
        compact_segment(fs, JOURNAL, Kind.EVENTS, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["refused", "short", "done"])
def test_any_call_may_fail_while_compressing(kind: Any) -> None:
    calls = closed_journal()
    before = calls.calls
    compact_journal(calls, JOURNAL)
    for number in range(1, calls.calls - before + 1):
        fs = closed_journal()
        fs.fault = Fault(fs.calls + number, kind, errno.ENOSPC)
        with pytest.raises((OSError, JournalError)):
            compact_journal(fs, JOURNAL)
        fs.crash(random.Random(number))
        assert read_all(fs) == records(1, 30)
        assert len(list(RawReader(fs, JOURNAL).records())) == 6
        compact_journal(fs, JOURNAL)
        assert read_all(fs) == records(1, 30)
        report = verify_journal(fs, JOURNAL)
        assert (report.all_problems, report.unknown_files) == ((), ())


def test_work_that_is_called_off_leaves_the_segment_alone() -> None:
    fs = closed_journal()

    def look_up() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compact_segment(fs, JOURNAL, Kind.EVENTS, 1, look_up)
    assert read_all(fs) == records(1, 30)
    assert verify_journal(fs, JOURNAL).unknown_files == ()
    compact_journal(fs, JOURNAL)
    assert read_all(fs) == records(1, 30)


def test_what_a_dying_process_left_half_compressed_is_compressed_anew() -> None:
    fs = closed_journal()
    fs.overwrite(JOURNAL / "00000001.qfj.zst.new", b"half of it")
    compact_segment(fs, JOURNAL, Kind.EVENTS, 1)
    assert fs.exists(FIRST_PACKED)
    assert read_all(fs) == records(1, 30)
    assert verify_journal(fs, JOURNAL).unknown_files == ()


def test_a_reader_finds_what_is_compressed_under_its_hands() -> None:
    fs = closed_journal()
    path, data = JOURNAL / "00000001.qfj", fs.read(JOURNAL / "00000001.qfj")
    compact_journal(fs, JOURNAL)
    assert read_plain(fs, path) == data


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda lead, frame, trail: lead[:-1] + b"x" + frame + trail, "the header "),
        (lambda lead, frame, trail: lead + b"no frame" + trail, "a Zstandard frame"),
        (lambda lead, frame, trail: lead + frame + trail[:20] + b"x" + trail[21:], "sha256 "),
    ],
    ids=["other header", "no frame", "other hash"],
)
def test_parts_that_do_not_fit_each_other_are_damage(harm: Any, expected: str) -> None:
    plain = bytes(HEADER_SIZE) + b"frames"
    good = b"".join(pack([plain], len(plain)))
    assert unpack(good) == plain
    bad = harm(good[:LEAD_SIZE], good[LEAD_SIZE:-80], good[-80:-32])
    found = unpack(bad + hashlib.sha256(bad).digest())
    assert isinstance(found, Damage)
    assert found.expected.startswith(expected)


def test_on_real_files(tmp_path: Path) -> None:
    fs = SystemFs()
    for _ in range(2):
        writer, _ = JournalWriter.open(fs, tmp_path, SCHEMA, CONFIG)
        with writer:
            append(writer, 20)
    compacted = compact_segment(fs, tmp_path, Kind.EVENTS, 1)
    assert compacted.packed == (tmp_path / "00000001.qfj.zst").stat().st_size
    assert not (tmp_path / "00000001.qfj").exists()
    assert list(JournalReader(fs, tmp_path).payloads()) == records(1, 40)
    assert verify_journal(fs, tmp_path).problems == ()
