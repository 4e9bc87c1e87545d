"""Compressing closed segments: about a fifth of the bytes, the same chain of hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from adapters.ports import Fs
from adapters.runtime.journal_format import PACKED_SUFFIX, Damage, Kind, Walk, decode_header
from adapters.runtime.journal_packed import check, pack
from adapters.runtime.journal_read import (
    RAW_DIR,
    damage_error,
    is_packed,
    load_segment,
    read_head,
    segment_paths,
)
from adapters.runtime.journal_recovery import chain_error

PIECE = 1 << 20
"""Compressed in one go, about 10 ms of work; a thread looks up from it this often."""
PACKED_PIECE = 1 << 17
"""Read back in one go: about as much once it is unpacked."""
_NEW_SUFFIX = ".new"


class Compacted(msgspec.Struct, frozen=True):
    """One segment that was compressed."""

    path: Path
    """Of the compressed file."""
    plain: int
    packed: int


def plain_segments(fs: Fs, directory: Path) -> list[int]:
    """Numbers of the segments to compress: all but the last, which may be at work."""
    paths = segment_paths(fs, directory)
    return [number for number in list(paths)[:-1] if not is_packed(paths[number])]


def compact_journal(fs: Fs, journal: Path) -> list[Compacted]:
    """Compress all closed segments, of raw bytes too, of a journal whose lock is held.

    Raises:
        JournalError: one is damaged; those before it are compressed.
        OSError: the disk refused.
    """
    done = []
    for directory, kind in ((journal, Kind.EVENTS), (journal / RAW_DIR, Kind.RAW)):
        numbers = plain_segments(fs, directory)
        for last, path in list(segment_paths(fs, directory).items())[-1:]:
            if not is_packed(path) and _walked(fs, path, last, kind).closed:
                numbers.append(last)
        done += [compact_segment(fs, directory, kind, number) for number in numbers]
    return done


def compact_segment(
    fs: Fs, directory: Path, kind: Kind, number: int, look_up: Callable[[], None] = lambda: None
) -> Compacted:
    """Put a compressed file in the place of a plain segment.

    The plain one is removed once the other is durable and was read back; where that is
    interrupted, both are there, and the plain one counts.

    Args:
        fs: Where the journal is.
        directory: Of the segments.
        kind: What they hold.
        number: Of a segment that another follows, or of the last one when it is closed.
        look_up: Called between pieces of work; what it raises ends the work.

    Raises:
        JournalError: the segment is damaged; it is left alone.
        OSError: the disk refused; the segment is left alone.
    """
    paths = segment_paths(fs, directory)
    path = paths[number]
    new = path.with_name(path.name + PACKED_SUFFIX + _NEW_SUFFIX)
    if fs.exists(new):
        fs.remove(new)
    target = path.with_name(path.name + PACKED_SUFFIX)
    try:
        _write(fs, path, new, look_up)
        packed = check(_pieces(fs, new, look_up, PACKED_PIECE))
        if isinstance(packed, Damage):
            raise damage_error(new, packed)
        _prove(fs, paths, kind, number, packed.digest)
        fs.rename(new, target)
    except BaseException:
        # A run that ends stops this in the middle; a process that dies leaves it to the next.
        with suppress(OSError):
            fs.remove(new)
        raise
    fs.remove(path)
    return Compacted(target, packed.size, fs.size(target))


def _write(fs: Fs, path: Path, new: Path, look_up: Callable[[], None]) -> None:
    file = fs.open_new(new, private=True)
    try:
        for piece in pack(_pieces(fs, path, look_up), fs.size(path)):
            file.write(piece)
        file.sync()
    finally:
        file.close()


def _pieces(fs: Fs, path: Path, look_up: Callable[[], None], size: int = PIECE) -> Iterator[bytes]:
    at = 0
    while piece := fs.read(path, at, size):
        look_up()
        yield piece
        at += len(piece)


def _prove(fs: Fs, paths: dict[int, Path], kind: Kind, number: int, digest: bytes) -> None:
    # What was compressed is what the next segment's header says, or what the last one's own end.
    if number + 1 not in paths:
        _walked(fs, paths[number], number, kind)
        return
    follower = decode_header(read_head(fs, paths[number + 1]), number + 1, kind)
    if isinstance(follower, Damage):
        raise damage_error(paths[number + 1], follower)
    if digest != follower.prev_hash:
        raise chain_error(fs, paths, kind, follower, digest)


def _walked(fs: Fs, path: Path, number: int, kind: Kind) -> Walk:
    data = load_segment(fs, path)
    header = decode_header(data, number, kind)
    if isinstance(header, Damage):
        raise damage_error(path, header)
    walk = Walk(data, header, check_digest=True).finish()
    if walk.damage is not None and not walk.is_torn():
        raise damage_error(path, walk.damage)
    return walk
