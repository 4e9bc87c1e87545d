"""The state that the fold of a journal starts from: empty, unless its oldest records are gone."""

from __future__ import annotations

from pathlib import Path

from adapters.ports import Fs
from adapters.runtime.journal_base import BASE_NAME, Base, read_base
from adapters.runtime.journal_read import JournalReader
from engine.codec import decode_record
from engine.errors import JournalError
from engine.events import Fingerprint
from engine.snapshot import decode_state
from engine.state import State, fingerprint


def start_state(fs: Fs, journal: Path, *, exact: bool = False) -> State:
    """Return the state from which the records of a journal are folded, from its `seq` + 1 on.

    Args:
        fs: Where the journal is.
        journal: Its directory.
        exact: Refuse a state cut out by a program whose states have other fields, which is good
            enough to look at, with defaults for those, but not to trade on.

    Raises:
        JournalError: the state is not known, or not that of this program.
    """
    base = read_base(fs, journal)
    if base.is_whole:
        return State()
    if not base.state:
        raise JournalError(
            f"{journal}: expected records from seq 1 on, found seq {base.first_seq} first"
            f" ({base.why}); such a journal can be read, but not folded"
        )
    try:
        if base.fingerprint:
            return _cut_state(base, exact=exact)
        return vouched_state(fs, journal, base.state_seq, base.state)
    except JournalError as error:
        raise JournalError(
            f"{journal / BASE_NAME}: expected a state of this program, found none: {error};"
            " replay with the version that wrote it, or begin a new journal"
        ) from error


def _cut_state(base: Base, *, exact: bool) -> State:
    state = decode_state(base.state)
    if exact and fingerprint(state) != base.fingerprint:
        raise JournalError("the state it was cut with has another fingerprint here")
    try:
        assert state.seq == base.state_seq, f"it is of seq {state.seq}"
        state.check()
    except AssertionError as error:
        raise JournalError(f"the state it was cut with does not hold together: {error}") from error
    return state


def vouched_state(fs: Fs, journal: Path, seq: int, encoded: bytes) -> State:
    """Decode the state after a record, and compare it with the fingerprint that follows it.

    Raises:
        JournalError: it is not what the journal recorded.
    """
    state = decode_state(encoded)
    digest = fingerprint(state)
    recorded = next(JournalReader(fs, journal).payloads(seq + 1), None)
    event = None if recorded is None else decode_record(recorded[1]).event
    if state.seq != seq or not isinstance(event, Fingerprint) or event.digest != digest:
        raise JournalError(f"the journal has no such fingerprint at seq {seq + 1}")
    return state
