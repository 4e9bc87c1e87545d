"""The time machine: the state of a run after any of its records, as an immutable value.

    journal = Journal("journals/first")
    state = journal.at(journal.last_seq)
    before = journal.at_time(state.now_ns - 60_000_000_000)

The first use of a journal indexes it, and the first look at a place folds up to it and keeps states
on the way (`replay/cache.py`); from then on any place is a few thousand records away from one.
What was read stays as it was: a journal that is being written is seen as it was at `refresh`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import engine
import strategies
from adapters.ports import Fs, SystemFs
from adapters.runtime.journal_code import code_hash
from adapters.runtime.journal_index import JournalIndex
from adapters.runtime.journal_start import start_state
from engine.codec import decode_record
from engine.errors import JournalError
from engine.events import Fingerprint, Record
from engine.reduce import reduce
from engine.state import State, fingerprint
from replay.cache import SUFFIX, Cache
from replay.progress import with_progress

EVERY = 3_000
"""Records between two kept states, at least; they are kept where the journal has a fingerprint,
which is every 1,000 records at most, and so 4,000 apart: a tenth of a second to fold when slow."""
EVERY_WITHOUT = 2 * EVERY
"""The same where the journal has no fingerprints to vouch for a state."""
KEEP_BLOCKS = 64
"""Blocks that an open segment has to grow by for its index to be written again: 65,000 records,
which are indexed anew in a tenth of a second."""
_RECENT = 8
"""States kept as they are, for whoever goes on from one."""


class Journal:
    """A journal as a sequence of records, with the state after each.

    Attributes:
        path: Its directory.
        left_seq: The first fingerprint that the journal records and this code, as far as it
            folded, does not come to: from there on the states are what the code makes of the
            records, not what the run had. 0 for none.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        fs: Fs | None = None,
        cache: Path | str | None = None,
        progress: bool = False,
    ) -> None:
        """Open a journal for reading; it is never written to.

        Args:
            path: Its directory.
            fs: Where it is; the system's files by default.
            cache: Directory for what makes it quick; `JOURNAL.cache` by default.
            progress: Show progress on stderr, if that is a terminal.

        Raises:
            JournalError: there is no journal, or it cannot be read.
        """
        self.path = Path(path)
        self.left_seq = 0
        self._fs: Fs = SystemFs() if fs is None else fs
        self._progress = progress
        resolved = self.path.resolve()
        beside = resolved.with_name(resolved.name + SUFFIX)
        self._cache = Cache(self._fs, beside if cache is None else Path(cache), self_code())
        self._recent: OrderedDict[int, tuple[State, int]] = OrderedDict()
        self.refresh()

    def refresh(self) -> None:
        """Take in what was added to the journal since.

        Raises:
            JournalError: it cannot be read any more.
        """
        self.__dict__.pop("start", None)
        known = self._cache.indices()
        self._index = JournalIndex(self._fs, self.path, known)
        for number, segment in self._index.segments.items():
            blocks = len(known[number].blocks) if number in known else 0
            if known.get(number) == segment:
                continue
            # Of a segment that still grows it is not worth writing each time.
            if segment.complete or len(segment.blocks) >= blocks + KEEP_BLOCKS:
                self._cache.keep_index(number, segment)

    @property
    def first_seq(self) -> int:
        """Of the first record that is left."""
        return self._index.first_seq

    @property
    def last_seq(self) -> int:
        """Of the last whole record; with `problem` the last one before the damage."""
        return self._index.last_seq

    def __len__(self) -> int:
        return self.last_seq - self.first_seq + 1

    @property
    def problem(self) -> JournalError | None:
        """What is damaged behind `last_seq`; None where nothing is."""
        return self._index.problem

    @property
    def notes(self) -> tuple[str, ...]:
        """Why cached files were passed over."""
        return tuple(self._cache.notes)

    @cached_property
    def start(self) -> State:
        """The state before the records that can be folded; empty for a whole journal.

        Raises:
            JournalError: it is not known, or not that of this program.
        """
        return start_state(self._fs, self.path)

    def record(self, seq: int) -> Record:
        """Return one record.

        Raises:
            JournalError: the journal has none of that seq.
        """
        self._check_has(seq)
        return next(self.records(seq, seq))

    def records(
        self, from_seq: int | None = None, until_seq: int | None = None
    ) -> Iterator[Record]:
        """Yield records in order, both ends included; all by default.

        Raises:
            JournalError: the journal is damaged there, after all records before the place.
        """
        first = self.first_seq if from_seq is None else max(from_seq, self.first_seq)
        last = self.last_seq if until_seq is None else min(until_seq, self.last_seq)
        for _, payload in self.payloads(first, last):
            yield decode_record(payload)
        wanted = until_seq is None or until_seq > self.last_seq
        if wanted and self.problem is not None:
            raise self.problem

    def payloads(self, from_seq: int, until_seq: int) -> Iterator[tuple[int, bytes]]:
        """Yield seq and encoded record, both ends included; raises as `records`."""
        return self._index.payloads(from_seq, until_seq)

    def at(self, seq: int) -> State:
        """Return the state after a record, by the code as it is now.

        Args:
            seq: Of the record; that of `start` for the state before the first one.

        Raises:
            JournalError: the journal does not reach it, or cannot be folded up to it.
        """
        if seq != self.start.seq:
            self._check_has(seq)
        if seq < self.start.seq:
            raise JournalError(
                f"{self.path}: expected seq {self.start.seq} or later, found seq {seq}: the state"
                " before is gone with the records that made it"
            )
        state, left_seq = self._nearest(seq)
        if state.seq < seq:
            state, left_seq = self._folded(state, left_seq, seq)
            self._remember(state, left_seq)
        self.left_seq = left_seq
        return state

    def at_time(self, time_ns: int) -> State:
        """Return the state after the last record taken in at or before a time.

        Args:
            time_ns: Nanoseconds since the Unix epoch.

        Raises:
            JournalError: there was none, or as `at`.
        """
        return self.at(self.seq_at(time_ns))

    def seq_at(self, time_ns: int) -> int:
        """Return the last record taken in at or before a time; raises as `at_time`."""
        seq = self._index.last_before(time_ns)
        if not seq:
            first = self.record(self.first_seq)
            raise JournalError(
                f"{self.path}: expected a time from {first.recv_ns} on (seq {first.seq}),"
                f" found {time_ns}"
            )
        return seq

    def steps(self, from_seq: int, until_seq: int) -> Iterator[tuple[State, Record, State]]:
        """Yield records with the states before and after each, both ends included.

        Raises:
            JournalError: as `at`.
        """
        state = self.at(from_seq - 1) if from_seq > self.start.seq + 1 else self.start
        for record in self.records(state.seq + 1, until_seq):
            before, state = state, self._reduced(state, record)
            if record.seq >= from_seq:
                yield before, record, state

    def _check_has(self, seq: int) -> None:
        if self.first_seq <= seq <= self.last_seq:
            return
        if seq > self.last_seq and self.problem is not None:
            raise self.problem
        raise JournalError(
            f"{self.path}: expected a seq from {self.first_seq} to {self.last_seq}, found {seq}"
        )

    def _remember(self, state: State, left_seq: int) -> None:
        self._recent[state.seq] = (state, left_seq)
        self._recent.move_to_end(state.seq)
        while len(self._recent) > _RECENT:
            self._recent.popitem(last=False)

    def _nearest(self, seq: int) -> tuple[State, int]:
        # The latest state that is known, up to the one that is wanted.
        recent = max((known for known in self._recent if known <= seq), default=0)
        while kept := self._cache.nearest(seq, max(recent, self.start.seq) + 1):
            found = self._kept(kept)
            if found is not None:
                self._remember(*found)
                return found
        return self._recent[recent] if recent else (self.start, 0)

    def _kept(self, seq: int) -> tuple[State, int] | None:
        following = min(seq + 1, self.last_seq)
        payloads = dict(self.payloads(seq, following)) if seq <= self.last_seq else {}
        recorded: bytes | None = None
        if seq + 1 in payloads:
            event = decode_record(payloads[seq + 1]).event
            recorded = event.digest if isinstance(event, Fingerprint) else None
        return self._cache.load(seq, payloads.get(seq, b""), recorded)

    def _folded(self, state: State, left_seq: int, until_seq: int) -> tuple[State, int]:
        # Fold on, keeping states on the way.
        kept_seq = state.seq
        records = self.records(state.seq + 1, until_seq)
        found = with_progress(records, enabled=self._progress)
        for record in found:
            event = record.event
            if type(event) is Fingerprint:
                if record.seq - kept_seq > EVERY or not left_seq:
                    digest = fingerprint(state)
                    if digest != event.digest and not left_seq:
                        left_seq = record.seq
                    if record.seq - kept_seq > EVERY:
                        kept_seq = self._keep(state, digest, left_seq)
            elif record.seq - kept_seq > EVERY_WITHOUT:
                kept_seq = self._keep(state, fingerprint(state), left_seq)
            state = self._reduced(state, record)
        return state, left_seq

    def _keep(self, state: State, digest: bytes, left_seq: int) -> int:
        _, payload = next(self.payloads(state.seq, state.seq))
        self._cache.keep(state, payload, digest, left_seq)
        return state.seq

    def _reduced(self, state: State, record: Record) -> State:
        try:
            return reduce(state, record)
        except (AssertionError, LookupError) as error:
            name = type(record.event).__name__
            raise JournalError(
                f"{self.path} seq {record.seq}: expected a record that this code can fold, found"
                f" {name}: {type(error).__name__}: {error}"
            ) from error


def self_code() -> bytes:
    """Hash the code that folds here."""
    core = [Path(package.__path__[0]) for package in (engine, strategies)]
    return code_hash(SystemFs(), core)
