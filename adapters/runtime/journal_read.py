"""Reading a journal: never writes, and works beside the writer of a live one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, pairwise
from pathlib import Path

from adapters.ports import Fs
from adapters.runtime.journal_format import (
    FIRST_SEQ,
    HEADER_SIZE,
    Damage,
    Header,
    Kind,
    Walk,
    decode_header,
    segment_name,
    segment_number,
)
from engine.errors import JournalError

RAW_DIR = "raw"
LOCK_NAME = "lock"


def list_segments(fs: Fs, directory: Path) -> list[int]:
    """Numbers of the segments in a directory, ascending."""
    with _readable(directory):
        numbers = [segment_number(name) for name in fs.list_dir(directory)]
    return [number for number in numbers if number is not None]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(f"{path}: cannot read: {error}") from error


def damage_error(path: Path, damage: Damage) -> JournalError:
    return JournalError(
        f"{path} offset {damage.offset} seq {damage.seq}: expected {damage.expected},"
        f" found {damage.found}; `quotefold journal verify` lists all damage,"
        " `quotefold journal salvage` copies out what is whole"
    )


class SegmentFile:
    """One segment of a journal; `walk` reads its frames, and can do so once.

    An older segment may lack its closing frame, and the last one may end in the middle of a
    record: its writer is still at work, or a crash stopped it. Other damage raises.
    """

    def __init__(self, path: Path, data: bytes, header: Header, *, is_last: bool) -> None:
        self.path = path
        self.header = header
        self.walk = Walk(data, header, check_digest=False)
        self._is_last = is_last

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yield seq and payload of each record.

        Raises:
            JournalError: naming file, offset and seq of what is damaged.
        """
        yield from self.walk.records()
        self.check_end()

    def check_end(self) -> None:
        """Raise if the walk, which has come to its end, was stopped by damage."""
        damage = self.walk.damage
        if damage is not None and not (self._is_last and self.walk.is_torn()):
            raise damage_error(self.path, damage)


def read_segments(
    fs: Fs, directory: Path, kind: Kind = Kind.EVENTS, from_seq: int = FIRST_SEQ
) -> Iterator[SegmentFile]:
    """Read the segments of a journal one after the other, oldest first.

    Those that end before `from_seq` are not read.

    Raises:
        JournalError: if there is no segment, one is missing, or a header is damaged.
    """
    first = first_needed(fs, directory, kind, from_seq)
    for path, number, is_last in _segment_paths(fs, directory):
        if number < first:
            continue
        with _readable(path):
            data = fs.read(path)
        header = decode_header(data, number, kind)
        if isinstance(header, Header):
            yield SegmentFile(path, data, header, is_last=is_last)
        elif not (is_last and is_unborn(data, header)):
            raise damage_error(path, header)


def first_needed(fs: Fs, directory: Path, kind: Kind, from_seq: int) -> int:
    """Number of the segment that `from_seq` is in, by the headers; 1 where they do not tell."""
    for number in reversed(list_segments(fs, directory) if from_seq > FIRST_SEQ else []):
        path = directory / segment_name(number)
        with _readable(path):
            header = decode_header(fs.read(path, 0, HEADER_SIZE), number, kind)
        if isinstance(header, Header) and header.first_seq <= from_seq:
            return number
    return 1


def read_headers(fs: Fs, directory: Path, kind: Kind = Kind.EVENTS) -> Iterator[Header]:
    """Read only the headers of the segments of a journal, oldest first; raises as above."""
    for path, number, is_last in _segment_paths(fs, directory):
        with _readable(path):
            data = fs.read(path, 0, HEADER_SIZE + 1)  # one more shows whether anything follows
        header = decode_header(data, number, kind)
        if isinstance(header, Header):
            yield header
        elif not (is_last and is_unborn(data, header)):
            raise damage_error(path, header)


def _segment_paths(fs: Fs, directory: Path) -> Iterator[tuple[Path, int, bool]]:
    numbers = list_segments(fs, directory)
    if not numbers:
        raise JournalError(f"{directory}: expected a journal with segments, found none")
    for position, number in enumerate(numbers):
        path = directory / segment_name(number)
        if number != position + 1:
            missing = segment_name(position + 1)
            raise JournalError(f"{directory}: expected {missing}, found {path.name} next")
        yield path, number, number == numbers[-1]


def is_unborn(data: bytes, header: Header | Damage) -> bool:
    """Say whether a crash can have left this before its header was durable: it holds nothing."""
    return isinstance(header, Damage) and len(data) <= HEADER_SIZE


class JournalReader:
    """The events of a journal, in order of seq."""

    def __init__(self, fs: Fs, directory: Path) -> None:
        self._fs = fs
        self._directory = directory

    def payloads(self, from_seq: int = FIRST_SEQ) -> Iterator[tuple[int, bytes]]:
        """Yield seq and encoded record from `from_seq` on.

        Raises:
            JournalError: where the journal is damaged, after all records before the place.
        """
        segments = read_segments(self._fs, self._directory, from_seq=from_seq)
        for segment, follower in pairwise(chain(segments, (None,))):
            assert segment is not None
            if follower is not None and follower.header.first_seq <= from_seq:
                continue
            records = segment.walk.records()  # each further generator costs a tenth of the speed
            if segment.header.first_seq >= from_seq:
                yield from records
            else:
                yield from (record for record in records if record[0] >= from_seq)
            segment.check_end()
            if follower is not None and follower.header.first_seq != segment.walk.next_seq:
                raise damage_error(segment.path, _missing_records(segment.walk, follower.header))


def _missing_records(walk: Walk, follower: Header) -> Damage:
    expected = f"records up to seq {follower.first_seq - 1}"
    return Damage(walk.end, walk.next_seq, expected, f"the last one {walk.last_seq}")
