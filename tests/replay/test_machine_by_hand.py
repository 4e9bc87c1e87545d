"""The time machine on journals that were dropped in part, torn, damaged, grown, or left."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.cli.simulate import JOURNAL
from adapters.runtime import journal_index
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_base import Base, write_base
from adapters.runtime.journal_format import CLOSE_SIZE, HEADER_SIZE
from adapters.runtime.journal_keep import Keep, carry_out, plan_drop
from adapters.simulated_fs import SimFs
from engine import events as e
from engine.codec import encode_record
from engine.errors import JournalError
from engine.reduce import reduce
from engine.state import State
from replay import machine
from replay.machine import Journal
from tests.engine.builders import T0
from tests.replay.hand_made import flipped, hand_made
from tests.replay.recorded import opened

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    # Short journals, so the caches are dense.
    monkeypatch.setattr(machine, "EVERY", 500)
    monkeypatch.setattr(machine, "EVERY_WITHOUT", 2_000)
    monkeypatch.setattr(machine, "KEEP_BLOCKS", 1)
    monkeypatch.setattr(journal_index, "BLOCK", 64)


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
