"""The sequencer by itself: whose measurements of the venue's clock nonces are drawn by."""

from __future__ import annotations

from pathlib import Path

from adapters.runtime.journal import JournalWriter
from adapters.runtime.sequencer import Sequencer
from adapters.simulated_fs import SimFs
from adapters.whitebit.signing import NonceSource
from engine import events as e
from engine import intents as i
from engine.state import State
from engine.types import Settings
from tests.engine.builders import T0, S, quoted


class Still:
    """A clock that stands."""

    def now_ns(self) -> int:
        return T0


def test_nonces_go_by_what_this_run_or_its_checks_have_measured() -> None:
    nonces = NonceSource(lambda: T0)
    nonces.offset_ms = 250
    hour = 3_600 * S
    before = State(offset_low_ns=hour, offset_high_ns=hour + S, clock_fault="of another clock")
    writer, _ = JournalWriter.open(SimFs(), Path("/journal"), bytes(32), bytes(32))
    with writer:
        sequencer = Sequencer(before, writer, None, Still(), nonces)
        sequencer.start(e.RunStarted("r2", "paper", (), "{}", Settings(), (quoted(),)))
        sent = {type(each.intent): each.seq for each in sequencer.decide()}
        sequencer.take_answer(sent[i.QueryFees], T0, 503, b"")
        assert nonces.offset_ms == 250
        answer = b'{"time":%d}' % (T0 // S + 2)
        sequencer.take_answer(sent[i.QueryTime], T0, 200, answer)
        assert nonces.offset_ms == 2_000
