"""Any call to the disk fails during a run: everything is cancelled, and the next run goes on."""

from __future__ import annotations

import errno
import json
import resource
from pathlib import Path
from typing import Literal

import pytest
import trio

from adapters.cli.simulate import JOURNAL, World
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated import SimFs
from adapters.simulated_fs import Fault
from engine.errors import ConfigError, JournalError
from engine.events import OrderOpened, Record
from replay.verify import verify
from tests.integration.kit import ACCOUNT, proved, running_engine, running_venue
from tests.integration.world import records_of, run_quiet

pytestmark = pytest.mark.slow

SECONDS = 1.0
AGAIN_S = 12.0
"""Time for what a failed run left unknown to be settled."""
RUN_AGAIN = 5
"""After every so many faults the engine itself goes on; after the others only its journal."""
KINDS: tuple[Literal["refused", "short", "done"], ...] = ("refused", "short", "done")
SLICES = 4
"""Tests that share the calls of a run, so that they can be run side by side."""


def run_with(fs: SimFs, call: int, number: int) -> tuple[str, World | None]:
    """Run with one failing call; returns what it was refused with, and the world it was in."""
    worlds: list[World] = []

    async def disturb(world: World) -> None:
        worlds.append(world)
        await trio.sleep_forever()

    error = errno.ENOSPC if number % 2 else errno.EIO
    fs.fault = Fault(call, KINDS[number % 3], error)
    try:
        run_quiet(SECONDS, fs=fs, disturb=disturb)
    except (BaseExceptionGroup, JournalError, ConfigError) as caught:
        failures = [caught]
        while isinstance(failures[0], BaseExceptionGroup):
            failures = [*failures[0].exceptions, *failures[1:]]
        told = (JournalError, ConfigError)  # the second before anything is quoted
        assert all(isinstance(failure, told) for failure in failures), failures
        return str(failures[0]), worlds[0] if worlds else None
    return "", worlds[0]


def calls_of_a_run() -> int:
    fs = SimFs()
    run_quiet(SECONDS, fs=fs)
    return fs.calls


@pytest.mark.parametrize("part", range(SLICES))
def test_any_call_to_the_disk_may_fail(part: int) -> None:
    calls = calls_of_a_run()
    assert calls > 80
    stopped = 0
    for number in range(1 + part, calls + 1, SLICES):
        fs = SimFs()
        refused, world = run_with(fs, number, number)
        if world is not None:
            exchange = world.venue.exchange
            assert exchange.open_orders(ACCOUNT) == [], f"call {number}: {refused}"
        stopped += bool(refused)
        fs.fault = None
        fs.end_process()
        if number % 2:
            fs.crash()
        assert_whole(fs)
        if number % RUN_AGAIN == 0:
            assert_goes_on(fs, number)
    assert stopped > calls / SLICES / 2, "most calls are those of the journal"


def assert_whole(fs: SimFs) -> list[Record]:
    """A writer can go on, and what there is proves itself."""
    JournalWriter.open(fs, JOURNAL, bytes(32), bytes(32))[0].close()
    records = records_of(fs)
    proof, state = verify(iter(records))
    assert (proof.divergences, state.seq) == (0, len(records))
    assert verify_journal(fs, JOURNAL).all_problems == ()
    return records


def assert_goes_on(fs: SimFs, number: int) -> None:
    before = records_of(fs) if fs.exists(JOURNAL / "00000001.qfj") else []
    again = run_quiet(AGAIN_S, seed=number + 1, fs=fs)
    assert again.outcome.ended.clean
    records = assert_whole(fs)
    assert records[: len(before)] == before
    assert any(isinstance(record.event, OrderOpened) for record in records[len(before) :])


def test_a_full_disk_says_so_and_a_start_with_space_again_goes_on() -> None:
    fs = SimFs()

    async def disturb(world: World) -> None:
        await trio.sleep(2)
        world.fs.space_left = 3_000

    with pytest.raises(BaseExceptionGroup) as caught:
        run_quiet(30, fs=fs, disturb=disturb)
    assert caught.group_contains(JournalError, match=r"qfj: write failed .* no space left")
    full, _ = run_with(fs, 0, 0)
    assert "cannot open the journal: [Errno 28] no space left" in full
    fs.space_left = None
    assert_goes_on(fs, 1)


def test_a_process_whose_disk_is_full_exits_with_nothing_left_and_starts_again(
    tmp_path: Path,
) -> None:
    with running_venue() as venue:
        with running_engine(tmp_path, venue, name="full") as engine:
            venue.wait_quotes()
            pid, size = engine.process.pid, (engine.journal / "00000001.qfj").stat().st_size
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
            assert engine.wait() == 1
        said = json.loads(engine.out.read_text())
        assert said["kind"] == "JournalError"
        assert "qfj: write failed at offset" in said["error"]
        assert "asked to cancel all its orders, and the kill-switch stays armed" in said["error"]
        assert venue.orders() == []
        with running_engine(tmp_path, venue, name="again") as engine:
            venue.wait_quotes()
            assert engine.finish()["clean"] is True
        proof = proved(engine.journal)
        assert (proof["runs"], venue.orders()) == (2, [])
