"""Workers of this machine that end before their work does: nothing is lost, and nobody is left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from replay.backtest.sweep import Store, sweep
from replay.backtest.workers import WorkersLostError, local
from tests.backtest.recordings import recorded, write
from tests.backtest.sweeps import (
    FS,
    LONGER,
    begun,
    ended,
    files,
    is_ready,
    is_there,
    made,
    nothing,
    results,
    workers_of,
)
from tests.integration.kit import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "one.zst", recorded(6_000))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What comes out where nothing goes wrong, in one process."""
    out = tmp_path_factory.mktemp("whole") / "out"
    sweep(made([data], grid=LONGER).tasks, Store(FS, out), local(1), nothing)
    return files(out)


def test_a_killed_worker_ends_a_sweep_that_goes_on(
    data: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    tasks = made([data], grid=LONGER).tasks

    def kill(done: int, of: int) -> None:
        if done == 2:
            os.kill(workers_of(os.getpid())[0], signal.SIGKILL)

    with pytest.raises(WorkersLostError, match="give the same command again"):
        sweep(tasks, Store(FS, tmp_path), local(2), kill)
    assert 2 <= len(files(tmp_path)) < len(tasks)
    wait_until(lambda: not workers_of(os.getpid()), "workers are gone")
    sweep(tasks, Store(FS, tmp_path), local(2), nothing)
    assert files(tmp_path) == whole


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT], ids=lambda by: by.name)
def test_a_command_that_is_ended_leaves_nobody_and_goes_on(
    data: Path, whole: dict[str, bytes], tmp_path: Path, by: signal.Signals
) -> None:
    process = begun(data, tmp_path, "--workers", "2")
    workers = workers_of(process.pid)
    assert len(workers) == 2
    wait_until(lambda: all(map(is_ready, workers)), "workers at work")
    code, out, err = ended(process, by)
    wait_until(lambda: not any(map(is_there, workers)), "workers are gone")
    if by is signal.SIGINT:
        assert (code, json.loads(out)["kind"], err.strip()) == (130, "interrupted", "")
    assert 0 < len(results(tmp_path)) < len(whole)
    code, out, err = ended(begun(data, tmp_path, "--workers", "2"), signal.Signals.SIGCONT)
    assert (code, err) == (0, "")
    assert results(tmp_path) == whole
