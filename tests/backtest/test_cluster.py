"""A real Dask cluster on this machine: the same results, also when a part of it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from engine.errors import ConfigError
from replay.backtest import workers
from replay.backtest.sweep import Store, Task, sweep
from replay.backtest.workers import WorkersLostError, cluster, local
from tests.backtest.recordings import recorded, write
from tests.backtest.sweeps import FS, LONGER, begun, ended, files, made, nothing, results
from tests.integration.kit import PATIENCE_S, quotefold, wait_until
from tests.source_tree import ROOT

distributed = pytest.importorskip("distributed", reason="needs the extra `sweep`: make sweep-extra")
pytestmark = pytest.mark.slow
DASK = [sys.executable, "-m", "dask"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "one.zst", recorded(3_000))


@pytest.fixture(scope="module")
def tasks(data: Path) -> Sequence[Task]:
    return made([data], grid=LONGER).tasks


@pytest.fixture(scope="module")
def whole(tasks: Sequence[Task], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes of it."""
    out = tmp_path_factory.mktemp("whole") / "out"
    sweep(tasks, Store(FS, out), local(1), nothing)
    return files(out)


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A part of a cluster, killed in the end."""
    process = subprocess.Popen(
        [*DASK, *arguments, "--no-dashboard"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)


class Cluster:
    """A scheduler, and workers."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        file = directory / "scheduler.json"
        where = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file), "--no-show"]
        self.scheduler = stack.enter_context(running("scheduler", *where))
        wait_until(file.exists, "a scheduler")
        self.address: str = wait_until(lambda: _address(file), "an address")

    def workers(self, *threads: int) -> list[subprocess.Popen[bytes]]:
        """Add workers with so many threads each, and wait until they are there."""
        found = [self._worker(each) for each in threads]
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(found), timeout=PATIENCE_S)
        return found

    def _worker(self, threads: int) -> subprocess.Popen[bytes]:
        place = ["--host", "127.0.0.1", "--local-directory", str(self._directory), "--no-nanny"]
        arguments = ["worker", self.address, "--nthreads", str(threads), *place]
        return self._stack.enter_context(running(*arguments))


def _address(file: Path) -> str:
    try:
        found: str = json.loads(file.read_bytes())["address"]
    except ValueError:
        # It is being written.
        return ""
    return found


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


def killing(process: subprocess.Popen[bytes]) -> Callable[[int, int], None]:
    """Kill a process once two tasks are done."""

    def tell(done: int, of: int) -> None:
        if done == 2:
            process.kill()

    return tell


def test_a_cluster_a_fork_and_a_fresh_process_give_the_same(
    dask: Cluster, tasks: Sequence[Task], whole: dict[str, bytes], tmp_path: Path
) -> None:
    # Threads share a process, and its caches.
    dask.workers(1, 2)
    sweep(tasks, Store(FS, tmp_path / "dask"), cluster(dask.address), nothing)
    assert files(tmp_path / "dask") == whole
    sweep(tasks, Store(FS, tmp_path / "joblib"), local(2), nothing)
    assert files(tmp_path / "joblib") == whole
    forked = {task.name: data for task, data in workers._forked(tasks, 2)}
    assert {f"{name}.json": data for name, data in forked.items()} == whole


def test_a_killed_worker_is_made_up_for(
    dask: Cluster, tasks: Sequence[Task], whole: dict[str, bytes], tmp_path: Path
) -> None:
    doomed, _ = dask.workers(1, 1)
    sweep(tasks, Store(FS, tmp_path / "out"), cluster(dask.address), killing(doomed))
    assert doomed.wait(PATIENCE_S) == -signal.SIGKILL
    assert files(tmp_path / "out") == whole


def test_a_sweep_that_lost_its_scheduler_goes_on_with_another(
    dask: Cluster, tasks: Sequence[Task], whole: dict[str, bytes], tmp_path: Path
) -> None:
    dask.workers(1)
    store = Store(FS, tmp_path / "out")
    with pytest.raises(WorkersLostError, match="give the same command again"):
        sweep(tasks, store, cluster(dask.address), killing(dask.scheduler))
    assert 2 <= len(files(tmp_path / "out")) < len(tasks)
    with ExitStack() as stack:
        (tmp_path / "other").mkdir()
        other = Cluster(tmp_path / "other", stack)
        other.workers(1)
        sweep(tasks, store, cluster(other.address), nothing)
    assert files(tmp_path / "out") == whole


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT], ids=lambda by: by.name)
def test_a_command_that_is_ended_goes_on(
    dask: Cluster, data: Path, whole: dict[str, bytes], tmp_path: Path, by: signal.Signals
) -> None:
    dask.workers(1)
    out = tmp_path / "out"
    code, told, err = ended(begun(data, out, "--cluster", dask.address), by)
    if by is signal.SIGINT:
        assert (code, json.loads(told)["kind"], err.strip()) == (130, "interrupted", "")
    assert 0 < len(results(out)) < len(whole)
    # What it left behind is forgotten: the cluster has time for the next.
    grid = [word for text in LONGER for word in ("--grid", text)]
    arguments = ["--data", str(data), *grid, "--out", str(out), "--cluster", dask.address, "--json"]
    code, told, err = quotefold("sweep", *arguments)
    assert (code, err) == (0, "")
    assert len(json.loads(told)["results"]) == len(whole)
    assert results(out) == whole


def test_nobody_there_is_refused(
    dask: Cluster, tasks: Sequence[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(FS, tmp_path / "out")
    monkeypatch.setattr(workers, "WORKER_S", 0.1)
    with pytest.raises(ConfigError, match="expected a worker within"):
        sweep(tasks, store, cluster(dask.address), nothing)
    monkeypatch.setattr(workers, "CONNECT_S", 0.1)
    with pytest.raises(ConfigError, match="expected a Dask scheduler, found"):
        sweep(tasks, store, cluster("tcp://127.0.0.1:1"), nothing)
    with pytest.raises(ConfigError, match="expected a Dask scheduler, found"):
        sweep(tasks, store, cluster("nowhere://x"), nothing)


def test_a_worker_with_another_program_or_other_data_is_refused(
    dask: Cluster,
    data: Path,
    tasks: Sequence[Task],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dask.workers(1)
    store = Store(FS, tmp_path / "out")
    write(data.with_name("two.zst"), recorded(100))
    others = made([data.with_name("two.zst")]).tasks
    write(data.with_name("two.zst"), recorded(110))
    with pytest.raises(ConfigError, match="expected the bytes of the plan"):
        sweep(others, store, cluster(dask.address), nothing)
    monkeypatch.setattr(workers, "program", lambda: b"another")
    with pytest.raises(ConfigError, match=f"worker on {os.uname().nodename}: expected the program"):
        sweep(tasks, store, cluster(dask.address), nothing)
    assert list((tmp_path / "out").iterdir()) == []
