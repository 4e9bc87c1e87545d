"""Garbage collection at quiet moments, so that no frame waits for it.

Left alone, Python collects in the middle of whatever allocates, and a full collection of a large
heap takes 80 ms (DESIGN "Speed"). What lives from the start on is frozen, out of its sight; the
young objects of a tenth of a second take a fraction of a millisecond.
"""

from __future__ import annotations

import gc
from typing import Self

MIDDLE_EVERY = 50
"""Collections of the youngest objects between two of the middle-aged: 5 s at ten a second."""
FULL_EVERY = 600
"""Between two of everything that came after the start: a minute."""
BUSY_MAX = 50
"""Timers that a busy loop may put the collection off: 5 s."""


class QuietGc:
    """Takes over the collection of garbage while it is entered; one at a time in a process."""

    def __init__(self) -> None:
        self._collections = 0
        self._put_off = 0

    def __enter__(self) -> Self:
        gc.collect()
        gc.freeze()
        gc.disable()
        return self

    def __exit__(self, *_exc: object) -> None:
        gc.enable()
        gc.unfreeze()

    def after_timer(self, *, busy: bool) -> None:
        """Collect, unless there is something better to do; call it at each timer."""
        if busy and self._put_off < BUSY_MAX:
            self._put_off += 1
            return
        self._put_off = 0
        self._collections += 1
        if self._collections % FULL_EVERY == 0:
            gc.collect(2)
        elif self._collections % MIDDLE_EVERY == 0:
            gc.collect(1)
        else:
            gc.collect(0)
