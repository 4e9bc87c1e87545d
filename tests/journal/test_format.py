"""Bytes and values: each kind of damage to a frame is told with its whole place."""

from __future__ import annotations

import hashlib
import random
import struct

import pytest
from crc32c import crc32c
from msgspec.structs import replace

from adapters.runtime.journal_crash import is_crash_trace
from adapters.runtime.journal_format import (
    HEADER_SIZE,
    Damage,
    Header,
    Kind,
    Walk,
    decode_header,
    durable_bound,
    encode_close,
    encode_header,
    encode_mark,
    encode_record_frame,
    frame_at,
    has_close_trace,
)
from adapters.runtime.journal_packed import (
    HEADER_AT,
    LEAD_SIZE,
    Packed,
    check,
    pack,
    read_trail,
    unpack,
    unpack_partly,
)

HEADER = encode_header(Header(1, Kind.EVENTS, False, 1, bytes(32), bytes(32), bytes(32)))
ONE = HEADER + encode_record_frame(1, b"abc")
AT = len(ONE)


def walked(data: bytes) -> Walk:
    header = Header(1, Kind.EVENTS, False, 1, bytes(32), bytes(32), bytes(32))
    return Walk(data, header, check_digest=True).finish()


# --- frames -----------------------------------------------------------------------------------

EMPTY = encode_record_frame(2, b"")
FRAME = encode_record_frame(2, b"payload")


def test_a_whole_record_is_known_by_its_checksum() -> None:
    assert frame_at(EMPTY, 0) == 2
    assert frame_at(FRAME, 0) == 2
    assert frame_at(b"x" + FRAME + b"more", 1) == 2
    assert frame_at(encode_record_frame(1, b""), 0) == 1
    assert frame_at(encode_record_frame((1 << 63) - 1, b""), 0) == (1 << 63) - 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        EMPTY[:-1],
        FRAME[:-1],
        FRAME[:-1] + b"D",
        encode_record_frame(0, b""),
        encode_record_frame(1 << 63, b""),
        encode_mark(HEADER_SIZE, 0),
    ],
    ids=["nothing", "half a head", "cut", "another payload", "seq 0", "a seq too high", "a mark"],
)
def test_anything_else_is_no_record(data: bytes) -> None:
    assert frame_at(data, 0) is None


def checksum(payload: bytes, seq: int) -> str:
    return f"{crc32c(struct.pack('<Q', seq) + payload, len(payload)):08x}"


@pytest.mark.parametrize(
    ("tail", "expected", "found", "torn"),
    [
        (b"\x05\0\0", "a frame head of 16 bytes", "3 bytes", True),
        (FRAME[:15], "a frame head of 16 bytes", "15 bytes", True),
        (FRAME[:16], "a payload of 7 bytes", "0 bytes", True),
        (FRAME[:-3], "a payload of 7 bytes", "4 bytes", True),
        (
            FRAME[:-1] + b"D" + encode_record_frame(3, b"next"),
            f"frame crc {checksum(b'payload', 2)}",
            checksum(b"payloaD", 2),
            False,
        ),
        (
            struct.pack("<IIQ", 0, 7, 2),
            "frame crc 00000007",
            checksum(b"", 2),
            False,
        ),
    ],
    ids=["half a head", "nearly a head", "a head", "cut", "damaged", "damaged, without payload"],
)
def test_a_frame_that_does_not_fit(tail: bytes, expected: str, found: str, torn: bool) -> None:
    walk = walked(ONE + tail)
    assert walk.damage == Damage(AT, 2, expected, found)
    assert (walk.end, walk.next_seq, walk.last_seq, walk.count) == (AT, 2, 1, 1)
    assert walk.is_torn() is torn


def test_the_first_frame_may_be_torn_and_one_that_was_synced_may_not() -> None:
    assert walked(HEADER + FRAME[:5]).is_torn()
    vouched = ONE + encode_mark(AT, AT)
    assert walked(vouched + FRAME[:-1]).is_torn()
    end = len(vouched)
    assert not walked(vouched[:AT] + encode_mark(AT, end + 1) + FRAME[:-1]).is_torn()


def test_a_walk_that_goes_on_behind_damage_forgets_it() -> None:
    data = ONE + FRAME[:-1] + b"D" + encode_record_frame(3, b"next")
    walk = walked(data[:-1])
    walk.resume(AT + len(FRAME), 3)
    assert (walk.end, walk.next_seq) == (AT + len(FRAME), 3)
    assert walk.damage is None
    assert not walk.is_torn()


