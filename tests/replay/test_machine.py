"""The time machine: any state of a journal, from caches that are never trusted."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from adapters.runtime import journal_index
from adapters.simulated_fs import SimFs
from engine import events as e
from engine.codec import encode_record
from engine.errors import JournalError
from engine.reduce import reduce
from engine.state import State, fingerprint
from replay import cache, machine
from replay.machine import Journal
from tests.integration.world import files_of
from tests.replay.hand_made import flipped, hand_made
from tests.replay.recorded import CACHE, compressed, opened, recorded

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    # Short journals, so the caches are dense.
    monkeypatch.setattr(machine, "EVERY", 500)
    monkeypatch.setattr(machine, "EVERY_WITHOUT", 2_000)
    monkeypatch.setattr(machine, "KEEP_BLOCKS", 1)
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
