"""The tape of one market: its recordings one after the other, round and round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

from adapters.paper.flow.rows import DeltaRow, Recording, Row, SnapshotRow, read_rows
from adapters.paper.flow.view import RecordedConfig
from engine.errors import ConfigError


class Head(NamedTuple):
    """The next row of a tape."""

    due_ns: int  # in flow time
    where: str  # file and line
    row: Row
    # Set on the snapshot that starts a recording: the number of its round.
    begins: int | None = None


class Tape:
    """The rows of the recordings of one market on flow time, each from its snapshot on."""

    def __init__(self, recordings: Sequence[Recording], config: RecordedConfig) -> None:
        """Read up to the first snapshot; raises ConfigError if the recording is unusable."""
        self._recordings = recordings
        self._config = config
        self._start_ns = 0
        self._rows = self._rounds()
        self.head = next(self._rows)

    def advance(self) -> None:
        """Move `head` to the next row."""
        self.head = next(self._rows)

    def _rounds(self) -> Iterator[Head]:
        for number in count():
            for recording in self._recordings:
                yield from self._play(recording, number)

    def _play(self, recording: Recording, round_number: int) -> Iterator[Head]:
        name, lines = recording
        rows = read_rows(lines, name)
        number, snapshot, early = self._find_snapshot(rows, name)
        start_ns = self._start_ns
        yield Head(start_ns, f"{name}:{number}", snapshot, round_number)
        chain = _Chain(name, snapshot.seq)
        for number, delta in early:
            if chain.accepts(number, delta):
                yield Head(start_ns, f"{name}:{number}", delta)
        elapsed_ns = 0
        for number, row in rows:
            elapsed_ns = row.t - snapshot.t
            if isinstance(row, SnapshotRow):
                chain = _Chain(name, row.seq)
            elif isinstance(row, DeltaRow) and not chain.accepts(number, row):
                continue
            yield Head(start_ns + elapsed_ns, f"{name}:{number}", row)
        self._start_ns += elapsed_ns + self._config.loop_pause_ns

    def _find_snapshot(
        self, rows: Iterator[tuple[int, Row]], name: str
    ) -> tuple[int, SnapshotRow, list[tuple[int, DeltaRow]]]:
        early: list[tuple[int, DeltaRow]] = []
        for number, row in islice(rows, self._config.snapshot_within):
            if isinstance(row, SnapshotRow):
                return number, row, early
            # Trades and quotes from before the book is known have nothing to act on.
            if isinstance(row, DeltaRow):
                early.append((number, row))
        raise ConfigError(
            f"{name}:1: expected a snapshot within {self._config.snapshot_within} rows, "
            "found none; start the recording with one"
        )


class _Chain:
    """Checks that deltas follow each other: spot by `first`, futures by `prev`."""

    def __init__(self, name: str, seq: int) -> None:
        self._name = name
        self._seq = seq

    def accepts(self, number: int, row: DeltaRow) -> bool:
        """Say whether a delta is news; raises ConfigError where one is missing before it."""
        if row.seq <= self._seq:
            return False
        before = row.prev if row.prev is not None else (row.first or 0) - 1
        if before > self._seq:
            raise ConfigError(
                f"{self._name}:{number}: expected a delta that follows update {self._seq}, "
                f"was one that follows {before}; the recording has a gap, cut it there"
            )
        self._seq = row.seq
        return True
