"""How long a journal is kept: its oldest closed segments go, up to a state to start from.

What is left begins with a segment whose predecessor's hash is kept in `base.qfb`, beside a state
from which it can be folded and proved. That file is durable before the first segment is removed,
so an interruption leaves files that no longer count, and the next pass removes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from zstandard import ZstdError

from adapters.ports import Fs
from adapters.runtime.journal_base import Base, read_base, write_base
from adapters.runtime.journal_format import (
    Damage,
    Header,
    Kind,
    Walk,
    decode_header,
    segment_number,
)
from adapters.runtime.journal_packed import LEAD_SIZE, unpack_head
from adapters.runtime.journal_read import (
    RAW_DIR,
    damage_error,
    is_packed,
    read_head,
    segment_paths,
)
from adapters.runtime.journal_start import vouched_state
from adapters.runtime.snapshots import decode_snapshot, list_snapshots, snapshot_name
from engine.codec import decode_record
from engine.errors import JournalError

HEAD_BYTES = 4 << 20
"""Read of a segment to find its first record; the largest answers seen take a quarter of it."""


class Keep(msgspec.Struct, frozen=True):
    """What is kept; segments go once either limit is passed. None is no limit."""

    for_ns: int | None = None
    bytes_max: int | None = None
    """Of events and raw bytes together, as they are on the disk."""

    @property
    def everything(self) -> bool:
        return self.for_ns is None and self.bytes_max is None


EVERYTHING = Keep()


class Drop(msgspec.Struct, frozen=True):
    """What is to go."""

    base: Base
    raw: Base | None
    segments: int
    size: int


def plan_drop(fs: Fs, journal: Path, keep: Keep, now_ns: int) -> Drop | None:
    """Say what has to go now; None if nothing has to, or nothing could start from what is left.

    Args:
        fs: Where the journal is.
        journal: Its directory.
        keep: What is kept.
        now_ns: The time; 0 where it is not known, so that nothing is too old.

    Raises:
        JournalError: the beginning of a segment is damaged.
        OSError: something cannot be read.
    """
    events = _Segments(fs, journal, Kind.EVENTS)
    raw = _Segments(fs, journal / RAW_DIR, Kind.RAW)
    wanted = max(_by_age(events, keep, now_ns), _by_size(events, raw, keep))
    base = _newest_start(fs, journal, events, wanted)
    if base is None:
        return None
    raw_base, raw_number = None, raw.first_with(base.first_seq)
    if raw_number > raw.first:
        header = raw.headers[raw_number]
        raw_base = Base(raw_number, header.first_seq, header.prev_hash, why=base.why)
    gone = [*events.before(base.number), *raw.before(raw_number)]
    return Drop(base, raw_base, len(gone), sum(gone))


def carry_out(fs: Fs, journal: Path, drop: Drop) -> None:
    """Remove what was planned; raises OSError and leaves the rest to `remove_leftovers`."""
    write_base(fs, journal, drop.base)
    if drop.raw is not None:
        write_base(fs, journal / RAW_DIR, drop.raw)
    remove_leftovers(fs, journal)


def remove_leftovers(fs: Fs, journal: Path) -> None:
    """Remove segments that are before the beginning of a journal."""
    for directory in (journal, journal / RAW_DIR):
        first = read_base(fs, directory).number
        for name in fs.list_dir(directory):
            number = segment_number(name)
            if number is not None and number < first:
                fs.remove(directory / name)


class _Segments:
    """Headers, sizes and first records of the segments in a directory, each read once."""

    def __init__(self, fs: Fs, directory: Path, kind: Kind) -> None:
        self._fs = fs
        self._kind = kind
        self._paths = segment_paths(fs, directory)
        self.first = min(self._paths, default=0)
        self.headers: dict[int, Header] = {}
        self._sizes = {number: fs.size(path) for number, path in self._paths.items()}
        self._first_records: dict[int, tuple[int, bytes] | None] = {}
        for number, path in self._paths.items():
            header = decode_header(read_head(fs, path), number, kind)
            if isinstance(header, Damage):
                raise damage_error(path, header)
            self.headers[number] = header

    def after_first(self) -> list[int]:
        """Numbers of those that others are before: where the journal might begin."""
        return list(self._paths)[1:]

    def before(self, number: int) -> Iterator[int]:
        """Sizes of the files before a segment."""
        return (size for other, size in self._sizes.items() if other < number)

    def total(self) -> int:
        return sum(self._sizes.values())

    def first_record(self, number: int) -> tuple[int, bytes] | None:
        """Return a segment's first record, if it has one that is not very large."""
        if number not in self._first_records:
            self._first_records[number] = self._read_first(number)
        return self._first_records[number]

    def _read_first(self, number: int) -> tuple[int, bytes] | None:
        path = self._paths[number]
        data = self._fs.read(path, 0, HEAD_BYTES)
        if is_packed(path):
            try:
                data = unpack_head(data, HEAD_BYTES)
            except ZstdError as error:
                damage = Damage(LEAD_SIZE, 0, "a Zstandard frame", str(error))
                raise damage_error(path, damage) from error
        return next(Walk(data, self.headers[number], check_digest=False).records(), None)

    def first_with(self, seq: int) -> int:
        """Number of the first raw segment that may hold bytes of events from `seq` on."""
        first = self.first
        for number in self.after_first():
            record = self.first_record(number)
            if record is None or record[0] > seq:
                break
            first = number
        return first


def _by_age(events: _Segments, keep: Keep, now_ns: int) -> int:
    # Where a segment begins before the limit, all before it is older.
    wanted = events.first
    if keep.for_ns is None or not now_ns:
        return wanted
    for number in events.after_first():
        record = events.first_record(number)
        if record is None:
            break
        recv_ns = decode_record(record[1]).recv_ns
        if recv_ns > now_ns:
            continue  # by a clock that was ahead, which says nothing
        if recv_ns > now_ns - keep.for_ns:
            break
        wanted = number
    return wanted


def _by_size(events: _Segments, raw: _Segments, keep: Keep) -> int:
    wanted = events.first
    if keep.bytes_max is None:
        return wanted
    excess = events.total() + raw.total() - keep.bytes_max
    for number in events.after_first() if excess > 0 else []:
        wanted = number
        raw_number = raw.first_with(events.headers[number].first_seq)
        if sum(events.before(number)) + sum(raw.before(raw_number)) >= excess:
            break
    return wanted


def _newest_start(fs: Fs, journal: Path, events: _Segments, wanted: int) -> Base | None:
    # The latest segment up to the wanted one in which a snapshot lies that can be vouched for.
    for number in [n for n in reversed(events.after_first()) if n <= wanted]:
        header, following = events.headers[number], events.headers.get(number + 1)
        for seq in list_snapshots(fs, journal):
            is_before = seq + 1 < header.first_seq
            if is_before or (following is not None and seq + 1 >= following.first_seq):
                continue
            try:
                state = decode_snapshot(fs.read(journal / snapshot_name(seq))).state
                vouched_state(fs, journal, seq, state)
            except (JournalError, msgspec.MsgspecError):
                continue
            why = f"records up to seq {header.first_seq - 1} were dropped, as [journal] keep asks"
            return Base(number, header.first_seq, header.prev_hash, seq, state, why)
    return None
