"""What is rare: crafted files, missing ones, disks that fail at an odd moment."""

from __future__ import annotations

import errno
import random
from pathlib import Path

import msgspec
import pytest

from adapters.runtime.journal_base import BASE_NAME, NEW_BASE_NAME, Base, read_base, write_base
from adapters.runtime.journal_compact import compact_segment
from adapters.runtime.journal_format import (
    HEADER_SIZE,
    Damage,
    Header,
    Kind,
    Walk,
    decode_header,
    encode_close,
    encode_header,
    encode_mark,
)
from adapters.runtime.journal_keep import Keep, carry_out
from adapters.runtime.journal_packed import pack, unpack, unpack_partly
from adapters.runtime.journal_read import BLOCK, JournalReader, read_headers, segment_paths
from adapters.runtime.journal_salvage import salvage
from adapters.runtime.journal_start import start_state
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated_fs import Fault, SimFs
from engine.errors import JournalError
from tests.journal.helpers import (
    FIRST,
    JOURNAL,
    RAW,
    SECOND,
    append,
    closed_journal,
    open_writer,
    read_all,
)
from tests.journal.test_keep import HOUR_NS, kept_journal, planned

HEADER = Header(1, Kind.EVENTS, False, 1, bytes(32), bytes(32), bytes(32))


@pytest.mark.parametrize(
    ("kind", "number", "expected"),
    [(Kind.RAW, 1, "kind 2 (raw)"), (Kind.EVENTS, 2, "segment number 2")],
)
def test_a_header_of_another_place_is_refused(kind: Kind, number: int, expected: str) -> None:
    found = decode_header(encode_header(HEADER), number, kind)
    assert isinstance(found, Damage)
    assert found.expected == expected


def test_a_header_of_another_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.runtime.journal_format.FORMAT_VERSION", 2)
    data = encode_header(HEADER)
    monkeypatch.undo()
    found = decode_header(data, 1, Kind.EVENTS)
    assert isinstance(found, Damage)
    assert (found.offset, found.expected, found.found) == (8, "format version 1", "2")


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (encode_mark(HEADER_SIZE + 1, 0), f"a mark of offset {HEADER_SIZE}"),
        (encode_mark(HEADER_SIZE, HEADER_SIZE + 1), f"a mark of offset {HEADER_SIZE}"),
        (encode_close(1, bytes(32)), "1 records as closed"),
        (encode_close(0, bytes(32)), f"sha256 {bytes(32).hex()}"),
    ],
)
def test_a_special_frame_that_says_what_is_not_so_is_damage(frame: bytes, expected: str) -> None:
    walk = Walk(encode_header(HEADER) + frame, HEADER, check_digest=True).finish()
    assert walk.damage is not None
    assert walk.damage.expected == expected
    assert not walk.is_torn()


def test_a_closing_frame_with_another_end_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.runtime.journal_format._END_MAGIC", b"QFend\r\n\xf4")
    frame = encode_close(0, bytes(32))
    monkeypatch.undo()
    walk = Walk(encode_header(HEADER) + frame, HEADER, check_digest=False).finish()
    assert walk.damage is not None
    assert walk.damage.expected.startswith("end magic ")


def test_a_missing_segment_is_refused_everywhere() -> None:
    fs = closed_journal()
    fs.remove(SECOND)
    with pytest.raises(JournalError, match=r"expected segments 1 to 3, found \[1, 3, 4\]"):
        open_writer(fs)
    with pytest.raises(JournalError) as missing:
        read_all(fs)
    assert str(missing.value) == f"{JOURNAL}: expected 00000002.qfj, found 00000003.qfj next"


def test_headers_of_damaged_segments_are_refused_and_unborn_ones_passed_over() -> None:
    fs = closed_journal()
    whole = list(read_headers(fs, JOURNAL))
    for unborn in (b"half a header", bytes(HEADER_SIZE)):
        fs.overwrite(JOURNAL / "00000005.qfj", unborn)
        assert list(read_headers(fs, JOURNAL)) == whole
    fs.overwrite(FIRST, bytes(200))
    with pytest.raises(JournalError) as damaged:
        list(read_headers(fs, JOURNAL))
    assert str(damaged.value) == (
        f"{FIRST} offset 0 seq 0: expected magic 8951464a0d0a1a0a, found 0000000000000000;"
        " `quotefold journal verify` lists all damage, `quotefold journal salvage` copies out what"
        " is whole"
    )


def test_a_disk_that_cannot_be_read_is_no_damage() -> None:
    fs = closed_journal()
    fs.fault = Fault(fs.calls + 1, "refused", errno.EIO)
    with pytest.raises(JournalError, match="cannot read the journal"):
        verify_journal(fs, JOURNAL)
    fs, _ = kept_journal()
    carry_out(fs, JOURNAL, planned(fs, Keep(for_ns=60 * HOUR_NS)))
    fs.fault = Fault(fs.calls + 1, "refused", errno.EIO)
    with pytest.raises(JournalError, match=r"base\.qfb: cannot read"):
        read_base(fs, JOURNAL)


@pytest.mark.parametrize("name", ["", FIRST.name, FIRST.name + ".zst"])
def test_what_a_disk_does_not_give_is_named(name: str) -> None:
    """The list of files, a plain segment, a compressed one."""
    fs = closed_journal()
    if name.endswith(".zst"):
        compact_segment(fs, JOURNAL, Kind.EVENTS, 1)
    wanted = f"{JOURNAL / name}: cannot read: [Errno 5] Input/output error"
    for read in (read_all, lambda disk: list(read_headers(disk, JOURNAL))):
        broken = Broken(fs, JOURNAL / name)
        with pytest.raises(JournalError) as told:
            read(broken)
        assert str(told.value) == wanted


