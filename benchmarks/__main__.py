"""`python -m benchmarks`: measure, print tables; `--json` prints one object."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec
from rich.console import Console

from benchmarks.backtesting import measure_backtest
from benchmarks.compiled import measure_compiled
from benchmarks.feeding import measure_frames
from benchmarks.figures import Section
from benchmarks.inspecting import measure_inspect
from benchmarks.long import measure_long
from benchmarks.machine import describe_machine, loop_ns
from benchmarks.memory import measure_memory
from benchmarks.nautilus import measure_nautilus
from benchmarks.parallel import measure_parallel
from benchmarks.ratios import measure_ratios
from benchmarks.replaying import (
    measure_fills,
    measure_fold,
    measure_journal,
    measure_replay,
)
from benchmarks.report import Measured, print_machine, print_section, to_json
from benchmarks.reporting import measure_export, measure_report
from benchmarks.session import find_recording, make_session
from benchmarks.sockets import measure_sockets
from benchmarks.stages import measure_stages
from benchmarks.venue import measure_rates, measure_steady


class Effort(msgspec.Struct, frozen=True):
    """How much is measured."""

    session_s: float
    passes: int
    repeats: int
    appends: int
    syncs: int
    posts: int
    sockets_s: float
    looks: int
    segment_s: float


FULL = Effort(55.0, 7, 15, 20_000, 200, 300, 8.0, 100, 500.0)
QUICK = Effort(8.0, 2, 3, 2_000, 20, 30, 0.0, 20, 8.0)
MEMORY_S = 600.0
VENUE = (24_000, 5.0, 100_000)
"""Requests, seconds of pushes, commands to the core."""
STEADY = 4_000


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--synthetic", is_flag=True, help="Synthetic flow even where a recording is found.")
@click.option("--quick", is_flag=True, help="A short session, few passes, no sockets.")
@click.option("--memory", is_flag=True, help="Only the memory of a run of 10 virtual minutes.")
@click.option("--venue", is_flag=True, help="Only the paper venue under load.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def main(
    data: Path | None, synthetic: bool, quick: bool, memory: bool, venue: bool, as_json: bool
) -> None:
    """Measure Quotefold on this machine. It judges nothing: compare the figures yourself.

    --data names a recording of the spot market; without it one in a `data` folder is used if there
    is any, and else the synthetic flow.
    """
    console = Console()
    machine = describe_machine()
    if not as_json:
        print_machine(console, machine)
    recording = None if synthetic else data or find_recording()
    measured = []
    if memory:
        sections = iter([_measured("memory", lambda: measure_memory(MEMORY_S, progress))])
    elif venue:
        sections = _venue()
    else:
        sections = _measurements(QUICK if quick else FULL, recording)
    for one in sections:
        measured.append(one)
        if not as_json:
            print_section(console, one)
    if as_json:
        click.echo(to_json(machine, measured))


def progress(text: str) -> None:
    """Say on stderr what is going on."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _measurements(effort: Effort, recording: Path | None) -> Iterator[Measured]:
    progress(f"simulating a session of {effort.session_s:g} s")
    session = make_session(recording, effort.session_s)
    passes = effort.passes
    yield _measured("frames", lambda: measure_frames(session, passes))
    yield _measured("stages", lambda: measure_stages(session))
    yield _measured("replay", lambda: measure_replay(session, passes))
    yield _measured("parallel", lambda: measure_parallel(effort.segment_s, passes))
    yield _measured("fold", lambda: measure_fold(session, passes))
    yield _measured("fills", lambda: measure_fills(session, passes))
    yield _measured("report", lambda: measure_report(session, passes))
    yield _measured("export", lambda: measure_export(session, passes))
    yield _measured("inspect", lambda: measure_inspect(session, effort.looks, passes))
    quick = not effort.sockets_s
    yield _measured("backtest", lambda: measure_backtest(recording, passes, quick=quick))
    # Each pass is of both.
    halved = (passes + 1) // 2
    yield _measured("compiled", lambda: measure_compiled(recording, halved, quick=quick))
    yield _measured("nautilus", lambda: measure_nautilus(recording, halved, quick=quick))
    yield _measured("long", lambda: measure_long(recording, quick=quick))
    journal = (effort.appends, effort.syncs, passes)
    yield _measured("journal", lambda: measure_journal(*journal))
    if effort.sockets_s:
        yield _measured("sockets", lambda: measure_sockets(effort.sockets_s))
        yield from _venue()
    yield _measured("ratios", lambda: measure_ratios(session, effort.repeats, effort.posts))


def _venue() -> Iterator[Measured]:
    yield _measured("venue", lambda: measure_rates(*VENUE))
    yield _measured("venue_steady", lambda: measure_steady(STEADY))


def _measured(name: str, measure: Callable[[], Section]) -> Measured:
    progress(f"measuring {name}")
    before = loop_ns()
    section = measure()
    return Measured(section, round(max(before, loop_ns()), 1))


if __name__ == "__main__":
    main()
