"""Measure how soon nothing of ours rests at the venue: after `panic`, after SIGTERM.

Real processes: a paper venue, an engine that quotes both markets, and the command as a human calls
it, its start included. Run as a module it prints percentiles:

    python -m tests.integration.stops --trials 100
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from tests.integration.kit import (
    PROGRAM,
    Engine,
    Venue,
    environment,
    running_engine,
    running_venue,
    wait_until,
)
from tests.source_tree import ROOT

PATIENT = {"kill_switch_timeout": "60s"}
"""A timer that does none of the work here."""
STAYS_S = 0.5
"""A venue that shows no order shows none for so long after."""
POLL_S = 0.02


def seconds_until_clear(venue: Venue, since: float) -> float:
    """Return how long after `since` the last order of ours was seen at the venue."""
    last_seen = time.monotonic()
    while time.monotonic() - last_seen < STAYS_S:
        if venue.orders():
            last_seen = time.monotonic()
            assert last_seen - since < 30, "orders stay at the venue"
        time.sleep(POLL_S)
    return last_seen - since


def start_panic(directory: Path, venue: Venue) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PROGRAM, "panic", str(directory / "quotefold.toml"), "--json"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **environment(directory, venue)},
    )


def end_panic(directory: Path, process: subprocess.Popen[bytes]) -> None:
    """Cut its watch short and lift the latch."""
    process.kill()
    process.wait()
    (directory / "quotefold" / "panic-latch").unlink()


def panic_trial(directory: Path, venue: Venue, engine: Engine, *, hanging: bool) -> float:
    """Panic while the engine quotes, or hangs in SIGSTOP; it quotes again after."""
    venue.wait_quotes()
    if hanging:
        engine.send(signal.SIGSTOP)
        wait_until(venue.orders, "something rests")
    since = time.monotonic()
    process = start_panic(directory, venue)
    took_s = seconds_until_clear(venue, since)
    if hanging:
        engine.send(signal.SIGCONT)
        assert seconds_until_clear(venue, time.monotonic()) < STAYS_S, "it placed under the latch"
    end_panic(directory, process)
    return took_s


def panics(trials: int, *, hanging: bool) -> list[float]:
    with (
        tempfile.TemporaryDirectory() as name,
        running_venue() as venue,
        running_engine(Path(name), venue, **PATIENT) as engine,
    ):
        return [panic_trial(Path(name), venue, engine, hanging=hanging) for _ in range(trials)]


def signals(trials: int) -> list[float]:
    """End an engine by SIGTERM, again and again, on one venue and one journal."""
    took: list[float] = []
    with tempfile.TemporaryDirectory() as name, running_venue() as venue:
        for _ in range(trials):
            with running_engine(Path(name), venue, **PATIENT) as engine:
                venue.wait_quotes()
                since = time.monotonic()
                engine.send(signal.SIGTERM)
                took.append(seconds_until_clear(venue, since))
                assert engine.wait() == 0
    return took


MEASURED: dict[str, Callable[[int], list[float]]] = {
    "panic, engine quoting": lambda trials: panics(trials, hanging=False),
    "panic, engine in SIGSTOP": lambda trials: panics(trials, hanging=True),
    "SIGTERM": signals,
}


def percentile(values: list[float], percent: int) -> float:
    """Return the value that `percent` of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


@click.command()
@click.option("--trials", default=100, show_default=True)
@click.option("--only", type=click.Choice(list(MEASURED)), help="One of the three.")
def main(trials: int, only: str | None) -> None:
    """Print how soon no order of ours rests at the venue, in milliseconds."""
    for name, measure in MEASURED.items():
        if only in (None, name):
            took = measure(trials)
            found = {p: percentile(took, p) * 1000 for p in (50, 90, 99, 100)}
            shown = "  ".join(f"p{p} {value:.0f}" for p, value in found.items())
            click.echo(f"{name}: {trials} trials, ms until clear: {shown}")


if __name__ == "__main__":
    main()
