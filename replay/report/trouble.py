"""What the report says of trouble: refusals and stages of risk, streams, gaps, stalls, unknowns."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import msgspec

from engine import events as e
from engine.stages import Stage
from engine.state import State

FIRST, NEWEST = 40, 160
"""Incidents that are listed: the first ones, and the newest; all are counted."""


class Incident(msgspec.Struct, frozen=True, gc=False):
    """Something that a reader of the report wants to know of."""

    seq: int
    at_ns: int
    kind: str
    where: str
    """Market or stream; empty for the whole."""
    text: str


class Rule(msgspec.Struct):
    """One rule that held something back."""

    count: int = 0
    last_ns: int = 0
    last: str = ""


class StreamTime(msgspec.Struct):
    """One stream over time."""

    ready_ns: int = 0
    down_ns: int = 0
    closed: int = 0
    outage_ns: int = 0
    """The longest."""
    since_ns: int = 0
    is_ready: bool = False

    def turn(self, now_ns: int, *, is_ready: bool) -> None:
        """Change, or stay, at a moment."""
        took_ns = max(0, now_ns - self.since_ns)
        if self.is_ready:
            self.ready_ns += took_ns
        else:
            self.down_ns += took_ns
            self.outage_ns = max(self.outage_ns, took_ns)
        self.since_ns, self.is_ready = now_ns, is_ready


class Trouble:
    """Risk and links while a journal is folded."""

    def __init__(self, start: State, now_ns: int) -> None:
        """Begin to count at a state."""
        self.refusals: dict[tuple[str, str, str], Rule] = {}
        """Of risk: by market, rule, and endpoint where it is the venue's limit."""
        self.stages: dict[tuple[str, str, str], Rule] = {}
        """By market, rule and stage."""
        self.stage_ns: Counter[tuple[str, str]] = Counter()
        self.counts: Counter[str] = Counter()
        self.streams: dict[str, StreamTime] = {}
        self.stalled_ns = 0
        self._first: list[Incident] = []
        self._newest: deque[Incident] = deque(maxlen=NEWEST)
        self._ticked_ns = 0
        self._halted, self._seen = start.halted, start.markets
        for stream, link in start.links.items():
            is_ready = link.status.value == "ready"
            self.streams[stream] = StreamTime(since_ns=now_ns, is_ready=is_ready)
        market = self._market_data
        self.handlers: dict[type, Callable[[State, e.Record, Any, State], None]] = {
            **dict.fromkeys((e.BookDelta, e.BookSnapshot, e.BestBidOffer), market),
            e.TimerFired: self._timer,
            e.Decided: self._decided,
            e.OutcomeUnknown: self._outcome_unknown,
            e.LoopStalled: self._stalled,
            e.StreamReady: self._stream_ready,
            e.StreamClosed: self._stream_closed,
            e.RunStarted: self._run_started,
            e.RunEnded: self._run_ended,
            e.FrameRefused: lambda b, r, v, a: self._add(
                r, "frame refused", v.market or v.stream, v.reason
            ),
            e.TailCut: lambda b, r, v, a: self._add(
                r, "tail cut", "", f"{v.segment} offset {v.offset}: {v.bytes_cut} bytes"
            ),
            e.ChoreFailed: lambda b, r, v, a: self._add(r, "chore failed", v.chore, v.reason),
            e.HistoryDropped: lambda b, r, v, a: self._add(
                r, "history dropped", "", f"seqs below {v.first_seq}, {v.bytes_dropped} bytes"
            ),
            e.StopRequested: lambda b, r, v, a: self._add(r, "stop", "", v.reason),
            e.PlacingForbidden: lambda b, r, v, a: self._add(r, "placing forbidden", "", v.reason),
            e.PlacingAllowed: lambda b, r, v, a: self._add(r, "placing allowed", "", ""),
            e.OperatorCommanded: lambda b, r, v, a: self._add(
                r, "operator", v.market, f"{v.command} {v.argument}".strip()
            ),
            e.ParametersChanged: lambda b, r, v, a: self._add(
                r, "parameters", v.market, v.parameters
            ),
        }

    def _add(self, record: e.Record, kind: str, where: str, text: str) -> None:
        self._tell(record.seq, record.recv_ns, kind, where, text)

    def _tell(self, seq: int, at_ns: int, kind: str, where: str, text: str) -> None:
        self.counts[kind] += 1
        incident = Incident(seq, at_ns, kind, where, text[:400])
        if len(self._first) < FIRST:
            self._first.append(incident)
        else:
            self._newest.append(incident)

    @property
    def incidents(self) -> list[Incident]:
        """Those that are listed, oldest first."""
        return [*self._first, *self._newest]

    # --- what a record tells ------------------------------------------------------------------

    def noted(self, before: State, record: e.Record, after: State) -> None:
        """A fact that cannot be, as far as the engine knows."""
        self._add(record, "anomaly", "", after.last_anomaly)

    def _market_data(self, before: State, record: e.Record, event: Any, after: State) -> None:
        if after.attention_seq != record.seq:
            return
        one, other = before.markets.get(event.market), after.markets.get(event.market)
        if one is not None and other is not None and other.feed.gaps > one.feed.gaps:
            kind = type(event).__name__
            text = f"{kind} {event.update_id} does not follow {one.feed.book.update_id}"
            self._add(record, "gap", event.market, text)

    def _timer(self, before: State, record: e.Record, event: e.TimerFired, after: State) -> None:
        elapsed_ns = max(0, record.recv_ns - self._ticked_ns) if self._ticked_ns else 0
        self._ticked_ns = record.recv_ns
        for name, market in after.markets.items():
            self.stage_ns[name, market.stage.name] += elapsed_ns
        self._look(after)
        if before.requests:
            for seq, request in before.requests.items():
                now = after.requests.get(seq)
                if now is not None and now.expired and not request.expired:
                    kind = type(request.intent).__name__
                    text = f"{kind} of seq {seq}: no answer by its deadline"
                    self._add(record, "unknown", getattr(request.intent, "market", ""), text)

    def _look(self, state: State) -> None:
        # At what any record since the last look may have changed.
        def add(kind: str, where: str, text: str) -> None:
            self._tell(state.seq, state.now_ns, kind, where, text)

        if state.halted and not self._halted:
            add("halted", "", state.halted)
        self._halted = state.halted
        for name, market in state.markets.items():
            was = self._seen.get(name, market)
            if was is market:
                continue
            if market.unknown_for_long and not was.unknown_for_long:
                add("unknown for long", name, market.unknown_for_long)
            if market.breaks > was.breaks:
                add("break", name, "reports and deals differ")
            if market.halted and not was.halted:
                add("halted", name, market.halted)
            if market.feed.doubt and not was.feed.doubt:
                add("doubt", name, market.feed.doubt)
        self._seen = state.markets

    def _outcome_unknown(
        self, before: State, record: e.Record, event: e.OutcomeUnknown, after: State
    ) -> None:
        request = before.requests.get(record.cause_seq)
        intent = None if request is None else request.intent
        text = f"{type(intent).__name__}: {event.reason}" if intent else event.reason
        self._add(record, "unknown", getattr(intent, "market", ""), text)

    def _stalled(self, before: State, record: e.Record, event: e.LoopStalled, after: State) -> None:
        self.stalled_ns += event.gap_ns
        self._add(record, "stall", "", f"the loop did not run for {event.gap_ns / 1e9:.3f} s")

    # --- risk ---------------------------------------------------------------------------------

    def _decided(self, before: State, record: e.Record, event: e.Decided, after: State) -> None:
        for refusal in event.refusals:
            key = (refusal.market, refusal.rule, refusal.key)
            _count(self.refusals.setdefault(key, Rule()), record, refusal.reason)
        for change in event.stages:
            hold = change.hold
            stage = "lifted" if hold.stage is Stage.QUOTE else hold.stage.name
            rule = self.stages.setdefault((change.market, hold.rule, stage), Rule())
            _count(rule, record, hold.reason)
            self._add(record, "stage", change.market, f"{hold.rule}: {stage}, {hold.reason}")

    # --- streams and runs ---------------------------------------------------------------------

    def _stream(self, stream: str, now_ns: int) -> StreamTime:
        if stream not in self.streams:
            self.streams[stream] = StreamTime(since_ns=now_ns)
        return self.streams[stream]

    def _stream_ready(
        self, before: State, record: e.Record, event: e.StreamReady, after: State
    ) -> None:
        self._stream(event.stream, record.recv_ns).turn(record.recv_ns, is_ready=True)
        self._add(record, "stream ready", event.stream, "")

    def _stream_closed(
        self, before: State, record: e.Record, event: e.StreamClosed, after: State
    ) -> None:
        stream = self._stream(event.stream, record.recv_ns)
        stream.closed += stream.is_ready
        stream.turn(record.recv_ns, is_ready=False)
        self._add(record, "stream closed", event.stream, event.reason)

    def _run_started(
        self, before: State, record: e.Record, event: e.RunStarted, after: State
    ) -> None:
        self._look(before)
        self._halted, self._seen = after.halted, after.markets
        # What lay between two runs is nobody's outage.
        self._ticked_ns = 0
        for stream in {**self.streams, **after.links}:
            found = self._stream(stream, record.recv_ns)
            if found.is_ready:
                found.turn(before.now_ns, is_ready=False)
            found.since_ns = record.recv_ns
        self._add(record, "run started", "", f"{event.run_id} ({event.mode})")

    def _run_ended(self, before: State, record: e.Record, event: e.RunEnded, after: State) -> None:
        clean = "clean" if event.clean else "NOT CLEAN"
        self._add(record, "run ended", "", f"{clean}: {event.reason}")

    def end(self, state: State) -> None:
        """The journal is over."""
        self._look(state)
        for stream in self.streams.values():
            stream.turn(state.now_ns, is_ready=stream.is_ready)

    # --- figures ------------------------------------------------------------------------------

    def stream_rows(self) -> dict[str, Any]:
        """Return how long each stream was ready, in the runs of the window."""
        rows = {}
        for name, stream in self.streams.items():
            whole = stream.ready_ns + stream.down_ns
            rows[name] = {
                "ready": round(stream.ready_ns / whole, 6) if whole else None,
                "ready_ns": stream.ready_ns,
                "down_ns": stream.down_ns,
                "longest_outage_ns": stream.outage_ns,
                "closed": stream.closed,
            }
        return rows


def _count(rule: Rule, record: e.Record, reason: str) -> None:
    rule.count += 1
    rule.last_ns, rule.last = record.recv_ns, reason
