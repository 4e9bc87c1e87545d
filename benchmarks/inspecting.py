"""The time machine: how long the first look at a journal takes, and any look after it."""

from __future__ import annotations

import random
from time import perf_counter_ns

from adapters.cli.simulate import JOURNAL
from benchmarks.figures import Section, rate_row, spread_us, timed_ns
from benchmarks.session import Session
from engine.state import fingerprint
from replay.machine import EVERY, Journal

_CACHE = JOURNAL.with_name("journal.cache")


def measure_inspect(session: Session, looks: int, passes: int) -> Section:
    """Time `Journal(...).at(seq)` from a new start each time, with and without its caches.

    Raises:
        RuntimeError: the state at the end is not that of the session.
    """
    last = session.records[-1].seq
    indexed = timed_ns(lambda: _opened(session, fresh=True), passes)
    folded = timed_ns(lambda: _opened(session, fresh=True).at(last), passes)
    if fingerprint(_opened(session).at(last)) != session.fingerprint:
        raise RuntimeError("inspect benchmark: the last state is not that of the session")
    rng = random.Random(1)
    times = [_look_ns(session, rng.randint(1, last)) for _ in range(looks)]
    return Section(
        key="inspect",
        title="the state after any record",
        rows=[
            rate_row("first use: index, records", last, indexed),
            rate_row("first look at the end: index, fold, keep", last, folded),
            spread_us("any look after it, opening included", times),
        ],
        notes=[
            f"{session.label}; a journal of {last:,} records in memory, a state kept every"
            f" {EVERY:,} records or at the fingerprint behind, {looks} looks.",
            "A look folds from the kept state before it, however long the journal is: of a longer"
            " one only the index is larger, 1 ms to read for a million records.",
        ],
    )


def _opened(session: Session, *, fresh: bool = False) -> Journal:
    fs = session.fs
    if fresh:
        for name in fs.list_dir(_CACHE):
            fs.remove(_CACHE / name)
    return Journal(JOURNAL, fs=fs, cache=_CACHE)


def _look_ns(session: Session, seq: int) -> int:
    start = perf_counter_ns()
    _opened(session).at(seq)
    return perf_counter_ns() - start
