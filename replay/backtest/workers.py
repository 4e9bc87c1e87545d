"""Who does the tasks of a sweep: this process, several of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed

from engine.errors import ConfigError
from replay.backtest.sweep import Task, Work, do
from replay.parallel import processes


def local(workers: int) -> Work:
    """Return work in so many processes, each a fork of this one; in this one for a single."""

    def work(tasks: Sequence[Task]) -> Iterator[tuple[Task, bytes]]:
        with processes(min(workers, len(tasks))) as executor:
            if executor is None:
                for task in tasks:
                    yield task, do(task)
                return
            futures = {executor.submit(do, task): task for task in tasks}
            for future in as_completed(futures):
                yield futures[future], future.result()

    return work


def cluster(address: str) -> Work:
    """Return work on a Dask cluster, whose workers have this program and the data at its paths.

    Args:
        address: Of its scheduler, `tcp://host:port`.

    Raises:
        ConfigError: the extra `sweep` is not installed, or nobody answers there.
    """
    try:
        import distributed
    except ImportError as error:
        raise ConfigError(
            "--cluster: expected the extra `sweep`, found no package `distributed`; install it with"
            " `pip install -r requirements/sweep.lock --require-hashes`, or leave --cluster out:"
            " --workers uses this machine"
        ) from error

    def work(tasks: Sequence[Task]) -> Iterator[tuple[Task, bytes]]:
        if not tasks:
            return
        try:
            client = distributed.Client(address, timeout="10s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--cluster {address}: expected a Dask scheduler, found: {error}"
            ) from error
        with client:
            futures = client.map(do, tasks, pure=False, key=[task.name for task in tasks])
            named = {future.key: task for future, task in zip(futures, tasks, strict=True)}
            for future in distributed.as_completed(futures):
                yield named[future.key], future.result()

    return work
