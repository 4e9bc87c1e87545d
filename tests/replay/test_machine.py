"""The time machine: any state of a journal, from caches that are never trusted."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.cli.simulate import JOURNAL
from adapters.runtime import journal_index
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_base import Base, write_base
from adapters.runtime.journal_format import CLOSE_SIZE, HEADER_SIZE
from adapters.runtime.journal_keep import Keep, carry_out, plan_drop
from adapters.runtime.snapshots import SnapshotKeeper
from adapters.simulated_fs import SimFs
from engine import events as e
from engine.codec import encode_record
from engine.errors import JournalError
from engine.reduce import reduce
from engine.state import State, fingerprint
from engine.types import Settings
from replay import cache, machine
from replay.machine import Journal
from tests.engine.builders import T0, quoted
from tests.integration.world import files_of
from tests.replay.recorded import CACHE, compressed, opened, recorded

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    # Short journals, so the caches are dense.
    monkeypatch.setattr(machine, "EVERY", 500)
    monkeypatch.setattr(machine, "EVERY_WITHOUT", 2_000)
    monkeypatch.setattr(journal_index, "BLOCK", 64)


def places() -> list[int]:
    rng = random.Random(7)
    last = recorded().last
    return [1, 2, last, last - 1, *(rng.randint(1, last) for _ in range(40))]


def assert_every_place(journal: Journal) -> None:
    assert (journal.first_seq, journal.last_seq) == (1, recorded().last)
    for seq in places():
        assert journal.at(seq) == recorded().states[seq], seq
        assert journal.record(seq) == recorded().records[seq - 1]


@pytest.mark.parametrize(
    "make", [lambda: recorded().copy(), compressed], ids=["the first segment packed", "all packed"]
)
def test_any_state_and_record_comes_out(make: Callable[[], SimFs]) -> None:
    fs = make()
    before = files_of(fs)
    journal = opened(fs)
    assert len(journal) == recorded().last
    assert_every_place(journal)
    assert list(journal.records()) == recorded().records
    assert files_of(fs) == before, "a reader never writes into a journal"
    assert len(fs.list_dir(CACHE)) >= 4
    again = opened(fs)
    assert_every_place(again)
    assert (again.notes, again.left_seq, again.problem) == ((), 0, None)


def test_the_second_look_folds_little(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = recorded().copy()
    opened(fs).at(recorded().last)
    folded: list[int] = []

    def counting(state: State, record: e.Record) -> State:
        folded.append(record.seq)
        return reduce(state, record)

    monkeypatch.setattr(machine, "reduce", counting)
    for seq in places():
        folded.clear()
        opened(fs).at(seq)
        assert len(folded) <= 1_600, "from one kept state to the next, and a fingerprint more"


def test_states_before_and_after_each_record() -> None:
    steps = list(opened().steps(90, 110))
    states, records = recorded().states, recorded().records
    assert steps == [(states[n - 1], records[n - 1], states[n]) for n in range(90, 111)]
    first = list(opened().steps(1, 2))
    assert [record.seq for _, record, _ in first] == [1, 2]


def test_a_part_of_the_records() -> None:
    journal = opened()
    found = list(journal.records(100, 300))
    assert found == recorded().records[99:300]
    assert list(journal.records(recorded().last - 1)) == recorded().records[-2:]


def test_a_time_names_the_last_record_taken_in_by_then() -> None:
    journal, records = opened(), recorded().records
    rng = random.Random(3)
    first_ns, last_ns = records[0].recv_ns, records[-1].recv_ns
    for time_ns in [first_ns, last_ns, *(rng.randint(first_ns, last_ns) for _ in range(50))]:
        wanted = max(record.seq for record in records if record.recv_ns <= time_ns)
        assert journal.seq_at(time_ns) == wanted
    assert journal.at_time(last_ns + 10**12) == recorded().states[-1]
    with pytest.raises(JournalError, match="expected a time from"):
        journal.at_time(first_ns - 1)


def test_the_state_before_the_first_record_is_empty() -> None:
    assert opened().at(0) == State()


@pytest.mark.parametrize("seq", [-1, 10**6])
def test_a_place_outside_is_refused(seq: int) -> None:
    with pytest.raises(JournalError, match=f"expected a seq from 1 to {recorded().last}, found"):
        opened().at(seq)


# --- caches --------------------------------------------------------------------------------------


def spoiled(spoil: Callable[[bytes], bytes], what: str) -> tuple[SimFs, Journal]:
    """Spoil every cached file of a kind, and open the journal anew."""
    fs = recorded().copy()
    opened(fs).at(recorded().last)
    for name in fs.list_dir(CACHE):
        if name.startswith(what):
            fs.overwrite(CACHE / name, spoil(fs.read(CACHE / name)))
    return fs, opened(fs)


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 8]) + data[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit is flipped": flipped,
    "it is cut": lambda data: data[: len(data) // 2],
    "it is empty": lambda data: b"",
    "it is another file": lambda data: b"hello" * 20,
}


@pytest.mark.parametrize("what", ["index-", "state-"])
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_cache_is_passed_over_and_made_anew(name: str, what: str) -> None:
    fs, journal = spoiled(DAMAGES[name], what)
    assert_every_place(journal)
    assert journal.notes
    assert all(what in note and "is not used" in note for note in journal.notes)
    journal.at(journal.last_seq)
    last = opened(fs)
    assert_every_place(last)
    assert last.notes == ()


def test_a_deleted_cache_is_made_anew() -> None:
    fs, _ = spoiled(lambda data: data, "state-")
    for name in fs.list_dir(CACHE):
        fs.remove(CACHE / name)
    assert_every_place(opened(fs))


def test_states_of_other_code_are_not_used_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = recorded().copy()
    opened(fs).at(recorded().last)
    old = [name for name in fs.list_dir(CACHE) if name.startswith("state-")]
    monkeypatch.setattr(machine, "self_code", lambda: b"changed code" * 3)
    assert_every_place(opened(fs))
    names = fs.list_dir(CACHE)
    assert not set(old) & set(names)
    assert any(name.startswith("state-") for name in names)


def test_a_state_that_claims_to_be_of_this_code_is_found_out() -> None:
    """Another state under the name, the code and the CRC of a right one."""
    fs = recorded().copy()
    journal = opened(fs)
    journal.at(recorded().last)
    store = cache.Cache(fs, CACHE, machine.self_code())
    seq = store.nearest(recorded().last, 1)
    payload = encode_record(recorded().records[seq - 1])
    wrong = replace(recorded().states[seq], anomalies=99)
    fs.remove(CACHE / next(name for name in fs.list_dir(CACHE) if f"{seq:016d}" in name))
    store.keep(wrong, payload, fingerprint(wrong), 0)
    again = opened(fs)
    assert again.at(recorded().last) == recorded().states[-1]
    assert f"no such fingerprint at seq {seq + 1}" in again.notes[0]


def test_a_cache_of_another_journal_is_not_used() -> None:
    fs = recorded().copy()
    opened(fs).at(recorded().last)
    other = hand_made()
    for name in fs.list_dir(CACHE):
        other.fs.make_dir(CACHE)
        other.fs.overwrite(CACHE / name, fs.read(CACHE / name))
    journal = opened(other.fs)
    assert journal.last_seq == len(other.states) - 1
    for seq in range(1, len(other.states)):
        assert journal.at(seq) == other.states[seq]


def test_without_a_disk_for_it_states_are_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = recorded().copy()
    fs.space_left = 0
    journal = opened(fs)
    assert_every_place(journal)
    folded: list[int] = []

    def counting(state: State, record: e.Record) -> State:
        folded.append(record.seq)
        return reduce(state, record)

    monkeypatch.setattr(machine, "reduce", counting)
    journal._recent.clear()
    journal.at(recorded().last)
    assert len(folded) <= 1_600
    monkeypatch.setattr(cache, "MEMORY_MAX", 3)
    assert_every_place(opened(fs))


# --- journals by hand ---------------------------------------------------------------------------


class HandMade:
    """Journals of timers, with a fingerprint every tenth record."""

    def __init__(self, segment_bytes: int, wrong_at: int, records: int) -> None:
        self.fs = SimFs()
        self.states = [State()]
        keeper = SnapshotKeeper(self.fs, JOURNAL, b"code", 0, one_a_segment=True)
        writer, _ = JournalWriter.open(
            self.fs, JOURNAL, bytes(32), bytes(32), segment_bytes=segment_bytes
        )
        self.records: list[e.Record] = []
        with writer:
            for seq in range(1, records + 1):
                event: e.AnyEvent = e.TimerFired()
                if seq == 1:
                    event = e.RunStarted("r1", "paper", (), "{}", Settings(), (quoted(),))
                elif seq % 10 == 0:
                    digest = fingerprint(self.states[-1])
                    event = e.Fingerprint(bytes(16) if seq == wrong_at else digest)
                    keeper.keep(self.states[-1])
                self.records.append(record := e.Record(seq, T0 + seq, 0, event))
                writer.append(seq, encode_record(record))
                writer.sync()
                self.states.append(reduce(self.states[-1], record))


def hand_made(segment_bytes: int = 1 << 20, wrong_at: int = 0, records: int = 120) -> HandMade:
    return HandMade(segment_bytes, wrong_at, records)


def test_a_journal_whose_beginning_was_dropped() -> None:
    made = hand_made(segment_bytes=600)
    drop = plan_drop(made.fs, JOURNAL, Keep(bytes_max=3_000), T0 + 10**9)
    assert drop is not None
    carry_out(made.fs, JOURNAL, drop)
    journal = opened(made.fs)
    assert journal.first_seq == drop.base.first_seq > 1
    start = journal.start.seq
    assert start == drop.base.state_seq
    for seq in range(start, 121):
        assert journal.at(seq) == made.states[seq]
    if journal.first_seq < start:
        with pytest.raises(JournalError, match="the state before is gone"):
            journal.at(start - 1)
    with pytest.raises(JournalError, match="expected a seq from"):
        journal.record(1)
    assert next(record.seq for _, record, _ in journal.steps(1, start + 3)) == start + 1


def test_a_journal_without_a_state_to_start_from_can_be_read() -> None:
    made = hand_made(segment_bytes=600)
    headers = made.fs.read(JOURNAL / "00000003.qfj")
    first_seq = int.from_bytes(headers[16:24], "little")
    prev_hash = headers[88:120]
    assert len(headers) > HEADER_SIZE
    write_base(made.fs, JOURNAL, Base(3, first_seq, prev_hash, why="salvaged"))
    journal = opened(made.fs)
    assert journal.record(first_seq + 5) == made.records[first_seq + 4]
    with pytest.raises(JournalError, match="can be read, but not folded"):
        journal.at(first_seq + 5)


def test_a_journal_that_grows_is_seen_after_a_refresh() -> None:
    made = hand_made()
    journal = opened(made.fs)
    writer, _ = JournalWriter.open(made.fs, JOURNAL, bytes(32), bytes(32))
    state = made.states[-1]
    for seq in (121, 122, 123):
        record = e.Record(seq, T0 + seq, 0, e.TimerFired())
        writer.append(seq, encode_record(record))
        writer.flush()
        state = reduce(state, record)
        assert journal.last_seq == seq - 1
        journal.refresh()
        assert journal.at(seq) == state
    writer.close()
    assert opened(made.fs).at(123) == state


@pytest.mark.parametrize("lost", [5, 30, 119], ids="{} records".format)
def test_records_that_a_crash_took_after_they_were_read_are_forgotten(lost: int) -> None:
    """They were written, and not durable; another run then wrote others in their place."""
    made, left = hand_made(), hand_made(records=120 - lost)
    path = JOURNAL / "00000001.qfj"
    written, durable = (one.fs.read(path)[:-CLOSE_SIZE] for one in (made, left))
    assert written.startswith(durable)
    made.fs.overwrite(path, written)
    assert opened(made.fs).at(120) == made.states[120]
    made.fs.overwrite(path, durable)
    state = left.states[-1]
    writer, _ = JournalWriter.open(made.fs, JOURNAL, bytes(32), bytes(32))
    with writer:
        for seq in range(121 - lost, 141):
            record = e.Record(seq, T0 + 10**9 + seq, 0, e.TimerFired())
            writer.append(seq, encode_record(record))
            state = reduce(state, record)
    journal = opened(made.fs)
    assert (journal.problem, journal.last_seq) == (None, 140)
    assert journal.at(140) == state
    assert journal.at(120).now_ns == T0 + 10**9 + 120


def test_a_torn_tail_ends_the_journal_and_is_no_problem() -> None:
    made = hand_made()
    path = JOURNAL / "00000001.qfj"
    data = made.fs.read(path)
    made.fs.overwrite(path, data[: len(data) - 150])
    journal = opened(made.fs)
    assert journal.problem is None
    assert 100 < journal.last_seq < 120
    assert journal.at(journal.last_seq) == made.states[journal.last_seq]


def test_what_is_before_damage_is_there_and_what_is_behind_is_refused() -> None:
    made = hand_made(segment_bytes=600)
    path = JOURNAL / "00000002.qfj"
    made.fs.overwrite(path, flipped(made.fs.read(path)))
    journal = opened(made.fs)
    last = journal.last_seq
    assert journal.at(last) == made.states[last]
    assert journal.problem is not None
    with pytest.raises(JournalError, match=r"00000002\.qfj offset"):
        journal.at(last + 1)
    read: list[e.Record] = []
    with pytest.raises(JournalError, match=r"00000002\.qfj offset"):
        read.extend(journal.records())
    assert read == [] or read[-1].seq == last


def test_damage_after_it_was_indexed_is_found_when_it_is_read() -> None:
    made = hand_made()
    opened(made.fs)
    path = JOURNAL / "00000001.qfj"
    made.fs.overwrite(path, flipped(made.fs.read(path)))
    with pytest.raises(JournalError, match=r"00000001\.qfj offset"):
        opened(made.fs).at(120)


def test_a_missing_segment_is_named() -> None:
    made = hand_made(segment_bytes=600)
    made.fs.remove(JOURNAL / "00000003.qfj")
    journal = opened(made.fs)
    assert "expected 00000003.qfj, found 00000004.qfj" in str(journal.problem)


def test_code_that_leaves_the_recording_is_said_and_followed() -> None:
    made = hand_made(wrong_at=40)
    journal = opened(made.fs)
    assert journal.at(30) == made.states[30]
    assert journal.left_seq == 0
    assert journal.at(120) == made.states[120]
    assert journal.left_seq == 40


def test_states_behind_the_place_where_the_code_left_are_kept_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "EVERY", 15)
    made = hand_made(wrong_at=40)
    opened(made.fs).at(120)
    again = opened(made.fs)
    assert again.at(119) == made.states[119]
    assert (again.left_seq, again.notes) == (40, ())


def test_a_record_that_cannot_be_folded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = hand_made()

    def failing(state: State, record: e.Record) -> State:
        if record.seq == 51:
            raise AssertionError("impossible")
        return reduce(state, record)

    monkeypatch.setattr(machine, "reduce", failing)
    with pytest.raises(JournalError, match=r"seq 51: .* TimerFired: AssertionError: impossible"):
        opened(made.fs).at(60)


def test_no_journal_is_refused() -> None:
    with pytest.raises(JournalError, match="found none"):
        Journal(Path("/nothing"), fs=SimFs())
