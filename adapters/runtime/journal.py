"""Writing a journal: one writer, locked; append, flush, sync; recovery of what a crash left."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import msgspec
from crc32c import crc32c

from adapters.ports import AppendFile, Fs, Lock
from adapters.runtime.journal_format import (
    PAYLOAD_MAX,
    SEGMENT_BYTES,
    Header,
    Kind,
    encode_close,
    encode_header,
    encode_mark,
    pack_frame,
    pack_seq,
    segment_name,
)
from adapters.runtime.journal_read import LOCK_NAME
from adapters.runtime.journal_recovery import Recovered, recover
from engine.errors import JournalError

_REFUSES = -1  # no caller's seq equals it, so a writer that failed refuses on its usual path


class SegmentWriter:
    """Frames collected in memory and appended to segments; the base of both kinds of writer.

    Everything raises JournalError after the first failure to write or sync: what is on the disk
    is then unknown, and only opening the journal again can tell.
    """

    _size: int
    """Bytes of the segment so far."""
    _durable_to: int
    """How many of them are known to be durable."""
    _mark_due: bool
    """The last sync is still to be vouched for."""
    _mark: bytes
    """The vouching frame, if it is made already."""

    def __init__(
        self, fs: Fs, directory: Path, lock: Lock, header: Header, segment_bytes: int
    ) -> None:
        self._fs = fs
        self._lock: Lock | None = lock
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._early_bytes = segment_bytes - segment_bytes // 16
        self._buffer = bytearray()  # bounded by its caller, who flushes after each decision
        self._next_seq = header.first_seq
        self._failure: str | None = None
        self._pending = 0  # records in the buffer
        self._begin(header)

    @property
    def next_seq(self) -> int:
        """The seq that the next record must have (raw: the lowest it may have).

        It is -1 once the writer failed or was closed.
        """
        return self._next_seq

    def flush(self) -> None:
        """Hand everything appended so far to the operating system, in one write."""
        if self._failure is not None:
            self._check_usable()
        if not self._buffer:
            return
        try:
            if self._size + len(self._buffer) > self._segment_bytes and self._flushed:
                self._roll()
            batch: bytes | bytearray = self._buffer
            if self._mark_due:
                batch = (self._mark or encode_mark(self._size, self._durable_to)) + batch
                self._mark, self._mark_due = b"", False
            self._file.write(batch)
        except OSError as error:
            raise self._failed("write", error) from error
        self._size += len(batch)
        self._flushed += self._pending
        self._pending = 0
        self._buffer = bytearray()
        self._unhashed.append(batch)

    def sync(self) -> None:
        """Return once everything appended so far is durable."""
        if self._buffer or self._failure is not None:
            self.flush()
        if self._durable_to == self._size:
            return
        try:
            self._file.sync()
        except OSError as error:
            raise self._failed("sync", error) from error
        self._durable_to = self._size
        self._mark_due = True

    def catch_up(self) -> None:
        """Do what no intent should wait for.

        That is to hash what was written, to frame the mark that is due, and to begin a new
        segment before one is quite full. Until then the batches stay in memory, of one segment
        at most.
        """
        self._hash()
        if self._mark_due:
            self._mark = encode_mark(self._size, self._durable_to)
        if self._size > self._early_bytes and self._flushed and self._failure is None:
            try:
                self._roll()
            except OSError as error:
                raise self._failed("write", error) from error

    def close(self) -> None:
        """Write what is left, close the segment so that truncation shows, release the lock.

        After a failure it only releases the lock.
        """
        try:
            if self._failure is None:
                self.sync()
                self._finish()
        except OSError as error:
            raise self._failed("close", error) from error
        finally:
            self._failure = self._failure or "the writer is closed"
            self._next_seq = _REFUSES
            self._release()

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is None:
            return
        try:
            try:
                self._file.close()
            finally:
                lock.release()
        except OSError as error:
            raise JournalError(f"{self._path}: cannot let go of the journal: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        try:
            self.close()
        except JournalError:
            if kind is None:  # else what came first says more
                raise

    def _begin(self, header: Header) -> None:
        data = encode_header(header)
        path = self._directory / segment_name(header.number)
        file = self._fs.open_new(path, private=True)
        try:
            file.write(data)
            file.sync()  # readers rely on a header being durable before anything follows it
        except BaseException:
            file.close()
            raise
        self._header = header
        self._path = path
        self._file: AppendFile = file
        self._digest = hashlib.sha256(data)
        self._unhashed: list[bytes | bytearray] = []
        self._size = self._durable_to = len(data)
        self._flushed = 0  # records of this segment handed over
        self._mark, self._mark_due = b"", False

    def _hash(self) -> None:
        for batch in self._unhashed:
            self._digest.update(batch)
        self._unhashed.clear()

    def _finish(self) -> None:
        # Everything before the closing frame is durable already: `durable_bound` builds on that.
        self._hash()
        frame = encode_close(self._flushed, self._digest.digest())
        self._file.write(frame)
        self._digest.update(frame)
        self._file.sync()

    def _roll(self) -> None:
        if self._durable_to != self._size:
            self._file.sync()
        self._finish()
        old, old_file = self._header, self._file
        # Raw segments of one writer share their first_seq: see `RawReader`.
        first_seq = old.first_seq if old.kind is Kind.RAW else self._next_seq - self._pending
        self._begin(
            msgspec.structs.replace(
                old,
                number=old.number + 1,
                rolled=True,
                first_seq=first_seq,
                prev_hash=self._digest.digest(),
            )
        )
        old_file.close()

    def _check_usable(self) -> None:
        if self._failure is not None:
            raise JournalError(f"{self._path}: expected a working writer, found: {self._failure}")

    def _failed(self, what: str, error: OSError) -> JournalError:
        self._failure = f"{what} failed at offset {self._size}: {error}"
        self._next_seq = _REFUSES
        return JournalError(f"{self._path}: {self._failure}; nothing more will be written")


class JournalWriter(SegmentWriter):
    """The writer of events. The caller assigns each seq; they go up by one without a gap."""

    @classmethod
    def open(
        cls,
        fs: Fs,
        directory: Path,
        schema_hash: bytes,
        config_hash: bytes,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        trusted_seq: int = 0,
    ) -> tuple[Self, Recovered]:
        """Lock a journal, repair what a crash left of its last segment, begin a new segment.

        Args:
            directory: Of this journal alone; made if missing.
            schema_hash: sha256 of the record types.
            config_hash: sha256 of the configuration of the run that begins.
            segment_bytes: Size at which a segment is closed; a single batch may exceed it.
            trusted_seq: Segments that end before this record are not checked: `prove_older` does.

        Returns:
            The writer, and what was found: a `TornTail` there must become an event.

        Raises:
            JournalError: if another writer holds the journal, or it is damaged.
        """
        with taken_lock(fs, directory) as lock:
            found = recover(fs, directory, Kind.EVENTS, trusted_seq)
            header = found.next_header(Kind.EVENTS, found.next_seq, schema_hash, config_hash)
            return cls(fs, directory, lock, header, segment_bytes), found

    def append(self, seq: int, payload: bytes) -> None:
        """Frame one encoded record; it is written by the next `flush` or `sync`.

        Raises:
            JournalError: if `seq` is not the next one, the payload is above 16 MiB, or an
                earlier write or sync failed.
        """
        size = len(payload)
        if seq != self._next_seq or size > PAYLOAD_MAX:
            self._check_append(seq, size)
        body = pack_seq(seq) + payload
        buffer = self._buffer
        buffer += pack_frame(size, crc32c(body, size))
        buffer += body
        self._next_seq = seq + 1
        self._pending += 1

    def append_all(self, first_seq: int, payloads: Sequence[bytes]) -> None:
        """Frame encoded records that follow each other; as `append` of each, at half its cost.

        Raises:
            JournalError: as `append`.
        """
        if first_seq != self._next_seq or max(map(len, payloads), default=0) > PAYLOAD_MAX:
            self._check_append(first_seq, max(map(len, payloads), default=0))
        buffer, seq = self._buffer, first_seq
        for payload in payloads:
            size, body = len(payload), pack_seq(seq) + payload
            buffer += pack_frame(size, crc32c(body, size))
            buffer += body
            seq += 1
        self._next_seq = seq
        self._pending += len(payloads)

    def _check_append(self, seq: int, size: int) -> None:
        self._check_usable()
        expected = f"seq {self._next_seq} with at most {PAYLOAD_MAX} bytes"
        raise JournalError(f"{self._path}: expected {expected}, found seq {seq} with {size} bytes")


@contextmanager
def taken_lock(fs: Fs, directory: Path) -> Iterator[Lock]:
    """Take the one writer's place of a journal; given back only if the body fails."""
    path = directory / LOCK_NAME
    try:
        fs.make_dir(directory, private=True)
        lock = fs.lock(path)
    except BlockingIOError as error:
        raise JournalError(
            f"{path}: expected no other writer, found the lock held; stop the other engine"
            " or give this one a journal directory of its own"
        ) from error
    except OSError as error:
        raise JournalError(f"{path}: cannot take the lock: {error}") from error
    try:
        yield lock
    except BaseException as error:
        with suppress(OSError):  # the first failure says more
            lock.release()
        if isinstance(error, OSError):
            raise JournalError(f"{directory}: cannot open the journal: {error}") from error
        raise
