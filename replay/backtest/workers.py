"""Who does the tasks of a sweep: this process, several of this machine, or a Dask cluster.

Several of this machine are joblib's where the extra `sweep` is installed, else forks of this
process. The extra brings file systems that keep threads, and a process that has threads is not to
be forked; joblib's workers begin anew. What comes out is the same.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

from adapters.ports_urls import INSTALL
from engine.errors import ConfigError, QuotefoldError
from replay.backtest.program import program
from replay.backtest.sweep import Task, Work, do, do_alike
from replay.parallel import end_with, processes

CONNECT_S = 10
WORKER_S = 60
"""A cluster that grows when there is work has its first worker by then."""


class WorkersLostError(QuotefoldError):
    """Whoever did the tasks is gone; what was done is kept."""


def local(workers: int) -> Work:
    """Return work in so many processes of this machine; in this one for a single."""

    def work(tasks: Sequence[Task]) -> Iterator[tuple[Task, bytes]]:
        jobs = min(workers, len(tasks))
        if jobs <= 1:
            for task in tasks:
                yield task, do(task)
            return
        try:
            yield from _fresh(tasks, jobs) if find_spec("joblib") else _forked(tasks, jobs)
        except BrokenProcessPool as error:
            raise WorkersLostError(
                f"expected {jobs} workers to the end, but one was killed, as a system does that is"
                " out of memory; what is done is kept: give the same command again, with fewer"
                " --workers if it was memory"
            ) from error

    return work


def _forked(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, bytes]]:
    with processes(jobs) as executor:
        assert executor is not None
        futures = {executor.submit(do, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _fresh(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, bytes]]:
    import joblib

    starting = joblib.parallel_config("loky", initializer=end_with, initargs=(os.getpid(),))
    with starting, warnings.catch_warnings():
        # That work in hand is dropped, when it is, and that a process is begun anew.
        warnings.filterwarnings("ignore", category=UserWarning, module="joblib")
        parallel = joblib.Parallel(jobs, return_as="generator_unordered", batch_size=1)
        yield from parallel(joblib.delayed(_do_named)(task) for task in tasks)


def _do_named(task: Task) -> tuple[Task, bytes]:
    # joblib yields results as they come, and does not say whose they are.
    return task, do(task)


def cluster(address: str) -> Work:
    """Return work on a Dask cluster, whose workers have this very program and can read the data.

    Args:
        address: Of its scheduler, `tcp://host:port`.

    Raises:
        ConfigError: the extra `sweep` is not installed; or, once it is to work, nobody answers.
    """
    try:
        import distributed
    except ImportError as error:
        raise ConfigError(
            "--cluster: expected the extra `sweep`, found no package `distributed`; install it with"
            f" {INSTALL}, or leave --cluster out: --workers uses this machine"
        ) from error

    def work(tasks: Sequence[Task]) -> Iterator[tuple[Task, bytes]]:
        if not tasks:
            return
        # That a scheduler is lost we say ourselves, in a line.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        try:
            client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--cluster {address}: expected a Dask scheduler, found: {error}"
            ) from error
        with client, _lost(address, distributed.KilledWorker):
            doing = partial(do_alike, program())
            futures = client.map(doing, tasks, pure=False, key=[task.name for task in tasks])
            try:
                client.wait_for_workers(1, timeout=WORKER_S)
            except TimeoutError as error:
                raise ConfigError(
                    f"--cluster {address}: expected a worker within {WORKER_S} s, found none; start"
                    f" one with `dask worker {address} --nthreads 1`"
                ) from error
            named = {future.key: task for future, task in zip(futures, tasks, strict=True)}
            for future in distributed.as_completed(futures, loop=client.loop):
                yield named[future.key], future.result()

    return work


@contextmanager
def _lost(address: str, killed: type[Exception]) -> Iterator[None]:
    try:
        yield
    except (killed, CancelledError) as error:
        raise WorkersLostError(
            f"--cluster {address}: expected its scheduler and workers to the end, found: {error};"
            " what is done is kept: give the same command again once they are there"
        ) from error
