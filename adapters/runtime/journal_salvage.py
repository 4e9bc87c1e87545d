"""Copying out what is whole of a damaged journal; the damaged one is left as it is.

Every frame that fits its CRC counts, also behind damage and in a segment whose header is gone.
Records that follow each other without a gap become a journal of their own: the first is folded
and continued like any other; one that begins later can be read and verified, but not folded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from adapters.ports import Fs
from adapters.runtime.journal_base import BASE_NAME, Base, read_base
from adapters.runtime.journal_copy import JournalCopy
from adapters.runtime.journal_format import (
    FIRST_SEQ,
    HEADER_SIZE,
    NO_HASH,
    Damage,
    Header,
    Kind,
    Walk,
    decode_header,
    frame_at,
    is_at_close,
)
from adapters.runtime.journal_packed import unpack_partly
from adapters.runtime.journal_read import RAW_DIR, paths_from, read_plain
from engine.errors import JournalError

Records = list[tuple[int, bytes]]
Segments = list[tuple[Header, Records]]
_UPPER_AT = 12  # of the upper half of a seq in its frame


class Lost(msgspec.Struct, frozen=True):
    """One damaged place, and where it is whole again."""

    file: str
    offset: int
    next_offset: int
    """Of the next whole record; the end of the file if there is none."""
    after_seq: int
    next_seq: int
    """Of the next whole record in the same file; 0 if there is none."""
    expected: str
    found: str

    def __str__(self) -> str:
        upto = f"seq {self.next_seq}" if self.next_seq else "the end of the file"
        return (
            f"{self.file} offset {self.offset} to {self.next_offset}, after seq {self.after_seq}"
            f" up to {upto}: expected {self.expected}, found {self.found}"
        )


class Stretch(msgspec.Struct, frozen=True):
    """Records without a gap, in a journal of their own."""

    directory: str
    first_seq: int
    last_seq: int


class Salvaged(msgspec.Struct, frozen=True):
    """What became of a journal."""

    stretches: tuple[Stretch, ...]
    lost: tuple[Lost, ...]


def salvage(fs: Fs, journal: Path, target: Path) -> Salvaged:
    """Copy what is whole of a journal to `target`, `target.2` and so on.

    Raises:
        JournalError: there is no journal, or something is in the way of the copy.
        OSError: the disk refused.
    """
    lost: list[Lost] = []
    stretches: list[Stretch] = []
    copy: _Copy | None = None
    start = _start(fs, journal, lost)
    for header, records in _whole(fs, journal, Kind.EVENTS, lost):
        if copy is None or (records and records[0][0] != copy.next_seq):
            if copy is not None:
                stretches.append(copy.stretch)
            first_seq = records[0][0] if records else header.first_seq
            number = len(stretches) + 1
            name = target.name if number == 1 else f"{target.name}.{number}"
            copy = _Copy(fs, target.with_name(name), Kind.EVENTS, first_seq, start)
        copy.add(header, records)
    if copy is None:
        raise JournalError(f"{journal}: expected a journal with whole records, found none")
    stretches.append(copy.stretch)
    raw = _of_events_that_stayed(list(_whole(fs, journal / RAW_DIR, Kind.RAW, lost)))
    for stretch in stretches:
        _copy_raw(fs, stretch, raw)
    return Salvaged(tuple(stretches), tuple(lost))


def _start(fs: Fs, directory: Path, lost: list[Lost]) -> Base:
    try:
        return read_base(fs, directory)
    except JournalError as error:
        path = str(directory / BASE_NAME)
        lost.append(Lost(path, 0, 0, 0, 0, "how the journal begins", str(error)))
        return Base()


class _Copy(JournalCopy):
    """A stretch being written."""

    def __init__(self, fs: Fs, directory: Path, kind: Kind, first_seq: int, start: Base) -> None:
        if first_seq != start.first_seq:
            start = Base(first_seq=first_seq, why="salvaged: what is before it was damaged")
        super().__init__(fs, directory, kind, start)

    @property
    def stretch(self) -> Stretch:
        return Stretch(str(self._directory), self.first_seq, self.next_seq - 1)


def _whole(
    fs: Fs, directory: Path, kind: Kind, lost: list[Lost]
) -> Iterator[tuple[Header, Records]]:
    # Header and whole records of each segment, in one piece or, where records are missing, several.
    header = Header(0, kind, False, FIRST_SEQ, NO_HASH, NO_HASH, NO_HASH)
    next_seq = FIRST_SEQ
    first = _start(fs, directory, []).number
    for number, path in paths_from(fs, directory, first).items():
        data = read_plain(fs, path)
        if isinstance(data, Damage):
            lost.append(_lost(path, data, HEADER_SIZE, next_seq - 1, 0))
            data = unpack_partly(fs.read(path))
        found = decode_header(data, number, kind)
        if isinstance(found, Damage):
            lost.append(_lost(path, found, HEADER_SIZE, next_seq - 1, 0))
            # Its records follow those before as far as anybody can tell.
            found = msgspec.structs.replace(header, rolled=True, first_seq=next_seq)
        header = found
        walk = Walk(data, header, check_digest=False)
        yield header, list(walk.records())
        # A closing frame that does not fit the rest hurts no record.
        while (damage := walk.damage) is not None and not is_at_close(data, damage.offset):
            at = _next_frame(data, walk)
            seq = frame_at(data, at) or 0
            lost.append(_lost(path, damage, at, walk.next_seq - 1, seq))
            if not seq:
                break
            walk.resume(at, seq)
            yield msgspec.structs.replace(header, rolled=True), list(walk.records())
        next_seq = walk.next_seq


def _next_frame(data: bytes, walk: Walk) -> int:
    # Seqs near each other share their upper half, which is quickly found.
    upper = (walk.next_seq >> 32).to_bytes(4, "little")
    at = data.find(upper, walk.end + 1 + _UPPER_AT)
    while at != -1:
        seq = frame_at(data, at - _UPPER_AT)
        if seq is not None and seq >= walk.next_seq:
            return at - _UPPER_AT
        at = data.find(upper, at + 1)
    return len(data)


def _of_events_that_stayed(raw: Segments) -> Segments:
    # As `RawReader`: a later writer's first seq tells which events a crash took before it.
    kept: Segments = []
    lost_from: int | None = None
    for header, records in reversed(raw):
        stayed = [record for record in records if lost_from is None or record[0] < lost_from]
        kept.append((header, stayed))
        if not header.rolled:
            lost_from = min(header.first_seq, lost_from or header.first_seq)
    return kept[::-1]


def _copy_raw(fs: Fs, stretch: Stretch, raw: Segments) -> None:
    copy: _Copy | None = None
    for header, records in raw:
        own = [record for record in records if stretch.first_seq <= record[0] <= stretch.last_seq]
        if own:
            directory = Path(stretch.directory) / RAW_DIR
            rolled = copy is not None
            copy = copy or _Copy(fs, directory, Kind.RAW, stretch.first_seq, Base())
            copy.add(msgspec.structs.replace(header, rolled=rolled), own)


def _lost(path: Path, damage: Damage, next_offset: int, after_seq: int, next_seq: int) -> Lost:
    return Lost(
        str(path), damage.offset, next_offset, after_seq, next_seq, damage.expected, damage.found
    )
