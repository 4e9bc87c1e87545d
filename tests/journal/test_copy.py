"""Writing records of one journal into a new one."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace

from adapters.runtime.journal_base import Base, read_base
from adapters.runtime.journal_copy import JournalCopy
from adapters.runtime.journal_format import (
    NO_HASH,
    Header,
    Kind,
    encode_close,
    encode_header,
    encode_record_frame,
)
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated_fs import SimFs
from engine.errors import JournalError
from tests.journal.helpers import CONFIG, FIRST, JOURNAL, SCHEMA, SECOND, read_all, records

HEADER = Header(7, Kind.EVENTS, True, 3, SCHEMA, CONFIG, b"\7" * 32)
"""Of the old segment: its number, seq and hash do not count in the copy."""
WHOLE = Base()
LATE = Base(7, 5, b"\7" * 32, 4, b"state", "cut out", b"fingerprint")


def bytes_of(header: Header, first: int, last: int) -> bytes:
    frames = [encode_record_frame(seq, payload) for seq, payload in records(first, last)]
    data = encode_header(header) + b"".join(frames)
    return data + encode_close(len(frames), hashlib.sha256(data).digest())


def test_events_are_numbered_and_chained_anew() -> None:
    fs = SimFs()
    copy = JournalCopy(fs, JOURNAL, Kind.EVENTS, WHOLE)
    assert (copy.first_seq, copy.next_seq) == (1, 1)
    copy.add(HEADER, records(1, 4))
    assert (copy.first_seq, copy.next_seq) == (1, 5)
    copy.add(replace(HEADER, rolled=False), records(5, 6))
    copy.add(HEADER, [])
    assert (copy.first_seq, copy.next_seq) == (1, 7)
    first = bytes_of(Header(1, Kind.EVENTS, True, 1, SCHEMA, CONFIG, NO_HASH), 1, 4)
    prev_hash = hashlib.sha256(first).digest()
    second = bytes_of(Header(2, Kind.EVENTS, False, 5, SCHEMA, CONFIG, prev_hash), 5, 6)
    prev_hash = hashlib.sha256(second).digest()
    third = bytes_of(Header(3, Kind.EVENTS, True, 7, SCHEMA, CONFIG, prev_hash), 7, 6)
    assert {name: fs.read(JOURNAL / name) for name in fs.list_dir(JOURNAL)} == {
        "00000001.qfj": first,
        "00000002.qfj": second,
        "00000003.qfj": third,
    }
    assert verify_journal(fs, JOURNAL).all_problems == ()
    assert read_all(fs) == records(1, 6)


def test_raw_bytes_keep_the_seq_at_which_the_copy_begins() -> None:
    fs = SimFs()
    copy = JournalCopy(fs, JOURNAL, Kind.RAW, LATE)
    header = replace(HEADER, kind=Kind.RAW)
    copy.add(header, records(6, 7))
    copy.add(header, [(7, b"more of it")])
    assert (copy.first_seq, copy.next_seq) == (5, 8)
    first = bytes_of(Header(1, Kind.RAW, True, 5, SCHEMA, CONFIG, NO_HASH), 6, 7)
    assert fs.read(FIRST) == first
    prev_hash = hashlib.sha256(first).digest()
    body = encode_header(Header(2, Kind.RAW, True, 5, SCHEMA, CONFIG, prev_hash))
    body += encode_record_frame(7, b"more of it")
    assert fs.read(SECOND) == body + encode_close(1, hashlib.sha256(body).digest())
    assert fs.list_dir(JOURNAL) == ["00000001.qfj", "00000002.qfj"], "its beginning is elsewhere"


def test_a_copy_that_begins_late_says_so() -> None:
    fs = SimFs()
    copy = JournalCopy(fs, JOURNAL, Kind.EVENTS, LATE)
    assert read_base(fs, JOURNAL) == replace(LATE, number=1, prev_hash=NO_HASH)
    assert (copy.first_seq, copy.next_seq) == (5, 5)
    copy.add(HEADER, records(5, 6))
    assert read_all(fs) == records(5, 6)
    fs = SimFs()
    JournalCopy(fs, JOURNAL, Kind.EVENTS, WHOLE)
    assert fs.list_dir(JOURNAL) == []


def test_something_in_the_way_is_refused_and_left() -> None:
    fs = SimFs()
    fs.make_dir(JOURNAL)
    fs.overwrite(JOURNAL / "notes", b"mine")
    with pytest.raises(JournalError) as raised:
        JournalCopy(fs, JOURNAL, Kind.EVENTS, WHOLE)
    assert str(raised.value) == f"{JOURNAL}: expected nothing there, found files; name another"
    assert fs.list_dir(JOURNAL) == ["notes"]


def test_what_was_added_is_durable() -> None:
    fs = SimFs()
    copy = JournalCopy(fs, JOURNAL, Kind.EVENTS, WHOLE)
    copy.add(HEADER, records(1, 4))
    fs.crash()
    assert read_all(fs) == records(1, 4)


def test_a_full_disk_ends_the_copy() -> None:
    fs = SimFs()
    copy = JournalCopy(fs, JOURNAL, Kind.EVENTS, WHOLE)
    fs.space_left = 100
    with pytest.raises(OSError, match="no space left"):
        copy.add(HEADER, records(1, 4))
