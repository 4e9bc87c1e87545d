"""Frame in -> signed request bytes: a session's inputs fed again, as received, to a new sequencer.

The sequencer, the normaliser, the journal writer, the fold, the decision, the encoder and the
signer are the live ones. Clock and nonces are the recorded ones, so that the run comes out the
same, which is checked by the fingerprint of its final state. Not in the figures: sockets, the raw
capture, and the disk (nothing is written or synced).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from time import perf_counter_ns
from typing import Any

import msgspec

from adapters.ports import AppendFile
from adapters.runtime.journal import JournalWriter
from adapters.runtime.quiet_gc import QuietGc
from adapters.runtime.sequencer import Sequencer
from adapters.simulated_fs import SimFs
from adapters.whitebit.outbound import STREAM_METHOD
from adapters.whitebit.responses import REST
from adapters.whitebit.signing import NonceSource, Secret, Signer
from benchmarks.figures import Row, Section, percentile, spread_us
from benchmarks.session import Session
from engine.codec import schema_hash
from engine.events import (
    BestBidOffer,
    BookDelta,
    BookSnapshot,
    Decided,
    Fingerprint,
    OutcomeUnknown,
    PublicTrades,
    Record,
    RequestSent,
    RunStarted,
    TimerFired,
)
from engine.intents import CancelOrder, ModifyOrder, PlaceOrders
from engine.state import State, fingerprint

MARKET_DATA = (BestBidOffer, BookDelta, BookSnapshot, PublicTrades)
ORDER_INTENTS = (PlaceOrders, ModifyOrder, CancelOrder)

_KEY, _SECRET = "benchmark", "not-a-real-secret"


class FrameTimes(msgspec.Struct):
    """Nanoseconds from a market-data frame to the signed headers of all requests it led to."""

    all_ns: list[int]
    acting_ns: list[int]
    """Of each decision that placed, modified or cancelled an order: from its newest frame."""
    oldest_ns: list[int]
    """The same decisions, from the oldest of the frames folded together before them."""
    requests: list[int]
    """Requests of each of these decisions."""
    fingerprint: bytes
    """Of the state at the end."""


class DiscardFile:
    """An append file that keeps nothing and syncs nothing."""

    def write(self, data: bytes | bytearray) -> None:
        """Drop the data."""

    def sync(self) -> None:
        """Return at once."""

    def close(self) -> None:
        """Return at once."""


class HeaderFs(SimFs):
    """Files that keep their first write, a segment's header, and drop everything after it."""

    def open_new(  # type: ignore[override]
        self, path: Path, *, private: bool = False
    ) -> AppendFile:
        return HeaderFile(super().open_new(path, private=private))


class HeaderFile(DiscardFile):
    """See `HeaderFs`."""

    def __init__(self, file: AppendFile) -> None:
        self._file: AppendFile | None = file

    def write(self, data: bytes | bytearray) -> None:
        if self._file is not None:
            self._file.write(data)
            self._file = None


class ScriptedClock:
    """Says the time that the journal says."""

    def __init__(self) -> None:
        self.time_ns = 0

    def now_ns(self) -> int:
        return self.time_ns


