"""Reading a journal: never writes, and works beside the writer of a live one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, pairwise
from pathlib import Path

from adapters.ports import ReadFs
from adapters.runtime.journal_base import read_base
from adapters.runtime.journal_format import (
    FIRST_SEQ,
    HEADER_SIZE,
    PACKED_SUFFIX,
    Damage,
    Header,
    Kind,
    Walk,
    decode_header,
    segment_name,
    segment_number,
)
from adapters.runtime.journal_packed import HEADER_AT, unpack
from engine.errors import JournalError

RAW_DIR = "raw"
BLOCK = 1024
"""Records read in one go: reading, decoding and folding each run faster when they do not take turns
at every record. A hundredth of a second of work."""
LOCK_NAME = "lock"


def list_segments(fs: ReadFs, directory: Path) -> list[int]:
    """Numbers of the segments in a directory, ascending."""
    return list(segment_paths(fs, directory))


def segment_paths(fs: ReadFs, directory: Path) -> dict[int, Path]:
    """Return where each segment is, by ascending number.

    One that is there plain and compressed, since its compression was interrupted, is read plain.
    """
    return paths_from(fs, directory, read_base(fs, directory).number)


def paths_from(fs: ReadFs, directory: Path, first: int) -> dict[int, Path]:
    """Return where each segment is from a number on, wherever the journal begins."""
    paths: dict[int, Path] = {}
    with _readable(directory):
        for name in fs.list_dir(directory):  # sorted, so the plain name of two comes first
            if (number := segment_number(name)) is not None and number >= first:
                paths.setdefault(number, directory / name)
    return paths


def read_plain(fs: ReadFs, path: Path) -> bytes | Damage:
    """Read a segment, plain or compressed, or what is damaged of its compression."""
    with _readable(path):
        if not is_packed(path):
            try:
                return fs.read(path)
            except FileNotFoundError:
                path = packed_path(path)  # compressed this very moment
        return unpack(fs.read(path))


def load_segment(fs: ReadFs, path: Path) -> bytes:
    """Read a segment, plain or compressed; raises JournalError."""
    data = read_plain(fs, path)
    if isinstance(data, Damage):
        raise damage_error(path, data)
    return data


def read_head(fs: ReadFs, path: Path) -> bytes:
    """Read the header of a segment, and one byte that shows whether anything follows."""
    with _readable(path):
        return fs.read(path, HEADER_AT if is_packed(path) else 0, HEADER_SIZE + 1)


def packed_path(path: Path) -> Path:
    """Return where the compressed file of a plain segment is."""
    return path.with_name(path.name + PACKED_SUFFIX)


def is_packed(path: Path) -> bool:
    """Say whether a segment's file is a compressed one."""
    return path.name.endswith(PACKED_SUFFIX)


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
    fs: ReadFs, directory: Path, kind: Kind = Kind.EVENTS, from_seq: int = FIRST_SEQ
) -> Iterator[SegmentFile]:
    """Read the segments of a journal one after the other, oldest first.

    Those that end before `from_seq` are not read.

    Raises:
        JournalError: if there is no segment, one is missing, or a header is damaged.
    """
    first = first_needed(fs, directory, kind, from_seq)
    for path, number, is_last in _in_order(fs, directory):
        if number < first:
            continue
        data = load_segment(fs, path)
        header = decode_header(data, number, kind)
        if isinstance(header, Header):
            yield SegmentFile(path, data, header, is_last=is_last)
        elif not (is_last and is_unborn(data, header)):
            raise damage_error(path, header)


def first_needed(fs: ReadFs, directory: Path, kind: Kind, from_seq: int) -> int:
    """Number of the segment that `from_seq` is in, by the headers; else the first."""
    paths = segment_paths(fs, directory) if from_seq > FIRST_SEQ else {}
    for number in reversed(paths):
        header = decode_header(read_head(fs, paths[number]), number, kind)
        if isinstance(header, Header) and header.first_seq <= from_seq:
            return number
    return read_base(fs, directory).number


def read_headers(fs: ReadFs, directory: Path, kind: Kind = Kind.EVENTS) -> Iterator[Header]:
    """Read only the headers of the segments of a journal, oldest first; raises as above."""
    for path, number, is_last in _in_order(fs, directory):
        data = read_head(fs, path)
        header = decode_header(data, number, kind)
        if isinstance(header, Header):
            yield header
        elif not (is_last and is_unborn(data, header)):
            raise damage_error(path, header)


def _in_order(fs: ReadFs, directory: Path) -> Iterator[tuple[Path, int, bool]]:
    paths = segment_paths(fs, directory)
    if not paths:
        raise JournalError(f"{directory}: expected a journal with segments, found none")
    last = max(paths)
    for expected, (number, path) in enumerate(paths.items(), read_base(fs, directory).number):
        if number != expected:
            raise missing_segment(directory, expected, path)
        yield path, number, number == last


def missing_segment(directory: Path, number: int, found: Path) -> JournalError:
    return JournalError(f"{directory}: expected {segment_name(number)}, found {found.name} next")


def is_unborn(data: bytes, header: Header | Damage) -> bool:
    """Say whether a crash can have left this before its header was durable: it holds nothing."""
    return isinstance(header, Damage) and len(data) <= HEADER_SIZE


class JournalReader:
    """The events of a journal, in order of seq."""

    def __init__(self, fs: ReadFs, directory: Path) -> None:
        self._fs = fs
        self._directory = directory

    def payloads(self, from_seq: int = FIRST_SEQ) -> Iterator[tuple[int, bytes]]:
        """Yield seq and encoded record from `from_seq` on.

        Raises:
            JournalError: where the journal is damaged, after all records before the place.
        """
        for first_seq, payloads in self.blocks(from_seq):
            yield from enumerate(payloads, first_seq)

    def blocks(self, from_seq: int = FIRST_SEQ) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the same as blocks: the seq of the first, and the encoded records."""
        segments = read_segments(self._fs, self._directory, from_seq=from_seq)
        for segment, follower in pairwise(chain(segments, (None,))):
            assert segment is not None
            if follower is not None and follower.header.first_seq <= from_seq:
                continue
            walk, seq = segment.walk, segment.header.first_seq
            while payloads := walk.take(BLOCK):
                skipped = max(from_seq - seq, 0)
                if skipped < len(payloads):
                    yield seq + skipped, payloads[skipped:] if skipped else payloads
                seq = walk.next_seq
            segment.check_end()
            if follower is not None and follower.header.first_seq != walk.next_seq:
                raise damage_error(segment.path, _missing_records(walk, follower.header))
            # So that two segments are in memory at the most, not three while the next is read.
            del segment, walk


def _missing_records(walk: Walk, follower: Header) -> Damage:
    expected = f"records up to seq {follower.first_seq - 1}"
    return Damage(walk.end, walk.next_seq, expected, f"the last one {walk.last_seq}")
