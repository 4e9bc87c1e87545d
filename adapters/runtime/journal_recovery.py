"""Opening a journal again: prove what is there, cut the torn tail that a crash left."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from adapters.ports import Fs
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
    segment_name,
)
from adapters.runtime.journal_read import damage_error, first_needed, is_unborn, list_segments
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
    numbers = list_segments(fs, directory)
    if numbers != list(range(1, len(numbers) + 1)):
        raise JournalError(f"{directory}: expected segments 1 to {len(numbers)}, found {numbers}")
    unborn = _remove_unborn(fs, directory, kind, numbers)
    first = first_needed(fs, directory, kind, trusted_seq)
    prev_hash = None if first > 1 else NO_HASH
    for number in numbers[first - 1 :]:
        path = directory / segment_name(number)
        data = fs.read(path)
        header = decode_header(data, number, kind)
        if isinstance(header, Damage):
            raise damage_error(path, header)
        if prev_hash is not None and header.prev_hash != prev_hash:
            raise chain_error(fs, directory, kind, header, prev_hash)
        if number == numbers[-1]:
            found = _recover_last(fs, path, data, header)
            return msgspec.structs.replace(found, torn=found.torn or unborn)
        prev_hash = hashlib.sha256(data).digest()
    return Recovered(torn=unborn)


def prove_older(fs: Fs, directory: Path, kind: Kind, trusted_seq: int) -> None:
    """Check the chain of the segments that `recover` left out.

    Raises:
        JournalError: as `recover`.
    """
    prev_hash, last = NO_HASH, first_needed(fs, directory, kind, trusted_seq)
    for number in range(1, last + 1 if last > 1 else 1):
        path = directory / segment_name(number)
        header = decode_header(fs.read(path, 0, HEADER_SIZE), number, kind)
        if isinstance(header, Damage):
            raise damage_error(path, header)
        if header.prev_hash != prev_hash:
            raise chain_error(fs, directory, kind, header, prev_hash)
        if number < last:
            prev_hash = _file_hash(fs, path)


def _file_hash(fs: Fs, path: Path) -> bytes:
    # Piece by piece: this runs beside the loop, which shall not wait for memory.
    digest = hashlib.sha256()
    at = 0
    while piece := fs.read(path, at, HASH_PIECE):
        digest.update(piece)
        at += len(piece)
    return digest.digest()


def _remove_unborn(fs: Fs, directory: Path, kind: Kind, numbers: list[int]) -> TornTail | None:
    # A header is synced before any record follows, so a shorter file never held one; left in
    # place it would break the chain.
    if not numbers:
        return None
    path = directory / segment_name(numbers[-1])
    data = fs.read(path)
    if not is_unborn(data, decode_header(data, numbers[-1], kind)):
        return None
    fs.remove(path)
    numbers.pop()
    return TornTail(path.name, 0, len(data))


def _recover_last(fs: Fs, path: Path, data: bytes, header: Header) -> Recovered:
    walk = Walk(data, header, check_digest=True).finish()
    torn = None
    if walk.damage is not None:
        if not walk.is_torn():
            raise damage_error(path, walk.damage)
        torn = TornTail(path.name, walk.end, len(data) - walk.end)
    # The next segment begins with the hash of this one, so what a crash may still take of it has
    # to be on the disk first.
    bound = durable_bound(data)
    fs.truncate(path, walk.end, rewrite_from=bound if bound > HEADER_SIZE else 0)
    prev_hash = hashlib.sha256(memoryview(data)[: walk.end]).digest()
    return Recovered(walk.next_seq, header.number, prev_hash, torn)


def chain_error(
    fs: Fs, directory: Path, kind: Kind, header: Header, found_hash: bytes
) -> JournalError:
    """Say which place of segment `header.number - 1` made its hash differ from the recorded one."""
    number = header.number - 1
    path = directory / segment_name(number)
    if number == 0:
        damage = Damage(0, 0, "the first segment to follow none", header.prev_hash.hex())
        return damage_error(directory / segment_name(1), damage)
    data = fs.read(path)
    before = decode_header(data, number, kind)
    if isinstance(before, Damage):
        return damage_error(path, before)
    walk = Walk(data, before, check_digest=True).finish()
    mismatch = Damage(walk.end, walk.next_seq, f"sha256 {header.prev_hash.hex()}", found_hash.hex())
    return damage_error(path, walk.damage or mismatch)