class ScriptedNonces(NonceSource):
    """Draws the journal's nonces."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(lambda: 0)
        sent = [record.event for record in records if isinstance(record.event, RequestSent)]
        self._drawn = iter([event.nonce for event in sent if event.method != STREAM_METHOD])

    def draw(self) -> int:
        return next(self._drawn)


def make_signer() -> Signer:
    """Return a signer with a made-up key."""
    return Signer(Secret(_KEY), Secret(_SECRET))


def make_journal() -> JournalWriter:
    """Open a journal that writes nothing."""
    config_hash = hashlib.sha256(b"").digest()
    journal, _ = JournalWriter.open(HeaderFs(), Path("/journal"), schema_hash(), config_hash)
    return journal


class Feeder:
    """Feeds one session to one new sequencer, timing each market-data frame.

    What to call for each record is looked up before anything is timed.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._clock = ScriptedClock()
        nonces = ScriptedNonces(session.records)
        self._sequencer = Sequencer(State(), make_journal(), None, self._clock, nonces)
        self._quiet_gc = QuietGc()
        self._sign = make_signer().headers
        self._starts: list[int] = []  # of the market-data frames folded since the last decision
        self._times = FrameTimes([], [], [], [], b"")
        self._timed_frame = self._timed()
        self._script = [(r.seq, r.recv_ns, *self._call_for(r)) for r in session.records]

    def run(self) -> FrameTimes:
        """Feed everything; the result's fingerprint must be the session's."""
        sequencer, clock = self._sequencer, self._clock
        with self._quiet_gc:
            for seq, recv_ns, call, arguments in self._script:
                if seq > sequencer.state.seq:
                    # Otherwise it followed from an input, and the sequencer has made it itself.
                    clock.time_ns = recv_ns
                    call(*arguments)
        self._times.fingerprint = fingerprint(sequencer.state)
        return self._times

    def _call_for(self, record: Record) -> tuple[Callable[..., object], tuple[Any, ...]]:
        event, recv_ns, sequencer = record.event, record.recv_ns, self._sequencer
        raw = self._session.raw.get(record.seq)
        if isinstance(event, Decided):
            return self._decide, ()
        if isinstance(event, Fingerprint):
            return sequencer.fingerprint, ()
        if isinstance(event, RunStarted):
            return sequencer.start, (event,)
        if isinstance(event, OutcomeUnknown):
            return sequencer.take_failure, (record.cause_seq, recv_ns, event.reason)
        if raw is not None and raw.stream.startswith(f"{REST} "):
            status = int(raw.stream.removeprefix(REST))
            return sequencer.take_answer, (record.cause_seq, recv_ns, status, raw.data)
        if raw is not None:
            timed = isinstance(event, MARKET_DATA)
            call = self._timed_frame if timed else sequencer.take_frame
            return call, (raw.stream, recv_ns, raw.data)
        if isinstance(event, TimerFired):
            return self._timer, (event, recv_ns)
        return sequencer.take, (event, recv_ns, record.cause_seq)

    def _timed(self) -> Callable[[str, int, bytes], None]:
        note, take_frame = self._starts.append, self._sequencer.take_frame

        def timed_frame(stream: str, recv_ns: int, data: bytes) -> None:
            note(perf_counter_ns())
            take_frame(stream, recv_ns, data)

        return timed_frame

    def _timer(self, event: TimerFired, recv_ns: int) -> None:
        # As the live loop does.
        self._sequencer.take(event, recv_ns)
        self._sequencer.sync()
        self._quiet_gc.after_timer(busy=False)

    def _decide(self) -> None:
        outgoing = self._sequencer.decide()
        for out in outgoing:
            if out.request.method == "POST":
                self._sign(out.request.path, out.request.body)
        end = perf_counter_ns()
        waited = [end - start for start in self._starts]
        self._starts.clear()
        times = self._times
        times.all_ns += waited
        if waited and any(isinstance(out.intent, ORDER_INTENTS) for out in outgoing):
            times.acting_ns.append(waited[-1])
            times.oldest_ns.append(waited[0])
            times.requests.append(len(outgoing))


def measure_frames(session: Session, passes: int) -> Section:
    """Feed the session several times and report the quietest pass.

    Raises:
        RuntimeError: the session came out differently, so that its times mean nothing.
    """
    runs: list[FrameTimes] = []
    for _ in range(passes):
        times = Feeder(session).run()
        if times.fingerprint != session.fingerprint:
            raise RuntimeError(
                f"frame benchmark: expected final state {session.fingerprint.hex()},"
                f" found {times.fingerprint.hex()}; run `quotefold replay --verify` on a journal"
            )
        runs.append(times)
    quiet = min(runs, key=lambda run: _median(run.all_ns))
    acting = min(runs, key=lambda run: _median(run.acting_ns))
    return Section(
        key="frames",
        title="frame in -> signed request bytes",
        rows=[
            spread_us("all frames", quiet.all_ns),
            _acting(acting),
            spread_us("acting, from the oldest", acting.oldest_ns),
        ],
        notes=[
            f"{session.label}; one market, 2 levels a side, {session.seconds:g} s of market data;"
            f" of {passes} passes the quietest by p50, for all and for the acting frames.",
            "From before the frame is normalised to the signed headers of every request of its"
            " decision (how many on average: requests). Frames that wait together are folded before"
            " one decision: it counts as the act of the newest, and from the oldest in the row"
            " below.",
            "Journal included, without fdatasync; raw capture off; garbage collected at each"
            " timer, as in a run.",
            "Checked: the final state's fingerprint equals the session's.",
        ],
    )


def _acting(times: FrameTimes) -> Row:
    row = spread_us("acting frames", times.acting_ns)
    if times.acting_ns:
        row.figures["share_pct"] = 100 * len(times.acting_ns) / len(times.all_ns)
        row.figures["requests"] = fmean(times.requests)
    return row


def _median(times_ns: list[int]) -> int:
    return percentile(sorted(times_ns), 50.0) if times_ns else 0
