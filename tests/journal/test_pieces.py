"""Reading pieces: records out of a part of a segment, blocks of them, and compressed bytes."""

from __future__ import annotations

import hashlib
import random

import pytest
from msgspec.structs import replace

from adapters.runtime.journal_format import (
    FRAME_SIZE,
    HEADER_SIZE,
    Damage,
    Header,
    Kind,
    Walk,
    encode_close,
    encode_header,
    encode_mark,
    encode_record_frame,
    whole_records,
)
from adapters.runtime.journal_packed import LEAD_SIZE, PackedReader, pack, unpack_head
from adapters.runtime.journal_raw import RawReader, RawRecord, RawWriter
from adapters.simulated_fs import SimFs
from tests.journal.helpers import CONFIG, JOURNAL, SCHEMA, payload, records

HEADER = Header(1, Kind.EVENTS, False, 7, bytes(32), bytes(32), bytes(32))
HEAD = encode_header(HEADER)


def frames(first: int, last: int) -> bytes:
    return b"".join(encode_record_frame(seq, payload(seq)) for seq in range(first, last + 1))


def spoilt(frame: bytes, at: int = -1) -> bytes:
    changed = bytearray(frame)
    changed[at] ^= 1
    return bytes(changed)


# --- records out of a piece -----------------------------------------------------------------------

MARK = encode_mark(99, 3)
EMPTY = encode_record_frame(7, b"")
PIECES: dict[str, tuple[bytes, list[tuple[int, bytes]]]] = {
    "nothing": (b"", []),
    "less than a head": (frames(7, 7)[: FRAME_SIZE - 1], []),
    "a head alone": (frames(7, 7)[:FRAME_SIZE], []),
    "a record without payload": (EMPTY, [(7, b"")]),
    "three records": (frames(7, 9), records(7, 9)),
    "a mark before, between and behind": (
        MARK + frames(7, 7) + MARK + MARK + frames(8, 8) + MARK,
        records(7, 8),
    ),
    "the last one cut": (frames(7, 9)[:-1], records(7, 8)),
    "half a head behind": (frames(7, 9) + bytes(FRAME_SIZE - 1), records(7, 9)),
    "the second one damaged": (frames(7, 7) + spoilt(frames(8, 8)) + frames(9, 9), records(7, 7)),
    "its length damaged": (spoilt(frames(7, 7), 0) + frames(8, 9), []),
    "a damaged mark": (frames(7, 7) + spoilt(MARK) + frames(8, 8), records(7, 7)),
    "one left out": (frames(7, 7) + frames(9, 9), records(7, 7)),
    "one twice": (frames(7, 7) + frames(7, 8), records(7, 7)),
    "another one first": (frames(8, 9), []),
    "a closing frame": (frames(7, 8) + encode_close(2, bytes(32)) + frames(9, 9), records(7, 8)),
}


@pytest.mark.parametrize("name", PIECES)
def test_whole_records_of_a_piece(name: str) -> None:
    data, found = PIECES[name]
    assert list(whole_records(data, 7)) == found


# --- blocks ---------------------------------------------------------------------------------------


def marked() -> bytes:
    """A closed segment of ten records, with marks in odd places."""
    data = HEAD
    for seq in range(7, 17):
        if seq in (7, 10, 11, 16):
            data += encode_mark(len(data), HEADER_SIZE)
        data += encode_record_frame(seq, payload(seq))
    data += encode_mark(len(data), len(data))
    return data + encode_close(10, hashlib.sha256(data).digest())


WHOLE = marked()
MIDDLE = len(WHOLE) // 2
SEGMENTS = {
    "whole": WHOLE,
    "not closed": WHOLE[:-64],
    "a header alone": HEAD,
    "cut in a head": HEAD + frames(7, 9) + frames(10, 10)[:9],
    "cut in a payload": HEAD + frames(7, 9) + frames(10, 10)[:-1],
    "damaged": HEAD + frames(7, 9) + spoilt(frames(10, 10)) + frames(11, 12),
    "damaged at the end": HEAD + frames(7, 9) + spoilt(EMPTY),
    "one left out": HEAD + frames(7, 9) + frames(11, 12),
    "a record without payload at the end": HEAD + frames(7, 9) + encode_record_frame(10, b""),
    "another one without payload at the end": HEAD + frames(7, 9) + encode_record_frame(11, b""),
    "a mark of another place": HEAD + frames(7, 9) + encode_mark(9, 8) + frames(10, 12),
    "something behind the end": WHOLE + b"more",
    "another number of records": HEAD + frames(7, 9) + encode_close(4, bytes(32)),
}
Told = tuple[int, int, int, bool, Damage | None, bool]


def told(walk: Walk) -> Told:
    return (
        walk.end,
        walk.next_seq,
        walk.count,
        walk.closed,
        walk.damage,
        walk.is_cut_short,
    )


@pytest.mark.parametrize("name", SEGMENTS)
def test_blocks_hold_what_records_hold_and_end_as_they_end(name: str) -> None:
    data = SEGMENTS[name]
    reference = Walk(data, HEADER, check_digest=True)
    payloads = [payload for _, payload in reference.records()]
    for most in (1, 2, 3, 4, len(payloads) or 1, len(payloads) + 1, 1024):
        walk = Walk(data, HEADER, check_digest=True)
        found: list[bytes] = []
        while block := walk.take(most):
            found += block
            assert len(block) == most or found == payloads
            assert walk.count == len(found)
            assert walk.next_seq == 7 + len(found)
        assert found == payloads
        assert told(walk) == told(reference)
        assert walk.is_torn() is reference.is_torn()


