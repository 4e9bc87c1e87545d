"""The second set of ports: virtual time, seeded randomness, an in-memory network and disk.

With these, and inside `run_deterministic`, a program does the same on every machine, in every
process, from the same seed, and as fast as the processor allows.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import trio
import trio.testing
import wsproto.frame_protocol
import wsproto.utilities
from trio._core import _run

from adapters.ports import NS_PER_S
from adapters.simulated_fs import SimFs
from adapters.simulated_net import SimNet, SimStream

__all__ = ["SimClock", "SimFs", "SimIds", "SimNet", "SimStream", "run_deterministic"]

_T = TypeVar("_T")

_EPOCH_NS = 1_767_225_600 * NS_PER_S  # 2026-01-01 00:00:00 UTC, where a simulation begins


class SimClock:
    """Virtual time of the running trio loop, counted on from a fixed date."""

    def __init__(self, epoch_ns: int = _EPOCH_NS) -> None:
        self._epoch_ns = epoch_ns

    def now_ns(self) -> int:
        return self._epoch_ns + round(trio.current_time() * NS_PER_S)


class SimIds:
    """Randomness from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def token(self, size: int) -> str:
        return self._rng.randbytes(size).hex()

    def uniform(self) -> float:
        return self._rng.random()


def run_deterministic(async_fn: Callable[..., Awaitable[_T]], *args: Any, seed: int) -> _T:
    """Run a trio program on virtual time, its scheduling and masking keys drawn from `seed`.

    Time jumps to the next deadline whenever every task waits, so nothing may wait for a thread
    or a real socket.

    Args:
        async_fn: The program; `args` are passed to it.
        seed: What all randomness of the libraries is drawn from.

    Returns:
        What `async_fn` returns.
    """
    with _seeded_libraries(seed):
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(async_fn, *args, clock=clock)


class _SeededOs:
    """Stands in for the `os` module where wsproto draws masking keys and nonces."""

    def __init__(self, rng: random.Random) -> None:
        self.urandom = rng.randbytes


@contextmanager
def _seeded_libraries(seed: int) -> Iterator[None]:
    # These are internals, pinned by the lock file and by the test that compares two processes:
    # trio shuffles runnable tasks, wsproto draws from os.urandom, trio-websocket from `random`.
    wsproto_modules: tuple[Any, ...] = (wsproto.frame_protocol, wsproto.utilities)
    trio_run: Any = _run
    global_state, trio_state = random.getstate(), trio_run._r.getstate()
    deterministic = trio_run._ALLOW_DETERMINISTIC_SCHEDULING
    real_os = [module.os for module in wsproto_modules]
    rng = random.Random(seed)
    try:
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True
        trio_run._r.seed(rng.getrandbits(64))
        random.seed(rng.getrandbits(64))
        for module in wsproto_modules:
            module.os = _SeededOs(rng)
        yield
    finally:
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = deterministic
        trio_run._r.setstate(trio_state)
        random.setstate(global_state)
        for module, original in zip(wsproto_modules, real_os, strict=True):
            module.os = original
