"""Figures of a run for a monitoring system, fed by the journal's records and by nothing else.

The observer only counts, in plain integers; whatever can be read from the state is read when
somebody asks. So a run pays about a tenth of a microsecond a record, and a replayed journal would
show what the live run showed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from engine import events as e
from engine.gates import closed_gate
from engine.intents import Intent
from engine.refusals import classify
from engine.state import State

NS_PER_S = 1_000_000_000
LATENCY_BUCKETS_NS: tuple[int, ...] = tuple(
    ms * 1_000_000 for ms in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
)
"""From a venue on this machine to a request that has met its deadline."""
STREAM = "websocket"
"""Endpoint of what goes out on a stream, which has no answer of its own."""
HEALTHY_NS = 5 * NS_PER_S
"""The loop turns ten times a second; one that has not for so long hangs."""


def gate_kind(gate: str) -> str:
    """Return what kind of gate it is: its words without what differs from time to time."""
    kind = gate.partition(":")[0]
    return _FIGURE.sub("N", _ORDER_ID.sub("order", kind))


_ORDER_ID = re.compile(r"\border \S+")
_FIGURE = re.compile(r"\d[\d.,]*")


class Latency(msgspec.Struct):
    """How long answers of one endpoint took."""

    buckets: list[int]
    """Answers within each of `LATENCY_BUCKETS_NS` and above the last, not cumulated."""
    total_ns: int = 0

    def add(self, took_ns: int) -> None:
        self.buckets[bisect_left(LATENCY_BUCKETS_NS, took_ns)] += 1
        self.total_ns += took_ns


def outcome_of(event: e.AnyEvent) -> str:
    """Say in one word what became of the request that an event answers."""
    return _OUTCOMES.get(type(event), "ok")


_OUTCOMES: dict[type, str] = {
    e.RequestRefused: "refused",
    e.RequestThrottled: "throttled",
    e.OutcomeUnknown: "unknown",
    e.FrameRefused: "malformed",
    e.RequestWithheld: "withheld",
}

ANSWERS: frozenset[type] = frozenset(
    {
        *_OUTCOMES,
        *(e.OrdersPlaced, e.OrderModified, e.OrderCancelled, e.OrdersAllCancelled),
        *(e.KillSwitchArmed, e.KillSwitchDisarmed, e.KillSwitchesListed, e.OpenOrdersListed),
        *(e.FillsListed, e.SpotBalancesListed, e.MarginBalancesListed, e.PositionsListed),
        *(e.FeesListed, e.FundingListed, e.ServerTimeReported, e.MarketsListed),
    }
)
"""Types of the events that answer a request, when their record names one as its cause."""


class Metrics:
    """What a run has counted, and its state; `observe` is the observer of its sequencer.

    Attributes:
        state: After the last record.
        requests: (endpoint, outcome) -> answers; a stream's frames count as `sent`.
        intents: (name of an intent) -> how often it was formed.
        refusals: (market, who refused: `risk` or `venue`, rule) -> how often.
        closings: (market, gate) -> how often quoting stopped for it.
        streams: (stream) -> how often it ended.
        frames_refused: (stream, or `rest`) -> frames and answers that could not be read.
        latencies: By endpoint.
        turned_ns: When the loop last turned.
    """

    def __init__(self) -> None:
        self.state = State()
        self.requests: Counter[tuple[str, ...]] = Counter()
        self.intents: Counter[tuple[str, ...]] = Counter()
        self.refusals: Counter[tuple[str, ...]] = Counter()
        self.closings: Counter[tuple[str, ...]] = Counter()
        self.streams: Counter[tuple[str, ...]] = Counter()
        self.frames_refused: Counter[tuple[str, ...]] = Counter()
        self.latencies: dict[str, Latency] = {}
        self.decisions = 0
        self.stalls = self.stalled_ns = 0
        self.turned_ns = 0
        # Requests without an answer: as many as the state's own, which deadlines bound.
        self._in_flight: dict[int, tuple[str, int, Intent]] = {}
        self._gates: dict[str, str] = {}
        self._take: dict[type, Callable[[e.Record, Any], None]] = {
            **dict.fromkeys(ANSWERS, self._answered),
            e.RunStarted: self._started,
            e.TimerFired: self._ticked,
            e.Decided: self._decided,
            e.RequestSent: self._sent,
            e.OrdersPlaced: self._placed,
            e.FrameRefused: self._frame_refused,
            e.LoopStalled: self._stalled,
            e.StreamClosed: self._stream_closed,
        }

    def observe(self, state: State, record: e.Record) -> None:
        """Count a record, right after it was folded into `state`."""
        self.state = state
        take = self._take.get(type(record.event))
        if take is not None:
            take(record, record.event)

    def is_healthy(self, now_ns: int) -> bool:
        """Tell whether the loop has turned lately; False before it began."""
        return 0 <= now_ns - self.turned_ns < HEALTHY_NS

    @property
    def in_flight(self) -> int:
        """Requests that have no answer yet."""
        return len(self._in_flight)

    @property
    def gates(self) -> dict[str, str]:
        """Market -> kind of the gate that keeps it from being quoted; empty while it may."""
        return dict(self._gates)

    # --- what a record counts for -------------------------------------------------------------

    def _started(self, record: e.Record, _event: e.RunStarted) -> None:
        # What an earlier run had in flight has no answer to come.
        self._in_flight.clear()
        self.turned_ns = record.recv_ns

    def _ticked(self, record: e.Record, _event: e.TimerFired) -> None:
        self.turned_ns = record.recv_ns
        for name, market in self.state.markets.items():
            gate = gate_kind(closed_gate(self.state, market))
            if gate != self._gates.get(name, ""):
                self._gates[name] = gate
                if gate:
                    self.closings[name, gate] += 1

    def _decided(self, _record: e.Record, event: e.Decided) -> None:
        self.decisions += 1
        for intent in event.intents:
            self.intents[type(intent).__name__,] += 1
        for refusal in event.refusals:
            self.refusals[refusal.market, "risk", refusal.rule] += 1

    def _sent(self, record: e.Record, event: e.RequestSent) -> None:
        if event.method in ("GET", "POST"):
            intent = self.state.decided[event.index]
            self._in_flight[record.seq] = (event.path, record.recv_ns, intent)
        else:
            self.requests[STREAM, "sent"] += 1

    def _answered(self, record: e.Record, event: e.AnyEvent) -> None:
        sent = self._in_flight.pop(record.cause_seq, None)
        if sent is None:
            return
        path, sent_ns, intent = sent
        outcome = outcome_of(event)
        self.requests[path, outcome] += 1
        if outcome not in ("unknown", "withheld"):
            latency = self.latencies.get(path)
            if latency is None:
                empty = [0] * (len(LATENCY_BUCKETS_NS) + 1)
                latency = self.latencies[path] = Latency(empty)
            latency.add(record.recv_ns - sent_ns)
        if isinstance(event, e.RequestRefused):
            market = getattr(intent, "market", "")
            self.refusals[market, "venue", classify(event.refusal).value] += 1

    def _placed(self, record: e.Record, event: e.OrdersPlaced) -> None:
        for result in event.results:
            if result.refusal is not None:
                self.refusals[event.market, "venue", classify(result.refusal).value] += 1
        self._answered(record, event)

    def _frame_refused(self, record: e.Record, event: e.FrameRefused) -> None:
        self.frames_refused[event.stream,] += 1
        self._answered(record, event)

    def _stalled(self, _record: e.Record, event: e.LoopStalled) -> None:
        self.stalls += 1
        self.stalled_ns += event.gap_ns

    def _stream_closed(self, _record: e.Record, event: e.StreamClosed) -> None:
        self.streams[event.stream,] += 1
