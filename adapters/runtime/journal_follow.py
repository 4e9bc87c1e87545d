"""Reading a journal while its writer is at work: what is whole by now, and later what came since.

Never writes and takes no lock. The last segment may end in the middle of a record, since its
writer is in the middle of it; closed ones may be compressed, and the oldest dropped, at any time.
"""

from __future__ import annotations

from pathlib import Path

from adapters.ports import Fs
from adapters.runtime.journal_format import (
    FIRST_SEQ,
    HEADER_SIZE,
    PAYLOAD_MAX,
    Damage,
    Header,
    Kind,
    Walk,
    decode_header,
)
from adapters.runtime.journal_read import (
    damage_error,
    first_needed,
    is_packed,
    load_segment,
    paths_from,
    read_head,
)
from engine.errors import JournalError

PIECE = 4 << 20
"""Read of a segment at once: some ten thousand records."""
POLLS_MAX = 20
"""Looks at a frame that does not become whole, before it is asked whether a crash explains it."""

Payloads = list[tuple[int, bytes]]


class Follower:
    """A place in a journal that moves on with its writer.

    Attributes:
        next_seq: The record that comes next.
        at_end: All that was whole at the last look has been given.
    """

    def __init__(self, fs: Fs, journal: Path, from_seq: int = FIRST_SEQ) -> None:
        """Begin before a record; raises JournalError where there is no journal."""
        self._fs = fs
        self._journal = journal
        self._from_seq = self.next_seq = from_seq
        self._number = first_needed(fs, journal, Kind.EVENTS, from_seq)
        self._header: Header | None = None
        self._pos = HEADER_SIZE
        self._plain = b""  # of a compressed segment, read once
        self._stuck_polls = 0
        self.at_end = False

    def poll(self) -> Payloads:
        """Return seq and encoded record of what has become whole, in order; bounded.

        Raises:
            JournalError: the journal is damaged, by more than a write that is under way.
        """
        paths = paths_from(self._fs, self._journal, self._number)
        path, has_follower = paths.get(self._number), self._number + 1 in paths
        if path is None and paths:
            raise JournalError(
                f"{self._journal}: expected segment {self._number} with seq {self.next_seq}, found"
                f" {min(paths)} first; the journal has dropped what was not read yet"
            )
        self.at_end = False
        if path is None or not self._opened(path, has_follower):
            self.at_end = True
            return []
        found, moved = self._read(path)
        if moved:
            self._stuck_polls = 0
        elif has_follower:
            # It was there before this look, so this segment has all that it will ever have.
            self._leave(path)
        else:
            self.at_end = True
        return found

    def _opened(self, path: Path, has_follower: bool) -> bool:
        if self._header is not None:
            return True
        head = decode_header(read_head(self._fs, path), self._number, Kind.EVENTS)
        if isinstance(head, Damage):
            if has_follower:
                raise damage_error(path, head)
            return False  # it is being born
        is_first = self.next_seq == self._from_seq
        if head.first_seq > self.next_seq or (head.first_seq < self.next_seq and not is_first):
            expected = f"seq {self.next_seq} first"
            raise damage_error(path, Damage(0, 0, expected, f"seq {head.first_seq}"))
        self._header, self._pos, self._plain = head, HEADER_SIZE, b""
        self.next_seq = head.first_seq
        return True

    def _read(self, path: Path) -> tuple[Payloads, bool]:
        # What came, and whether it was anything at all.
        assert self._header is not None
        size = PIECE
        while True:
            data = self._piece(path, size)
            walk = Walk.onward(data, self._header, self._pos, self.next_seq)
            found = list(walk.records())
            if walk.end or len(data) < size or size > 2 * PAYLOAD_MAX:
                break
            size *= 4  # one record is larger than the piece
        if walk.damage is not None and not walk.is_cut_short:
            raise damage_error(path, self._placed(walk.damage))
        if walk.damage is not None and not walk.end:
            self._look_closer(path)
        moved = walk.end > 0
        self._pos, self.next_seq = self._pos + walk.end, walk.next_seq
        if self.next_seq <= self._from_seq or (found and found[0][0] < self._from_seq):
            found = [record for record in found if record[0] >= self._from_seq]
        return found, moved

    def _piece(self, path: Path, size: int) -> bytes:
        if not self._plain and not is_packed(path):
            try:
                return self._fs.read(path, self._pos, size)
            except FileNotFoundError:
                pass  # compressed this very moment
            except OSError as error:
                raise JournalError(f"{path}: cannot read: {error}") from error
        if not self._plain:
            self._plain = load_segment(self._fs, path)
        return self._plain[self._pos : self._pos + size]

    def _leave(self, path: Path) -> None:
        assert self._header is not None
        # What a crash left was cut off before the next segment began, so nothing may be left over.
        rest = self._piece(path, PIECE)
        walk = Walk.onward(rest, self._header, self._pos, self.next_seq)
        walk.finish()
        if walk.damage is not None:
            raise damage_error(path, self._placed(walk.damage))
        if not rest:
            self._number += 1
            self._header = None

    def _look_closer(self, path: Path) -> None:
        # A frame that stays as it is may be the end of a run that crashed. All else is damage.
        self._stuck_polls += 1
        if self._stuck_polls < POLLS_MAX:
            return
        self._stuck_polls = 0
        assert self._header is not None
        walk = Walk(load_segment(self._fs, path), self._header, check_digest=False).finish()
        if walk.damage is not None and not walk.is_torn():
            raise damage_error(path, walk.damage)

    def _placed(self, damage: Damage) -> Damage:
        return Damage(self._pos + damage.offset, damage.seq, damage.expected, damage.found)
