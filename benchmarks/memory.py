"""Memory of a long run: engine and venue together, both markets, on virtual time.

The journal is dropped as it is written, so what grows here would grow in a live run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from adapters.cli.config import default_config
from adapters.cli.simulate import simulate
from benchmarks.feeding import HeaderFs
from benchmarks.figures import Row, Section
from benchmarks.session import SEED, flow_of
from engine.events import Record, TimerFired
from engine.state import State

_MIB = 1 << 20
_NS_PER_S = 1_000_000_000


class Sampler:
    """Reads the resident size every so many virtual seconds, as an observer of the run."""

    def __init__(self, every_s: int, progress: Callable[[str], None]) -> None:
        self.samples: list[tuple[int, float]] = []
        """Virtual nanoseconds since the start, and MiB."""
        self._every_ns = every_s * _NS_PER_S
        self._progress = progress
        self._start_ns = 0
        self._next_ns = 0

    def observe(self, state: State, record: Record) -> None:
        """Take a sample when one is due."""
        if not isinstance(record.event, TimerFired) or record.recv_ns < self._next_ns:
            return
        self._start_ns = self._start_ns or record.recv_ns
        self._next_ns = record.recv_ns + self._every_ns
        elapsed_ns = record.recv_ns - self._start_ns
        self.samples.append((elapsed_ns, resident_mib()))
        self._progress(f"memory: {elapsed_ns // _NS_PER_S} s, {self.samples[-1][1]:.1f} MiB")


def resident_mib() -> float:
    """Return the resident set of this process."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


def measure_memory(
    seconds: float, progress: Callable[[str], None], *, warm_s: int = 60, every_s: int = 10
) -> Section:
    """Run both markets on the synthetic flow.

    Args:
        seconds: Of virtual time, more than `warm_s`.
        progress: Told of each sample.
        warm_s: What is left out at the beginning, while caches fill.
        every_s: Between two samples.
    """
    sampler = Sampler(every_s, progress)
    simulate(
        default_config(),
        flow_of(None),
        seed=SEED,
        seconds=seconds,
        fs=HeaderFs(),
        observer=sampler.observe,
    )
    warm = [mib for elapsed_ns, mib in sampler.samples if elapsed_ns >= warm_s * _NS_PER_S]
    figures = {
        "n": float(len(warm)),
        "first": warm[0],
        "last": warm[-1],
        "lowest": min(warm),
        "highest": max(warm),
        "drift": warm[-1] - warm[0],
    }
    return Section(
        key="memory",
        title="memory",
        rows=[Row("resident set", "MiB", figures)],
        notes=[
            f"Engine and paper venue in one process, both markets, synthetic flow, {seconds:g} s of"
            f" virtual time; the journal is dropped as it is written; a sample every {every_s} s,"
            f" the first after {warm_s} s.",
        ],
    )