def test_nothing_may_stand_behind_a_closing_frame() -> None:
    close = encode_close(1, hashlib.sha256(ONE).digest())
    walk = walked(ONE + close)
    assert (walk.closed, walk.damage, walk.end) == (True, None, AT + len(close))
    walk = walked(ONE + close + b"more")
    behind = Damage(AT + len(close), 2, "nothing behind the closing frame", "4 bytes more")
    assert walk.damage == behind
    walk = walked(ONE + encode_close(1, bytes(32)))
    found = hashlib.sha256(ONE).hexdigest()
    assert walk.damage == Damage(AT, 2, f"sha256 {bytes(32).hex()}", found)


def test_a_closing_frame_that_counts_otherwise_or_ends_otherwise_is_damage() -> None:
    digest = hashlib.sha256(ONE).digest()
    counted = walked(ONE + encode_close(2, digest))
    assert counted.damage == Damage(AT, 2, "2 records as closed", "1")
    body = encode_close(1, digest)[8:-8] + b"QFend\r\n\xf4"
    ended = walked(ONE + struct.pack("<II", 48, crc32c(body, 48)) + body)
    end, found = b"QFend\r\n\xf3".hex(), b"QFend\r\n\xf4".hex()
    assert ended.damage == Damage(AT, 2, f"end magic {end}", found)


MARK = encode_mark(AT, AT)
LATER = ONE + MARK + FRAME
CLOSE = encode_close(1, hashlib.sha256(ONE).digest())

BOUNDS = (
    ("nothing but a header", HEADER, HEADER_SIZE),
    ("no mark", ONE + FRAME, HEADER_SIZE),
    ("a mark", ONE + MARK, AT),
    ("a mark, and more behind it", LATER, AT),
    ("two marks: the later one", LATER + encode_mark(len(LATER), AT + 9), AT + 9),
    ("a mark that is cut", LATER + encode_mark(len(LATER), len(LATER))[:-1], AT),
    ("a mark of another place", LATER + encode_mark(5, 4), AT),
    ("a mark that was damaged", LATER + encode_mark(len(LATER), 9)[:-1] + b"x", AT),
    ("a mark of another place alone", ONE + encode_mark(5, 4), HEADER_SIZE),
    ("a mark right behind the header", HEADER + encode_mark(HEADER_SIZE, 99), 99),
    ("a closing frame", ONE + CLOSE, AT),
    ("a closing frame whose end was damaged", ONE + CLOSE[:-1] + b"x", AT),
    ("a closing frame whose magic was damaged", ONE + CLOSE[:8] + b"x" + CLOSE[9:], AT),
    ("a closing frame that is cut", ONE + CLOSE[:-1], HEADER_SIZE),
)


@pytest.mark.parametrize(("data", "bound"), [b[1:] for b in BOUNDS], ids=[b[0] for b in BOUNDS])
def test_a_segment_vouches_for_what_comes_before_its_last_mark(data: bytes, bound: int) -> None:
    assert durable_bound(data) == bound


@pytest.mark.parametrize(
    ("data", "is_trace"),
    [
        (ONE + CLOSE, True),
        (ONE + CLOSE[:-1] + b"x", True),
        (ONE + CLOSE[:8] + b"x" + CLOSE[9:], True),
        (ONE + CLOSE[:-1], False),
        (ONE, False),
        (HEADER, False),
        (HEADER + CLOSE[:-1] + b"x", True),
        (HEADER + CLOSE[8:-1] + b"x", False),
    ],
)
def test_either_magic_of_a_closing_frame_shows_it(data: bytes, is_trace: bool) -> None:
    assert has_close_trace(data) is is_trace


# --- what a crash can have left ---------------------------------------------------------------


def damaged(payload: bytes, behind: bytes = b"", before: bytes = b"") -> bytes:
    """A frame whose checksum does not fit, and what stands before and behind it."""
    return before + struct.pack("<IIQ", len(payload), 7, 2) + payload + behind


