"""Writing records of one journal into a new one: whole segments, each with its closing frame."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from adapters.ports import Fs
from adapters.runtime.journal_base import Base, write_base
from adapters.runtime.journal_format import (
    NO_HASH,
    Header,
    Kind,
    encode_close,
    encode_header,
    encode_record_frame,
    segment_name,
)
from engine.errors import JournalError


class JournalCopy:
    """Segments being written to a new directory.

    Attributes:
        first_seq: As `Base` says.
        next_seq: The one behind the last record written.
    """

    def __init__(self, fs: Fs, directory: Path, kind: Kind, base: Base) -> None:
        """Begin a copy.

        Args:
            fs: Where it goes.
            directory: Must be empty, or not there.
            kind: Of the records.
            base: How the copy begins; its number and hash are those of a first segment.

        Raises:
            JournalError: something is in the way.
        """
        if fs.list_dir(directory):
            raise JournalError(f"{directory}: expected nothing there, found files; name another")
        fs.make_dir(directory, private=True)
        self._fs, self._directory, self._kind = fs, directory, kind
        self.first_seq = self.next_seq = base.first_seq
        self._number, self._prev_hash = 0, NO_HASH
        if kind is Kind.EVENTS and not base.is_whole:
            write_base(fs, directory, msgspec.structs.replace(base, number=1, prev_hash=NO_HASH))

    def add(self, header: Header, records: Sequence[tuple[int, bytes]]) -> None:
        """Write one segment with the header of the old one, but in the new chain."""
        self._number += 1
        first_seq = self.next_seq if self._kind is Kind.EVENTS else self.first_seq
        header = msgspec.structs.replace(
            header, number=self._number, first_seq=first_seq, prev_hash=self._prev_hash
        )
        data = bytearray(encode_header(header))
        for seq, payload in records:
            data += encode_record_frame(seq, payload)
            self.next_seq = seq + 1
        data += encode_close(len(records), hashlib.sha256(data).digest())
        fs, directory = self._fs, self._directory
        file = fs.open_new(directory / segment_name(self._number), private=True)
        try:
            file.write(data)
            file.sync()
        finally:
            file.close()
        self._prev_hash = hashlib.sha256(data).digest()
