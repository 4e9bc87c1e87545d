"""Where the time from frame to signed bytes goes: each stage of the sequencer timed by itself.

The stages call what the sequencer calls, in its order, and every result is compared with the
journal's. Reading the clock costs each of them about 0.05 µs.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

from adapters.whitebit.normalise import Normaliser
from adapters.whitebit.outbound import STREAM_METHOD, outbound
from benchmarks.feeding import MARKET_DATA, ORDER_INTENTS, make_journal, make_signer
from benchmarks.figures import Section, spread_us
from benchmarks.session import Session
from engine.codec import encode_record
from engine.events import Decided, Record, RequestSent, RunStarted
from engine.reduce import reduce
from engine.state import State
from engine.step import decide
from engine.types import Market

_STAGES = (
    "normalise",
    "journal append",
    "reduce",
    "decide: nothing to do",
    "decide: acting",
    "append and reduce the decision",
    "encode request",
    "sign request",
    "append and reduce the request",
    "journal flush",
)


class StageTimer:
    """Walks through a session's records, timing each stage where it comes up."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._journal = make_journal()
        self._sign = make_signer().headers
        self._normaliser = Normaliser({})
        self._markets: dict[str, Market] = {}
        self._state = State()
        self.times: dict[str, list[int]] = {name: [] for name in _STAGES}

    def run(self) -> None:
        """Time every stage of every record it occurs in."""
        for record in self._session.records:
            event = record.event
            if isinstance(event, RunStarted):
                self._markets = {quoted.market.name: quoted.market for quoted in event.quoted}
                self._normaliser = Normaliser(self._markets)
            if isinstance(event, MARKET_DATA):
                self._frame(record)
            elif isinstance(event, Decided):
                self._decision(record, event)
            elif isinstance(event, RequestSent):
                self._request(record, event)
            else:
                self._fold(record)

    def _fold(self, record: Record) -> tuple[int, int]:
        # Returns the cost of the append and of the fold.
        start = perf_counter_ns()
        self._journal.append(record.seq, encode_record(record))
        appended = perf_counter_ns()
        self._state = reduce(self._state, record)
        return appended - start, perf_counter_ns() - appended

    def _frame(self, record: Record) -> None:
        raw = self._session.raw[record.seq]
        start = perf_counter_ns()
        event = self._normaliser.frame(raw.stream, raw.data)
        self.times["normalise"].append(perf_counter_ns() - start)
        _check(record, event, record.event)
        append_ns, reduce_ns = self._fold(record)
        self.times["journal append"].append(append_ns)
        self.times["reduce"].append(reduce_ns)

    def _decision(self, record: Record, event: Decided) -> None:
        start = perf_counter_ns()
        decided = decide(self._state)
        spent = perf_counter_ns() - start
        _check(record, decided, event)
        acting = any(isinstance(intent, ORDER_INTENTS) for intent in event.intents)
        if acting or not event.intents:
            self.times["decide: acting" if acting else "decide: nothing to do"].append(spent)
        both_ns = self._fold(record)
        self.times["append and reduce the decision"].append(both_ns[0] + both_ns[1])

    def _request(self, record: Record, event: RequestSent) -> None:
        intent = self._state.decided[event.index]
        start = perf_counter_ns()
        request = outbound(intent, event.nonce, self._markets, self._state.settings)
        encoded = perf_counter_ns()
        if request.method == "POST":
            self._sign(request.path, request.body)
        signed = perf_counter_ns()
        _check(record, request.body, event.body)
        append_ns, reduce_ns = self._fold(record)
        folded = perf_counter_ns()
        self._journal.sync()
        flushed = perf_counter_ns()
        if event.method != STREAM_METHOD and isinstance(intent, ORDER_INTENTS):
            self.times["encode request"].append(encoded - start)
            self.times["sign request"].append(signed - encoded)
            self.times["append and reduce the request"].append(append_ns + reduce_ns)
            self.times["journal flush"].append(flushed - folded)


def _check(record: Record, found: Any, recorded: Any) -> None:
    if found != recorded:
        raise RuntimeError(f"stage benchmark: seq {record.seq} came out differently: {found}")


def measure_stages(session: Session) -> Section:
    """Time each stage over one pass of the session.

    Raises:
        RuntimeError: a stage came out differently from the journal.
    """
    timer = StageTimer(session)
    timer.run()
    return Section(
        key="stages",
        title="the same, stage by stage",
        rows=[spread_us(name, timer.times[name]) for name in _STAGES],
        notes=[
            f"{session.label}. The first three are of market-data frames, the next three of all"
            " decisions, the rest of requests that place, modify or cancel.",
        ],
    )
