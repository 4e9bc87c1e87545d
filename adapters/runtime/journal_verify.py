"""Checking every byte of a journal, without stopping at the first damage."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from adapters.ports import Fs
from adapters.runtime.journal_base import BASE_NAME, read_base
from adapters.runtime.journal_format import (
    Damage,
    Header,
    Kind,
    TornTail,
    Walk,
    decode_header,
    has_close_trace,
    segment_name,
    segment_number,
)
from adapters.runtime.journal_read import (
    LOCK_NAME,
    RAW_DIR,
    is_unborn,
    list_segments,
    read_plain,
    segment_paths,
)
from adapters.runtime.snapshots import list_snapshots, snapshot_name
from engine.errors import JournalError

_ANY_SEQ = 0  # behind damage the next segment's own first seq has to be believed


class Problem(msgspec.Struct, frozen=True):
    """One damaged place."""

    file: str
    offset: int
    seq: int
    expected: str
    found: str

    def __str__(self) -> str:
        where = f"{self.file} offset {self.offset} seq {self.seq}"
        return f"{where}: expected {self.expected}, found {self.found}"


class SegmentReport(msgspec.Struct, frozen=True):
    """One segment that has a good header; seqs are 0 where there are no records."""

    file: str
    size: int
    stored: int
    """Bytes on the disk: fewer than `size` if it is compressed."""
    records: int
    first_seq: int
    last_seq: int
    rolled: bool
    closed: bool


class Report(msgspec.Struct, frozen=True):
    """What is in a journal and what is wrong with it.

    Attributes:
        directory: Of the journal, or of its raw capture.
        segments: Those with a good header.
        torn: The interrupted end of the last segment; opening the journal would cut it off.
        problems: Damage that a crash does not explain.
        unknown_files: Names that do not belong to a journal.
        raw: The same of the raw capture, if there is one.
        begins: Why the journal does not begin with its first record; empty if it does.
    """

    directory: str
    segments: tuple[SegmentReport, ...]
    torn: TornTail | None
    problems: tuple[Problem, ...]
    unknown_files: tuple[str, ...]
    raw: Report | None
    begins: str

    @property
    def records(self) -> int:
        return sum(segment.records for segment in self.segments)

    @property
    def runs(self) -> int:
        """How many writers have opened the journal."""
        return sum(not segment.rolled for segment in self.segments)

    @property
    def first_seq(self) -> int:
        return next((s.first_seq for s in self.segments if s.records), 0)

    @property
    def last_seq(self) -> int:
        return next((s.last_seq for s in reversed(self.segments) if s.records), 0)

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Of the events and of the raw capture."""
        return self.problems + (self.raw.problems if self.raw is not None else ())


def verify_journal(fs: Fs, directory: Path) -> Report:
    """Check each CRC, hash, closing frame and seq of a journal and of its raw capture.

    Raises:
        JournalError: if there is no journal, or it cannot be read at all.
    """
    try:
        raw = None
        names = fs.list_dir(directory)
        if not list_segments(fs, directory):
            raise JournalError(f"{directory}: expected a journal with segments, found none")
        if RAW_DIR in names:
            raw = _Checker(fs, directory / RAW_DIR, Kind.RAW).check(None)
        return _Checker(fs, directory, Kind.EVENTS).check(raw)
    except OSError as error:
        raise JournalError(f"{directory}: cannot read the journal: {error}") from error