def test_a_block_ends_behind_its_last_record_and_no_further() -> None:
    walk = Walk(WHOLE, HEADER, check_digest=True)
    ends = []
    while walk.take(3):
        ends.append((walk.end, walk.next_seq, walk.closed, walk.damage))
    mark = len(MARK)
    at = [HEADER_SIZE + sum(map(len, [frames(7, last)])) for last in (9, 12, 15)]
    assert ends[:3] == [
        (at[0] + mark, 10, False, None),
        (at[1] + 3 * mark, 13, False, None),
        (at[2] + 3 * mark, 16, False, None),
    ]
    assert ends[3] == (len(WHOLE), 17, True, None), "what was missing was looked for"


def test_nothing_is_taken_where_nothing_is_wanted() -> None:
    walk = Walk(WHOLE, HEADER, check_digest=True)
    assert walk.take(0) == []
    assert told(walk) == (HEADER_SIZE, 7, 0, False, None, False)


# --- from the middle on ---------------------------------------------------------------------------


def test_a_walk_from_the_middle_on_ends_as_one_from_the_beginning() -> None:
    reference = Walk(WHOLE, HEADER, check_digest=False).finish()
    walk = Walk(WHOLE, HEADER, check_digest=False)
    for seq, _ in walk.records():
        base = walk.end
        rest = Walk.onward(WHOLE[base:], HEADER, base, seq + 1)
        assert (rest.base, told(rest)) == (base, (0, seq + 1, seq - 6, False, None, False))
        assert list(rest.records()) == records(seq + 1, 16)
        assert told(rest) == (len(WHOLE) - base, *told(reference)[1:])


def test_marks_are_compared_with_their_place_in_the_segment() -> None:
    base = HEADER_SIZE + len(frames(7, 8))
    mark, later = encode_mark(base, base), encode_mark(base, base + 1)
    assert told(Walk.onward(mark, HEADER, base, 9).finish()) == (
        len(mark),
        9,
        2,
        False,
        None,
        False,
    )
    damage = Damage(0, 9, f"a mark of offset {base}", f"{base}, {base + 1}")
    assert told(Walk.onward(later, HEADER, base, 9).finish()) == (0, 9, 2, False, damage, False)
    moved = Damage(0, 9, f"a mark of offset {base + 1}", f"{base}, {base}")
    assert Walk.onward(mark, HEADER, base + 1, 9).finish().damage == moved


def test_the_digest_is_left_alone_where_it_cannot_be_known() -> None:
    close = encode_close(2, bytes(32))
    walk = Walk.onward(close, HEADER, HEADER_SIZE + len(frames(7, 8)), 9).finish()
    assert (walk.closed, walk.damage) == (True, None)


@pytest.mark.parametrize(("kind", "last"), [(Kind.EVENTS, 9), (Kind.RAW, 9)])
def test_the_last_seq_is_that_of_the_last_record(kind: Kind, last: int) -> None:
    header = replace(HEADER, kind=kind)
    assert Walk(HEAD + frames(7, 9), header, check_digest=False).finish().last_seq == last
    assert Walk(HEAD, header, check_digest=False).finish().last_seq == 0


# --- compressed -----------------------------------------------------------------------------------

PLAIN = HEAD + random.Random(2).randbytes(3 << 20)
PACKED = b"".join(pack([PLAIN], len(PLAIN)))


def test_any_piece_of_a_compressed_segment_is_read_in_any_order() -> None:
    reader, rng, size = PackedReader(PACKED), random.Random(3), len(PLAIN)
    places = [
        (0, 10),
        (0, 10),
        (5, (1 << 20) + 1),
        (5, 20),
        (20, 20),
        (2 << 20, 5 << 19),
        (5 << 19, size),
    ]
    places += [(size - 5, size), (size - 5, size + 9), (size + 5, size + 9), (0, size)]
    for _ in range(12):
        start = rng.randrange(size)
        places.append((start, start + rng.randrange(1 << 19)))
    for start, end in places:
        assert reader.read(start, end) == PLAIN[start:end]


def test_damaged_bytes_give_less_and_nothing_that_is_wrong() -> None:
    half = PackedReader(PACKED[: len(PACKED) // 2])
    assert half.read(0, 1000) == PLAIN[:1000]
    assert half.read(len(PLAIN) - 10, len(PLAIN)) == b""
    none = PackedReader(PACKED[:LEAD_SIZE] + bytes(len(PACKED)))
    assert none.read(0, 10) == b""
    assert none.read(0, 10) == b"", "and again"


def test_the_beginning_of_a_compressed_segment_is_read_without_its_end() -> None:
    for size in (0, 1, HEADER_SIZE, 1000):
        assert unpack_head(PACKED[: 1 << 18], size) == PLAIN[:size]


# --- raw bytes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["", "public", "δ", "x" * 255])
def test_raw_records_are_held_as_they_are_written(stream: str) -> None:
    record = RawRecord(4, stream, b"bytes")
    name = stream.encode()
    assert record.payload == bytes([len(name)]) + name + b"bytes"
    fs = SimFs()
    writer, _ = RawWriter.open(fs, JOURNAL, SCHEMA, CONFIG, first_seq=1)
    writer.append(record.seq, record.stream, record.data)
    writer.close()
    assert list(RawReader(fs, JOURNAL).records()) == [record]
    assert encode_record_frame(4, record.payload) in fs.read(JOURNAL / "raw" / "00000001.qfj")