TRACES = (
    ("half a head", FRAME[:15], 0, True),
    ("a whole head that does not fit", damaged(b""), 0, False),
    ("cut in its payload", FRAME[:-1], 0, True),
    ("seven zeros at the end may be its own", damaged(b"x" * 9 + bytes(7)), 0, False),
    ("eight zeros at the end were never written", damaged(b"x" * 9 + bytes(8)), 0, True),
    ("zeros behind it are not its own", damaged(b"x" * 9, bytes(8)), 0, False),
    ("zeros up to its end and beyond", damaged(b"x" * 9 + bytes(1), bytes(7)), 0, True),
    ("a sector of seven zeros", damaged(b"x" * 496 + bytes(7)), 0, False),
    ("a sector of zeros", damaged(b"x" * 496 + bytes(512) + b"x" * 9), 0, True),
    ("a sector of zeros but one", damaged(b"x" * 496 + b"x" + bytes(511) + b"x"), 0, False),
    ("zeros that are no sector", damaged(b"x" * 100 + bytes(300) + b"x"), 0, False),
    (
        "the end of a sector, eight zeros",
        b"x" * 504 + bytes(8) + struct.pack("<Q", 1 << 60) + b"x" * 9,
        504,
        True,
    ),
    (
        "the end of a sector, seven zeros",
        b"x" * 504 + b"\1" + bytes(7) + struct.pack("<Q", 1 << 60) + b"x" * 9,
        504,
        False,
    ),
)


@pytest.mark.parametrize(
    ("data", "pos", "is_trace"), [t[1:] for t in TRACES], ids=[t[0] for t in TRACES]
)
def test_traces_of_a_crash(data: bytes, pos: int, is_trace: bool) -> None:
    assert is_crash_trace(data, pos, 16) is is_trace


@pytest.mark.parametrize("bit", [0, 1, 7, 8, 15, 16, 23, 24, 31])
def test_a_length_of_which_a_bit_was_flipped_is_no_trace_of_a_crash(bit: int) -> None:
    frame = encode_record_frame(2, b"an even size")
    length = int.from_bytes(frame[:4], "little") ^ 1 << bit
    data = b"before" + struct.pack("<I", length) + frame[4:]
    assert length > len(frame) - 16
    assert not is_crash_trace(data, 6, 16)
    assert not is_crash_trace(data + b"more", 6, 16)
    assert is_crash_trace(data[:-1], 6, 16), "cut as well, it cannot be told"


@pytest.mark.parametrize("bit", [0, 4, 9, 16, 31])
def test_a_length_of_two_bytes_of_which_a_bit_was_flipped_is_none_either(bit: int) -> None:
    frame = encode_record_frame(2, b"x" * 0x1A2)
    data = struct.pack("<I", 0x1A2 ^ 1 << bit) + frame[4:]
    assert not is_crash_trace(data, 0, 16)


# --- compressed -------------------------------------------------------------------------------

CLOSED = ONE + encode_close(1, hashlib.sha256(ONE).digest())
PACKED = b"".join(pack([CLOSED], len(CLOSED)))
TRAIL_SIZE = 80


def sealed(data: bytes) -> bytes:
    """Compressed bytes whose last hash fits what was done to them."""
    return data[:-32] + hashlib.sha256(data[:-32]).digest()


def test_a_compressed_segment_has_its_header_in_front_and_its_hashes_behind() -> None:
    assert PACKED[:LEAD_SIZE] == struct.pack("<II", 0x184D2A51, HEADER_SIZE) + HEADER
    assert PACKED[-80:-72] == struct.pack("<II", 0x184D2A52, 72)
    digest = hashlib.sha256(CLOSED).digest()
    assert PACKED[-72:-32] == struct.pack("<Q", len(CLOSED)) + digest
    assert sealed(PACKED) == PACKED
    assert read_trail(PACKED) == Packed(len(CLOSED), digest)
    assert unpack(PACKED) == CLOSED


def test_compressed_bytes_that_do_not_fit_are_told_with_their_place() -> None:
    least = sealed(PACKED[:LEAD_SIZE] + PACKED[-TRAIL_SIZE:])
    assert read_trail(least) == read_trail(PACKED), "no frame, but all of the trail"
    short = f"at least {LEAD_SIZE + TRAIL_SIZE} compressed bytes"
    assert read_trail(least[1:]) == Damage(0, 0, short, str(LEAD_SIZE + TRAIL_SIZE - 1))
    changed = PACKED[:-32] + bytes(32)
    expected = f"sha256 {bytes(32).hex()} of the compressed bytes"
    assert read_trail(changed) == Damage(0, 0, expected, PACKED[-32:].hex())
    assert unpack(changed) == read_trail(changed)