class _Checker:
    """Carries what the next segment has to agree with."""

    def __init__(self, fs: Fs, directory: Path, kind: Kind) -> None:
        self._fs = fs
        self._directory = directory
        self._kind = kind
        self._problems: list[Problem] = []
        self._segments: list[SegmentReport] = []
        self._torn: TornTail | None = None
        self._base = read_base(fs, directory)
        self._prev_hash: bytes | None = self._base.prev_hash
        self._next_seq = self._base.first_seq
        self._before: Path | None = None  # the segment that `_prev_hash` is of

    def check(self, raw: Report | None) -> Report:
        unknown = self._check_names()
        paths = segment_paths(self._fs, self._directory)
        for number, path in paths.items():
            if number > self._base.number and number - 1 not in paths:
                missing = f"a segment {segment_name(number - 1)} before it"
                self._report(path, Damage(0, 0, missing, "none"))
            self._check_segment(path, number, is_last=number == max(paths))
        return Report(
            str(self._directory),
            tuple(self._segments),
            self._torn,
            tuple(self._problems),
            unknown,
            raw,
            self._base.why,
        )

    def _check_names(self) -> tuple[str, ...]:
        names = self._fs.list_dir(self._directory)
        lock = self._directory / LOCK_NAME
        if LOCK_NAME in names and (size := self._fs.size(lock)):
            self._report(lock, Damage(0, 0, "an empty file", f"{size} bytes"))
        known = {LOCK_NAME, BASE_NAME, *([RAW_DIR] if self._kind is Kind.EVENTS else [])}
        known.update(snapshot_name(seq) for seq in list_snapshots(self._fs, self._directory))
        return tuple(n for n in names if n not in known and segment_number(n) is None)

    def _check_segment(self, path: Path, number: int, *, is_last: bool) -> None:
        data = read_plain(self._fs, path)
        if isinstance(data, Damage):
            # Which of its records are hurt cannot be told, nor what the next one follows.
            self._report(path, data)
            self._prev_hash, self._next_seq = None, _ANY_SEQ
            return
        header = decode_header(data, number, self._kind)
        digest = hashlib.sha256(data).digest()
        if isinstance(header, Damage):
            if is_last and is_unborn(data, header):
                self._torn = TornTail(path.name, 0, len(data))
            else:
                self._report(path, header)
                self._next_seq = _ANY_SEQ
            self._prev_hash, self._before = digest, path
            return
        walk = Walk(data, header, check_digest=True)
        records = walk.records()
        first_seq, _ = next(records, (0, b""))
        for _ in records:
            pass
        self._check_link(path, header)
        self._check_end(path, data, walk, is_last=is_last)
        self._segments.append(
            SegmentReport(
                path.name,
                len(data),
                self._fs.size(path),
                walk.count,
                first_seq,
                walk.last_seq,
                header.rolled,
                walk.closed,
            )
        )
        self._prev_hash = digest
        self._before = path
        self._next_seq = walk.next_seq if walk.damage is None else _ANY_SEQ

    def _check_link(self, path: Path, header: Header) -> None:
        if self._prev_hash is not None and header.prev_hash != self._prev_hash:
            # The header is good, so it is the segment before that changed. Its frames name the
            # place themselves, unless it was cut or replaced.
            before = self._before or path
            if not any(problem.file == str(before) for problem in self._problems):
                end = self._segments[-1].size if self._segments else 0
                expected, found = header.prev_hash.hex(), self._prev_hash.hex()
                damage = Damage(end, self._next_seq, f"sha256 {expected}", found)
                self._report(before, damage)
        strict = self._kind is Kind.EVENTS and self._next_seq != _ANY_SEQ
        if strict and header.first_seq != self._next_seq:
            expected = f"first seq {self._next_seq}"
            self._report(path, Damage(0, header.first_seq, expected, str(header.first_seq)))

    def _check_end(self, path: Path, data: bytes, walk: Walk, *, is_last: bool) -> None:
        if walk.damage is None:
            return
        # A damaged closing frame alone hurts no record, but it is damage all the same.
        if is_last and walk.is_torn() and not has_close_trace(data):
            self._torn = TornTail(path.name, walk.end, len(data) - walk.end)
        else:
            self._report(path, walk.damage)

    def _report(self, path: Path, damage: Damage) -> None:
        self._problems.append(
            Problem(str(path), damage.offset, damage.seq, damage.expected, damage.found)
        )
