"""Where a record is, by seq and by time: in journals that are whole, open, and grown."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from adapters.runtime import journal_index
from adapters.runtime.journal_compact import compact_segment
from adapters.runtime.journal_format import (
    HEADER_SIZE,
    Kind,
    encode_header,
    encode_mark,
    encode_record_frame,
    segment_name,
)
from adapters.runtime.journal_index import Block
from engine.errors import JournalError
from tests.journal.helpers import FIRST, JOURNAL, SECOND
from tests.journal.laid import (
    LAST,
    LENGTHS,
    THIRD,
    Reads,
    expected,
    header,
    indexed,
    journal,
    pairs,
    payload,
    segment,
    time_ns,
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_index, "BLOCK", 4)
    monkeypatch.setattr(journal_index, "_READ_BLOCKS", 2)


# --- what is whole --------------------------------------------------------------------------------


def test_every_segment_has_its_blocks() -> None:
    index = indexed(journal())
    assert index.segments == {n: expected(n, s, closed=n < 3) for n, s in LENGTHS.items()}
    assert (index.first_seq, index.last_seq, index.problem) == (1, LAST, None)


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_any_stretch_of_records_comes_out(compressed: bool) -> None:
    fs = journal()
    for number in (1, 2) if compressed else ():
        compact_segment(fs, JOURNAL, Kind.EVENTS, number)
    index = indexed(fs)
    for first in range(1, LAST + 1):
        for last in range(first - 1, LAST + 1):
            assert list(index.payloads(first, last)) == pairs(range(first, last + 1))


def test_records_beyond_the_last_are_refused_after_all_before_it() -> None:
    index = indexed(journal())
    found: list[tuple[int, bytes]] = []
    with pytest.raises(JournalError) as raised:
        found.extend(index.payloads(18, 25))
    assert str(raised.value) == f"{JOURNAL}: expected seq 20, found seq 19 last"
    with pytest.raises(JournalError, match="expected seq 21, found seq 19 last"):
        next(index.payloads(21, 21))


def test_only_the_pieces_that_are_wanted_are_read() -> None:
    fs = Reads(journal())
    index = indexed(fs)
    firsts = [block.offset for block in index.segments[1].blocks]
    end = index.segments[1].end
    for first, last, pieces in (
        (1, 1, [(firsts[0], firsts[1])]),
        (4, 4, [(firsts[0], firsts[1])]),
        (5, 8, [(firsts[1], firsts[2])]),
        (4, 5, [(firsts[0], firsts[2])]),
        (9, 9, [(firsts[2], end)]),
        (1, 9, [(firsts[0], firsts[2]), (firsts[2], end)]),
        (6, 9, [(firsts[1], end)]),
    ):
        fs.made.clear()
        assert list(index.payloads(first, last)) == pairs(range(first, last + 1))
        assert fs.made == [(FIRST.name, start, stop - start) for start, stop in pieces]


def test_a_compressed_segment_is_read_once_while_no_other_is() -> None:
    plain = journal()
    for number in (1, 2):
        compact_segment(plain, JOURNAL, Kind.EVENTS, number)
    fs = Reads(plain)
    index = indexed(fs)
    packed = [FIRST.name + ".zst", SECOND.name + ".zst"]
    fs.made.clear()
    for seq in (1, 9, 5, 2, 11, 10, 3):
        assert list(index.payloads(seq, seq)) == pairs([seq])
    assert fs.made == [(packed[0], 0, -1), (packed[1], 0, -1), (packed[0], 0, -1)]


def test_the_last_record_before_a_time() -> None:
    index = indexed(journal())
    for at in range(0, 21_000, 250):
        taken = [seq for seq in range(1, LAST + 1) if time_ns(seq) <= at]
        assert index.last_before(at) == max(taken, default=0)


def test_the_header_of_the_segment_a_record_is_in_or_would_be() -> None:
    index = indexed(journal())
    heads = {seq: n for n, seqs in LENGTHS.items() for seq in seqs} | {0: 1, 20: 3, 99: 3}
    for seq, number in heads.items():
        assert index.head_of(seq) == encode_header(header(number, LENGTHS[number].start))


# --- what is known already ------------------------------------------------------------------------


def test_what_is_complete_is_not_read_again() -> None:
    fs = Reads(journal())
    known = indexed(fs).segments
    fs.made.clear()
    again = indexed(fs, known)
    assert again.segments == known
    heads = [(segment_name(n), 0, HEADER_SIZE + 1) for n in LENGTHS]
    assert fs.made == [*heads, (THIRD.name, 0, -1)]
    assert again.segments[1] is known[1]


def test_an_index_of_another_segment_does_not_count() -> None:
    fs = journal()
    right = indexed(fs).segments
    other = {n: replace(i, head=bytes(124), blocks=(Block(1, 7, 7),)) for n, i in right.items()}
    assert indexed(fs, other).segments == right


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 6], ids="{} records before".format)
@pytest.mark.parametrize("more", [0, 1, 2, 3, 7], ids="{} more".format)
def test_an_open_segment_is_indexed_on(size: int, more: int) -> None:
    fs = journal()
    fs.overwrite(THIRD, segment(3, range(14, 14 + size), closed=False))
    known = indexed(fs).segments
    for closed in (False, True):
        fs.overwrite(THIRD, segment(3, range(14, 14 + size + more), closed=closed))
        assert indexed(fs, known).segments[3] == expected(
            3, range(14, 14 + size + more), closed=closed
        )


def test_blocks_that_are_known_are_not_looked_into() -> None:
    fs = journal()
    known = indexed(fs).segments
    first, last = known[3].blocks
    marked = replace(known[3], blocks=(replace(first, earliest_ns=7), replace(last, earliest_ns=7)))
    fs.overwrite(THIRD, segment(3, range(14, 22), closed=False))
    found = indexed(fs, {**known, 3: marked}).segments[3]
    assert found.blocks == (marked.blocks[0], last), "the last one is made anew, the others stay"


@pytest.mark.parametrize("left", [0, 1, 3, 4, 5])
def test_records_that_a_crash_took_are_forgotten(left: int) -> None:
    fs = journal()
    known = indexed(fs).segments
    fs.overwrite(THIRD, segment(3, range(14, 14 + left), closed=False))
    index = indexed(fs, known)
    assert index.segments[3] == expected(3, range(14, 14 + left), closed=False)
    assert (index.last_seq, index.problem) == (13 + left, None)


def test_a_last_block_in_whose_place_is_another_is_made_anew_with_all_before_it() -> None:
    fs = journal()
    known = indexed(fs).segments
    fs.overwrite(THIRD, segment(3, range(14, 20), closed=False, more="longer"))
    index = indexed(fs, known)
    assert index.segments[3].blocks != known[3].blocks
    assert list(index.payloads(14, 19)) == [(seq, payload(seq, "longer")) for seq in range(14, 20)]


def test_marks_between_records_are_stepped_over() -> None:
    fs = journal()
    data = encode_header(header(3, 14))
    starts = []
    for seq in range(14, 20):
        starts.append(len(data))
        data += encode_mark(len(data), len(data))
        data += encode_record_frame(seq, payload(seq))
    data += encode_mark(len(data), len(data))
    fs.overwrite(THIRD, data)
    index = indexed(fs)
    assert index.segments[3].blocks == (Block(14, starts[0], 13_500), Block(18, starts[4], 16_500))
    assert index.segments[3].end == len(data)
    assert list(index.payloads(14, 19)) == pairs(range(14, 20))


def test_a_block_and_a_piece_are_as_large_as_they_are_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    assert (journal_index.BLOCK, journal_index._READ_BLOCKS) == (1024, 16)
