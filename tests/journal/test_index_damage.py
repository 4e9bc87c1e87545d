"""The index of a journal that is torn, damaged, or changes while it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.runtime import journal_index
from adapters.runtime.journal_compact import compact_segment
from adapters.runtime.journal_format import (
    FRAME_SIZE,
    HEADER_SIZE,
    Kind,
    encode_close,
    encode_header,
    encode_mark,
)
from adapters.runtime.journal_read import segment_paths
from adapters.simulated_fs import SimFs
from engine.errors import JournalError
from tests.journal.helpers import FIRST, JOURNAL, SECOND
from tests.journal.laid import (
    THIRD,
    header,
    indexed,
    journal,
    pairs,
    segment,
    sizes,
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_index, "BLOCK", 4)
    monkeypatch.setattr(journal_index, "_READ_BLOCKS", 2)


# --- what is missing or damaged -------------------------------------------------------------------


def flip(path: Path, at: int) -> Callable[[SimFs], None]:
    def harm(fs: SimFs) -> None:
        data = bytearray(fs.read(path))
        data[at] ^= 1
        fs.overwrite(path, bytes(data))

    return harm


def no_second(fs: SimFs) -> None:
    fs.remove(SECOND)


def cut_second(fs: SimFs) -> None:
    fs.overwrite(SECOND, segment(2, range(10, 14), closed=False)[:-3])


def short_second(fs: SimFs) -> None:
    fs.overwrite(SECOND, segment(2, range(10, 13)))


def unborn_second(fs: SimFs) -> None:
    fs.overwrite(SECOND, bytes(9))


def unborn_third(fs: SimFs) -> None:
    fs.overwrite(THIRD, bytes(9))


def damaged_third(fs: SimFs) -> None:
    fs.overwrite(THIRD, bytes(HEADER_SIZE + 1))


def torn_third(fs: SimFs) -> None:
    fs.overwrite(THIRD, segment(3, range(14, 20), closed=False)[:-1])


def spoilt_third(fs: SimFs) -> None:
    data = bytearray(segment(3, range(14, 20), closed=False))
    data += encode_mark(len(data), len(data))
    data[HEADER_SIZE + sizes((14, 15)) + FRAME_SIZE] ^= 1
    fs.overwrite(THIRD, bytes(data))


FLIPPED_AT = HEADER_SIZE + sizes((10, 11)) + FRAME_SIZE + 1
HARMED: dict[str, tuple[Callable[[SimFs], None], int, str]] = {
    "a segment is missing": (
        no_second,
        9,
        f"{JOURNAL}: expected {SECOND.name}, found {THIRD.name}",
    ),
    "a record is damaged": (
        flip(SECOND, FLIPPED_AT),
        11,
        f"{SECOND} offset {HEADER_SIZE + sizes((10, 11))} seq 12: expected frame crc",
    ),
    "a header is damaged": (flip(SECOND, 0), 9, f"{SECOND} offset 0 seq 0: expected magic"),
    "one that is not the last is torn": (
        cut_second,
        12,
        f"{SECOND} offset {HEADER_SIZE + sizes((10, 11, 12))} seq 13: expected a payload",
    ),
    "one that is not the last has no header": (
        unborn_second,
        9,
        f"{SECOND} offset 0 seq 0: expected a header",
    ),
    "the next one begins later": (
        short_second,
        12,
        f"{THIRD} offset 0 seq 13: expected first seq 13, found 14;",
    ),
    "the header of the last one is damaged": (
        damaged_third,
        13,
        f"{THIRD} offset 0 seq 0: expected magic",
    ),
    "the last one is damaged before a mark": (
        spoilt_third,
        15,
        f"{THIRD} offset {HEADER_SIZE + sizes((14, 15))} seq 16: expected frame crc",
    ),
    "the last one is unborn": (unborn_third, 13, ""),
    "the last one is torn": (torn_third, 18, ""),
}


@pytest.mark.parametrize("name", HARMED)
def test_what_is_before_damage_is_there_and_what_is_behind_is_refused(name: str) -> None:
    harm, last, problem = HARMED[name]
    fs = journal()
    known = indexed(fs).segments if name == "the last one is torn" else {}
    harm(fs)
    index = indexed(fs, known)
    assert index.last_seq == last
    assert str(index.problem or "").startswith(problem)
    assert (index.problem is None) is (problem == "")
    assert list(index.payloads(1, last)) == pairs(range(1, last + 1))
    at_end = f"{JOURNAL}: expected seq {last + 1}, found seq {last} last"
    with pytest.raises(JournalError) as raised:
        next(index.payloads(last + 1, last + 1))
    assert str(raised.value) == str(index.problem or at_end)


def test_a_segment_that_is_not_all_there_is_never_taken_for_complete() -> None:
    fs = journal()
    assert indexed(fs).segments[3].complete is False, "its writer may be at work"
    fs.overwrite(SECOND, segment(2, range(10, 14), closed=False))
    assert indexed(fs).segments[2].complete is True, "another one follows"
    cut_second(fs)
    assert indexed(fs).segments[2].complete is False
    damaged = encode_header(header(3, 14)) + encode_close(0, bytes(32)) + b"more"
    fs = journal()
    fs.overwrite(THIRD, damaged)
    assert indexed(fs).segments[3].complete is False


def test_no_journal_and_none_with_a_header_are_refused() -> None:
    with pytest.raises(JournalError) as raised:
        indexed(SimFs())
    assert str(raised.value) == f"{JOURNAL}: expected a journal with segments, found none"
    fs = SimFs()
    fs.make_dir(JOURNAL)
    fs.overwrite(FIRST, bytes(9))
    with pytest.raises(JournalError) as raised:
        indexed(fs)
    assert str(raised.value) == f"{JOURNAL}: expected records, found none"
    fs.overwrite(FIRST, bytes(200))
    with pytest.raises(JournalError, match=r"00000001\.qfj offset 0 seq 0: expected magic"):
        indexed(fs)


def test_a_journal_that_begins_without_records_begins_with_the_next() -> None:
    fs = SimFs()
    fs.make_dir(JOURNAL)
    fs.overwrite(FIRST, encode_header(header(1, 1)))
    index = indexed(fs)
    assert (index.first_seq, index.last_seq) == (1, 0)
    assert index.last_before(1 << 60) == 0
    assert list(index.payloads(1, 0)) == []


# --- what happens between the index and the reading -----------------------------------------------


def test_damage_that_came_after_the_index_is_told_with_its_piece() -> None:
    fs = journal()
    index = indexed(fs)
    flip(FIRST, HEADER_SIZE + sizes(range(1, 7)) + FRAME_SIZE)(fs)
    found: list[tuple[int, bytes]] = []
    with pytest.raises(JournalError) as raised:
        found.extend(index.payloads(5, 9))
    assert found == pairs((5, 6))
    at = index.segments[1].blocks[1].offset
    told = f"{FIRST} offset {at} seq 7: expected whole records up to seq 9, found others;"
    assert str(raised.value).startswith(told)
    with pytest.raises(JournalError, match="expected whole records up to seq 8, found others"):
        list(index.payloads(7, 7))
    assert list(index.payloads(9, 9)) == pairs([9]), "other blocks can still be read"


def test_a_segment_that_was_removed_is_named() -> None:
    fs = journal()
    index = indexed(fs)
    fs.remove(FIRST)
    with pytest.raises(JournalError) as raised:
        list(index.payloads(1, 1))
    assert str(raised.value) == f"{JOURNAL}: segment 1 was removed meanwhile"


def test_a_segment_that_is_compressed_at_this_very_moment_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fs = journal()
    index, plain = indexed(fs), segment_paths(fs, JOURNAL)
    compact_segment(fs, JOURNAL, Kind.EVENTS, 1)
    monkeypatch.setattr(journal_index, "segment_paths", lambda fs, journal: plain)
    assert list(index.payloads(6, 9)) == pairs(range(6, 10))


class Failing(SimFs):
    """Does not give a piece of a segment."""

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        if start >= HEADER_SIZE:
            raise OSError(5, "Input/output error")
        return super().read(path, start, size)


def test_a_disk_that_cannot_be_read_is_named() -> None:
    fs = Failing()
    fs.make_dir(JOURNAL)
    fs._files |= journal()._files
    index = indexed(fs)
    with pytest.raises(JournalError) as raised:
        list(index.payloads(1, 1))
    assert str(raised.value) == f"{FIRST}: cannot read: [Errno 5] Input/output error"
