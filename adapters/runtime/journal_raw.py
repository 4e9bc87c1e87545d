"""Raw capture: bytes as received, kept beside the events that were made from them.

The segments lie in `raw/` inside the journal's directory and have the journal's own format. Each
record carries the seq of the event made from it, so seqs repeat (one frame, several events) and
are left out (events without bytes). A payload is the stream's name behind its length, then the
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec
from crc32c import crc32c

from adapters.ports import Fs, ReadFs
from adapters.runtime.journal import SegmentWriter, taken_lock
from adapters.runtime.journal_format import (
    FIRST_SEQ,
    PAYLOAD_MAX,
    SEGMENT_BYTES,
    Kind,
    TornTail,
    pack_frame,
    pack_seq,
)
from adapters.runtime.journal_read import RAW_DIR, read_headers, read_segments
from adapters.runtime.journal_recovery import recover
from engine.errors import JournalError


class RawRecord(msgspec.Struct, frozen=True):
    """What one stream delivered at once, and the first event that came of it."""

    seq: int
    stream: str
    data: bytes

    @property
    def payload(self) -> bytes:
        """As a segment holds it."""
        name = self.stream.encode()
        return bytes((len(name),)) + name + self.data


class RawWriter(SegmentWriter):
    """The writer of raw bytes of one journal; needs no sync before intents leave."""

    @classmethod
    def open(
        cls,
        fs: Fs,
        directory: Path,
        schema_hash: bytes,
        config_hash: bytes,
        *,
        first_seq: int,
        segment_bytes: int = SEGMENT_BYTES,
        trusted_seq: int = 0,
    ) -> tuple[Self, TornTail | None]:
        """Begin a raw segment beside the journal in `directory`.

        Args:
            directory: The journal's directory; the raw segments go to `raw/` in it.
            schema_hash: As of the journal.
            config_hash: As of the journal.
            first_seq: The journal writer's `next_seq` at its opening. Raw records of earlier
                writers from there on belong to events that a crash took: readers skip them.
            segment_bytes: Size at which a segment is closed.
            trusted_seq: As of the journal.

        Raises:
            JournalError: if another writer holds the raw capture, or it is damaged.
        """
        raw = directory / RAW_DIR
        with taken_lock(fs, raw) as lock:
            found = recover(fs, raw, Kind.RAW, trusted_seq)
            header = found.next_header(Kind.RAW, first_seq, schema_hash, config_hash)
            return cls(fs, raw, lock, header, segment_bytes), found.torn

    def append(self, seq: int, stream: str, data: bytes) -> None:
        """Frame the bytes of one read from `stream` (its name at most 255 bytes in UTF-8)."""
        self._check_usable()
        name = stream.encode()
        if seq < self._next_seq or len(name) > 255 or len(name) + len(data) >= PAYLOAD_MAX:
            raise JournalError(
                f"{self._path}: expected seq {self._next_seq} or more, a stream name of at most"
                f" 255 and data of less than {PAYLOAD_MAX} bytes, found seq {seq},"
                f" {len(name)} and {len(data)} bytes"
            )
        payload = bytes((len(name),)) + name + data
        body = pack_seq(seq) + payload
        self._buffer += pack_frame(len(payload), crc32c(body, len(payload))) + body
        self._next_seq = seq
        self._pending += 1


class RawReader:
    """The raw bytes beside the events of a journal, in the order of their arrival."""

    def __init__(self, fs: ReadFs, directory: Path) -> None:
        self._fs = fs
        self._directory = directory / RAW_DIR

    def records(self, from_seq: int = FIRST_SEQ) -> Iterator[RawRecord]:
        """Yield what was received for events from `from_seq` on.

        Raises:
            JournalError: where the capture is damaged, or if there is none.
        """
        starts = self._writer_starts()
        for segment in read_segments(self._fs, self._directory, Kind.RAW):
            later = (seq for number, seq in starts if number > segment.header.number)
            lost_from = min(later, default=None)
            for seq, payload in segment.records():
                if seq >= from_seq and (lost_from is None or seq < lost_from):
                    name_end = 1 + payload[0]
                    yield RawRecord(seq, payload[1:name_end].decode(), payload[name_end:])

    def _writer_starts(self) -> list[tuple[int, int]]:
        # Number and first seq of each segment that a new writer began.
        headers = read_headers(self._fs, self._directory, Kind.RAW)
        return [(header.number, header.first_seq) for header in headers if not header.rolled]
