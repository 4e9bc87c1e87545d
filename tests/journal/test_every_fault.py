"""Every call to the disk may fail, in every way: what was synced is never lost."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from typing import Literal

import pytest

from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_raw import RawReader, RawWriter
from adapters.runtime.journal_verify import verify_journal
from adapters.simulated import SimFs
from adapters.simulated_fs import Fault
from engine.errors import JournalError
from tests.journal.helpers import CONFIG, JOURNAL, SCHEMA, append, payload, read_all, records

pytestmark = pytest.mark.slow

Ending = Literal["the process ends", "the machine stops", "pages are lost"]
KINDS: tuple[Literal["refused", "short", "done"], ...] = ("refused", "short", "done")
SEGMENT_BYTES = 450


class Trial:
    """Short runs on one disk, and what of them was promised to be kept."""

    def __init__(self, seed: int) -> None:
        self.fs = SimFs()
        self.rng = random.Random(seed)
        self.synced = 0

    def run(self, batches: int = 4) -> None:
        """Open, write a few segments with raw bytes beside them, close."""
        open_args = (self.fs, JOURNAL, SCHEMA, CONFIG)
        writer, _ = JournalWriter.open(*open_args, segment_bytes=SEGMENT_BYTES)
        with writer:
            assert writer.next_seq > self.synced, "a synced record is lost"
            first_seq = writer.next_seq
            raw, _ = RawWriter.open(*open_args, first_seq=first_seq, segment_bytes=SEGMENT_BYTES)
            with raw:
                for _ in range(batches):
                    raw.append(writer.next_seq, "public", payload(writer.next_seq))
                    append(writer, self.rng.randint(1, 4))
                    writer.flush()
                    append(writer, 1)
                    writer.sync()
                    self.synced = writer.next_seq - 1
                    if self.rng.random() < 0.5:
                        writer.catch_up()
                        raw.flush()

    def end(self, ending: Ending) -> None:
        """End the process, or the machine with it, and lose what was not synced."""
        self.fs.fault = None
        self.fs.end_process()
        if ending != "the process ends":
            self.fs.crash(self.rng if ending == "pages are lost" else None)

    def check(self) -> None:
        """Nothing synced is lost, nothing read is damaged."""
        found = read_all(self.fs) if self.fs.exists(JOURNAL / "00000001.qfj") else []
        assert found == records(1, len(found))
        assert len(found) >= self.synced


def calls_of_a_run(start: Callable[[], Trial]) -> int:
    trial = start()
    before = trial.fs.calls
    trial.run()
    return trial.fs.calls - before


def on_an_empty_disk() -> Trial:
    return Trial(1)


def behind_a_closed_run() -> Trial:
    trial = Trial(2)
    trial.run()
    return trial


def behind_a_crash() -> Trial:
    trial = behind_a_closed_run()
    trial.fs.fault = Fault(trial.fs.calls + 30, "short", errno.ENOSPC)
    with pytest.raises(JournalError):
        trial.run()
    trial.end("the process ends")
    return trial


@pytest.mark.parametrize("ending", ["the process ends", "the machine stops", "pages are lost"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", [on_an_empty_disk, behind_a_closed_run, behind_a_crash])
def test_any_call_may_fail(
    start: Callable[[], Trial], kind: Literal["refused", "short", "done"], ending: Ending
) -> None:
    """Fail the Nth call of a run, for every N; go on; crash; go on again."""
    calls = calls_of_a_run(start)
    assert calls > 40
    for number in range(1, calls + 1):
        trial = start()
        error = errno.ENOSPC if number % 2 else errno.EIO
        trial.fs.fault = Fault(trial.fs.calls + number, kind, error)
        with pytest.raises(JournalError):
            trial.run()
        trial.end(ending)
        trial.check()
        trial.run(batches=2)
        trial.check()
        trial.end("pages are lost")
        trial.check()
        trial.run(batches=1)
        trial.end("the machine stops")
        trial.check()
        assert verify_journal(trial.fs, JOURNAL).all_problems == ()
        assert all(record.data for record in RawReader(trial.fs, JOURNAL).records())
