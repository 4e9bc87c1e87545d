"""Where the figures come from: interpreter, processor, packages, present speed."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import msgspec

from benchmarks.figures import timed_ns

_PACKAGES = ("quotefold", "msgspec", "crc32c", "trio", "trio-websocket", "wsproto", "httpx", "h11")
_LOOPS = 50_000


class Machine(msgspec.Struct, frozen=True):
    """What one must know to compare two runs."""

    python: str
    compiler: str
    """What the interpreter was built with: a build without profile guidance is slower."""
    processor: str
    cores: int
    load: str
    """Load average over 1 minute when the benchmarks began: 0 on a quiet machine."""
    packages: dict[str, str]


def describe_machine() -> Machine:
    """Ask the interpreter and the operating system."""
    return Machine(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        compiler=platform.python_compiler(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        load=f"{os.getloadavg()[0]:.2f}",
        packages={name: metadata.version(name) for name in _PACKAGES},
    )


def loop_ns() -> float:
    """Time one turn of a fixed pure-Python loop, best of five: how fast the machine is right now.

    Shared machines swing by a factor of two within seconds, so each table carries this figure.
    """
    return min(timed_ns(_calibration_loop, 5)) / _LOOPS


def cores_apart() -> tuple[set[int], set[int]]:
    """Return (our cores, the core of a process under load): one and the same if there is one."""
    *others, last = sorted(os.sched_getaffinity(0))
    return set(others) or {last}, {last}


def _calibration_loop() -> int:
    # Integer arithmetic and a dictionary, which is what the engine's own time goes to.
    table: dict[int, int] = {}
    total = 0
    for number in range(_LOOPS):
        key = number & 63
        table[key] = total
        total = (total + table[key] + number) & 0xFFFF
    return total


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        text = ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
