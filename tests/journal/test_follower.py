"""What each look at a growing journal gives, on segments laid byte by byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.runtime import journal_follow
from adapters.runtime.journal_compact import compact_segment
from adapters.runtime.journal_follow import POLLS_MAX, Follower
from adapters.runtime.journal_format import (
    CLOSE_SIZE,
    FRAME_SIZE,
    HEADER_SIZE,
    Kind,
    encode_header,
    encode_mark,
    encode_record_frame,
)
from adapters.simulated_fs import SimFs
from engine.errors import JournalError
from tests.journal.helpers import FIRST, JOURNAL, SECOND
from tests.journal.laid import THIRD, Reads, header, journal, pairs, payload, segment, sizes

Look = tuple[list[tuple[int, bytes]], bool, int]
"""What came, whether that was all for now, and the record that comes next."""


def empty() -> SimFs:
    fs = SimFs()
    fs.make_dir(JOURNAL)
    return fs


def look(follower: Follower) -> Look:
    found = follower.poll()
    return found, follower.at_end, follower.next_seq


def waiting(next_seq: int) -> Look:
    return [], True, next_seq


def test_each_look_gives_the_rest_of_a_segment_or_goes_to_the_next() -> None:
    follower = Follower(journal(), JOURNAL)
    assert (follower.next_seq, follower.at_end) == (1, False)
    assert [look(follower) for _ in range(7)] == [
        (pairs(range(1, 10)), False, 10),
        ([], False, 10),
        (pairs(range(10, 14)), False, 14),
        ([], False, 14),
        (pairs(range(14, 20)), False, 20),
        waiting(20),
        waiting(20),
    ]


@pytest.mark.parametrize("from_seq", [2, 9, 10, 11, 14, 18, 19, 20, 25])
def test_it_begins_in_the_segment_that_the_record_is_in_or_will_be(from_seq: int) -> None:
    fs = journal()
    follower = Follower(fs, JOURNAL, from_seq)
    assert follower.next_seq == from_seq
    found: list[tuple[int, bytes]] = []
    for _ in range(8):
        found += follower.poll()
    fs.overwrite(THIRD, segment(3, range(14, 29), closed=False))
    found += follower.poll()
    assert found == pairs(range(from_seq, 29))


def test_a_journal_that_begins_late_is_followed_from_there_and_no_earlier() -> None:
    fs = empty()
    fs.overwrite(FIRST, segment(1, range(5, 9), closed=False))
    assert Follower(fs, JOURNAL, 5).poll() == pairs(range(5, 9))
    with pytest.raises(JournalError) as raised:
        Follower(fs, JOURNAL, 4).poll()
    told = f"{FIRST} offset 0 seq 0: expected seq 4 first, found seq 5;"
    assert str(raised.value).startswith(told)


def test_no_segment_yet_and_one_that_is_being_born_are_waited_for() -> None:
    fs = empty()
    follower = Follower(fs, JOURNAL)
    assert look(follower) == waiting(1)
    for size in (0, 1, HEADER_SIZE - 1):
        fs.overwrite(FIRST, segment(1, range(1, 10))[:size])
        assert look(follower) == waiting(1)
    fs.overwrite(FIRST, segment(1, range(1, 10))[:HEADER_SIZE])
    assert look(follower) == waiting(1)
    fs.overwrite(FIRST, segment(1, range(1, 10), closed=False))
    assert look(follower) == (pairs(range(1, 10)), False, 10)
    assert look(follower) == waiting(10)


def test_a_header_that_is_damaged_is_told_once_another_segment_follows() -> None:
    fs = empty()
    fs.overwrite(FIRST, bytes(200))
    follower = Follower(fs, JOURNAL)
    assert look(follower) == waiting(1)
    fs.overwrite(SECOND, segment(2, range(10, 14)))
    with pytest.raises(JournalError, match=r"00000001\.qfj offset 0 seq 0: expected magic"):
        follower.poll()


@pytest.mark.parametrize("first_seq", [9, 11])
def test_a_segment_that_does_not_follow_is_refused(first_seq: int) -> None:
    fs = journal()
    fs.overwrite(SECOND, segment(2, range(first_seq, 14)))
    follower = Follower(fs, JOURNAL)
    assert follower.poll() == pairs(range(1, 10))
    assert follower.poll() == []
    with pytest.raises(JournalError) as raised:
        follower.poll()
    told = f"{SECOND} offset 0 seq 0: expected seq 10 first, found seq {first_seq};"
    assert str(raised.value).startswith(told)


def test_a_segment_that_was_dropped_before_it_was_read_is_named() -> None:
    fs = journal()
    follower = Follower(fs, JOURNAL)
    follower.poll()
    follower.poll()
    fs.remove(SECOND)
    with pytest.raises(JournalError) as raised:
        follower.poll()
    assert str(raised.value) == (
        f"{JOURNAL}: expected segment 2 with seq 10, found 3 first;"
        " the journal has dropped what was not read yet"
    )


# --- damage ---------------------------------------------------------------------------------------

AT = HEADER_SIZE + sizes(range(1, 4))
"""Where the fourth record is, in a segment whose first three were given before."""
FOURTH = encode_record_frame(4, payload(4))
NEXT = AT + len(FOURTH)


def spoilt(frame: bytes) -> bytes:
    return frame[:-1] + bytes([frame[-1] ^ 1])


SPOILT = spoilt(FOURTH)


def followed(tail: bytes) -> tuple[SimFs, Follower]:
    """A follower who was given three records, and what was written since."""
    fs = empty()
    three = segment(1, range(1, 4), closed=False)
    fs.overwrite(FIRST, three)
    follower = Follower(fs, JOURNAL)
    assert follower.poll() == pairs(range(1, 4))
    fs.overwrite(FIRST, three + tail)
    return fs, follower


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (encode_record_frame(5, payload(5)), f"offset {AT} seq 4: expected seq 4, found seq 5"),
        (
            FOURTH + encode_mark(7, 6),
            f"offset {NEXT} seq 5: expected a mark of offset {NEXT}, found 7, 6",
        ),
    ],
    ids=["a record is left out", "a mark is of another place"],
)
def test_whole_frames_that_do_not_follow_are_told_at_once(tail: bytes, message: str) -> None:
    _, follower = followed(tail)
    with pytest.raises(JournalError) as raised:
        follower.poll()
    assert str(raised.value).startswith(f"{FIRST} {message};")


@pytest.mark.parametrize("tail", [b"\1", FOURTH[:FRAME_SIZE], FOURTH[:-1]])
def test_a_frame_that_is_not_whole_is_waited_for(tail: bytes) -> None:
    fs, follower = followed(tail)
    for _ in range(3 * POLLS_MAX):
        assert look(follower) == waiting(4)
    fs.overwrite(FIRST, segment(1, range(1, 4), closed=False) + FOURTH)
    assert look(follower) == (pairs([4]), False, 5)


def test_a_frame_that_no_crash_explains_is_told_after_so_many_looks() -> None:
    _, follower = followed(SPOILT)
    for _ in range(2):  # counted anew
        for _ in range(19):
            assert look(follower) == waiting(4)
        with pytest.raises(JournalError) as raised:
            follower.poll()
        told = f"{FIRST} offset {AT} seq 4: expected frame crc"
        assert str(raised.value).startswith(told)


def test_looks_at_the_first_frame_are_counted_too() -> None:
    fs = empty()
    fs.overwrite(FIRST, encode_header(header(1, 1)) + spoilt(encode_record_frame(1, b"one")))
    follower = Follower(fs, JOURNAL)
    for _ in range(19):
        assert look(follower) == waiting(1)
    with pytest.raises(JournalError, match=f"offset {HEADER_SIZE} seq 1: expected frame crc"):
        follower.poll()


def test_looks_are_counted_anew_when_something_came() -> None:
    fs, follower = followed(FOURTH[:-1])
    for _ in range(POLLS_MAX - 1):
        assert look(follower) == waiting(4)
    fs.overwrite(FIRST, segment(1, range(1, 5), closed=False))
    assert look(follower) == (pairs([4]), False, 5)
    fs.overwrite(FIRST, segment(1, range(1, 5), closed=False) + SPOILT)
    for _ in range(POLLS_MAX - 1):
        assert look(follower) == waiting(5)
    with pytest.raises(JournalError, match="expected frame crc"):
        follower.poll()


def test_whole_records_before_one_that_is_not_are_given_first() -> None:
    _, follower = followed(FOURTH + encode_record_frame(5, payload(5))[:-1])
    assert look(follower) == (pairs([4]), False, 5)
    assert look(follower) == waiting(5)


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b"\1\2", f"offset {AT} seq 4: expected a frame head of 16 bytes, found 2 bytes;"),
        (FOURTH[:-1], f"offset {AT} seq 4: expected a payload of {len(payload(4))} bytes"),
        (SPOILT, f"offset {AT} seq 4: expected frame crc"),
    ],
    ids=["half a head", "cut", "damaged"],
)
def test_what_is_left_over_before_the_next_segment_is_damage(tail: bytes, message: str) -> None:
    fs, follower = followed(tail)
    fs.overwrite(SECOND, segment(2, range(4, 14)))
    with pytest.raises(JournalError) as raised:
        follower.poll()
    assert str(raised.value).startswith(f"{FIRST} {message}")


def test_records_that_came_just_before_the_next_segment_are_not_passed_over() -> None:
    """They were written between the look at the segment and the look at what is left of it."""
    fs, follower = followed(b"")
    fs.overwrite(SECOND, segment(2, range(5, 14)))
    read, late = fs.read, segment(1, range(1, 5), closed=False) + encode_mark(NEXT, NEXT)

    def reading(path: Path, start: int = 0, size: int = -1) -> bytes:
        data = read(path, start, size)
        if path == FIRST:
            fs.overwrite(FIRST, late)
        return data

    fs.read = reading  # type: ignore[method-assign]
    assert look(follower) == ([], False, 4)
    assert look(follower) == (pairs([4]), False, 5)
    assert look(follower) == ([], False, 5)
    assert look(follower) == (pairs(range(5, 14)), False, 14)


# --- files ----------------------------------------------------------------------------------------


def test_pieces_grow_until_a_record_fits_and_end_where_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_follow, "PIECE", 40)
    plain = empty()
    frames = [encode_record_frame(seq, bytes([seq]) * size) for seq, size in ((1, 9), (2, 300))]
    plain.overwrite(FIRST, encode_header(header(1, 1)) + b"".join(frames))
    fs = Reads(plain)
    follower = Follower(fs, JOURNAL)
    assert follower.poll() == [(1, b"\1" * 9)]
    assert follower.poll() == [(2, b"\2" * 300)]
    assert follower.poll() == []
    name, second = FIRST.name, HEADER_SIZE + len(frames[0])
    end = second + len(frames[1])
    assert fs.made == [
        (name, 0, HEADER_SIZE + 1),
        (name, HEADER_SIZE, 40),
        *[(name, second, size) for size in (40, 160, 640)],
        (name, end, 40),
    ]


def test_no_piece_is_larger_than_the_largest_record_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_follow, "PIECE", 40)
    monkeypatch.setattr(journal_follow, "PAYLOAD_MAX", 80)
    plain = empty()
    plain.overwrite(FIRST, encode_header(header(1, 1)) + encode_record_frame(1, bytes(5_000)))
    fs = Reads(plain)
    assert Follower(fs, JOURNAL).poll() == []
    assert [size for _, start, size in fs.made if start == HEADER_SIZE] == [40, 160, 640]


def test_a_compressed_segment_is_read_once() -> None:
    plain = journal()
    compact_segment(plain, JOURNAL, Kind.EVENTS, 1)
    fs = Reads(plain)
    follower = Follower(fs, JOURNAL)
    assert look(follower) == (pairs(range(1, 10)), False, 10)
    assert look(follower) == ([], False, 10)
    assert look(follower) == (pairs(range(10, 14)), False, 14)
    packed = FIRST.name + ".zst"
    assert [made for made in fs.made if made[0] == packed] == [
        (packed, 8, HEADER_SIZE + 1),
        (packed, 0, -1),
    ]


def failing(fs: SimFs, error: Callable[[Path], OSError]) -> None:
    read = fs.read

    def reading(path: Path, start: int = 0, size: int = -1) -> bytes:
        if path == FIRST and start >= HEADER_SIZE:
            raise error(path)
        return read(path, start, size)

    fs.read = reading  # type: ignore[method-assign]


def test_a_segment_that_is_compressed_at_this_very_moment_is_read_on() -> None:
    fs = empty()
    whole = segment(1, range(1, 10))
    fs.overwrite(FIRST, whole[: HEADER_SIZE + sizes(range(1, 4))])
    follower = Follower(fs, JOURNAL)
    assert follower.poll() == pairs(range(1, 4))
    fs.overwrite(FIRST, whole)
    read = fs.read

    def reading(path: Path, start: int = 0, size: int = -1) -> bytes:
        if path == FIRST and start > HEADER_SIZE and fs.exists(FIRST):
            fs.read = read  # type: ignore[method-assign]
            compact_segment(fs, JOURNAL, Kind.EVENTS, 1)
        return read(path, start, size)

    fs.read = reading  # type: ignore[method-assign]
    assert look(follower) == (pairs(range(4, 10)), False, 10)
    assert not fs.exists(FIRST)
    assert look(follower) == waiting(10)


def test_a_disk_that_cannot_be_read_is_named() -> None:
    fs, follower = followed(FOURTH)
    failing(fs, lambda path: OSError(5, "Input/output error"))
    with pytest.raises(JournalError) as raised:
        follower.poll()
    assert str(raised.value) == f"{FIRST}: cannot read: [Errno 5] Input/output error"


def test_sizes_are_as_they_are_said_to_be() -> None:
    assert (journal_follow.PIECE, CLOSE_SIZE) == (4 << 20, FRAME_SIZE + 48)
