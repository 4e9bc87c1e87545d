"""Where a journal begins whose oldest records are gone, and by what state.

`base.qfb` lies beside the segments: a CRC-32C, then MessagePack. It names the first segment that
counts and the hash which that one has to follow, so that the chain stays checkable, and holds the
state from which what is left can be folded. It replaces an older one whole.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from crc32c import crc32c

from adapters.ports import Fs, ReadFs
from adapters.runtime.journal_format import FIRST_SEQ, NO_HASH
from engine.errors import JournalError

BASE_NAME = "base.qfb"
NEW_BASE_NAME = "base.qfb.new"
_CRC_SIZE = 4


class Base(msgspec.Struct, frozen=True, array_like=True):
    """How a journal begins.

    Attributes:
        number: Of the first segment; files of earlier ones are left over and do not count.
        first_seq: The lowest seq that one may hold.
        prev_hash: What its header has to name as the hash of the segment before.
        state_seq: Record after which `state` is; at or before the last one of the journal.
        state: As `engine.snapshot.encode_state` gives it; empty if none is known.
        why: What became of the records before, for people.
        fingerprint: Of `state`, where it was cut out of another journal: the records have no
            fingerprint of it then. Empty where the record after `state_seq` is one.
    """

    number: int = 1
    first_seq: int = FIRST_SEQ
    prev_hash: bytes = NO_HASH
    state_seq: int = 0
    state: bytes = b""
    why: str = ""
    fingerprint: bytes = b""

    @property
    def is_whole(self) -> bool:
        """Say whether nothing is gone."""
        return self.first_seq == FIRST_SEQ


def read_base(fs: ReadFs, directory: Path) -> Base:
    """Return how the journal in a directory begins.

    Raises:
        JournalError: the file that says so is damaged, or cannot be read.
    """
    path = directory / BASE_NAME
    if not fs.exists(path):
        return Base()
    try:
        data = fs.read(path)
    except OSError as error:
        raise JournalError(f"{path}: cannot read: {error}") from error
    body = data[_CRC_SIZE:]
    found = crc32c(body).to_bytes(_CRC_SIZE, "little")
    if data[:_CRC_SIZE] != found:
        raise JournalError(
            f"{path} offset 0 seq 0: expected crc {data[:_CRC_SIZE].hex()}, found {found.hex()};"
            " `quotefold journal salvage` copies out what is whole"
        )
    return msgspec.msgpack.decode(body, type=Base)


def write_base(fs: Fs, directory: Path, base: Base) -> None:
    """Say how a journal begins, durable; raises OSError."""
    body = msgspec.msgpack.encode(base)
    new = directory / NEW_BASE_NAME
    if fs.exists(new):
        fs.remove(new)
    file = fs.open_new(new, private=True)
    try:
        file.write(crc32c(body).to_bytes(_CRC_SIZE, "little") + body)
        file.sync()
    finally:
        file.close()
    fs.rename(new, directory / BASE_NAME)