class Broken(SimFs):
    """The same files on a disk that cannot read one path."""

    def __init__(self, fs: SimFs, path: Path) -> None:
        super().__init__()
        self._files, self._dirs, self._broken = fs._files, fs._dirs, path

    def list_dir(self, path: Path) -> list[str]:
        self._give(path)
        return super().list_dir(path)

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        self._give(path)
        return super().read(path, start, size)

    def _give(self, path: Path) -> None:
        if path == self._broken:
            raise OSError(errno.EIO, "Input/output error")


def test_a_block_that_ends_just_before_what_is_wanted_is_not_given() -> None:
    fs = SimFs()
    with open_writer(fs) as writer:
        append(writer, BLOCK + 2)
    for from_seq, wanted in ((BLOCK, 1), (BLOCK + 1, 2), (BLOCK + 2, 1)):
        first_seq, payloads = next(JournalReader(fs, JOURNAL).blocks(from_seq))
        assert (first_seq, len(payloads)) == (from_seq, wanted)


# --- compressed -----------------------------------------------------------------------------------


def test_large_segments_are_compressed_piece_by_piece() -> None:
    pieces = [bytes(HEADER_SIZE) + random.Random(1).randbytes(5_000), b"x" * 5_000, b"end"]
    plain = b"".join(pieces)
    packed = b"".join(pack(pieces, len(plain)))
    assert unpack(packed) == plain
    assert unpack_partly(packed) == plain
    assert plain.startswith(unpack_partly(packed[:3_000]))
    assert isinstance(unpack(packed[:100]), Damage)


def test_what_is_read_back_damaged_does_not_take_the_place_of_the_plain_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fs = closed_journal()
    read = fs.read

    def misread(path: Path, start: int = 0, size: int = -1) -> bytes:
        data = read(path, start, size)
        return data[:-1] if path.name.endswith(".new") else data

    monkeypatch.setattr(fs, "read", misread)
    with pytest.raises(JournalError, match=r"\.zst\.new offset 0"):
        compact_segment(fs, JOURNAL, Kind.EVENTS, 1)
    assert segment_paths(fs, JOURNAL)[1] == FIRST


# --- beginnings -----------------------------------------------------------------------------------


def test_a_beginning_that_was_half_written_is_written_again() -> None:
    fs = closed_journal()
    fs.overwrite(JOURNAL / NEW_BASE_NAME, b"half")
    base = Base(2, 5, bytes(32), why="for a test")
    write_base(fs, JOURNAL, base)
    assert read_base(fs, JOURNAL) == base
    assert NEW_BASE_NAME not in fs.list_dir(JOURNAL)


def test_history_goes_where_there_are_no_raw_bytes() -> None:
    fs, _ = kept_journal()
    for path in segment_paths(fs, RAW).values():
        fs.remove(path)
    for keep in (Keep(bytes_max=1), Keep(for_ns=0)):
        drop = planned(fs, keep)
        assert drop.raw is None
    carry_out(fs, JOURNAL, drop)
    assert verify_journal(fs, JOURNAL).all_problems == ()


def test_a_damaged_beginning_does_not_hinder_salvage() -> None:
    fs, _ = kept_journal()
    drop = planned(fs, Keep(for_ns=60 * HOUR_NS))
    carry_out(fs, JOURNAL, drop)
    whole = salvage(fs, JOURNAL, Path("/copies/whole"))
    copied = read_base(fs, Path("/copies/whole"))
    assert copied == msgspec.structs.replace(drop.base, number=1, prev_hash=bytes(32))
    assert whole.lost == ()
    fs.overwrite(JOURNAL / BASE_NAME, b"damaged")
    found = salvage(fs, JOURNAL, Path("/copies/other"))
    assert [lost.file for lost in found.lost] == [str(JOURNAL / BASE_NAME)]
    assert [(s.first_seq, s.last_seq) for s in found.stretches] == [
        (s.first_seq, s.last_seq) for s in whole.stretches
    ]
    with pytest.raises(JournalError, match="can be read, but not folded"):
        start_state(fs, Path("/copies/other"))


# --- crashes --------------------------------------------------------------------------------------


def test_a_sector_that_was_never_written_is_a_torn_tail() -> None:
    fs = SimFs()
    writer = open_writer(fs)
    writer.append(1, b"whole")
    writer.append(2, b"x" * 2_000)
    writer.append(3, b"behind")
    writer.flush()
    data = fs.read(FIRST)
    fs.end_process()
    fs.overwrite(FIRST, data[:1024] + bytes(512) + data[1536:])
    assert verify_journal(fs, JOURNAL).torn is not None
    assert open_writer(fs).next_seq == 2


def test_an_unborn_segment_is_a_torn_tail() -> None:
    fs = closed_journal()
    fs.overwrite(JOURNAL / "00000005.qfj", b"half a header")
    report = verify_journal(fs, JOURNAL)
    assert report.torn is not None
    assert (report.torn.segment, report.torn.bytes_cut) == ("00000005.qfj", 13)
    assert report.all_problems == ()


def test_catching_up_and_closing_twice_do_no_harm() -> None:
    fs = SimFs()
    writer = open_writer(fs)
    writer.catch_up()
    writer.append(1, b"one")
    writer.close()
    writer.close()
    assert read_all(fs) == [(1, b"one")]
    assert verify_journal(fs, JOURNAL).all_problems == ()
