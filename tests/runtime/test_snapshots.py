"""Snapshots beside a journal: used when they fit, passed over with a note when they do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from crc32c import crc32c
from msgspec.structs import replace

from adapters.ports import SystemFs
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_base import Base
from adapters.runtime.journal_code import code_hash
from adapters.runtime.journal_copy import JournalCopy
from adapters.runtime.journal_format import HEADER_SIZE, Header, Kind, segment_name
from adapters.runtime.snapshots import (
    CRC_SIZE,
    EVERY,
    SnapshotKeeper,
    decode_snapshot,
    encode_snapshot,
    fold_rest,
    from_snapshot,
    kept_state,
    list_snapshots,
    snapshot_name,
)
from adapters.simulated_fs import SimAppendFile, SimFs
from engine import events as e
from engine.codec import encode_record
from engine.reduce import reduce
from engine.state import State, fingerprint
from engine.types import Settings
from tests.engine.builders import T0, quoted

JOURNAL = Path("/journal")
CODE = b"this code"
VOUCHED = (10, 20)
LAST = 30


class Kept:
    """A journal of 30 records with fingerprints at 11 and 21, and a snapshot for each."""

    def __init__(self) -> None:
        self.fs = SimFs()
        self.states: dict[int, State] = {}
        keeper = SnapshotKeeper(self.fs, JOURNAL, CODE, 0)
        state = State()
        writer, _ = JournalWriter.open(self.fs, JOURNAL, bytes(32), bytes(32))
        with writer:
            for seq in range(1, LAST + 1):
                event: e.AnyEvent = e.TimerFired()
                if seq == 1:
                    event = e.RunStarted("r1", "paper", (), "{}", Settings(), (quoted(),))
                if seq - 1 in VOUCHED:
                    event = e.Fingerprint(fingerprint(state))
                    keeper.keep(state)
                record = e.Record(seq, T0 + seq, 0, event)
                writer.append(seq, encode_record(record))
                state = self.states[seq] = reduce(state, record)

    def path(self, seq: int) -> Path:
        return JOURNAL / snapshot_name(seq)

    def rewrite(self, seq: int, data: bytes) -> None:
        self.fs.remove(self.path(seq))
        file = self.fs.open_new(self.path(seq))
        file.write(data)
        file.close()

    def change(self, seq: int, **fields: bytes) -> None:
        kept = decode_snapshot(self.fs.read(self.path(seq)))
        self.rewrite(seq, encode_snapshot(replace(kept, **fields)))


def test_a_start_folds_only_what_came_after_the_newest_snapshot() -> None:
    kept = Kept()
    found = from_snapshot(kept.fs, JOURNAL, CODE)
    assert (found.snapshot_seq, found.notes) == (20, ())
    assert found.state == kept.states[20]
    assert fold_rest(kept.fs, JOURNAL, found.state) == kept.states[LAST]


def test_without_a_snapshot_everything_is_folded() -> None:
    kept = Kept()
    for seq in VOUCHED:
        kept.fs.remove(kept.path(seq))
    found = from_snapshot(kept.fs, JOURNAL, CODE)
    assert (found.state, found.snapshot_seq, found.notes) == (State(), 0, ())
    assert fold_rest(kept.fs, JOURNAL, found.state) == kept.states[LAST]


def test_a_program_that_does_not_know_its_own_code_uses_none_and_keeps_none() -> None:
    kept = Kept()
    found = from_snapshot(kept.fs, JOURNAL, b"")
    assert (found.state, found.snapshot_seq, found.notes) == (State(), 0, ())
    assert not SnapshotKeeper(kept.fs, JOURNAL, b"", 0).is_due(kept.states[LAST], every=1)


@pytest.mark.parametrize(("at_most", "seq"), [(21, 20), (20, 20), (19, 10), (10, 10), (9, 0)])
def test_a_later_snapshot_than_is_asked_for_is_not_looked_at(at_most: int, seq: int) -> None:
    kept = Kept()
    found = from_snapshot(kept.fs, JOURNAL, CODE, at_most)
    assert (found.snapshot_seq, found.notes) == (seq, ())
    assert found.state == kept.states.get(seq, State())


def test_a_state_is_given_whatever_code_made_it_if_its_file_is_whole() -> None:
    kept = Kept()
    kept.change(20, code_hash=b"older")
    assert kept_state(kept.fs, JOURNAL, 20) == kept.states[20]
    assert kept_state(kept.fs, JOURNAL, 15) is None
    for data in (b"hello", b"", OTHER_FORM):
        kept.rewrite(20, data)
        assert kept_state(kept.fs, JOURNAL, 20) is None
    assert kept_state(kept.fs, JOURNAL, 10) == kept.states[10]
    kept.change(10, state=b"\x93")
    assert kept_state(kept.fs, JOURNAL, 10) is None


def another_state(kept: Kept) -> None:
    other = replace(kept.states[20], anomalies=1)
    SnapshotKeeper(kept.fs, JOURNAL, CODE, 10).keep(other)


def another_place(kept: Kept) -> None:
    data = kept.fs.read(kept.path(10))
    kept.rewrite(20, data)


def no_such_record(kept: Kept) -> None:
    """The journal lost its tail, so it does not say that this state ever was."""
    kept.fs.remove(JOURNAL / "00000001.qfj")
    writer, _ = JournalWriter.open(kept.fs, JOURNAL, bytes(32), bytes(32))
    with writer:
        state = State()
        for seq in range(1, 13):
            event: e.AnyEvent = e.TimerFired()
            if seq == 1:
                event = e.RunStarted("r1", "paper", (), "{}", Settings(), (quoted(),))
            if seq == 11:
                event = e.Fingerprint(fingerprint(state))
            record = e.Record(seq, T0 + seq, 0, event)
            writer.append(seq, encode_record(record))
            state = reduce(state, record)


OTHER_FORM = crc32c(b"\x05").to_bytes(CRC_SIZE, "little") + b"\x05"

PASSED_OVER: dict[str, tuple[Callable[[Kept], None], str]] = {
    "other code made it": (lambda kept: kept.change(20, code_hash=b"older"), "other code made it"),
    "its state is cut": (lambda kept: kept.change(20, state=b"\x93"), "not a state"),
    "it is of another place": (another_place, "no such fingerprint at seq 21"),
    "it is no snapshot": (lambda kept: kept.rewrite(20, b"hello"), "it is damaged"),
    "it is of another form": (lambda kept: kept.rewrite(20, OTHER_FORM), "Expected `array`"),
    "it is empty": (lambda kept: kept.rewrite(20, b""), "it is damaged"),
    "the journal says otherwise": (another_state, "no such fingerprint at seq 21"),
    "the journal ends before": (no_such_record, "no such fingerprint at seq 21"),
}


@pytest.mark.parametrize("name", PASSED_OVER)
def test_a_snapshot_that_does_not_fit_is_passed_over_for_the_one_before(name: str) -> None:
    spoil, why = PASSED_OVER[name]
    kept = Kept()
    spoil(kept)
    found = from_snapshot(kept.fs, JOURNAL, CODE)
    assert (found.snapshot_seq, found.state) == (10, kept.states[10])
    (note,) = found.notes
    assert note.startswith(f"{snapshot_name(20)} is not used: ")
    assert why in note


def test_every_bit_of_a_snapshot_counts() -> None:
    kept = Kept()
    whole = kept.fs.read(kept.path(20))
    for place in range(0, len(whole) * 8, 7):
        spoilt = bytearray(whole)
        spoilt[place // 8] ^= 1 << place % 8
        kept.rewrite(20, bytes(spoilt))
        found = from_snapshot(kept.fs, JOURNAL, CODE)
        assert found.state == kept.states[found.snapshot_seq]
    assert found.snapshot_seq == 10


# --- keeping ------------------------------------------------------------------------------------


def test_the_newest_the_one_before_and_the_first_of_the_segment_are_kept() -> None:
    kept = Kept()
    assert list_snapshots(kept.fs, JOURNAL) == [10, 20]
    keeper = SnapshotKeeper(kept.fs, JOURNAL, CODE, 20)
    keeper.keep(kept.states[25])
    assert list_snapshots(kept.fs, JOURNAL) == [10, 20, 25]
    keeper.keep(kept.states[28])
    assert list_snapshots(kept.fs, JOURNAL) == [10, 25, 28]


def test_those_around_the_beginning_of_each_segment_are_kept() -> None:
    fs = SimFs()
    copy = JournalCopy(fs, JOURNAL, Kind.EVENTS, Base())
    header = Header(1, Kind.EVENTS, True, 1, bytes(32), bytes(32), bytes(32))
    for first in (1, 11, 21):
        copy.add(header, [(seq, b"record") for seq in range(first, first + 10)])
    for seq in (4, 7, 8, 9, 10, 11, 15, 18, 19, 20, 21, 22, 26):
        fs.open_new(JOURNAL / snapshot_name(seq)).close()
    SnapshotKeeper(fs, JOURNAL, CODE, 22).keep(State(seq=30))
    assert list_snapshots(fs, JOURNAL) == [4, 9, 10, 19, 20, 22, 30]


class HeadsFs(SimFs):
    """Notes whose headers are read."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[str] = []

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        if size == HEADER_SIZE + 1:
            self.heads.append(path.name)
        return super().read(path, start, size)


