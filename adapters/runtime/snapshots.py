"""Snapshots of the state beside a journal, so that a start folds only what came after the last.

They are caches: any of them may be deleted at any time. One is used only if the code that folds is
the code that made it, and its state has the fingerprint that the journal recorded at its place;
else it is passed over, with a note that says why.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import msgspec
from crc32c import crc32c

from adapters.ports import Fs
from adapters.runtime.journal_format import Damage, Kind, decode_header
from adapters.runtime.journal_read import (
    JournalReader,
    damage_error,
    is_unborn,
    read_head,
    segment_paths,
)
from adapters.runtime.journal_start import start_state, vouched_state
from engine.codec import decode_record
from engine.errors import JournalError
from engine.reduce import reduce
from engine.snapshot import decode_state, encode_state
from engine.state import State

EVERY = 20_000
"""Records between two snapshots, at least; a fifth of a second to fold."""
CRC_SIZE = 4
_PREFIX, _SUFFIX = "snapshot-", ".qfs"


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """What a file holds, behind the CRC-32C of its bytes."""

    code_hash: bytes
    state: bytes


def encode_snapshot(kept: Snapshot) -> bytes:
    body = msgspec.msgpack.encode(kept)
    return crc32c(body).to_bytes(CRC_SIZE, "little") + body


def decode_snapshot(data: bytes) -> Snapshot:
    """Read a file; raises JournalError unless it is whole."""
    body = data[CRC_SIZE:]
    if not body or data[:CRC_SIZE] != crc32c(body).to_bytes(CRC_SIZE, "little"):
        raise JournalError("it is damaged")
    return msgspec.msgpack.decode(body, type=Snapshot)


class Recovery(msgspec.Struct, frozen=True):
    """The state of a journal, and how it was come by."""

    state: State
    snapshot_seq: int = 0
    """Record up to which a snapshot told it; 0 when all was folded."""
    notes: tuple[str, ...] = ()
    """Why snapshots were passed over."""


def snapshot_name(seq: int) -> str:
    return f"{_PREFIX}{seq:016d}{_SUFFIX}"


def snapshot_seq(name: str) -> int | None:
    """Return after which record a snapshot of this name is; None if it is another kind of file."""
    stem = name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    if len(name) != len(_PREFIX) + len(stem) + len(_SUFFIX):
        return None
    return int(stem) if stem.isascii() and stem.isdigit() else None


def list_snapshots(fs: Fs, journal: Path) -> list[int]:
    """Return after which records there are snapshots, oldest first."""
    seqs = map(snapshot_seq, fs.list_dir(journal))
    return sorted(seq for seq in seqs if seq is not None)


def from_snapshot(fs: Fs, journal: Path, code: bytes, at_most: int | None = None) -> Recovery:
    """Return the state of the newest snapshot that fits; the one to start from if none does.

    Args:
        fs: Where the journal is.
        journal: Its directory.
        code: The `code_hash` of this program; empty to use no snapshot.
        at_most: Snapshots of later records are not looked at.
    """
    notes: list[str] = []
    for seq in reversed(_listed(fs, journal, notes) if code else []):
        if at_most is not None and seq > at_most:
            continue
        try:
            state = _load(fs, journal, seq, code)
        except (OSError, JournalError, msgspec.MsgspecError) as error:
            notes.append(f"{snapshot_name(seq)} is not used: {error}")
        else:
            return Recovery(state, seq, tuple(notes))
    start = start_state(fs, journal, exact=True)
    return Recovery(start, start.seq, tuple(notes))


def _listed(fs: Fs, journal: Path, notes: list[str]) -> list[int]:
    try:
        return list_snapshots(fs, journal)
    except OSError as error:
        notes.append(f"no snapshot is used: {error}")
        return []


def _load(fs: Fs, journal: Path, seq: int, code: bytes) -> State:
    kept = decode_snapshot(fs.read(journal / snapshot_name(seq)))
    if kept.code_hash != code:
        raise JournalError("other code made it")
    return vouched_state(fs, journal, seq, kept.state)


def kept_state(fs: Fs, journal: Path, seq: int) -> State | None:
    """Return the state that a run kept after a record, whatever code made it; None without one.

    Nothing vouches for it: whoever uses it compares its fingerprint with the recorded one.
    """
    try:
        return decode_state(decode_snapshot(fs.read(journal / snapshot_name(seq))).state)
    except (OSError, JournalError, msgspec.MsgspecError):
        return None


def fold_rest(fs: Fs, journal: Path, state: State) -> State:
    """Return the state after what a journal holds beyond the one given."""
    for _, payload in JournalReader(fs, journal).payloads(state.seq + 1):
        state = reduce(state, decode_record(payload))
    return state


class SnapshotKeeper:
    """Writes the snapshots of one run."""

    def __init__(self, fs: Fs, journal: Path, code: bytes, last_seq: int) -> None:
        """Keep snapshots beside a journal.

        The first in each segment stays, and the last before it: a proof begins at several of them
        at once, and the journal at one of the former when older segments are dropped.

        Args:
            fs: Where the journal is.
            journal: Its directory.
            code: The `code_hash` of this program; empty to keep none.
            last_seq: Record of the snapshot that this run began from; 0 for none.
        """
        self._fs = fs
        self._journal = journal
        self._code = code
        self._last_seq = self._good_seq = last_seq
        self._first_seqs: dict[int, int] = {}

    def is_due(self, state: State, every: int = EVERY) -> bool:
        """Say whether a state is worth a snapshot: `every` records on from the last one."""
        return bool(self._code) and state.seq >= self._last_seq + every

    def keep(self, state: State) -> None:
        """Write a snapshot of a state whose fingerprint the journal records.

        The one before is kept, should this one not fit, and those around the beginning of each
        segment; all others go. What the disk refuses is done without.
        """
        self._last_seq = state.seq
        data = encode_snapshot(Snapshot(self._code, encode_state(state)))
        try:
            seqs = list_snapshots(self._fs, self._journal)
            kept = {self._good_seq, *self._around_beginnings(seqs)}
            for seq in seqs:
                if seq not in kept:
                    self._fs.remove(self._journal / snapshot_name(seq))
            path = self._journal / snapshot_name(state.seq)
            file = self._fs.open_new(path, private=True)
            try:
                file.write(data)
            finally:
                file.close()
        except (OSError, JournalError):
            # Its absence costs time at the next start, and nothing else.
            return
        self._good_seq = state.seq

    def _around_beginnings(self, seqs: list[int]) -> Iterator[int]:
        # The fingerprint that vouches for a snapshot is the record behind it.
        for first_seq in self._beginnings():
            at = bisect_left(seqs, first_seq - 1)
            yield from seqs[max(0, at - 1) : at + 1]

    def _beginnings(self) -> list[int]:
        # Of a segment that was seen, nothing has to be read again: there may be thousands.
        known, self._first_seqs = self._first_seqs, {}
        for number, path in segment_paths(self._fs, self._journal).items():
            first_seq = known.get(number)
            if first_seq is None:
                head = read_head(self._fs, path)
                header = decode_header(head, number, Kind.EVENTS)
                if isinstance(header, Damage):
                    if is_unborn(head, header):
                        continue
                    raise damage_error(path, header)
                first_seq = header.first_seq
            self._first_seqs[number] = first_seq
        return list(self._first_seqs.values())