def test_a_frame_that_is_none_or_of_another_segment_is_told_with_its_place() -> None:
    none = sealed(PACKED[:LEAD_SIZE] + bytes(9) + PACKED[-TRAIL_SIZE:])
    damage = unpack(none)
    assert isinstance(damage, Damage)
    assert (damage.offset, damage.seq, damage.expected) == (LEAD_SIZE, 0, "a Zstandard frame")
    assert "frame" in damage.found
    other = sealed(PACKED[:-64] + bytes(64))
    expected = f"sha256 {bytes(32).hex()} of the segment"
    assert unpack(other) == Damage(LEAD_SIZE, 0, expected, hashlib.sha256(CLOSED).hexdigest())
    lead = b"x" * HEADER_SIZE
    leading = sealed(PACKED[:HEADER_AT] + lead + PACKED[LEAD_SIZE:])
    assert unpack(leading) == Damage(HEADER_AT, 0, f"the header {HEADER.hex()}", lead.hex())


HARMED = [
    ("whole", PACKED),
    ("the last byte is missing", PACKED[:-1]),
    ("nothing but the end of a trail", PACKED[-50:]),
    ("no frame", sealed(PACKED[:LEAD_SIZE] + PACKED[-TRAIL_SIZE:])),
    ("too short for a lead", sealed(PACKED[:LEAD_SIZE] + PACKED[-TRAIL_SIZE:])[1:]),
    ("another hash behind", PACKED[:-32] + bytes(32)),
    ("a frame that is none", sealed(PACKED[:LEAD_SIZE] + bytes(9) + PACKED[-TRAIL_SIZE:])),
    ("half a frame", sealed(PACKED[: -TRAIL_SIZE - 9] + PACKED[-TRAIL_SIZE:])),
    ("the hash of another segment", sealed(PACKED[:-64] + bytes(64))),
    ("another header in front", sealed(PACKED[:HEADER_AT] + b"x" * 40 + PACKED[HEADER_AT + 40 :])),
]


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
@pytest.mark.parametrize("data", [case[1] for case in HARMED], ids=[case[0] for case in HARMED])
def test_pieces_are_checked_as_the_whole_is(data: bytes, size: int) -> None:
    found = check([data[at : at + size] for at in range(0, len(data), size)])
    whole = unpack(data)
    if isinstance(whole, bytes):
        assert found == Packed(len(whole), hashlib.sha256(whole).digest())
    else:
        # Of half a frame, and of none at all, each says in its own words what is wrong with it.
        assert isinstance(found, Damage)
        words = found.found if whole.expected != "a Zstandard frame" else whole.found
        assert replace(found, found=words) == whole
        assert found.found


def test_a_segment_of_many_blocks_is_given_back_block_by_block() -> None:
    plain = HEADER + random.Random(1).randbytes(400_000)
    packed = b"".join(pack([plain[:1000], plain[1000:]], len(plain)))
    assert unpack_partly(packed) == plain
    part = unpack_partly(packed[: len(packed) // 2])
    assert len(part) > 100_000
    assert plain.startswith(part)


# --- headers ----------------------------------------------------------------------------------


def header_with(at: int, new: bytes) -> bytes:
    """A header of other bytes at one place, whose checksum fits them."""
    body = HEADER[:at] + new + HEADER[at + len(new) : -4]
    return body + struct.pack("<I", crc32c(body))


@pytest.mark.parametrize(
    ("data", "damage"),
    [
        (HEADER[:-1], Damage(0, 0, "a header of 124 bytes", "123 bytes")),
        (
            header_with(0, b"QFJ-like"),
            Damage(0, 0, f"magic {HEADER[:8].hex()}", b"QFJ-like".hex()),
        ),
        (header_with(8, b"\x02"), Damage(8, 0, "format version 1", "2")),
        (header_with(10, b"\x02"), Damage(10, 0, "kind 1 (events)", "2")),
        (header_with(12, b"\x07"), Damage(12, 0, "segment number 1", "7")),
    ],
    ids=["cut", "another magic", "another version", "another kind", "another number"],
)
def test_a_header_of_another_kind_of_file_is_told_whole(data: bytes, damage: Damage) -> None:
    assert decode_header(data, 1, Kind.EVENTS) == damage


def test_other_special_frames_and_other_seqs_are_told_whole() -> None:
    assert walked(ONE + encode_mark(9, 8)).damage == Damage(AT, 2, f"a mark of offset {AT}", "9, 8")
    skipped = walked(ONE + encode_record_frame(3, b"x" * 16))
    assert skipped.damage == Damage(AT, 2, "seq 2", "seq 3")
    skipped = walked(ONE + encode_record_frame(3, b"x" * 48))
    assert skipped.damage == Damage(AT, 2, "seq 2", "seq 3")