def test_the_header_of_a_segment_is_read_once_in_a_run() -> None:
    fs = HeadsFs()
    keeper = SnapshotKeeper(fs, JOURNAL, CODE, 0)
    for run in range(1, 4):
        JournalWriter.open(fs, JOURNAL, bytes(32), bytes(32))[0].close()
        fs.heads.clear()
        keeper.keep(State(seq=run))
        assert fs.heads == [segment_name(run)]
    damaged = JOURNAL / segment_name(4)
    file = fs.open_new(damaged)
    keeper.keep(State(seq=4))
    file.write(bytes(2 * HEADER_SIZE))
    keeper.keep(State(seq=5))
    assert list_snapshots(fs, JOURNAL)[-1] == 4, "none beside a segment that is no segment"


def test_one_that_did_not_fit_goes_even_if_it_claims_to_be_newer() -> None:
    kept = Kept()
    keeper = SnapshotKeeper(kept.fs, JOURNAL, CODE, 10)
    keeper.keep(kept.states[15])
    assert list_snapshots(kept.fs, JOURNAL) == [10, 15]
    SnapshotKeeper(kept.fs, JOURNAL, CODE, 0).keep(kept.states[12])
    assert list_snapshots(kept.fs, JOURNAL) == [10, 12]


def test_a_snapshot_is_due_after_so_many_records() -> None:
    keeper = SnapshotKeeper(SimFs(), JOURNAL, CODE, 100)
    assert not keeper.is_due(State(seq=100 + EVERY - 1))
    assert keeper.is_due(State(seq=100 + EVERY))
    keeper.keep(State(seq=200 + EVERY))
    assert not keeper.is_due(State(seq=200 + 2 * EVERY - 1))
    assert keeper.is_due(State(seq=200 + 2 * EVERY))
    assert EVERY == 20_000


