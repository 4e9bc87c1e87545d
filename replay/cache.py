"""What makes any place of a journal quick to reach: indices and states, kept beside the journal.

They lie in a directory of their own, `JOURNAL.cache` beside `JOURNAL`, since readers never write
into a journal: an engine may be at work in it. Any file there, or all of them, may be deleted at
any time. None is trusted: an index counts for the very segment it was made of, and what is read
through it is checked; a state has to be the work of this very code, lead on from the record that
the journal has there, and have the fingerprint that the journal recorded. Where the directory
cannot be written (a journal of another user, a full disk), states are kept in memory instead.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from pathlib import Path

import msgspec
import zstandard
from crc32c import crc32c

from adapters.ports import Fs
from adapters.runtime.journal_index import SegmentIndex
from engine.errors import JournalError
from engine.snapshot import decode_state, encode_state
from engine.state import State, fingerprint

SUFFIX = ".cache"
MEMORY_MAX = 256
"""States kept in memory where the disk takes none: about 4 MiB, for a million records."""
_INDEX, _INDEX_SUFFIX = "index-", ".qfi"
_STATE, _STATE_SUFFIX = "state-", ".qfs"
_CRC_SIZE = 4
_LEVEL = 1  # states shrink to a fifth, for a millisecond


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """A state in a file, behind the CRC-32C of its bytes."""

    code: bytes
    """`code_hash` of the program that folded it."""
    record_crc: int
    """CRC-32C of the record that the state is after."""
    digest: bytes
    """Fingerprint of the state."""
    left_seq: int
    """The first fingerprint that the journal records and this code does not come to; 0 for none."""
    state: bytes
    """As `engine.snapshot.encode_state` gives it, compressed."""


class Cache:
    """The files of one journal, for one program.

    Attributes:
        notes: Why files were passed over.
    """

    def __init__(self, fs: Fs, directory: Path, code: bytes) -> None:
        self._fs, self._directory, self._code = fs, directory, code
        self.notes: list[str] = []
        self._memory: dict[int, bytes] = {}
        self._clean = False
        self._tag = f"-{code.hex()[:8]}{_STATE_SUFFIX}"
        self._seqs = sorted(self._listed())

    def _listed(self) -> list[int]:
        found = []
        with suppress(OSError):
            for name in self._fs.list_dir(self._directory):
                stem = name.removeprefix(_STATE).removesuffix(self._tag)
                if name == f"{_STATE}{stem}{self._tag}" and stem.isascii() and stem.isdigit():
                    found.append(int(stem))
        return found

    def indices(self) -> dict[int, SegmentIndex]:
        """Return what is known of the segments, by number."""
        found = {}
        with suppress(OSError):
            for name in self._fs.list_dir(self._directory):
                stem = name.removeprefix(_INDEX).removesuffix(_INDEX_SUFFIX)
                if name == f"{_INDEX}{stem}{_INDEX_SUFFIX}" and stem.isascii() and stem.isdigit():
                    try:
                        data = _checked(self._fs.read(self._directory / name))
                        found[int(stem)] = msgspec.msgpack.decode(data, type=SegmentIndex)
                    except (OSError, JournalError, msgspec.MsgspecError) as error:
                        self.notes.append(f"{name} is not used: {error}")
        return found

    def keep_index(self, number: int, index: SegmentIndex) -> None:
        """Write the index of a segment; what the disk refuses is done without."""
        name = f"{_INDEX}{number:08d}{_INDEX_SUFFIX}"
        new = self._directory / f"{name}.new"
        with suppress(OSError):
            self._fs.make_dir(self._directory, private=True)
            if self._fs.exists(new):
                self._fs.remove(new)
            self._write(new, _with_crc(msgspec.msgpack.encode(index)))
            self._fs.rename(new, self._directory / name)

    def nearest(self, seq: int, lowest: int) -> int:
        """Return the last record up to `seq` after which a state is kept; 0 below `lowest`."""
        at = bisect_right(self._seqs, seq)
        return self._seqs[at - 1] if at and self._seqs[at - 1] >= lowest else 0

    def load(self, seq: int, payload: bytes, recorded: bytes | None) -> tuple[State, int] | None:
        """Return the state after a record, and its `left_seq`; None if it cannot be trusted.

        Args:
            seq: Of the record; one that `nearest` named.
            payload: The record as the journal has it.
            recorded: The fingerprint that the journal has right behind it, if it has one.
        """
        name = self._name(seq)
        try:
            data = self._memory.get(seq) or self._fs.read(self._directory / name)
            kept = msgspec.msgpack.decode(_checked(data), type=Kept)
            state = decode_state(zstandard.decompress(kept.state))
            _vouch(kept, state, seq, payload, recorded, self._code)
        except (OSError, JournalError, msgspec.MsgspecError, zstandard.ZstdError) as error:
            self.notes.append(f"{name} is not used: {error}")
            self._forget(seq)
            return None
        return state, kept.left_seq

    def keep(self, state: State, payload: bytes, digest: bytes, left_seq: int) -> None:
        """Keep the state after a record.

        Args:
            state: After the record.
            payload: The record as the journal has it.
            digest: Fingerprint of the state.
            left_seq: As of `Kept`.
        """
        seq = state.seq
        packed = zstandard.compress(encode_state(state), _LEVEL)
        data = _with_crc(
            msgspec.msgpack.encode(Kept(self._code, crc32c(payload), digest, left_seq, packed))
        )
        if self.nearest(seq, seq) != seq:
            self._seqs.insert(bisect_right(self._seqs, seq), seq)
        try:
            if not self._fs.exists(self._directory):
                self._fs.make_dir(self._directory, private=True)
            self._drop_others()
            self._write(self._directory / self._name(seq), data)
        except FileExistsError:
            pass  # another reader was here first
        except OSError:
            self._memory[seq] = data
            if len(self._memory) > MEMORY_MAX:
                for other in list(self._memory)[::2]:
                    self._forget(other)

    def _forget(self, seq: int) -> None:
        self._memory.pop(seq, None)
        self._seqs.remove(seq)
        with suppress(OSError):
            self._fs.remove(self._directory / self._name(seq))

    def _drop_others(self) -> None:
        # What other code made is of no use any more; looked for once.
        if self._clean:
            return
        self._clean = True
        for name in self._fs.list_dir(self._directory):
            if name.startswith(_STATE) and not name.endswith(self._tag):
                self._fs.remove(self._directory / name)

    def _name(self, seq: int) -> str:
        return f"{_STATE}{seq:016d}{self._tag}"

    def _write(self, path: Path, data: bytes) -> None:
        # Torn by a crash it has no CRC, so nothing needs to be synced.
        file = self._fs.open_new(path, private=True)
        try:
            file.write(data)
        finally:
            file.close()


def _vouch(
    kept: Kept, state: State, seq: int, payload: bytes, recorded: bytes | None, code: bytes
) -> None:
    if kept.code != code:
        raise JournalError("other code made it")
    if kept.record_crc != crc32c(payload) or state.seq != seq:
        raise JournalError(f"the journal has another record at seq {seq}")
    if fingerprint(state) != kept.digest:
        raise JournalError("its state is not what was kept")
    if not kept.left_seq and recorded is not None and recorded != kept.digest:
        raise JournalError(f"the journal has no such fingerprint at seq {seq + 1}")


def _with_crc(body: bytes) -> bytes:
    return crc32c(body).to_bytes(_CRC_SIZE, "little") + body


def _checked(data: bytes) -> bytes:
    body = data[_CRC_SIZE:]
    if not body or data[:_CRC_SIZE] != crc32c(body).to_bytes(_CRC_SIZE, "little"):
        raise JournalError("it is damaged")
    return body
