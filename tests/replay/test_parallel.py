"""A proof in stretches is the proof in one go, also where a seam does not hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import strategies.inventory_skew as skew
from adapters.cli.simulate import JOURNAL
from adapters.runtime.snapshots import (
    decode_snapshot,
    encode_snapshot,
    kept_state,
    list_snapshots,
    snapshot_name,
)
from adapters.simulated_fs import SimFs
from engine import events, kill_switch
from engine.reduce import HANDLERS
from engine.snapshot import decode_state, encode_state
from engine.state import State
from replay.parallel import Proving, Stretch, stretches_of
from replay.read import read_records
from replay.verify import Proof, verify
from tests.integration.kit import quotefold
from tests.integration.world import copied, run_quiet

pytestmark = pytest.mark.slow


class Inline(Executor):
    """Does at once what it is given, as another process would."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@cache
def three_runs() -> SimFs:
    """Runs that continue one journal: three segments, and a kept state near where each begins."""
    fs = run_quiet(14, seed=1).fs
    run_quiet(14, seed=2, fs=fs)
    return run_quiet(14, seed=3, fs=fs).fs


def cut(fs: SimFs, until: int | None = None) -> list[Stretch]:
    return stretches_of(fs, JOURNAL, State(), until)


def in_one_go(fs: SimFs, until: int | None = None) -> tuple[Proof, State]:
    found = partial(kept_state, fs, JOURNAL)
    return verify(read_records(fs, JOURNAL, until), snapshot_at=found)


def in_stretches(fs: SimFs, until: int | None = None) -> tuple[Proof, State]:
    return Proving(fs, cut(fs, until), Inline()).result()


def test_a_journal_is_cut_where_its_segments_begin() -> None:
    fs = three_runs()
    stretches = cut(fs)
    seqs = list_snapshots(fs, JOURNAL)
    assert len(seqs) == 3
    assert [each.start_seq for each in stretches] == [0, *seqs[:2]]
    assert [each.until_seq for each in stretches] == [*seqs[:2], None]


def test_what_is_not_to_be_proved_is_in_no_stretch() -> None:
    fs = three_runs()
    (first, *_) = list_snapshots(fs, JOURNAL)
    assert [each.until_seq for each in cut(fs, first)] == [first]
    assert [each.until_seq for each in cut(fs, first + 1)] == [first, first + 1]
    assert in_stretches(fs, first + 5) == in_one_go(fs, first + 5)


def slower_timer(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(kill_switch, "refresh_ns", lambda settings: 2_000_000_000)


def other_memory(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(skew, "NS_PER_S", 400_000_000)


def late_memory(patched: pytest.MonkeyPatch) -> None:
    """The fold differs from the second run on."""
    seq = list_snapshots(three_runs(), JOURNAL)[0] + 300
    right = HANDLERS[events.TimerFired]

    def changed(state: State, record: events.Record, event: events.TimerFired) -> State:
        state = right(state, record, event)
        return replace(state, anomalies=1) if record.seq > seq else state

    patched.setitem(HANDLERS, events.TimerFired, changed)


def breaking(patched: pytest.MonkeyPatch) -> None:
    """The second run cannot be folded."""
    seq = list_snapshots(three_runs(), JOURNAL)[0] + 300
    right = HANDLERS[events.TimerFired]

    def changed(state: State, record: events.Record, event: events.TimerFired) -> State:
        assert record.seq < seq, "a planted end"
        return right(state, record, event)

    patched.setitem(HANDLERS, events.TimerFired, changed)


CHANGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "nothing is changed": lambda patched: None,
    "a decision differs, and no state": slower_timer,
    "states differ from the first stretch on": other_memory,
    "states differ from the second stretch on": late_memory,
    "the second stretch cannot be folded": breaking,
}


@pytest.mark.parametrize("name", CHANGES)
def test_stretches_prove_what_one_go_proves(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = three_runs()
    CHANGES[name](monkeypatch)
    whole, parts = in_one_go(fs), in_stretches(fs)
    assert parts == whole
    assert (whole[0].divergences == 0) == (name == "nothing is changed")


def test_a_state_that_the_run_did_not_have_begins_no_stretch() -> None:
    fs = three_runs()
    path = JOURNAL / snapshot_name(list_snapshots(fs, JOURNAL)[0])
    right = fs.read(path)
    kept = decode_snapshot(right)
    forged = encode_state(replace(decode_state(kept.state), anomalies=3))
    whole = in_one_go(fs)
    for data in (b"", right[:-1], encode_snapshot(replace(kept, state=forged))):
        fs.overwrite(path, data)
        try:
            assert in_stretches(fs) == whole
        finally:
            fs.overwrite(path, right)


def test_the_command_proves_the_same_in_two_processes_as_in_one(tmp_path: Path) -> None:
    journal = str(copied(three_runs(), tmp_path / "journal"))
    one = quotefold("replay", journal, "--verify", "--json", "--jobs", "1")
    two = quotefold("replay", journal, "--verify", "--json", "--jobs", "2")
    assert one == two
    assert (one[0], json.loads(one[1])["divergences"]) == (0, 0)
