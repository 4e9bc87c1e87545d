"""What a thread used for a while, the process does not keep."""

from __future__ import annotations

import subprocess
import sys

from tests.source_tree import ROOT

# A large block raises glibc's own threshold; then small blocks hold up the heap beneath them.
USE = """
import sys, threading
from benchmarks.memory import resident_mib
from adapters.runtime.big_blocks import give_back_big_blocks
assert sys.argv[1] == "left alone" or give_back_big_blocks()
kept = []
def use():
    for size in (30, 16, 8):
        blocks = []
        for _ in range(3):
            blocks.append(bytes(size << 20))
            kept.append(bytes(100_000))
before = resident_mib()
thread = threading.Thread(target=use)
thread.start()
thread.join()
print(resident_mib() - before)
"""


def grown_mib(how: str) -> float:
    command = [sys.executable, "-c", USE, how]
    return float(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


def test_large_blocks_are_given_back() -> None:
    assert grown_mib("given back") < 10 < grown_mib("left alone")
