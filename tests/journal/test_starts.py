"""The state that a fold starts from: vouched for by a record, cut out, or not known."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from adapters.runtime.journal_base import Base, write_base
from adapters.runtime.journal_copy import JournalCopy
from adapters.runtime.journal_format import Header, Kind
from adapters.runtime.journal_start import start_state, vouched_state
from adapters.runtime.snapshots import from_snapshot
from adapters.simulated_fs import SimFs
from engine.codec import encode_record
from engine.errors import JournalError
from engine.events import AnyEvent, Fingerprint, Record, TimerFired
from engine.snapshot import encode_state
from engine.state import State, fingerprint
from tests.journal.helpers import JOURNAL, open_writer

STATE = State(seq=5, now_ns=7)
CUT = Base(1, 6, bytes(32), 5, encode_state(STATE), "cut out", fingerprint(STATE))
DROPPED = replace(CUT, why="dropped", fingerprint=b"")


def beginning(base: Base) -> SimFs:
    fs = SimFs()
    fs.make_dir(JOURNAL)
    write_base(fs, JOURNAL, base)
    return fs


def test_a_whole_journal_is_folded_from_the_empty_state() -> None:
    assert start_state(SimFs(), JOURNAL) == State()
    assert start_state(beginning(replace(CUT, first_seq=1)), JOURNAL, exact=True) == State()


def test_a_beginning_without_a_state_can_be_read_but_not_folded() -> None:
    with pytest.raises(JournalError) as raised:
        start_state(beginning(replace(CUT, state=b"")), JOURNAL)
    assert str(raised.value) == (
        f"{JOURNAL}: expected records from seq 1 on, found seq 6 first (cut out);"
        " such a journal can be read, but not folded"
    )


@pytest.mark.parametrize("exact", [True, False])
def test_a_state_that_was_cut_out_is_the_start(exact: bool) -> None:
    assert start_state(beginning(CUT), JOURNAL, exact=exact) == STATE


def test_one_of_other_code_is_good_enough_to_look_at_and_not_to_trade_on() -> None:
    fs = beginning(replace(CUT, fingerprint=bytes(16)))
    assert start_state(fs, JOURNAL) == STATE
    with pytest.raises(JournalError) as raised:
        start_state(fs, JOURNAL, exact=True)
    why = "the state it was cut with has another fingerprint here"
    assert str(raised.value) == refused(why)
    with pytest.raises(JournalError) as raised:
        from_snapshot(fs, JOURNAL, b"code")
    assert str(raised.value) == refused(why)


def refused(why: str) -> str:
    return (
        f"{JOURNAL}/base.qfb: expected a state of this program, found none: {why};"
        " replay with the version that wrote it, or begin a new journal"
    )


WRONG = State(seq=5, decided_seq=6)
NOT_TOGETHER = "the state it was cut with does not hold together"


@pytest.mark.parametrize(
    ("base", "why"),
    [
        (replace(CUT, state_seq=4), f"{NOT_TOGETHER}: it is of seq 5"),
        (replace(CUT, state=encode_state(WRONG)), f"{NOT_TOGETHER}: a decision from the future"),
        (DROPPED, "the journal has no such fingerprint at seq 6"),
    ],
    ids=["of another place", "impossible", "nothing vouches for it"],
)
def test_a_state_that_does_not_fit_is_refused(base: Base, why: str) -> None:
    fs = beginning(base)
    open_writer(fs).close()
    with pytest.raises(JournalError) as raised:
        start_state(fs, JOURNAL)
    assert str(raised.value) == refused(why)


# --- vouched for ----------------------------------------------------------------------------------


def recorded(event: AnyEvent) -> SimFs:
    """A journal that begins late, with one event."""
    fs = SimFs()
    copy = JournalCopy(fs, JOURNAL, Kind.EVENTS, DROPPED)
    copy.add(HEADER, [(6, encode_record(Record(6, 9, 0, event)))])
    return fs


HEADER = Header(1, Kind.EVENTS, False, 6, bytes(32), bytes(32), bytes(32))
FITS = Fingerprint(fingerprint(STATE))


def test_the_record_behind_a_state_vouches_for_it() -> None:
    fs = recorded(FITS)
    assert vouched_state(fs, JOURNAL, 5, encode_state(STATE)) == STATE
    assert start_state(fs, JOURNAL) == STATE
    assert start_state(fs, JOURNAL, exact=True) == STATE


OTHER = State(seq=4, now_ns=7)


@pytest.mark.parametrize(
    ("event", "seq", "state"),
    [
        (TimerFired(), 5, STATE),
        (Fingerprint(bytes(16)), 5, STATE),
        (Fingerprint(fingerprint(OTHER)), 5, OTHER),
        (FITS, 5, OTHER),
        (FITS, 6, replace(STATE, seq=6)),
    ],
    ids=[
        "another event",
        "another fingerprint",
        "a state of another place",
        "another state",
        "there is no such record",
    ],
)
def test_nothing_else_does(event: AnyEvent, seq: int, state: State) -> None:
    fs = recorded(event)
    with pytest.raises(JournalError) as raised:
        vouched_state(fs, JOURNAL, seq, encode_state(state))
    assert str(raised.value) == f"the journal has no such fingerprint at seq {seq + 1}"
