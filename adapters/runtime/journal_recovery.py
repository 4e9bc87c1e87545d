"""Opening a journal again: prove what is there, cut the torn tail that a crash left."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from adapters.ports import Fs
from adapters.runtime.journal_base import Base, read_base
from adapters.runtime.journal_format import (
    FIRST_SEQ,
    HEADER_SIZE,
    NO_HASH,
    Damage,
    Header,
    Kind,
    TornTail,
    Walk,
    decode_header,
    durable_bound,
)
from adapters.runtime.journal_packed import read_trail
from adapters.runtime.journal_read import (
    damage_error,
    first_needed,
    is_packed,
    is_unborn,
    load_segment,
    read_head,
    segment_paths,
)
from engine.errors import JournalError

HASH_PIECE = 1 << 20


class Recovered(msgspec.Struct, frozen=True):
    """What opening found.

    Attributes:
        next_seq: The seq that follows the last whole record.
        segments: How many segments there are.
        prev_hash: sha256 of the last one as it is now.
        torn: The tail that had to be cut, if any.
    """

    next_seq: int = FIRST_SEQ
    segments: int = 0
    prev_hash: bytes = NO_HASH
    torn: TornTail | None = None

    def next_header(
        self, kind: Kind, first_seq: int, schema_hash: bytes, config_hash: bytes
    ) -> Header:
        """Describe the segment that a new writer begins behind what was found."""
        return Header(
            number=self.segments + 1,
            kind=kind,
            rolled=False,
            first_seq=first_seq,
            schema_hash=schema_hash,
            config_hash=config_hash,
            prev_hash=self.prev_hash,
        )


def recover(fs: Fs, directory: Path, kind: Kind, trusted_seq: int = 0) -> Recovered:
    """Check the chain of all segments and every frame of the last; cut its torn tail.

    The hash of an older segment proves it: whoever wrote that hash had walked the segment.

    Args:
        fs: Where the journal is.
        directory: Of the segments.
        kind: What they hold.
        trusted_seq: Segments that end before this record are left to `prove_older`.

    Raises:
        JournalError: with file, offset and seq of damage that no crash can explain.
    """
    paths, base = segment_paths(fs, directory), read_base(fs, directory)
    last = base.number + len(paths) - 1
    if list(paths) != list(range(base.number, last + 1)):
        expected = f"segments {base.number} to {last}"
        raise JournalError(f"{directory}: expected {expected}, found {list(paths)}")
    unborn = _remove_unborn(fs, kind, paths)
    if not paths:
        return Recovered(torn=unborn)
    last = max(paths)
    _prove(fs, paths, kind, base, first_needed(fs, directory, kind, trusted_seq), last)
    found = _recover_last(fs, paths[last], _header(fs, paths[last], last, kind))
    return msgspec.structs.replace(found, torn=found.torn or unborn)


def _nothing() -> None:
    """Look up to nobody."""


def prove_older(
    fs: Fs,
    directory: Path,
    kind: Kind,
    trusted_seq: int,
    look_up: Callable[[], None] = _nothing,
) -> None:
    """Check the chain of the segments that `recover` left out.

    Args:
        fs: Where the journal is.
        directory: Of the segments.
        kind: What they hold.
        trusted_seq: As of `recover`.
        look_up: Called between pieces of work; what it raises ends the work.

    Raises:
        JournalError: as `recover`.
    """
    last, base = first_needed(fs, directory, kind, trusted_seq), read_base(fs, directory)
    if last > base.number:
        _prove(fs, segment_paths(fs, directory), kind, base, base.number, last, look_up)


def _prove(
    fs: Fs,
    paths: dict[int, Path],
    kind: Kind,
    base: Base,
    first: int,
    last: int,
    look_up: Callable[[], None] = _nothing,
) -> None:
    # Each segment's header tells the hash of the one before.
    prev_hash = base.prev_hash if first == base.number else None
    for number in range(first, last + 1):
        header = _header(fs, paths[number], number, kind)
        if prev_hash is not None and header.prev_hash != prev_hash:
            raise chain_error(fs, paths, kind, header, prev_hash)
        if number < last:
            prev_hash = segment_hash(fs, paths[number], look_up)


def _header(fs: Fs, path: Path, number: int, kind: Kind) -> Header:
    header = decode_header(read_head(fs, path), number, kind)
    if isinstance(header, Damage):
        raise damage_error(path, header)
    return header


def segment_hash(fs: Fs, path: Path, look_up: Callable[[], None] = _nothing) -> bytes:
    """Return the sha256 of a segment as it was written; of a compressed one, as its trail says.

    Args:
        fs: Where the journal is.
        path: Of the segment.
        look_up: As of `prove_older`.

    Raises:
        JournalError: if the compressed bytes are damaged.
    """
    look_up()
    if is_packed(path):
        trail = read_trail(fs.read(path))
        if isinstance(trail, Damage):
            raise damage_error(path, trail)
        return trail.digest
    # Piece by piece: this runs beside the loop, which shall not wait for memory.
    digest = hashlib.sha256()
    at = 0
    while piece := fs.read(path, at, HASH_PIECE):
        digest.update(piece)
        at += len(piece)
        look_up()
    return digest.digest()


def _remove_unborn(fs: Fs, kind: Kind, paths: dict[int, Path]) -> TornTail | None:
    # A header is synced before any record follows, so a shorter file never held one; left in
    # place it would break the chain.
    if not paths:
        return None
    number, path = max(paths.items())
    data = read_head(fs, path)
    if is_packed(path) or not is_unborn(data, decode_header(data, number, kind)):
        return None
    fs.remove(path)
    del paths[number]
    return TornTail(path.name, 0, len(data))


def _recover_last(fs: Fs, path: Path, header: Header) -> Recovered:
    data = load_segment(fs, path)
    walk = Walk(data, header, check_digest=True).finish()
    torn = None
    if walk.damage is not None:
        if is_packed(path) or not walk.is_torn():
            raise damage_error(path, walk.damage)
        torn = TornTail(path.name, walk.end, len(data) - walk.end)
    # The next segment begins with the hash of this one, so what a crash may still take of it has
    # to be on the disk first.
    if not is_packed(path):
        bound = durable_bound(data)
        fs.truncate(path, walk.end, rewrite_from=bound if bound > HEADER_SIZE else 0)
    prev_hash = hashlib.sha256(memoryview(data)[: walk.end]).digest()
    return Recovered(walk.next_seq, header.number, prev_hash, torn)


def chain_error(
    fs: Fs, paths: dict[int, Path], kind: Kind, header: Header, found_hash: bytes
) -> JournalError:
    """Say which place of segment `header.number - 1` made its hash differ from the recorded one."""
    number = header.number - 1
    if number not in paths:
        damage = Damage(0, 0, f"sha256 {found_hash.hex()} before it", header.prev_hash.hex())
        return damage_error(paths[header.number], damage)
    path = paths[number]
    data = load_segment(fs, path)
    before = decode_header(data, number, kind)
    if isinstance(before, Damage):
        return damage_error(path, before)
    walk = Walk(data, before, check_digest=True).finish()
    mismatch = Damage(walk.end, walk.next_seq, f"sha256 {header.prev_hash.hex()}", found_hash.hex())
    return damage_error(path, walk.damage or mismatch)