class FullFs(SimFs):
    """A disk that takes no new file."""

    def open_new(self, path: Path, *, private: bool = False) -> SimAppendFile:
        raise OSError(28, "No space left on device")


def test_a_full_disk_costs_the_snapshot_and_nothing_else() -> None:
    fs = FullFs()
    keeper = SnapshotKeeper(fs, JOURNAL, CODE, 0)
    keeper.keep(State(seq=EVERY))
    assert not keeper.is_due(State(seq=EVERY + 1))
    assert list_snapshots(fs, JOURNAL) == []


class UnreadableFs(SimFs):
    def list_dir(self, path: Path) -> list[str]:
        raise OSError(5, "Input/output error")


def test_a_directory_that_cannot_be_read_has_no_snapshots() -> None:
    found = from_snapshot(UnreadableFs(), JOURNAL, CODE)
    assert found.snapshot_seq == 0
    assert found.notes == ("no snapshot is used: [Errno 5] Input/output error",)


def test_names_that_are_no_snapshots_are_none() -> None:
    fs = SimFs()
    fs.make_dir(JOURNAL)
    for name in ("snapshot-.qfs", "snapshot-x1.qfs", "snapshot-1.qfj", "1.qfs", "snapshot-7.qfs"):
        fs.open_new(JOURNAL / name).close()
    assert list_snapshots(fs, JOURNAL) == [7]


# --- code ---------------------------------------------------------------------------------------


def test_the_hash_of_the_code_changes_with_any_module_and_with_nothing_else(tmp_path: Path) -> None:
    fs = SystemFs()
    (tmp_path / "a.py").write_text("one")
    (tmp_path / "b.so").write_text("two")
    (tmp_path / "notes.txt").write_text("three")
    first = code_hash(fs, [tmp_path])
    assert len(first) == 32
    (tmp_path / "notes.txt").write_text("four")
    assert code_hash(fs, [tmp_path]) == first
    for name in ("a.py", "b.so"):
        (tmp_path / name).write_text("changed")
        changed = code_hash(fs, [tmp_path])
        assert changed != first
        first = changed
