"""A journal recorded in memory, and the states it went through, for the time machine's tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from adapters.cli.simulate import JOURNAL
from adapters.runtime.journal import taken_lock
from adapters.runtime.journal_compact import compact_journal
from adapters.simulated_fs import SimFs
from engine.events import Record
from engine.reduce import reduce
from engine.state import State
from replay.machine import Journal
from tests.integration.world import copied, records_of, run_quiet

CACHE = JOURNAL.with_name("journal.cache")
SECONDS = 12


class Recorded(msgspec.Struct, frozen=True):
    """A journal of two runs, and the state after each of its records."""

    fs: SimFs
    records: list[Record]
    states: list[State]
    """By seq; the empty one first."""

    @property
    def last(self) -> int:
        return len(self.records)

    def copy(self) -> SimFs:
        """Return the same files on another machine."""
        return copy_of(self.fs)


@cache
def recorded() -> Recorded:
    """Two short runs on a quiet market, the second on what the first left."""
    fs = run_quiet(SECONDS).fs
    run_quiet(SECONDS, seed=2, fs=fs)
    records = records_of(fs)
    states = [State()]
    for record in records:
        states.append(reduce(states[-1], record))
    return Recorded(fs, records, states)


def copy_of(fs: SimFs) -> SimFs:
    """Return the same files on another machine."""
    other = SimFs()
    for directory in (JOURNAL, JOURNAL / "raw", CACHE):
        names = [name for name in fs.list_dir(directory) if name != "raw"]
        if names:
            other.make_dir(directory)
        for name in names:
            other.overwrite(directory / name, fs.read(directory / name))
    return other


def compressed() -> SimFs:
    """The same journal, all of it compressed."""
    fs = recorded().copy()
    with taken_lock(fs, JOURNAL) as lock:
        compact_journal(fs, JOURNAL)
        lock.release()
    return fs


def opened(fs: SimFs | None = None) -> Journal:
    return Journal(JOURNAL, fs=recorded().copy() if fs is None else fs)


@cache
def _directory(root: Path) -> Path:
    return copied(recorded().fs, root / "first")


def on_disk(root: Path) -> Path:
    """Return where the journal lies as real files, for commands."""
    return _directory(root)
