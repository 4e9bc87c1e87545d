"""Cut a part out of a journal: a journal of its own, small enough to be kept as a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from adapters.ports import Fs
from adapters.runtime.journal_base import Base
from adapters.runtime.journal_compact import compact_segment
from adapters.runtime.journal_copy import JournalCopy
from adapters.runtime.journal_format import FIRST_SEQ, Header, Kind
from adapters.runtime.journal_raw import RawReader
from adapters.runtime.journal_read import RAW_DIR, list_segments, read_headers
from engine.errors import ConfigError, JournalError
from engine.snapshot import encode_state
from engine.state import fingerprint
from replay.machine import Journal

Records = list[tuple[int, bytes]]


class Cut(msgspec.Struct, frozen=True):
    """What was cut out."""

    directory: str
    first_seq: int
    last_seq: int
    raw: int
    """Raw records that came along."""
    stored: int
    """Bytes on the disk."""


def cut(
    journal: Journal,
    fs: Fs,
    target: Path,
    from_seq: int,
    until_seq: int,
    *,
    raw: bool = False,
    anyway: bool = False,
) -> Cut:
    """Write a journal that begins with the state after one record and holds those behind it.

    Args:
        journal: Where from; it is only read.
        fs: Where it is, and where the new one goes.
        target: The new journal's directory; must be empty, or not there.
        from_seq: The new journal begins with the state after this record; 0 for the beginning.
        until_seq: Its last record.
        raw: Take the raw bytes along.
        anyway: Take the state as this code has it, though it left the recording before.

    Raises:
        ConfigError: the places are no part of the journal.
        JournalError: it is damaged there, or this code does not come to the state it recorded.
        OSError: the disk refused.
    """
    if from_seq < FIRST_SEQ:
        from_seq = journal.start.seq
    if not from_seq < until_seq <= journal.last_seq:
        raise ConfigError(
            f"{journal.path}: expected --from below --to, and that at most {journal.last_seq},"
            f" found {from_seq} and {until_seq}"
        )
    copy = JournalCopy(fs, target, Kind.EVENTS, _base(journal, from_seq, anyway=anyway))
    for header, records in _parts(journal, fs, copy.first_seq, until_seq):
        copy.add(header, records)
    count = _copy_raw(journal.path, fs, target, copy.first_seq, until_seq) if raw else 0
    stored = _compacted(fs, target, Kind.EVENTS)
    if count:
        stored += _compacted(fs, target / RAW_DIR, Kind.RAW)
    return Cut(str(target), copy.first_seq, until_seq, count, stored)


def _base(journal: Journal, from_seq: int, *, anyway: bool) -> Base:
    if from_seq < FIRST_SEQ:
        return Base()
    state = journal.at(from_seq)
    left = journal.left_seq
    if left and not anyway:
        raise JournalError(
            f"{journal.path} seq {left}: expected the recorded fingerprint, found that"
            " this code folds to another state; cut from an earlier place, by the version that"
            " wrote the journal, or with --anyway"
        )
    by = f", by code that left the recording at seq {left}" if left else ""
    return Base(
        first_seq=from_seq + 1,
        state_seq=from_seq,
        state=encode_state(state),
        why=f"cut out of {journal.path.resolve().name} after seq {from_seq}{by}",
        fingerprint=fingerprint(state),
    )


def _parts(
    journal: Journal, fs: Fs, first_seq: int, until_seq: int
) -> Iterator[tuple[Header, Records]]:
    # The records as the segments had them: a segment tells schema and configuration of its run.
    headers = list(read_headers(fs, journal.path))
    ends = [header.first_seq - 1 for header in headers[1:]] + [until_seq]
    for header, end in zip(headers, ends, strict=True):
        first, last = max(header.first_seq, first_seq), min(end, until_seq)
        if first <= last:
            rolled = header.rolled and first == header.first_seq and first != first_seq
            records = list(journal.payloads(first, last))
            yield msgspec.structs.replace(header, rolled=rolled), records


def _copy_raw(source: Path, fs: Fs, target: Path, first_seq: int, until_seq: int) -> int:
    if not list_segments(fs, source / RAW_DIR):
        raise ConfigError(f"{source}: expected raw bytes to take along, found none")
    records = [
        (one.seq, one.payload)
        for one in RawReader(fs, source).records(first_seq)
        if one.seq <= until_seq
    ]
    if records:
        header = next(read_headers(fs, source / RAW_DIR, Kind.RAW))
        copy = JournalCopy(fs, target / RAW_DIR, Kind.RAW, Base(first_seq=first_seq))
        copy.add(msgspec.structs.replace(header, rolled=False), records)
    return len(records)


def _compacted(fs: Fs, directory: Path, kind: Kind) -> int:
    numbers = list_segments(fs, directory)
    return sum([fs.size(compact_segment(fs, directory, kind, number).path) for number in numbers])
